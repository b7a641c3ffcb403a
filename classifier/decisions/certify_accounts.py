"""Certifying decisions about whole accounts, with the same tests as texts. Needs SciPy; inference never comes here.

The rules of the policy turn the decisions about an account's texts into a level. That level is right when a careful moderator, who saw the whole
account, chose it or a graver one. An account is one draw: its texts are not independent, but accounts are, unless they share texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from classifier.decisions.accounts import AccountDecision
from classifier.decisions.arrays import Floats
from classifier.decisions.certify import certify_ladder
from classifier.decisions.ladder import Ladder
from classifier.errors import CalibrationError
from classifier.policy import Policy


def account_probs(decisions: Sequence[AccountDecision], policy: Policy) -> Floats:
    """What the account ladder thresholds: ``prob`` in the columns of the severities that the rules decided, 0 above them.

    :return: *Shape:* (n_accounts, n_questions); the category columns are 0, accounts are not certified by category.
    """
    probs = np.zeros((len(decisions), len(policy.questions)))
    for row, decision in enumerate(decisions):
        for severity in range(1, decision.severity + 1):
            probs[row, policy.severity_column(severity)] = decision.prob
    return probs


def certify_accounts(
    decisions: Sequence[AccountDecision], severities: npt.ArrayLike, policy: Policy, *, clusters: npt.ArrayLike | None, seed: int
) -> Ladder:
    """For each level the lowest threshold of ``AccountDecision.prob`` from which on the account's level keeps the policy's promise.

    The accounts must have taken no part in training or in the calibration of the texts' thresholds, or the promise is worth nothing.

    :param severities: of the levels that careful moderators chose, *Shape:* (n_accounts,).
    :param clusters: integers, *Shape:* (n_accounts,); equal where accounts share texts. None when all are independent.
    :raises CalibrationError: when there is no account, or a severity is out of range.

    >>> certify_accounts([], [], Policy.load(), clusters=None, seed=1)
    Traceback (most recent call last):
    classifier.errors.CalibrationError: Expected at least one labelled account, but got none; label some.
    """
    outcomes = np.asarray(severities, dtype=np.int64)
    if not len(decisions):
        raise CalibrationError("Expected at least one labelled account, but got none; label some.")
    if outcomes.shape != (len(decisions),) or outcomes.min() < 0 or outcomes.max() > policy.max_severity:
        expected = f"a severity from 0 to {policy.max_severity} for each of {len(decisions)} accounts"
        raise CalibrationError(f"Expected {expected}, but got {outcomes.tolist()[:5]}.")
    targets = np.zeros((len(decisions), len(policy.questions)), dtype=np.int8)
    for severity in range(1, policy.max_severity + 1):
        targets[:, policy.severity_column(severity)] = outcomes >= severity
    # Which categories an account broke is not labelled; an account acted on counts by its severity alone.
    return certify_ladder(account_probs(decisions, policy), targets, policy, clusters=clusters, seed=seed)
