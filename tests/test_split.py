"""A split never divides what belongs together, and is otherwise as alike and as large as was asked for."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from classifier.cli.data import data_app
from classifier.data import SPLITS, SplitSizes, leak_report, parse_sizes, similar_texts, split_examples
from classifier.errors import DataError
from classifier.examples import Example
from classifier.files import sha256_of
from classifier.policy import Policy
from classifier.records import read_examples, write_examples

POLICY = Policy.load()
QUARTERS = SplitSizes(0.25, 0.25, 0.25, 0.25)


def distinct(number: int) -> str:
    """A text that shares no 5-gram with that of another number."""
    return "".join(chr(0x4E00 + 7 * number + k) for k in range(7))


def singles(n_texts, **fields):
    """Texts that belong to nothing, with labels by turns."""
    categories = [(), (), ("trading",), ("financing",)]
    return [
        Example(str(i), distinct(i), ("post", "bio")[i // 4 % 2], categories[i % 4], 1 if categories[i % 4] else 0, **fields) for i in range(n_texts)
    ]


def dated(n_texts):
    return [Example(str(i), distinct(i), "post", (), 0, published_at=f"2026-{1 + i // 28:02}-{1 + i % 28:02}") for i in range(n_texts)]


loose = st.tuples(st.integers(0, 30), st.none() | st.sampled_from("abcde"), st.none() | st.sampled_from("vwxyz"), st.sampled_from([0, 1, 2]))


@settings(max_examples=100, deadline=None)
@given(st.lists(loose, max_size=25), st.integers(0, 3), st.booleans())
def test_no_component_is_ever_divided(rows, seed, by_time):
    examples = [
        Example(str(i), distinct(text // 2) + str(text % 2), "post", ("trading",) if severity else (), severity, group=group, account_id=account,
                published_at=f"2026-01-{1 + text % 28:02}")
        for i, (text, group, account, severity) in enumerate(rows)
    ]  # fmt: skip
    plan = split_examples(examples, POLICY, sizes=QUARTERS, seed=seed, by_time=by_time)
    cluster = similar_texts([example.text for example in examples]).cluster
    for keys in ([e.group for e in examples], [e.account_id for e in examples], cluster.tolist()):
        splits_of = {key: {plan.split_of[e.id] for e, k in zip(examples, keys, strict=True) if k == key} for key in keys if key is not None}
        assert all(len(splits) == 1 for splits in splits_of.values())
    assert leak_report(examples, plan.split_of).n_leaks == 0
    assert list(plan.split_of) == [example.id for example in examples]


def test_a_chain_over_group_account_and_text_is_one_component():
    examples = [
        Example("1", distinct(1), "post", (), 0, group="g"),
        Example("2", distinct(2), "post", (), 0, group="g", account_id="a"),
        Example("3", distinct(3), "post", (), 0, account_id="a"),
        Example("4", distinct(3) + "！", "bio", (), 0),
        Example("5", distinct(5), "post", (), 0),
    ]
    plan = split_examples(examples, POLICY, seed=0)
    assert (plan.n_components, plan.largest_component) == (2, ("1", "2", "3", "4"))


def test_a_group_and_an_account_of_one_name_are_two_things():
    examples = [Example("1", distinct(1), "post", (), 0, group="x"), Example("2", distinct(2), "post", (), 0, account_id="x")]
    assert split_examples(examples, POLICY, seed=0).n_components == 2


def test_single_texts_are_split_to_the_wanted_sizes_and_shares():
    examples = singles(400)
    plan = split_examples(examples, POLICY, sizes=SplitSizes(0.4, 0.2, 0.2, 0.2), seed=0)
    assert [(part.n_wanted, part.n_texts) for part in plan.parts] == [(160, 160), (80, 80), (80, 80), (80, 80)]
    for part in plan.parts:
        assert part.max_deviation == 0  # every stratum is divisible here
        assert part.by_first_category["trading"] == part.n_texts / 4
        assert part.by_source == {"post": part.n_texts / 2, "bio": part.n_texts / 2}


def test_rare_strata_do_not_all_go_to_train():
    rare = [Example(f"r{i}", distinct(1000 + i), "bio", ("secondary_nft",), 3) for i in range(8)]
    plan = split_examples([*singles(200), *rare], POLICY, sizes=QUARTERS, seed=0)
    assert Counter(plan.split_of[example.id] for example in rare) == dict.fromkeys(SPLITS, 2)


def test_the_deviation_is_that_of_the_worst_stratum():
    examples = [Example("1", distinct(1), "post", (), 0), Example("2", distinct(2), "post", ("trading",), 1)]
    (train, *_) = split_examples(examples, POLICY, sizes=SplitSizes(1, 1, 0, 0), seed=0).parts
    assert (train.n_texts, train.max_deviation) == (1, 0.5)


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    examples = singles(100)
    first, again, other = (split_examples(examples, POLICY, seed=seed).split_of for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_by_time_the_latest_texts_are_for_calibration_and_test():
    plan = split_examples(dated(100), POLICY, sizes=QUARTERS, seed=0, by_time=True)
    assert {int(i) for name in ("calibration", "test") for i in plan.ids(name)} == set(range(50, 100))
    assert [part.n_texts for part in plan.parts] == [25, 25, 25, 25]


def test_by_time_a_component_is_as_late_as_its_latest_text():
    early = Example("early", distinct(500), "post", (), 0, group="g", published_at="2020-01-01")
    late = Example("late", distinct(501), "post", (), 0, group="g", published_at="2026-12-01T10:00:00+08:00")
    plan = split_examples([early, *dated(100), late], POLICY, seed=0, by_time=True)
    assert plan.split_of["early"] == plan.split_of["late"]
    assert plan.split_of["early"] in ("calibration", "test")


def test_by_time_an_undated_text_takes_the_time_of_its_component():
    undated = Example("u", distinct(500), "post", (), 0, group="g")
    early = Example("d", distinct(501), "post", (), 0, group="g", published_at="2020-01-01")
    plan = split_examples([*dated(20), undated, early], POLICY, sizes=QUARTERS, seed=0, by_time=True)
    assert plan.split_of["u"] in ("train", "dev")


def test_by_time_a_component_without_a_time_is_an_error():
    with pytest.raises(DataError, match=r"split:0: published_at: expected a time .* 1 of 21 texts have none, such as 'u'"):
        split_examples([*dated(20), Example("u", distinct(500), "post", (), 0)], POLICY, seed=0, by_time=True)


def test_a_minimum_that_a_large_component_prevents_is_an_error_that_says_why():
    examples = [Example(str(i), distinct(i), "post", (), 0, account_id="a" if i < 90 else None) for i in range(100)]
    sizes = SplitSizes(None, 0.1, 0.3, 0.3, minimums={"calibration": 20})
    with pytest.raises(DataError, match=r"calibration: expected at least 20 texts, but got \d: 90 of 100 texts hang together in one component"):
        split_examples(examples, POLICY, sizes=sizes, seed=0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=12, max_size=20), st.integers(0, 3))
def test_a_minimum_that_can_be_reached_is_reached(component_sizes, seed):
    groups = [group for group, size in enumerate(component_sizes) for _ in range(size)]
    examples = [Example(str(i), distinct(i), "post", (), 0, group=str(group)) for i, group in enumerate(groups)]
    demanded = max(len(examples) // 5, 1)
    sizes = SplitSizes(0.25, 0.25, 0.25, 0.25, minimums={"calibration": demanded, "test": demanded})
    plan = split_examples(examples, POLICY, sizes=sizes, seed=seed)
    assert all(part.n_texts >= sizes.minimums.get(part.name, 0) for part in plan.parts)


def test_a_minimum_above_the_size_is_an_error():
    with pytest.raises(DataError, match="test: expected at least 50 texts, but its size is 15 of the 100 texts"):
        split_examples(singles(100), POLICY, sizes=SplitSizes(minimums={"test": 50}), seed=0)


@pytest.mark.parametrize("sizes", [SplitSizes(50, 10, 10, 10), SplitSizes(0.5, 0.4, 0.2, 0.2), SplitSizes(None, 90, 20, 0)])
def test_sizes_that_do_not_add_up_are_an_error(sizes):
    with pytest.raises(DataError, match="add up to the 100 texts"):
        sizes.wanted(100)


@pytest.mark.parametrize("wrong", [{"dev": -1}, {"dev": 1.5}, {"dev": None}, {"minimums": {"val": 3}}])
def test_sizes_that_make_no_sense_are_a_mistake_in_the_call(wrong):
    with pytest.raises(ValueError, match="Expected"):
        SplitSizes(**wrong)


@given(st.integers(0, 5000), st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0, 0.3))
def test_wanted_sizes_add_up_and_are_the_nearest(n_texts, dev, calibration, test):
    wanted = SplitSizes(None, dev, calibration, test).wanted(n_texts)
    assert sum(wanted.values()) == n_texts
    assert all(abs(wanted[name] - share * n_texts) < 1 for name, share in (("dev", dev), ("calibration", calibration), ("test", test)))


@pytest.mark.parametrize("text", ["", "train=1", "train=rest,dev=x,calibration=1,test=1", "train=1,train=1,dev=1,calibration=1,test=1", "val=3"])
def test_sizes_that_cannot_be_read_are_refused(text):
    with pytest.raises(ValueError, match="Expected"):
        parse_sizes(text)


def test_the_leak_report_names_what_crosses():
    examples = [
        Example("1", distinct(1), "post", (), 0, group="g", account_id="a"),
        Example("2", distinct(2), "post", (), 0, group="g"),
        Example("3", distinct(2) + "！", "post", (), 0, account_id="a"),
        Example("4", distinct(4), "post", (), 0, account_id="a"),
    ]
    report = leak_report(examples, {"1": "train", "2": "train", "3": "test", "4": "train"})
    assert report.groups == ()
    assert [(leak.name, leak.splits, leak.ids) for leak in report.accounts] == [("a", ("train", "test"), ("1", "3", "4"))]
    assert [(leak.name, leak.splits, leak.ids) for leak in report.near_duplicates] == [("2", ("train", "test"), ("2", "3"))]


def test_the_leak_report_needs_every_example():
    with pytest.raises(ValueError, match="1 have none, the first is '1'"):
        leak_report(singles(2), {"0": "train"})


def test_two_examples_of_one_id_are_a_mistake_in_the_call():
    with pytest.raises(ValueError, match="id of its own"):
        split_examples([*singles(2), *singles(1)], POLICY, seed=0)


def test_an_unknown_split_is_a_mistake_in_the_call():
    with pytest.raises(ValueError, match="got 'val'"):
        split_examples(singles(4), POLICY, seed=0).ids("val")


def test_nothing_is_split_into_nothing():
    assert split_examples([], POLICY, seed=0).split_of == {}


def test_the_command_writes_the_splits_and_what_was_done(tmp_path):
    examples = singles(40)
    write_examples(tmp_path / "all.csv", examples)
    sizes = "train=rest,dev=0.1,calibration=8,test=8"
    result = CliRunner().invoke(data_app, ["split", str(tmp_path / "all.csv"), "--out", str(tmp_path / "out"), "--seed", "3", "--sizes", sizes])
    assert result.exit_code == 0
    content = json.loads((tmp_path / "out" / "split.json").read_text("utf-8"))
    assert [(part["name"], part["n_texts"]) for part in content["splits"]] == [("train", 20), ("dev", 4), ("calibration", 8), ("test", 8)]
    assert (content["seed"], content["n_leaks"], content["policy"]["fingerprint"]) == (3, 0, POLICY.fingerprint)
    for entry in content["written"]:
        assert sha256_of(tmp_path / "out" / entry["name"]) == entry["sha256"]
    written = read_examples([tmp_path / "out" / f"{name}.jsonl" for name in SPLITS], POLICY)
    assert sorted(written, key=lambda e: int(e.id)) == examples


def test_the_command_refuses_sizes_that_it_cannot_read(tmp_path):
    result = CliRunner().invoke(data_app, ["split", "a.csv", "--out", str(tmp_path), "--sizes", "train=all"])
    assert result.exit_code == 2
    assert "rest" in result.stderr
