"""What a trainer sees of a text: windows by their evidence, and copies spelt around a filter."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import AutoTokenizer

from classifier.attacks import TECHNIQUES
from classifier.encoder.windows import Windower
from classifier.errors import DataError
from classifier.examples import Example
from classifier.training.augment import augmented
from classifier.training.encoding import MAX_BENIGN_WINDOWS, training_rows


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    return AutoTokenizer.from_pretrained(tiny_base)


def rows(examples, policy, tokenizer, **options):
    return training_rows(examples, policy, tokenizer, max_tokens=12, source_input="token_type", overlap_tokens=2, **options)


LONG = "今天我们在小区门口看见一只猫" * 3
SELLING = Example("v", f"{LONG}收U出U加微信{LONG}", "bio", ("trading",), 2, evidence=("收U出U",))


def test_a_long_violating_text_gives_the_window_with_its_evidence(policy, tokenizer):
    made = rows([SELLING], policy, tokenizer, evidence_windows=True)
    assert len(made) == 1
    assert "收 U 出 U" in tokenizer.decode(made[0]["input_ids"], skip_special_tokens=True).replace("##", "")
    assert made[0]["labels"][policy.category_ids.index("trading")] == 1.0
    assert set(made[0]["token_type_ids"]) == {1}


def test_without_evidence_windows_it_is_cut_at_its_beginning(policy, tokenizer):
    made = rows([SELLING], policy, tokenizer)
    assert len(made) == 1
    assert "U" not in tokenizer.decode(made[0]["input_ids"])


def test_a_long_benign_text_gives_its_first_windows(policy, tokenizer):
    made = rows([Example("b", LONG, "post", (), 0), Example("c", "今天", "post", (), 0)], policy, tokenizer, evidence_windows=True)
    assert len(made) == MAX_BENIGN_WINDOWS + 1
    assert max(made["length"]) <= 12
    assert not np.any(made["labels"])


def test_a_violating_text_without_evidence_gives_its_beginning(policy, tokenizer):
    bare = Example("v", SELLING.text, "post", ("trading",), 2)
    first = tokenizer(SELLING.text, truncation=True, max_length=12)["input_ids"]
    assert rows([bare], policy, tokenizer, evidence_windows=True)[0]["input_ids"] == first


def test_a_violating_text_without_severity_is_refused(policy, tokenizer):
    with pytest.raises(DataError, match="expected a severity on every violating text"):
        rows([Example("v", "收U", "post", ("trading",), None)], policy, tokenizer)


SAID = "收U出U,微信群里老师带单,日息三百元,藏品低价转让,大家快加微信"


def test_augmenting_adds_copies_of_both_kinds_with_their_labels():
    examples = [Example(f"v{i}", f"{SAID}{i}", "post", ("trading",), 2, evidence=("收U出U",)) for i in range(40)]
    examples += [Example(f"b{i}", f"新闻:{SAID}{i}", "post", (), 0) for i in range(40)]
    made = augmented(examples, share=0.5, seed=3)
    assert made[:80] == tuple(examples)
    copies = made[80:]
    assert 20 < len(copies) <= 40
    assert {copy.violating for copy in copies} == {True, False}
    by_id = {example.id: example for example in examples}
    for copy in copies:
        original = by_id[copy.id.partition("#")[0]]
        assert copy.text != original.text
        assert (copy.categories, copy.severity) == (original.categories, original.severity)
        assert all(evidence in copy.text for evidence in copy.evidence)
    used = {copy.id.partition("#")[2].rpartition("-")[0] for copy in copies}
    assert used <= {name for name, technique in TECHNIQUES.items() if not technique.undone}
    assert len(used) > 4


def test_augmenting_is_decided_by_the_seed_and_off_by_a_share_of_0():
    examples = [Example(f"v{i}", f"{SAID}{i}", "post", ("trading",), 2) for i in range(20)]
    assert augmented(examples, share=0, seed=1) == tuple(examples)
    assert augmented(examples, share=0.5, seed=1) == augmented(examples, share=0.5, seed=1)
    assert augmented(examples, share=0.5, seed=1) != augmented(examples, share=0.5, seed=2)


def test_the_source_as_the_first_text_of_a_pair(policy, tokenizer, tiny_base):
    options = {"max_tokens": 16, "overlap_tokens": 2, "source_input": "text_pair"}
    whole = [Example("b", LONG, "post", (), 0), Example("c", "今天", "bio", (), 0)]
    made = training_rows(whole, policy, tokenizer, evidence_windows=True, **options)
    served = Windower(tiny_base / "tokenizer.json", **options).windows([LONG, "今天"], [0, 1])
    seen = [(window.ids, window.types) for window in served if window.text_index == 1 or window in served[:MAX_BENIGN_WINDOWS]]
    assert [(tuple(row["input_ids"]), tuple(row["token_type_ids"])) for row in made] == seen
    assert max(made["length"]) <= 16
    assert made[-1]["token_type_ids"][0] == 0
    assert made[-1]["token_type_ids"][-1] == 1


def test_evidence_is_found_behind_the_name_of_the_source(policy, tokenizer):
    made = training_rows(
        [SELLING], policy, tokenizer, max_tokens=16, overlap_tokens=2, source_input="text_pair", evidence_windows=True, evidence_marks=True
    )
    marked = [token for token, mark in zip(made[0]["input_ids"], made[0]["evidence_marks"], strict=True) if mark == 1]
    assert "".join(tokenizer.convert_ids_to_tokens(marked)).replace("##", "") == "收U出U"
