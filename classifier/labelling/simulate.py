"""Whether choosing texts beats drawing them: learning curves on labelled data, whose labels are shown only when a text is taken. Needs ``train``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.data import clusters_of
from classifier.errors import CalibrationError, require
from classifier.examples import Example, Targets, targets_of
from classifier.labelling.choose import choose, even_thresholds, reduced, uncertainty
from classifier.labelling.out_of_fold import Features, character_features, fitted_probs, folds_of
from classifier.policy import Policy

N_FOLDS = 4
"""One of so many folds is held out to test on."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CurvePoint:
    """Mean average precision over the questions after ``n_labelled`` texts, drawn at random and chosen, and what choosing adds, at 95%."""

    n_labelled: int
    random: float
    chosen: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Simulation:
    """Learning curves over ``n_seeds`` repetitions, each with its own held-out fold and its own first texts, the same for both ways."""

    n_texts: int
    n_seeds: int
    budget: int
    points: tuple[CurvePoint, ...]

    @property
    def words(self) -> str:
        """The result in lines to read."""
        lines = [f"{self.n_texts:,} labelled texts, a quarter held out, {self.n_seeds} repetitions, {self.budget} a round; mean average precision"]
        for point in self.points:
            lines.append(
                f"{point.n_labelled:,} labelled: random {point.random:.3f}, chosen {point.chosen:.3f}, "
                f"difference {point.difference:+.3f} [{point.low:+.3f}, {point.high:+.3f}]"
            )
        return "\n".join(lines)


def simulate(examples: Sequence[Example], policy: Policy, *, budget: int, seed: int, n_rounds: int = 5, n_seeds: int = 5) -> Simulation:
    """Label ``budget`` texts a round, drawn or chosen, train on all there are, and test on texts that hang together with none of them.

    :raises CalibrationError: when there are not enough texts for all rounds.
    """
    if n_seeds < 2 or n_rounds < 2:
        raise ValueError(f"Expected at least two repetitions and two rounds, but got {n_seeds} and {n_rounds}.")
    features, targets, clusters = character_features(examples), targets_of(examples, policy), clusters_of(examples)
    curves = np.array([_curves(features, targets, clusters, policy, budget, n_rounds, seed + i) for i in range(n_seeds)])
    differences = [paired_interval(curves[:, 1, k] - curves[:, 0, k]) for k in range(n_rounds)]
    points = [
        CurvePoint((k + 1) * budget, float(curves[:, 0, k].mean()), float(curves[:, 1, k].mean()), *differences[k]) for k in range(n_rounds)
    ]
    return Simulation(len(examples), n_seeds, budget, tuple(points))


def paired_interval(differences: npt.ArrayLike) -> tuple[float, float, float]:
    """Mean and Student's interval at 95% of paired differences (Student 1908).

    >>> [round(value, 3) for value in paired_interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    values = np.asarray(differences, dtype=np.float64)
    mean = float(values.mean())
    half = float(require("scipy.stats", extra="train").t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def _curves(
    features: Features, targets: Targets, clusters: npt.NDArray[np.int64], policy: Policy, budget: int, n_rounds: int, seed: int
) -> list[list[float]]:
    """The curve of drawing and that of choosing, from the same first texts."""
    rng = np.random.default_rng(seed)
    folds = folds_of(clusters, N_FOLDS, seed=seed)
    pool, test = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
    if len(pool) < n_rounds * budget:
        raise CalibrationError(f"Expected at least {n_rounds * budget} texts beside the held-out ones, but got {len(pool)}; lower budget or rounds.")
    vectors = reduced(features, seed=seed)
    drawn = rng.permutation(pool)
    labelled = drawn[:budget]
    chosen_curve = []
    for k in range(n_rounds):
        # One fit for the test texts and the free ones: the model is the same.
        free = np.setdiff1d(pool, labelled)
        probs = fitted_probs(features[labelled], targets[labelled], features[np.r_[test, free]], seed=seed)
        chosen_curve.append(mean_average_precision(targets[test], probs[: len(test)]))
        if k < n_rounds - 1:
            weights = uncertainty(probs[len(test) :], even_thresholds(policy), policy).values
            labelled = np.r_[labelled, free[choose(weights, vectors[free], budget)]]
    sizes = [(k + 1) * budget for k in range(n_rounds)]
    random_curve = [
        mean_average_precision(targets[test], fitted_probs(features[drawn[:n]], targets[drawn[:n]], features[test], seed=seed)) for n in sizes
    ]
    return [random_curve, chosen_curve]


def mean_average_precision(targets: Targets, probs: Floats) -> float:
    """Mean of the average precision over the questions that have a positive; nan where none has.

    :param targets: 0/1, *Shape:* (n_texts, n_questions); ``probs`` likewise.
    """
    metrics = require("sklearn.metrics", extra="train")
    columns = [j for j in range(targets.shape[1]) if targets[:, j].any()]
    return float(np.mean([metrics.average_precision_score(targets[:, j], probs[:, j]) for j in columns])) if columns else float("nan")
