"""Suspect labels: folds that divide nothing, scores by hand and by cleanlab's own filter, planted labels that are found, and the way of a review."""

from __future__ import annotations

import csv
import dataclasses
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from classifier.cli import app
from classifier.data import clusters_of
from classifier.errors import CalibrationError, DataError, ScoresError
from classifier.evaluation.scores import Scores, write_scores
from classifier.examples import Example, targets_of
from classifier.labelling.noise import plant_noise, plant_report, scored_probs, suspects_in
from classifier.labelling.out_of_fold import character_features, folds_of, out_of_fold_probs
from classifier.labelling.review import ANNOTATOR, apply_review, write_review
from classifier.labelling.suspects import label_issues, label_quality, suggested_answers
from classifier.records import read_examples, write_examples
from tests.conftest import make_examples


def spread(n, *, seed=0):
    """Toy texts without near duplicates: the four acts and plain texts among random characters."""
    rng = np.random.default_rng(seed)
    letters = [chr(code) for code in range(0x4E00, 0x4E00 + 3000)]
    made = []
    for example in make_examples(n, seed=seed):
        cue = {(): "平常", ("issuance",): "发行", ("trading",): "收U", ("financing",): "日息", ("secondary_nft",): "藏品"}[example.categories]
        text = "".join(rng.choice(letters, 12)) + cue + "".join(rng.choice(letters, 12))
        made.append(dataclasses.replace(example, text=text, evidence=(cue,) if example.violating else ()))
    return made


@pytest.fixture(scope="module")
def examples():
    return spread(240)


@pytest.fixture(scope="module")
def suspects(examples, policy):
    return suspects_in(plant_noise(examples, share=0.1, seed=1).examples, policy, seed=0)


@pytest.mark.parametrize("seed", range(5))
def test_folds_divide_no_cluster(seed):
    clusters = np.random.default_rng(seed).integers(0, 40, 200)
    folds = folds_of(clusters, 5, seed=seed)
    assert all(len(set(folds[clusters == cluster])) == 1 for cluster in set(clusters))
    assert np.bincount(folds).max() - np.bincount(folds).min() <= np.bincount(clusters).max()


def test_folds_need_as_many_clusters():
    with pytest.raises(CalibrationError, match="at least 5 groups"):
        folds_of([0, 0, 1, 1], 5, seed=0)


def test_a_group_is_never_seen_in_training(policy):
    # Twins of one group share a text and differ in their label: whoever saw the twin would be surely wrong.
    texts = spread(60)
    twins = [
        dataclasses.replace(example, id=f"{example.id}-{part}", group=example.id, account_id=None)
        for example in texts
        for part in (1, 2)
    ]
    shared = out_of_fold_probs(twins, character_features(twins), policy, seed=0, n_folds=3)
    np.testing.assert_allclose(shared[::2], shared[1::2])
    folds = folds_of(clusters_of(twins), 3, seed=0)
    assert (folds[::2] == folds[1::2]).all()


def test_quality_is_the_prob_of_the_least_probable_answer():
    targets = np.array([[1, 0], [0, 0]], dtype=np.int8)
    np.testing.assert_allclose(label_quality(targets, [[0.9, 0.4], [0.7, 0.1]]), [0.6, 0.3])


def test_issues_are_those_of_the_multilabel_filter_of_cleanlab(policy, examples):
    from cleanlab.multilabel_classification.filter import find_label_issues

    planted = plant_noise(examples, share=0.2, seed=2).examples
    targets = targets_of(planted, policy)
    probs = out_of_fold_probs(planted, character_features(planted), policy, seed=0)
    labels = [np.flatnonzero(row).tolist() for row in targets]
    np.testing.assert_array_equal(label_issues(targets, probs), find_label_issues(labels, probs, n_jobs=1))


def test_suggested_answer_has_categories_exactly_where_it_has_a_severity(policy):
    probs = np.array([[0.9, 0.1, 0.1, 0.1, 0.4, 0.3, 0.2], [0.2, 0.3, 0.1, 0.1, 0.8, 0.6, 0.2], [0.7, 0.9, 0.1, 0.1, 0.8, 0.1, 0.1]])
    found = suggested_answers(probs, policy)
    assert [(answer.categories, answer.severity) for answer in found] == [((), 0), (("trading",), 2), (("trading", "issuance"), 1)]


@pytest.mark.parametrize("seed", [1, 2])
def test_planting_changes_the_categories_of_exactly_a_share(examples, seed):
    planted = plant_noise(examples, share=0.2, seed=seed)
    changed = [a.categories != b.categories for a, b in zip(examples, planted.examples, strict=True)]
    assert changed == planted.wrong.tolist()
    assert sum(changed) == 48


def test_planted_labels_are_found_far_above_chance(examples, policy):
    report = plant_report(examples, policy, share=0.2, seed=1)
    assert report.n_found / report.n_planted >= 0.8
    assert sum(kind.n_planted for kind in report.kinds) == report.n_planted == 48
    assert report.n_flagged_planted <= min(report.n_flagged, report.n_planted)


def test_perfect_probs_find_every_planted_label(examples, policy):
    probs = np.clip(targets_of(examples, policy).astype(float), 0.01, 0.99)
    report = plant_report(examples, policy, share=0.25, seed=3, review_share=0.25, probs=probs)
    assert report.n_found == report.n_planted == 60


def test_suspects_are_ranked_with_reasons(suspects):
    qualities = [suspect.quality for suspect in suspects]
    assert qualities == sorted(qualities)
    assert len(suspects) == 72
    for suspect in suspects:
        assert suspect.margin == pytest.approx(1 - 2 * suspect.quality)


def test_the_nearest_text_has_the_suggested_categories_and_another_group(suspects, examples):
    by_id = {example.id: example for example in plant_noise(examples, share=0.1, seed=1).examples}
    found = [suspect for suspect in suspects if suspect.nearest is not None]
    assert found
    for suspect in found:
        assert set(by_id[suspect.nearest.id].categories) == set(suspect.suggested.categories)
        assert suspect.nearest.id != suspect.example.id


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_review_becomes_labels(tmp_path, policy, suspects, examples, suffix):
    planted = plant_noise(examples, share=0.1, seed=1).examples
    path = tmp_path / f"review{suffix}"
    write_review(path, suspects)
    verdicts = ["keep", "accept", "trading, severity:2", ""]
    if suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = list(csv.DictReader(handle))
    else:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [row | {"verdict": verdict} for row, verdict in zip(rows, verdicts, strict=False)]
    if suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    result = apply_review(planted, path, policy)
    after = {example.id: example for example in result.examples}
    assert (result.n_kept, result.n_corrected, result.n_open) == (1, 2, 1)
    assert after[suspects[0].example.id] == suspects[0].example
    accepted = after[suspects[1].example.id]
    wanted = suspects[1].suggested
    assert (accepted.categories, accepted.severity, accepted.annotator) == (wanted.categories, wanted.severity, ANNOTATOR)
    assert (after[suspects[2].example.id].categories, after[suspects[2].example.id].severity) == (("trading",), 2)
    assert [example.id for example in result.examples] == [example.id for example in planted]


@pytest.mark.parametrize(
    ("change", "field"), [({"id": "nobody"}, "id"), ({"given": "financing severity:1"}, "given"), ({"verdict": "maybe"}, "verdict")]
)
def test_a_row_that_does_not_fit_is_named(tmp_path, policy, change, field):
    example = Example("1", "收U", "bio", ("trading",), 1)
    row = {"id": "1", "given": "trading severity:1", "suggested": "severity:0", "verdict": "accept"} | change
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        apply_review([example], path, policy)
    assert [problem.field for problem in caught.value.problems] == [field]


def test_scores_of_another_text_are_refused(tmp_path, policy):
    example = Example("1", "收U", "bio", ("trading",), 1)
    scores = Scores((example,), np.zeros((1, 7), dtype=np.float32), np.ones(1, dtype=np.int32), policy.fingerprint, "m", {})
    write_scores(tmp_path / "s.npz", scores)
    np.testing.assert_allclose(scored_probs(tmp_path / "s.npz", None, [example], policy), 0.5)
    with pytest.raises(ScoresError, match="'1'"):
        scored_probs(tmp_path / "s.npz", None, [dataclasses.replace(example, text="出U")], policy)


def test_command_line_from_labels_to_corrected_labels(tmp_path, policy):
    data, review, out = (str(tmp_path / name) for name in ("a.jsonl", "review.jsonl", "b.jsonl"))
    write_examples(data, spread(60))
    run = CliRunner()
    done = run.invoke(app, ["noise", data, "--out", review, "--review", "0.1"])
    assert done.exit_code == 0, done.output
    done = run.invoke(app, ["noise", data, "--apply", review, "--out", out])
    assert done.exit_code == 0, done.output
    assert read_examples([out], policy) == read_examples([data], policy)  # no verdict, no change


def test_command_line_tells_what_it_would_find(tmp_path):
    data = str(tmp_path / "a.jsonl")
    write_examples(data, spread(120))
    done = CliRunner().invoke(app, ["noise", data, "--plant", "0.2", "--seed", "1", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["n_planted"] == 24
