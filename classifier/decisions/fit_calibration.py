"""Fitting calibrators, and choosing one for each question by grouped cross-validation. Needs scikit-learn; inference never comes here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import IsotonicRegression

from classifier.decisions.arrays import Floats, Ints, as_clusters, as_logits, as_probs, as_targets
from classifier.decisions.calibration import (
    METHODS,
    Beta,
    Calibration,
    Calibrator,
    Isotonic,
    MethodLoss,
    Platt,
    QuestionCalibration,
    Temperature,
    sigmoid,
)
from classifier.decisions.categories import CategoryThresholds
from classifier.decisions.fit_venn_abers import fit_venn_abers
from classifier.decisions.sampling import fold_of_cluster
from classifier.errors import CalibrationError
from classifier.policy import Policy

Answers = npt.NDArray[np.int8]

MIN_SLOPE = 1e-3
"""Logits that say nothing are divided by at most its inverse in temperature scaling."""
LOSS_CLIP = 1e-7
"""Probabilities are kept this far from 0 and 1 in a log loss: one flat error of an isotonic fit then costs 16 nats, not infinity."""
DEFAULT_CATEGORY_THRESHOLD = 0.5
"""Where a category has no gold positive, nothing can be chosen."""


def fit_calibrator(method: str, logits: npt.ArrayLike, targets: npt.ArrayLike) -> Calibrator:
    """Fit one calibrator to one question.

    Platt, beta and temperature are fitted to Platt's smoothed targets, (n_yes + 1) / (n_yes + 2) and 1 / (n_no + 2), so that
    separable answers have a finite fit. With one answer only, Platt keeps slope 1 and fits the intercept (the ranking cannot be
    judged), Venn-Abers does as it is defined, and the others refuse.

    :param method: one of ``METHODS``.
    :param logits: *Shape:* (n,).
    :param targets: 0/1, *Shape:* (n,).
    :raises CalibrationError: when there is no text, a shape or value is wrong, or the method needs both answers and gets one.

    >>> fit_calibrator("isotonic", [0.0, 1.0, 2.0, 3.0], [0, 1, 0, 1]).apply([1.5]).tolist()
    [0.5]
    """
    if method not in _FITS:
        raise ValueError(f"Expected a calibration method among {', '.join(METHODS)}, but got {method!r}.")
    values = as_logits(logits)
    answers = as_targets(np.asarray(targets).reshape(-1, 1), values.size, 1)[:, 0]
    if not values.size:
        raise CalibrationError("Expected at least one text to calibrate on, but got none.")
    if method not in ("platt", "venn_abers") and answers.min() == answers.max():
        raise CalibrationError(f"Expected both answers among the targets for `{method}`, but all {values.size} are {answers[0]}; use platt.")
    return _FITS[method](values, answers)


def fit_calibration(
    logits: npt.ArrayLike,
    targets: npt.ArrayLike,
    policy: Policy,
    *,
    clusters: npt.ArrayLike | None,
    methods: Sequence[str] = METHODS,
    seed: int,
    n_folds: int = 5,
) -> Calibration:
    """Fit one calibrator to each question, the method chosen by cross-validated log loss over folds of whole clusters.

    A question whose yes or no comes from fewer than ``n_folds`` clusters takes Platt without a choice, and its note says so.
    Texts used here must not certify the ladder: a threshold on a fitted scale is not fixed before its labels are seen
    (``sampling.split_clusters`` parts them).

    :param logits: *Shape:* (n_texts, n_questions).
    :param targets: 0/1, *Shape:* (n_texts, n_questions).
    :param clusters: integers, *Shape:* (n_texts,), or None for independent texts.
    :param methods: methods to choose from; of equals the first wins.
    :raises CalibrationError: when there is no text, or a shape or value is wrong.
    """
    if n_folds < 2 or not methods:
        raise ValueError(f"Expected at least two folds and one method, but got n_folds={n_folds}, methods={tuple(methods)}.")
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(policy.questions) or not len(values):
        raise CalibrationError(f"Expected logits of shape (n_texts, {len(policy.questions)}) and at least one text, but got shape {values.shape}.")
    answers = as_targets(targets, *values.shape)
    numbers = as_clusters(clusters, len(values))
    questions = tuple(
        _fit_question(name, values[:, j], answers[:, j], numbers, methods=methods, seed=seed, n_folds=n_folds)
        for j, name in enumerate(policy.questions)
    )
    return Calibration(
        questions=questions,
        n_categories=policy.n_categories,
        policy_fingerprint=policy.fingerprint,
        n_texts=len(values),
        n_folds=n_folds,
        seed=seed,
    )


def choose_category_thresholds(probs: npt.ArrayLike, targets: npt.ArrayLike, policy: Policy) -> CategoryThresholds:
    """For each category the threshold with the highest F1: half of that F1, which holds for calibrated probs (Lipton et al. 2014, arXiv:1402.1892).

    The threshold that happened to be best on these texts jumps from sample to sample, since F1 is flat around its top; the F1 itself hardly moves.

    :param probs: calibrated, *Shape:* (n_texts, n_questions).
    :param targets: 0/1, *Shape:* (n_texts, n_questions).
    """
    return _thresholds(probs, targets, policy, _half_of_best_f1)


def best_category_thresholds(scores: npt.ArrayLike, targets: npt.ArrayLike, policy: Policy) -> CategoryThresholds:
    """Likewise for scores from 0 to 1 that are no calibrated probs, such as a baseline's: whatever threshold was best on these texts.

    Half-way between two neighbouring scores; of equals the highest.
    """
    return _thresholds(scores, targets, policy, _best_f1)


def _thresholds(
    probs: npt.ArrayLike, targets: npt.ArrayLike, policy: Policy, choose: Callable[[Floats, Answers], tuple[float, float | None]]
) -> CategoryThresholds:
    values = as_probs(probs, policy)
    answers = as_targets(targets, *values.shape)
    chosen = [choose(values[:, j], answers[:, j]) for j in range(policy.n_categories)]
    return CategoryThresholds(
        category_ids=policy.category_ids,
        thresholds=tuple(threshold for threshold, _ in chosen),
        f1s=tuple(f1 for _, f1 in chosen),
        supports=tuple(int(answers[:, j].sum()) for j in range(policy.n_categories)),
        policy_fingerprint=policy.fingerprint,
    )


def log_loss(probs: Floats, targets: Answers) -> float:
    """Mean of -ln(prob of the true answer), in nats; probs are kept ``LOSS_CLIP`` away from 0 and 1.

    >>> round(log_loss(np.array([0.5, 0.25]), np.array([1, 0], dtype=np.int8)), 4)
    0.4904
    """
    clipped = np.clip(probs, LOSS_CLIP, 1 - LOSS_CLIP)
    return float(-np.log(np.where(targets == 1, clipped, 1 - clipped)).mean())


def _fit_question(
    question: str, logits: Floats, targets: Answers, clusters: Ints, *, methods: Sequence[str], seed: int, n_folds: int
) -> QuestionCalibration:
    n_yes, n_no = (np.unique(clusters[targets == answer]).size for answer in (1, 0))
    if min(n_yes, n_no) < n_folds:
        note = f"no choice of method: yes in {n_yes} and no in {n_no} clusters, at least {n_folds} of each needed"
        return QuestionCalibration(question, fit_calibrator("platt", logits, targets), note=note)
    folds = fold_of_cluster(clusters, targets, n_folds=n_folds, seed=seed)
    losses = tuple(MethodLoss(method, _cross_validated(method, logits, targets, folds)) for method in methods)
    best = min(losses, key=lambda loss: loss.log_loss)
    return QuestionCalibration(question, fit_calibrator(best.method, logits, targets), losses)


def _cross_validated(method: str, logits: Floats, targets: Answers, folds: Ints) -> float:
    probs = np.empty_like(logits)
    for fold in range(int(folds.max()) + 1):
        held_out = folds == fold
        kept = targets[~held_out]
        # A cluster that holds nearly every no can leave a fold with one answer: then every method is judged by what it would fall back to.
        name = method if kept.min() != kept.max() else "platt"
        probs[held_out] = fit_calibrator(name, logits[~held_out], kept).apply(logits[held_out])
    return log_loss(probs, targets)


def _smoothed(targets: Answers) -> Floats:
    n_yes = int(targets.sum())
    n_no = targets.size - n_yes
    return np.where(targets == 1, (n_yes + 1) / (n_yes + 2), 1 / (n_no + 2))


def _fit_platt(logits: Floats, targets: Answers) -> Calibrator:
    soft = _smoothed(targets)
    if targets.min() == targets.max():
        return Platt(slope=1.0, intercept=float(_logistic(np.ones((logits.size, 1)), soft, offset=logits)[0]))
    slope, intercept = _logistic(np.column_stack([logits, np.ones_like(logits)]), soft)
    return Platt(slope=float(slope), intercept=float(intercept))


def _fit_temperature(logits: Floats, targets: Answers) -> Calibrator:
    slope = float(_logistic(logits[:, None], _smoothed(targets))[0])
    return Temperature(temperature=1.0 / max(slope, MIN_SLOPE))


def _fit_beta(logits: Floats, targets: Answers) -> Calibrator:
    """Kull et al. 2017, algorithm 1: a negative coefficient leaves the model, which is fitted again without it."""
    features = np.column_stack([-np.logaddexp(0.0, -logits), np.logaddexp(0.0, logits), np.ones_like(logits)])
    soft = _smoothed(targets)
    kept = [0, 1, 2]
    coefficients = np.zeros(3)
    while True:
        coefficients[:] = 0.0
        coefficients[kept] = _logistic(features[:, kept], soft)
        negative = [j for j in kept if j < 2 and coefficients[j] < 0]
        if not negative:
            return Beta(a=float(coefficients[0]), b=float(coefficients[1]), c=float(coefficients[2]))
        kept.remove(min(negative, key=lambda j: float(coefficients[j])))


def _fit_isotonic(logits: Floats, targets: Answers) -> Calibrator:
    fit = IsotonicRegression(out_of_bounds="clip").fit(logits, targets.astype(np.float64))
    return Isotonic(logits=tuple(map(float, fit.X_thresholds_)), probs=tuple(map(float, fit.y_thresholds_)))


def _logistic(features: Floats, soft: Floats, *, offset: Floats | None = None) -> Floats:
    """Maximum likelihood logistic regression on targets between 0 and 1, by Newton steps that are halved until the loss falls.

    :param features: *Shape:* (n, n_features).
    :param soft: *Shape:* (n,).
    :param offset: added to the linear part, *Shape:* (n,).
    :return: coefficients, *Shape:* (n_features,).
    """
    base = np.zeros(len(features)) if offset is None else offset
    weights = np.zeros(features.shape[1])
    loss = _soft_loss(base, soft)
    for _ in range(100):
        probs = sigmoid(features @ weights + base)
        gradient = features.T @ (probs - soft)
        hessian = (features * (probs * (1 - probs))[:, None]).T @ features
        step = np.linalg.lstsq(hessian, gradient, rcond=1e-12)[0]
        if float(np.abs(step).max()) < 1e-10:
            break
        scale = 1.0
        while scale > 1e-6 and _soft_loss(features @ (weights - scale * step) + base, soft) > loss:
            scale /= 2
        weights = weights - scale * step
        loss = _soft_loss(features @ weights + base, soft)
    return weights


def _soft_loss(linear: Floats, soft: Floats) -> float:
    return float((np.logaddexp(0.0, linear) - soft * linear).sum())


def _half_of_best_f1(probs: Floats, targets: Answers) -> tuple[float, float | None]:
    """The threshold, and the F1 that it reaches on these texts."""
    best = _best_f1(probs, targets)[1]
    if best is None:
        return DEFAULT_CATEGORY_THRESHOLD, None
    said = probs >= best / 2
    return best / 2, float(2 * targets[said].sum() / (said.sum() + targets.sum()))


def _best_f1(probs: Floats, targets: Answers) -> tuple[float, float | None]:
    """The threshold that is best on these texts, and its F1."""
    support = int(targets.sum())
    if not support:
        return DEFAULT_CATEGORY_THRESHOLD, None
    order = np.argsort(-probs, kind="stable")
    ranked = probs[order]
    ends = np.flatnonzero(np.append(np.diff(ranked) < 0, True))
    f1s = 2 * np.cumsum(targets[order])[ends] / (ends + 1 + support)
    best = int(np.argmax(f1s))
    lowest = ranked[ends[best]]
    below = ranked[ends[best] + 1] if ends[best] + 1 < ranked.size else lowest
    return float((lowest + below) / 2), float(f1s[best])


_FITS: dict[str, Callable[[Floats, Answers], Calibrator]] = {
    "platt": _fit_platt,
    "beta": _fit_beta,
    "isotonic": _fit_isotonic,
    "venn_abers": fit_venn_abers,
    "temperature": _fit_temperature,
}
