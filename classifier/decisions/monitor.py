"""Whether fresh texts still look like the calibration texts, for whose like alone the promises hold: a test that may be read at any time.

The argument, in the order in which it is used:

1. *P-values.* If calibration and fresh scores are exchangeable, the smoothed rank of each fresh score among ALL scores before it is uniform, and
   these ranks are independent of each other (Vovk, Gammerman & Shafer 2005, *Algorithmic learning in a random world*, theorem 8.2). Ranks among
   the calibration scores alone would share their luck, and would not be independent.
2. *Bets.* A density on [0, 1] that is fixed before a rank is seen has expectation 1 over a uniform rank, so the product of such densities is a
   martingale that starts at 1. Here each density is a histogram of the ranks so far, smoothed towards the uniform one; several numbers of bins
   share the stake (Fedorova et al. 2012, *Plug-in martingales for testing exchangeability on-line*).
3. *The alarm.* A non-negative martingale that starts at 1 ever reaches 1 / rate with probability at most ``rate`` (Ville 1939). So one may look after
   every text, and stop or go on as one likes. Several streams share the rate evenly (union bound), however they depend on each other.

Texts of one cluster are not exchangeable with others: give one text of each cluster only, in the order in which they came.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import Floats, as_logits
from classifier.errors import CalibrationError

N_BINS = (2, 4, 8)
"""Numbers of bins of the histograms that share the stake: few find a small shift soon, many find a change of shape."""
PRIOR_COUNT = 4.0
"""Ranks that each bin is credited with beforehand: the first bets stay small."""
MIN_REFERENCE = 20
"""The fewest calibration texts of a source that its fresh texts are compared with."""
_LARGEST_LOG = 700.0


@dataclass(frozen=True, eq=False)
class Sample:
    """Scores in the order in which the texts came, one text a cluster.

    ``logits``, *Shape:* (n_texts, n_questions); ``sources``, *Shape:* (n_texts,); ``targets`` 0/1, *Shape:* (n_texts, n_questions), None where nobody
    has labelled them.
    """

    logits: npt.NDArray[np.floating[Any]]
    sources: tuple[str, ...]
    targets: npt.NDArray[np.integer[Any]] | None = None

    def __post_init__(self) -> None:
        if self.logits.ndim != 2 or len(self.logits) != len(self.sources):
            raise CalibrationError(f"Expected one row of logits for each of {len(self.sources)} texts, but got shape {self.logits.shape}.")
        if self.targets is not None and self.targets.shape != self.logits.shape:
            raise CalibrationError(f"Expected targets of shape {self.logits.shape}, but got {self.targets.shape}.")


@dataclass(frozen=True)
class StreamTest:
    """One question of one source: are the fresh scores exchangeable with the calibration scores?

    ``kind`` is ``logits`` (do texts score as they did?) or ``errors`` (is the model as right as it was? needs labels). ``martingale`` is the stake
    after the last text, ``max_martingale`` the highest it ever was, ``rejected_after`` the number of fresh texts after which it first reached
    ``bound``, None where it never did.
    """

    question: str
    source: str
    kind: str
    n_reference: int
    n_fresh: int
    martingale: float
    max_martingale: float
    bound: float
    rejected_after: int | None

    @property
    def rejected(self) -> bool:
        """Whether the texts no longer look alike."""
        return self.rejected_after is not None


@dataclass(frozen=True)
class MonitorReport:
    """All streams. Where texts do stay alike, any stream at all rejects with probability at most ``false_alarm_rate``, over all time.

    ``untested_sources`` have fresh texts, but too few calibration texts to compare them with.
    """

    streams: tuple[StreamTest, ...]
    false_alarm_rate: float
    untested_sources: tuple[str, ...]
    seed: int

    @property
    def rejected(self) -> bool:
        """Whether any stream rejects: the promises no longer stand on anything."""
        return any(stream.rejected for stream in self.streams)

    @property
    def worst(self) -> StreamTest | None:
        """The stream that speaks loudest; None without streams."""
        return max(self.streams, key=lambda stream: stream.max_martingale, default=None)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {"rejected": self.rejected, **asdict(self), "streams": [asdict(stream) for stream in self.streams]}


@dataclass(frozen=True)
class Void:
    """Says that a model's promises are void: which stream rejected, how strongly, at which false alarm rate, and when."""

    model_fingerprint: str
    question: str
    source: str
    kind: str
    martingale: float
    false_alarm_rate: float
    date: str

    @classmethod
    def of(cls, report: MonitorReport, *, model_fingerprint: str, date: str) -> Void:
        """What a rejecting report says of a model.

        :raises ValueError: when the report does not reject.
        """
        worst = report.worst
        if worst is None or not report.rejected:
            raise ValueError("Expected a report that rejects, but this one does not; nothing is void.")
        return cls(model_fingerprint, worst.question, worst.source, worst.kind, worst.max_martingale, report.false_alarm_rate, date)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content, read back by ``from_dict``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Void:
        """Read what ``to_dict`` wrote.

        :raises CalibrationError: when a key is missing, unknown, or of the wrong kind.
        """
        names = {item.name for item in fields(cls)}
        if not isinstance(content, Mapping) or set(content) != names or not isinstance(content["model_fingerprint"], str):
            raise CalibrationError(f"Expected the keys {', '.join(sorted(names))}, but got {content!r}; write it with `classifier monitor --void`.")
        return cls(**content)


def conformal_p_values(reference: npt.ArrayLike, fresh: npt.ArrayLike, *, generator: np.random.Generator) -> Floats:
    """Smoothed rank from above of each fresh score among the reference scores and the fresh ones up to itself; ties are broken at random.

    :param reference: *Shape:* (m,).
    :param fresh: *Shape:* (n,).
    :return: in [0, 1], *Shape:* (n,).

    The highest of four scores has a rank in the first quarter, and the lowest of five then one in the last fifth:

    >>> ranks = conformal_p_values([1.0, 2.0, 3.0], [4.0, 0.0], generator=np.random.default_rng(0))
    >>> bool(ranks[0] <= 1 / 4), bool(ranks[1] >= 4 / 5)
    (True, True)
    """
    before, scores = sorted(as_logits(reference).tolist()), as_logits(fresh).tolist()
    breaks = generator.random(len(scores)).tolist()
    ranks = []
    for score, share in zip(scores, breaks, strict=True):
        n_above = len(before) - bisect_right(before, score)
        n_equal = len(before) - n_above - bisect_left(before, score) + 1
        ranks.append((n_above + share * n_equal) / (len(before) + 1))
        insort(before, score)
    return np.array(ranks, dtype=np.float64)


def log_martingale(p_values: npt.ArrayLike) -> Floats:
    """Natural logarithm of the stake after each rank, by bets on histograms of the ranks before it.

    :param p_values: in [0, 1], *Shape:* (n,).
    :return: *Shape:* (n,).

    The first bet is always even. After one rank in the lower half, a second one there pays 2 * 5 / 9 with two bins, 4 * 5 / 17 with four
    and 8 * 5 / 33 with eight, each with a third of the stake:

    >>> np.exp(log_martingale([0.1, 0.1])).round(4).tolist()
    [1.0, 1.1666]
    """
    ranks = np.asarray(p_values, dtype=np.float64)
    if ranks.ndim != 1 or not ((ranks >= 0) & (ranks <= 1)).all():
        raise ValueError(f"Expected p-values of shape (n,) in [0, 1], but got shape {ranks.shape} or other values.")
    stakes = np.stack([_histogram_bets(ranks, n_bins) for n_bins in N_BINS]).cumsum(axis=1)
    return np.asarray(np.logaddexp.reduce(stakes, axis=0) - np.log(len(N_BINS)), dtype=np.float64)


def monitor(
    calibration: Sample, fresh: Sample, questions: Sequence[str], *, false_alarm_rate: float = 0.01, seed: int = 0
) -> MonitorReport:
    """Test every question of every source that the calibration texts have; with labels on both sides also whether the model is as right as it was.

    The more fresh texts than calibration texts there are, the more the ranks compare fresh texts with each other: start again now and then.

    :param false_alarm_rate: how probable any rejection at all may be, over all time, while texts stay alike.
    :param seed: breaks ties; the same seed on a longer file repeats what was found on the shorter one.
    :raises CalibrationError: when the logits are not of these questions.
    """
    if not 0 < false_alarm_rate < 1:
        raise ValueError(f"Expected a false alarm rate above 0 and below 1, but got {false_alarm_rate}.")
    for sample in (calibration, fresh):
        if sample.logits.shape[1] != len(questions):
            raise CalibrationError(f"Expected logits of {len(questions)} questions, but got shape {sample.logits.shape}; score with this model.")
    counts = {source: calibration.sources.count(source) for source in dict.fromkeys((*calibration.sources, *fresh.sources))}
    # Fixed by the calibration texts alone, so that the shares of the budget do not depend on what comes in.
    sources = sorted(source for source, n_texts in counts.items() if n_texts >= MIN_REFERENCE)
    kinds = ["logits"] if calibration.targets is None or fresh.targets is None else ["logits", "errors"]
    plan = [(source, kind, column) for source in sources for kind in kinds for column in range(len(questions))]
    streams = []
    for number, (source, kind, column) in enumerate(plan):
        ranks = conformal_p_values(
            _scores(calibration, source, kind, column), _scores(fresh, source, kind, column), generator=np.random.default_rng([seed, number])
        )
        n_reference, bound = counts[source], len(plan) / false_alarm_rate
        streams.append(_stream(log_martingale(ranks), questions[column], source, kind, n_reference=n_reference, bound=bound))
    untested = tuple(sorted(set(fresh.sources) - set(sources)))
    return MonitorReport(tuple(streams), false_alarm_rate, untested, seed)


def _stream(stakes: Floats, question: str, source: str, kind: str, *, n_reference: int, bound: float) -> StreamTest:
    reached = np.flatnonzero(stakes >= np.log(bound))
    last, highest = (float(stakes[-1]), max(float(stakes.max()), 0.0)) if stakes.size else (0.0, 0.0)
    return StreamTest(
        question=question,
        source=source,
        kind=kind,
        n_reference=n_reference,
        n_fresh=stakes.size,
        martingale=float(np.exp(min(last, _LARGEST_LOG))),
        max_martingale=float(np.exp(min(highest, _LARGEST_LOG))),
        bound=bound,
        rejected_after=int(reached[0]) + 1 if reached.size else None,
    )


def _scores(sample: Sample, source: str, kind: str, column: int) -> Floats:
    """Logits of one question and source in order; as errors, the higher the more wrong the model is."""
    rows = np.array([kept == source for kept in sample.sources], dtype=np.bool_)
    logits = np.asarray(sample.logits[rows, column], dtype=np.float64)
    if kind == "logits" or sample.targets is None:
        return logits
    return np.where(sample.targets[rows, column] == 1, -logits, logits)


def _histogram_bets(ranks: Floats, n_bins: int) -> Floats:
    """Logarithm of what each rank pays, *Shape:* (n,)."""
    bins = np.minimum((ranks * n_bins).astype(np.int64), n_bins - 1)
    is_in = bins[:, None] == np.arange(n_bins)
    n_before = (np.cumsum(is_in, axis=0) - is_in)[np.arange(ranks.size), bins]
    density = n_bins * (PRIOR_COUNT + n_before) / (n_bins * PRIOR_COUNT + np.arange(ranks.size))
    return np.asarray(np.log(density), dtype=np.float64)
