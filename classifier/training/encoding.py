"""Labelled texts as rows that a trainer takes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import numpy as np
import numpy.typing as npt
import torch
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase

from classifier.encoder.windows import SOURCE_NAMES
from classifier.errors import DataError, Problem
from classifier.examples import Example, n_without_severity, source_number, targets_of
from classifier.policy import Policy
from classifier.text import normalise

MAX_BENIGN_WINDOWS = 3


def training_rows(
    examples: Sequence[Example],
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_tokens: int,
    source_input: str,
    overlap_tokens: int = 0,
    evidence_windows: bool = False,
    evidence_marks: bool = False,
    groups: bool = False,
    targets: npt.NDArray[np.float32] | None = None,
) -> datasets.Dataset:
    """Rows with ``input_ids``, ``attention_mask``, ``token_type_ids``, ``length`` and ``labels`` (float from 0 to 1, one for each question).

    Without ``evidence_windows`` each text is one row, cut at ``max_tokens``. With it a text that needs several windows gives one row of the window
    that holds most of its annotated evidence when it is violating (the beginning where it has none), and up to ``MAX_BENIGN_WINDOWS`` rows of its
    first windows when it is benign: a long text is then never called violating by a window that does not show why.

    :param evidence_marks: also ``evidence_marks``, for each token 1 (in the evidence), 0 (not) or -1 (special, or of a violating text that has
        no evidence).
    :param groups: also ``groups``, the number of the text's group, -1 for none.
    :param targets: in place of the examples' own answers, *Shape:* (n_texts, n_questions).
    :raises DataError: when a violating text carries no severity, which training needs.
    """
    missing = n_without_severity(examples)
    if missing:
        raise DataError((Problem("training data", 0, "severity", f"expected a severity on every violating text, but {missing} carry none"),))
    texts = [normalise(example.text).text for example in examples]
    pair, numbers = source_input == "text_pair", [source_number(example.source, source_input) for example in examples]
    encoded: Any = tokenizer(
        *([[SOURCE_NAMES[number] for number in numbers], texts] if pair else [texts]),
        truncation="only_second" if pair else True,
        max_length=max_tokens,
        stride=overlap_tokens if evidence_windows else 0,
        return_token_type_ids=True,
        return_overflowing_tokens=evidence_windows,
        return_offsets_mapping=evidence_windows or evidence_marks,
    )
    owners = encoded["overflow_to_sample_mapping"] if evidence_windows else range(len(texts))
    kept = list(range(len(texts)))
    if pair and "offset_mapping" in encoded:
        # Places in the name of the source are none in the text.
        parts = zip(encoded["offset_mapping"], encoded["token_type_ids"], strict=True)
        encoded["offset_mapping"] = [[place if second else (0, 0) for place, second in zip(*part, strict=True)] for part in parts]
    if evidence_windows:
        kept = _kept_windows(examples, texts, owners, encoded["offset_mapping"])
    if targets is None:
        targets = targets_of(examples, policy).astype(np.float32)
    ids = [encoded["input_ids"][i] for i in kept]
    rows = {
        "input_ids": ids,
        "attention_mask": [encoded["attention_mask"][i] for i in kept],
        "token_type_ids": [encoded["token_type_ids"][i] if pair else [numbers[owners[i]]] * len(window) for i, window in zip(kept, ids, strict=True)],
        "labels": [targets[owners[i]].tolist() for i in kept],
        "length": [len(window) for window in ids],
    }
    if groups:
        rows["groups"] = [group_number(examples[owners[i]].group) for i in kept]
    if evidence_marks:
        rows["evidence_marks"] = [_marks(examples[owners[i]], texts[owners[i]], encoded["offset_mapping"][i]) for i in kept]
    return datasets.Dataset.from_dict(rows)


class Collator:
    """Rows of ``training_rows`` as a batch: padded, without the columns that only a sampler reads; ``evidence_marks`` are -1 on padding."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._pad = DataCollatorWithPadding(tokenizer)

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """A batch of tensors, *Shape:* (n_texts, n_tokens) but for ``labels`` (n_texts, n_questions) and ``groups`` (n_texts,)."""
        batch: dict[str, torch.Tensor] = dict(self._pad([{k: v for k, v in row.items() if k not in ("length", "evidence_marks")} for row in rows]))
        if "evidence_marks" in rows[0]:
            marks = [torch.tensor(row["evidence_marks"]) for row in rows]
            batch["evidence_marks"] = torch.nn.utils.rnn.pad_sequence(marks, batch_first=True, padding_value=-1)
        return batch


def group_number(group: str | None) -> int:
    """A number that the name of a group alone decides, -1 for none.

    >>> group_number(None), group_number("a") == group_number("a"), group_number("a") == group_number("b")
    (-1, True, False)
    """
    return -1 if group is None else int(hashlib.sha256(group.encode("utf-8")).hexdigest()[:15], 16)


def _marks(example: Example, text: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """One of -1, 0, 1 for each token of a window."""
    marked = _evidence_places(example, text)
    unknown = example.violating and not marked.any()
    return [-1 if unknown or start == end else int(marked[start:end].any()) for start, end in offsets]


def _kept_windows(
    examples: Sequence[Example], texts: Sequence[str], owners: Sequence[int], offsets: Sequence[Sequence[tuple[int, int]]]
) -> list[int]:
    """Positions of the windows that are trained on, in the order of the texts."""
    windows_of: dict[int, list[int]] = {}
    for window, owner in enumerate(owners):
        windows_of.setdefault(owner, []).append(window)
    kept = []
    for owner, windows in windows_of.items():
        if not examples[owner].violating:
            kept += windows[:MAX_BENIGN_WINDOWS]
            continue
        marked = _evidence_places(examples[owner], texts[owner])
        # Of equals the first, so that a text without evidence gives its beginning.
        kept.append(max(windows, key=lambda window: sum(bool(marked[start:end].any()) for start, end in offsets[window])))
    return kept


def _evidence_places(example: Example, text: str) -> Any:
    """Which characters of the normalised text belong to evidence, bool *Shape:* (n_chars,)."""
    marked = np.zeros(len(text), dtype=np.bool_)
    for evidence in example.evidence:
        plain = normalise(evidence).text
        start = text.find(plain) if plain else -1
        if start >= 0:
            marked[start : start + len(plain)] = True
    return marked
