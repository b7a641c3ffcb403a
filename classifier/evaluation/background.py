"""What a model does to ordinary texts: how many of ten thousand it acts on, and which are the worst. Needs SciPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import as_probs
from classifier.decisions.ladder import Ladder, decide_levels
from classifier.errors import CalibrationError
from classifier.evaluation.bootstrap import CONFIDENCE_LEVEL, Estimate, exact_shares
from classifier.evaluation.outcomes import even_severities
from classifier.evaluation.tables import markdown_table
from classifier.policy import Policy


@dataclass(frozen=True)
class BackgroundRate:
    """How many of ``per`` texts meet a fate: ``rate.value``, with an exact interval; ``n_hit`` of the ``rate.n`` texts here did."""

    what: str
    n_hit: int
    rate: Estimate


@dataclass(frozen=True)
class Background:
    """Fates of ordinary texts: acted on at each level or above (``acted``, one for each acting level), sent to review, flagged at a prob
    of ``severity >= 1`` of 0.5. ``worst`` are the positions of the texts with the highest such prob, the highest first.
    """

    n: int
    per: int
    acted: tuple[BackgroundRate, ...]
    reviewed: BackgroundRate
    flagged: BackgroundRate
    worst: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        rates = {"acted": [_rate(item) for item in self.acted], "reviewed": _rate(self.reviewed), "flagged": _rate(self.flagged)}
        return {"confidence_level": CONFIDENCE_LEVEL, "n": self.n, "per": self.per, **rates, "worst": list(self.worst)}

    def to_markdown(self) -> str:
        """One table."""
        rows = [
            (item.what, item.n_hit, f"{item.rate.value:.1f} [{item.rate.low:.1f}, {item.rate.high:.1f}]")
            for item in (*self.acted, self.reviewed, self.flagged)
        ]
        return markdown_table(("fate", f"of {self.n:,} texts", f"per {self.per:,}"), rows) + "\n"


def background(probs: npt.ArrayLike, policy: Policy, ladder: Ladder, *, per: int = 10_000, n_worst: int = 20) -> Background:
    """What the decisions do to texts that are unlabelled or benign, and ordinary.

    The intervals are those of Clopper & Pearson (1934) and take the texts as independent.

    :param probs: calibrated, *Shape:* (n_texts, n_questions).
    :param per: the number of texts that rates are given for.
    :param n_worst: how many of the worst texts to name, at most.
    :raises CalibrationError: when there is no text, a shape or value is wrong, or the ladder belongs to another policy.
    """
    values = as_probs(probs, policy)
    if not len(values):
        raise CalibrationError("Expected at least one text, but got none; score some ordinary texts first.")
    decided = decide_levels(values, ladder, policy)
    fates = {
        **{f"acted on at {level.level_id} or above": decided.severity >= level.severity for level in ladder.levels},
        "sent to review": decided.review,
        "flagged at a prob of 0.5": even_severities(values, policy) >= 1,
    }
    n_hits = [int(hits.sum()) for hits in fates.values()]
    shares = exact_shares(n_hits, [len(values)] * len(n_hits))
    rates = [
        BackgroundRate(what, n_hit, Estimate(per * share.value, per * share.low, per * share.high, share.n))
        for what, n_hit, share in zip(fates, n_hits, shares, strict=True)
    ]
    worst = np.argsort(-values[:, policy.severity_column(1)], kind="stable")[:n_worst]
    return Background(len(values), per, tuple(rates[:-2]), rates[-2], rates[-1], tuple(worst.tolist()))


def _rate(item: BackgroundRate) -> dict[str, Any]:
    return {"what": item.what, "n_hit": item.n_hit, "rate": item.rate.to_dict()}
