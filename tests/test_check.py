"""The check counts what is there, and every strict measure falls short on data made to fail it."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from classifier.cli.data import data_app
from classifier.data import StrictLimits, check_examples, strict_check
from classifier.data.strict import style_features
from classifier.examples import Example
from classifier.policy import Policy
from classifier.records import write_examples

POLICY = Policy.load()
COMMON = [chr(code) for code in range(0x4E00, 0x4E00 + 2_000)]


def example(number, text, *categories, severity=None, **fields):
    severity = severity if severity is not None else (1 if categories else 0)
    return Example(str(number), text, fields.pop("source", "post"), categories, severity, **fields)


def random_texts(n_texts, rng, size=30):
    return ["".join(rng.choice(COMMON, size=size)) for _ in range(n_texts)]


def varied(n_texts=120):
    """Texts of random characters, labels by turns: nothing gives the label away."""
    texts = random_texts(n_texts, np.random.default_rng(0))
    return [example(i, text, *(() if i % 2 else ("trading",)), source=("post", "bio")[i // 2 % 2]) for i, text in enumerate(texts)]


def measure(report, name):
    return next(m for m in report.measures if m.name == name)


def test_the_counts_are_those_of_the_examples():
    report = check_examples(
        [
            example(1, "出U", "trading", source="bio", tags=("short",), evidence=("出U",)),
            example(2, "私募额度加发币", "financing", "issuance", severity=3),
            example(3, "币" * 21, tags=("short", "life")),
            Example("4", "代发币", "post", ("issuance",), None),
        ],
        POLICY,
    )
    assert report.n_texts == 4
    assert report.by_first_category == {"benign": 1, "issuance": 1, "trading": 1, "financing": 1, "secondary_nft": 0}
    assert report.by_any_category == {"issuance": 2, "trading": 1, "financing": 1, "secondary_nft": 0}
    assert report.n_several_categories == 1
    assert report.by_severity == {"0": 1, "1": 1, "2": 0, "3": 1, "none": 1}
    assert report.by_source == {"post": 3, "bio": 1}
    assert report.by_tag == {"short": 2, "life": 1}
    assert (report.by_length["1-20"], report.by_length["21-60"]) == (3, 1)
    assert report.without_severity == ("4",)
    assert report.without_evidence == ("2", "4")


def test_length_quantiles_are_lengths_that_occur():
    report = check_examples([example(i, "字" * i) for i in range(1, 11)], POLICY)
    assert report.length_quantiles == {"0%": 1, "10%": 1, "25%": 3, "50%": 5, "75%": 8, "90%": 9, "100%": 10}


def test_exact_duplicates_are_told_inside_and_outside_groups():
    report = check_examples([example(1, "今天下雨", group="a"), example(2, "今天 下雨", group="a"), example(3, "今天下雨", group="b")], POLICY)
    assert report.exact_duplicates.inside == ("1", "2")
    assert report.exact_duplicates.outside == ("1", "2", "3")


def test_texts_without_a_group_are_duplicates_outside():
    report = check_examples([example(1, "今天下雨"), example(2, "今天下雨")], POLICY)
    assert (report.exact_duplicates.inside, report.exact_duplicates.outside) == ((), ("1", "2"))


def test_near_duplicates_see_the_groups_of_copies():
    texts = ["今晚八点准时开盘", "今晚八点准时开盘！快来", "今晚八点准时开盘！快来"]
    report = check_examples([example(i, text, group=group) for i, (text, group) in enumerate(zip(texts, "aab", strict=True))], POLICY)
    assert report.near_duplicates.inside == ("0", "1")
    assert report.near_duplicates.outside == ("0", "2")


def test_one_text_with_two_labels_is_a_conflict():
    same = [example(1, "出U", "trading"), example(2, "出Ｕ", "trading"), example(3, "出u", "trading", severity=2), example(4, "出U")]
    report = check_examples(same, POLICY)
    found = [(c.first_id, c.second_id, c.first_label, c.second_label) for c in report.exact_conflicts]
    assert found == [("1", "3", "trading S1", "trading S2"), ("1", "4", "trading S1", "benign S0")]


def test_a_severity_that_is_not_given_conflicts_with_nothing():
    report = check_examples([example(1, "出U", "trading"), Example("2", "出U", "post", ("trading",), None)], POLICY)
    assert report.exact_conflicts == ()


@pytest.mark.parametrize(("groups", "expected"), [((None, None), [("1", "2")]), (("a", "b"), [("1", "2")]), (("a", "a"), [])])
def test_near_duplicates_with_different_labels_conflict_outside_a_group(groups, expected):
    texts = ("今晚八点准时开盘，土狗", "今晚八点准时开盘，菜市")
    report = check_examples([example(1, texts[0], "issuance", group=groups[0]), example(2, texts[1], group=groups[1])], POLICY)
    assert [(c.first_id, c.second_id) for c in report.near_conflicts] == expected


def test_groups_with_one_label_are_named():
    groups = [("a", ()), ("a", ()), ("b", ()), ("b", ("trading",)), ("c", ())]
    report = check_examples([example(i, f"第{i}条", *categories, group=group) for i, (group, categories) in enumerate(groups)], POLICY)
    assert report.one_label_groups == ("a",)


def test_no_examples_make_an_empty_report():
    assert check_examples([], POLICY).n_texts == 0


def test_varied_data_hold_every_measure():
    report = strict_check(varied(), POLICY, seed=0, limits=StrictLimits(max_style_auc=0.8))
    assert [m.name for m in report.measures if not m.holds or m.value is None] == []


def test_near_duplicates_outside_groups_fall_short():
    examples = [*varied(), *(example(f"x{i}", f"今晚八点准时开盘{i}") for i in range(3))]
    found = measure(strict_check(examples, POLICY, seed=0), "near duplicates outside a group")
    assert (found.value, found.holds) == (pytest.approx(3 / 123), False)


def test_near_duplicates_inside_a_group_hold():
    examples = [*varied(), *(example(f"x{i}", f"今晚八点准时开盘{i}", group="g") for i in range(3))]
    assert measure(strict_check(examples, POLICY, seed=0), "near duplicates outside a group").value == 0


@pytest.mark.parametrize(("n_alike", "holds"), [(5, True), (6, False)])
def test_a_common_opening_falls_short_above_five_texts(n_alike, holds):
    texts = random_texts(100, np.random.default_rng(1))
    examples = [example(i, ("今天晚上我" if i < n_alike else "") + text) for i, text in enumerate(texts)]
    found = measure(strict_check(examples, POLICY, seed=0), "most common opening")
    assert (found.value, found.holds) == (n_alike / 100, holds)


def test_a_common_ending_is_seen_behind_punctuation():
    texts = random_texts(100, np.random.default_rng(1))
    examples = [example(i, text + ("加我微信聊" + "！。~ 🚀"[i % 5] if i < 6 else "")) for i, text in enumerate(texts)]
    found = measure(strict_check(examples, POLICY, seed=0), "most common ending")
    assert (found.value, found.holds) == (0.06, False)


def test_distinct_grams_are_counted_by_hand():
    # ABCD BCDE CDEF, and ABCD once more: 3 distinct of 4
    found = measure(strict_check([example(1, "甲乙丙丁戊己"), example(2, "甲乙丙丁")], POLICY, seed=0), "distinct 4-grams")
    assert found.value == 0.75


def test_a_style_that_tells_the_label_falls_short():
    examples = [example(e.id, e.text + ("！！！" if e.violating else ""), *e.categories, source=e.source) for e in varied()]
    report = strict_check(examples, POLICY, seed=0)
    assert [measure(report, f"AUC of style alone ({source})").value for source in ("post", "bio")] == pytest.approx([1, 1], abs=0.01)
    assert not report.holds


def test_words_that_tell_the_label_fall_short():
    examples = [example(e.id, e.text[:10] + ("买币" if e.violating else "天气") + e.text[10:], *e.categories) for e in varied()]
    assert not measure(strict_check(examples, POLICY, seed=0), "macro-F1 of words alone").holds


def test_a_group_is_never_on_both_sides_of_a_fold():
    # Each text occurs twice with its random label: without groups the words of the copy would give it away.
    examples = [example(f"{e.id}{k}", e.text, *e.categories, group=e.id) for e in varied() for k in range(2)]
    value = measure(strict_check(examples, POLICY, seed=0), "macro-F1 of words alone").value
    assert value < 0.7


def test_what_too_few_texts_cannot_tell_is_not_measured():
    found = measure(strict_check([example(1, "一二三四五六"), example(2, "七八九十", "trading")], POLICY, seed=0), "macro-F1 of words alone")
    assert (found.value, found.holds) == (None, True)
    assert found.words == "not measured: expected every label in 5 groups or more, but one is in 1"


def test_the_seed_decides_the_folds():
    first, again, other = (strict_check(varied(), POLICY, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_the_strict_check_of_nothing_is_a_mistake_in_the_call():
    with pytest.raises(ValueError, match="at least one example"):
        strict_check([], POLICY, seed=0)


def test_style_features_are_counted_by_hand():
    # 8 characters, 1 line end: 2 digits, 1 letter, 2 punctuation marks, 1 emoji, 1 space, 2 calling marks, 1 of full width
    assert style_features("12a！!🚀 \n") == pytest.approx([np.log(8), np.log(2), 2 / 8, 1 / 8, 2 / 8, 1 / 8, 1 / 8, 2 / 8, 1 / 8])


def test_the_command_prints_every_problem_and_exits_1(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("{\n" * 150)
    result = CliRunner().invoke(data_app, ["check", str(path)])
    assert result.exit_code == 1
    assert result.stdout.splitlines()[149].startswith(f"{path}:150: line: expected one JSON object")


def test_the_command_exits_1_on_a_text_with_two_labels(tmp_path):
    write_examples(tmp_path / "a.jsonl", [example(1, "出U", "trading"), example(2, "出U")])
    result = CliRunner().invoke(data_app, ["check", str(tmp_path / "a.jsonl")])
    assert result.exit_code == 1
    assert "1, 2: trading S1 against benign S0" in result.stdout


def test_the_command_prints_json(tmp_path):
    write_examples(tmp_path / "a.jsonl", [example(1, "[图片]出U", "trading")])
    result = CliRunner().invoke(data_app, ["check", str(tmp_path / "a.jsonl"), "--json"])
    content = json.loads(result.stdout)
    assert (result.exit_code, content["sound"], content["check"]["by_first_category"]["trading"]) == (0, True, 1)


def test_the_command_prints_strict_measures_of_bracketed_texts(tmp_path):
    write_examples(tmp_path / "a.jsonl", [example(i, f"[图片]出{text}") for i, text in enumerate(random_texts(6, np.random.default_rng(0)))])
    result = CliRunner(env={"COLUMNS": "200"}).invoke(data_app, ["check", str(tmp_path / "a.jsonl"), "--strict"])
    assert result.exit_code == 1
    assert "[图片]出" in result.stdout
