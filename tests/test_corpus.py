"""The corpus in data/ is what its card says: strict records, frozen files, no leak between the splits, evidence on every violation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from classifier.data import SPLITS, leak_report
from classifier.files import sha256_of
from classifier.records import read_examples

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def splits(policy):
    return {name: read_examples([DATA / f"{name}.jsonl"], policy) for name in SPLITS}


def test_every_file_is_the_frozen_one():
    frozen = json.loads((DATA / "split.json").read_text(encoding="utf-8"))
    hashes = {item["name"]: item["sha256"] for item in frozen["written"]}
    assert hashes == {f"{name}.jsonl": sha256_of(DATA / f"{name}.jsonl") for name in SPLITS}


def test_nothing_leaks_between_the_splits(splits):
    split_of = {example.id: name for name, examples in splits.items() for example in examples}
    examples = [example for name in SPLITS for example in splits[name]]
    assert leak_report(examples, split_of).n_leaks == 0


def test_no_incoming_text_has_a_relative_outside_train(splits, policy):
    incoming = read_examples([DATA / "incoming.jsonl"], policy)
    split_of = {example.id: name for name, examples in splits.items() for example in examples} | {example.id: "train" for example in incoming}
    assert len(split_of) == len(incoming) + sum(len(examples) for examples in splits.values())
    assert leak_report([*incoming, *(example for name in SPLITS for example in splits[name])], split_of).n_leaks == 0


def test_every_violating_text_shows_its_evidence(splits, policy):
    for examples in (*splits.values(), read_examples([DATA / "incoming.jsonl"], policy)):
        assert all(example.evidence for example in examples if example.violating)


def test_every_text_that_judges_the_model_was_read_twice_and_carries_the_settled_label(splits, policy):
    readings = [json.loads(line) for line in (DATA / "second_reading.jsonl").read_text(encoding="utf-8").splitlines()]
    settled = {reading["id"]: reading["settled"] for reading in readings if reading["reader"].startswith("B")}
    read = {reading["id"] for reading in readings}
    for name in ("dev", "calibration", "test"):
        assert {example.id for example in splits[name]} <= read
    for example in (*splits["calibration"], *splits["test"]):
        if example.id in settled:
            assert {"categories": list(example.categories), "severity": example.severity} == settled[example.id]


def test_every_correction_is_a_label_of_a_text_of_train_or_dev_that_it_changes(splits, policy):
    examples = {example.id: example for name in ("train", "dev") for example in splits[name]}
    corrections = [json.loads(line) for line in (DATA / "corrections.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len({correction["id"] for correction in corrections}) == len(corrections)
    for correction in corrections:
        example = examples[correction["id"]]
        assert correction["why"]
        if not correction.get("drop"):
            assert set(correction["categories"]) <= set(policy.category_ids)
            assert (correction["severity"] == 0) == (not correction["categories"])
            assert (tuple(correction["categories"]), correction["severity"]) != (example.categories, example.severity)
            assert all(span in example.text for span in correction.get("evidence", []))


def test_every_account_has_an_outcome_of_the_policy(splits, policy):
    accounts = {example.account_id for examples in splits.values() for example in examples if example.account_id}
    outcomes = [json.loads(line) for line in (DATA / "accounts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {outcome["account_id"] for outcome in outcomes} == accounts
    assert {outcome["level"] for outcome in outcomes} <= {level.id for level in policy.levels}
