"""Certifying a bundle on labelled accounts that nothing was fitted to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classifier.bundle import Bundle, load_bundle
from classifier.data import clusters_of
from classifier.decisions.accounts import AccountDecision, Post
from classifier.decisions.arrays import Ints
from classifier.decisions.certify_accounts import certify_accounts
from classifier.errors import CalibrationError, DataError, Problem
from classifier.examples import Example
from classifier.files import sha256_of
from classifier.inference import Classifier
from classifier.policy import Policy
from classifier.records import read_examples
from classifier.training.assemble import with_account_ladder


@dataclass(frozen=True)
class CertifiedAccounts:
    """The bundle with its account ladder; ``confusion`` has a row for each outcome and a column for each decided severity."""

    bundle: Bundle
    n_accounts: int
    confusion: tuple[tuple[int, ...], ...]


def certify_bundle_accounts(folder: Path, outcomes_path: Path, example_paths: Sequence[Path], out: Path, *, seed: int) -> CertifiedAccounts:
    """Decide about every labelled account whose texts are in the example files, certify, and write the bundle with the result to ``out``.

    :param outcomes_path: JSONL, one account a line: ``account_id`` and the ``level`` that a careful moderator chose.
    :raises CalibrationError: when no account has both texts and an outcome, or its texts took part in training or calibration.
    :raises DataError: when a file breaks the record.
    """
    bundle = load_bundle(folder)
    _refuse_used(bundle, example_paths)
    outcomes = read_outcomes(outcomes_path, bundle.policy)
    texts: dict[str, list[Example]] = {}
    for example in read_examples(example_paths, bundle.policy):
        if example.account_id in outcomes:
            texts.setdefault(str(example.account_id), []).append(example)
    if not texts:
        raise CalibrationError(f"{outcomes_path}: expected outcomes of accounts whose texts are in the example files, but none has any.")
    classifier = Classifier(bundle)
    decisions = [_decide(classifier, account_id, examples) for account_id, examples in texts.items()]
    severities = np.array([outcomes[account_id] for account_id in texts])
    ladder = certify_accounts(decisions, severities, bundle.policy, clusters=_account_clusters(list(texts.values())), seed=seed)
    facts = {
        "n_accounts": len(texts),
        "data": {path.name: sha256_of(path) for path in (outcomes_path, *example_paths)},
        "seed": seed,
    }
    confusion = np.zeros((bundle.policy.max_severity + 1,) * 2, dtype=np.int64)
    np.add.at(confusion, (severities, np.array([decision.severity for decision in decisions])), 1)
    return CertifiedAccounts(with_account_ladder(bundle, out, ladder, facts), len(texts), tuple(tuple(map(int, row)) for row in confusion))


def read_outcomes(path: Path, policy: Policy) -> dict[str, int]:
    """The severity of the level that was chosen for each account.

    :raises DataError: when a line is no outcome; all problems at once.
    """
    severity_of = {level.id: level.severity for level in policy.levels}
    outcomes: dict[str, int] = {}
    problems = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError((Problem(str(path), 0, "file", f"expected a readable JSONL file, but got: {error}"),)) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        record = _object(line)
        account_id, level = record.get("account_id"), record.get("level")
        if not isinstance(account_id, str) or account_id in outcomes:
            problems.append(Problem(str(path), number, "account_id", f"expected an id that stands once in the file, but got {account_id!r}"))
        elif level not in severity_of:
            problems.append(Problem(str(path), number, "level", f"expected one of {', '.join(severity_of)}, but got {level!r}"))
        else:
            outcomes[account_id] = severity_of[level]
    if problems:
        raise DataError(tuple(problems))
    return outcomes


def _object(line: str) -> Mapping[str, Any]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return record if isinstance(record, dict) else {}


def _decide(classifier: Classifier, account_id: str, examples: Sequence[Example]) -> AccountDecision:
    bio = next((example.text for example in examples if example.source == "bio"), None)
    posts = [Post(example.text, example.published_at, example.id) for example in examples if example.source == "post"]
    return classifier.classify_account(bio, posts, account_id=account_id)


def _account_clusters(accounts: Sequence[Sequence[Example]]) -> Ints:
    """Accounts that share a group or a near-duplicate are one cluster; an account's own texts always are."""
    clusters = clusters_of([example for examples in accounts for example in examples])
    starts = np.cumsum([0, *(len(examples) for examples in accounts[:-1])])
    return np.asarray(clusters[starts], dtype=np.int64)


def _refuse_used(bundle: Bundle, paths: Sequence[Path]) -> None:
    """Texts that training saw, or that calibration used without leaving accounts out, certify nothing."""
    used = {digest for files in bundle.provenance.get("data", {}).values() for digest in files.values()}
    calibration = bundle.provenance.get("calibration", {})
    if not calibration.get("accounts_left_out", False):
        used |= set(calibration.get("data", {}).values())
    for path in paths:
        if sha256_of(path) in used:
            raise CalibrationError(
                f"{path}: expected texts that nothing was fitted to, but this bundle was trained or calibrated on them; "
                "give other accounts, or calibrate with --leave-out-accounts."
            )
