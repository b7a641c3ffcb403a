"""Certifying whole accounts: hand-worked counts, a simulation of the promise, and the way through bundle and command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from classifier.bundle import LAYOUT, load_bundle
from classifier.cli import app
from classifier.decisions.accounts import AccountDecision, Post
from classifier.decisions.certify_accounts import account_probs, certify_accounts
from classifier.errors import CalibrationError, DataError
from classifier.examples import Example
from classifier.inference import Classifier
from classifier.records import write_examples
from classifier.scoring import score_files
from classifier.training.account_certificate import certify_bundle_accounts, read_outcomes
from classifier.training.recalibrate import calibrate_bundle


def decided(policy, severity, prob):
    level = policy.levels[severity]
    return AccountDecision("a", severity, level.id, level.action, True, False, prob, (), (), 1, 1, 1, None, (), policy.fingerprint)


def test_the_columns_of_an_account_hold_its_prob_up_to_its_severity(policy):
    probs = account_probs([decided(policy, 2, 0.7), decided(policy, 0, 0.0)], policy)
    assert probs[:, policy.n_categories :].tolist() == [[0.7, 0.7, 0.0], [0.0, 0.0, 0.0]]
    assert not probs[:, : policy.n_categories].any()


def test_enough_right_accounts_certify_and_too_few_do_not(policy):
    # Five starts share 0.05 / 3: 0.9^54 = 0.0034 is above 0.0033, 0.9^55 = 0.0030 is below; only the level of severity 1 is reached.
    for n, certified in ((54, False), (55, True)):
        ladder = certify_accounts([decided(policy, 1, 0.99)] * n, [1] * n, policy, clusters=None, seed=1)
        assert ladder.levels[0].certified is certified
        assert not any(level.certified for level in ladder.levels[1:])
    few = certify_accounts([decided(policy, 1, 0.99)] * 54, [1] * 54, policy, clusters=None, seed=1)
    assert few.levels[0].n_more_needed == 1


def test_accounts_that_share_texts_count_once(policy):
    ladder = certify_accounts([decided(policy, 1, 0.99)] * 110, [1] * 110, policy, clusters=np.arange(110) // 110, seed=1)
    assert ladder.n_clusters == 1
    assert not ladder.levels[0].certified


def test_the_promise_breaks_no_oftener_than_stated(policy):
    """800 redraws of 120 accounts whose true precision at 0.6 is 0.85 and at 0.94 is 0.95: certifying below 0.94 breaks the promise."""
    generator = np.random.default_rng(8)
    n_broken = 0
    for _ in range(800):
        high = generator.random(120) < 0.5
        right = generator.random(120) < np.where(high, 0.95, 0.75)
        decisions = [decided(policy, 1, 0.95 if top else 0.65) for top in high]
        ladder = certify_accounts(decisions, right.astype(int), policy, clusters=None, seed=1)
        threshold = ladder.levels[0].threshold
        n_broken += threshold is not None and threshold <= 0.65
    error = 3 * np.sqrt(0.05 * 0.95 / 800)
    assert n_broken / 800 <= 0.05 + error


@pytest.mark.parametrize("severities", [[4], [-1], [1, 1]])
def test_a_severity_that_there_is_not_is_refused(policy, severities):
    with pytest.raises(CalibrationError, match="Expected a severity from 0 to 3 for each of 1 accounts"):
        certify_accounts([decided(policy, 1, 0.9)], severities, policy, clusters=None, seed=1)


@pytest.fixture(scope="module")
def accounts(tiny_bundle, toy_files, tmp_path_factory, policy):
    """A bundle calibrated without accounts, twelve accounts' texts and their outcomes."""
    folder = tmp_path_factory.mktemp("accounts")
    examples, outcomes = [], []
    for i in range(12):
        violating = i % 2 == 0
        said, acts, severity = ("收U出U加微信", ("trading",), 2) if violating else ("今天看见一只猫", (), 0)
        examples.append(Example(f"a{i}-b", f"我们{i}", "bio", (), 0, account_id=f"a{i}"))
        examples += [
            Example(f"a{i}-{j}", f"{said}{i}{j}", "post", acts, severity, account_id=f"a{i}", published_at=day, evidence=acts and (said,))
            for j, day in enumerate(("2026-01-01", "2026-02-01"))
        ]
        outcomes.append({"account_id": f"a{i}", "level": "restrict" if violating else "none", "reason": "x"})
    write_examples(folder / "texts.jsonl", examples)
    (folder / "outcomes.jsonl").write_text("".join(json.dumps(o) + "\n" for o in outcomes), encoding="utf-8")
    both = [toy_files["calibration"], folder / "texts.jsonl"]
    score_files(tiny_bundle.folder, both, folder / "scores.npz", n_threads=1)
    calibrate_bundle(tiny_bundle.folder, folder / "scores.npz", folder / "bundle", seed=0, leave_out_accounts=True)
    calibrate_bundle(tiny_bundle.folder, folder / "scores.npz", folder / "used", seed=0)
    return folder


def test_calibration_leaves_accounts_out(accounts):
    facts = load_bundle(accounts / "bundle").provenance["calibration"]
    assert (facts["accounts_left_out"], facts["n_texts_left_out"], facts["n_texts"]) == (True, 36, 400)
    assert load_bundle(accounts / "used").provenance["calibration"]["n_texts"] == 436


def test_the_command_writes_a_ladder_that_decisions_use(accounts, tmp_path):
    arguments = ["certify-accounts", accounts / "bundle", accounts / "outcomes.jsonl", accounts / "texts.jsonl", "--out", tmp_path / "out"]
    done = CliRunner().invoke(app, [str(item) for item in arguments])
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert content["n_accounts"] == 12
    assert np.sum(content["confusion"]) == 12
    bundle = load_bundle(tmp_path / "out")
    assert bundle.account_ladder is not None
    assert bundle.account_ladder.to_dict() == content["ladder"]
    assert (tmp_path / "out" / LAYOUT.accounts).is_file()
    decision = Classifier(bundle).classify_account(None, [Post("收U出U加微信")])
    assert not decision.certified  # six violating accounts certify nothing
    assert decision.review


def test_another_calibration_takes_the_account_ladder_away(accounts, tmp_path):
    certify_bundle_accounts(accounts / "bundle", accounts / "outcomes.jsonl", [accounts / "texts.jsonl"], tmp_path / "one", seed=1)
    assert calibrate_bundle(tmp_path / "one", accounts / "scores.npz", tmp_path / "two", seed=0).account_ladder is None


def test_texts_that_calibrated_certify_nothing(accounts, tmp_path):
    with pytest.raises(CalibrationError, match="expected texts that nothing was fitted to"):
        certify_bundle_accounts(accounts / "used", accounts / "outcomes.jsonl", [accounts / "texts.jsonl"], tmp_path / "out", seed=1)


def test_training_texts_certify_nothing(accounts, toy_files, tmp_path):
    with pytest.raises(CalibrationError, match="trained or calibrated on them"):
        certify_bundle_accounts(accounts / "bundle", accounts / "outcomes.jsonl", [toy_files["train"]], tmp_path / "out", seed=1)


def test_bad_outcomes_are_told_all_at_once(tmp_path, policy):
    path = tmp_path / "o.jsonl"
    path.write_text('{"account_id": "a", "level": "none"}\n{"account_id": "a", "level": "ban"}\n{"account_id": "b", "level": "jail"}\nno\n')
    with pytest.raises(DataError) as error:
        read_outcomes(path, policy)
    assert [(problem.line, problem.field) for problem in error.value.problems] == [(2, "account_id"), (3, "level"), (4, "account_id")]
