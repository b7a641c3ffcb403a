"""Checks that every function of this room makes of the arrays it is given, so that all of them refuse in the same words."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from classifier.errors import CalibrationError
from classifier.policy import Policy

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def as_logits(logits: npt.ArrayLike) -> Floats:
    """Logits of one question as float64.

    :param logits: *Shape:* (n,).
    :raises CalibrationError: when the shape is another or a value is not finite.
    """
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim != 1:
        raise CalibrationError(f"Expected the logits of one question, shape (n,), but got shape {values.shape}; pass one column.")
    _check_finite(values, "logits")
    return values


def as_probs(probs: npt.ArrayLike, policy: Policy) -> Floats:
    """Probs of all questions as float64 with the severity columns made monotone, so that acted-on sets nest.

    Every comparison with a threshold is made on this array: float32 probs are widened first, and never compared in float32.

    :param probs: *Shape:* (n_texts, n_questions).
    :return: float64, the same shape; P(severity >= 1) >= P(severity >= 2) >= …
    :raises CalibrationError: when the shape is another, or a value is no probability.
    """
    values = np.array(probs, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(policy.questions):
        raise CalibrationError(
            f"Expected probs of shape (n_texts, {len(policy.questions)}), the questions of policy `{policy.id}`, but got shape {values.shape}."
        )
    _check_finite(values, "probs")
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise CalibrationError(f"Expected probs between 0 and 1, but got {values.min():.6g} to {values.max():.6g}; calibrate the logits first.")
    severity = values[:, policy.n_categories :]
    np.minimum.accumulate(severity, axis=1, out=severity)
    return values


def as_targets(targets: npt.ArrayLike, n_texts: int, n_questions: int) -> npt.NDArray[np.int8]:
    """Gold answers as int8 0/1.

    :param targets: *Shape:* (n_texts, n_questions).
    :raises CalibrationError: when the shape is another or a value is neither 0 nor 1.
    """
    values = np.asarray(targets)
    if values.shape != (n_texts, n_questions):
        raise CalibrationError(f"Expected targets of shape ({n_texts}, {n_questions}), one row for each text, but got shape {values.shape}.")
    if not np.isin(values, (0, 1)).all():
        raise CalibrationError("Expected targets of 0 and 1, but got other values; build them with targets_of(examples, policy).")
    return values.astype(np.int8)


def as_clusters(clusters: npt.ArrayLike | None, n_texts: int) -> Ints:
    """Cluster numbers, one for each text; None puts every text in a cluster of its own.

    :param clusters: integers, *Shape:* (n_texts,); texts of one account, group or set of near-duplicates share a number.
    :raises CalibrationError: when the shape is another.
    """
    if clusters is None:
        return np.arange(n_texts, dtype=np.int64)
    values = np.asarray(clusters)
    if values.shape != (n_texts,) or not np.issubdtype(values.dtype, np.integer):
        raise CalibrationError(f"Expected one integer cluster for each of {n_texts} texts, but got {values.dtype} of shape {values.shape}.")
    return values.astype(np.int64)


def severity_of(targets: npt.NDArray[np.int8], policy: Policy) -> Ints:
    """True severity of each text: how many of the severity questions are answered yes.

    :param targets: *Shape:* (n_texts, n_questions).
    :return: *Shape:* (n_texts,).
    """
    return np.asarray(targets[:, policy.n_categories :].sum(axis=1), dtype=np.int64)


def check_policy(fingerprint: str, policy: Policy, what: str) -> None:
    """Refuse numbers that were made for another policy.

    :raises CalibrationError: when the fingerprints differ.
    """
    if fingerprint != policy.fingerprint:
        raise CalibrationError(
            f"Expected a {what} made for policy `{policy.id}` ({policy.fingerprint}), but got one made for {fingerprint}; "
            "make it again for this policy."
        )


def _check_finite(values: Floats, what: str) -> None:
    bad = int(values.size - np.isfinite(values).sum())
    if bad:
        raise CalibrationError(f"Expected finite {what}, but {bad} of {values.size} are not (NaN or infinite); look at the model that made them.")
