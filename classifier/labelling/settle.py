"""From the answers of several annotators to one label, where most of them agree, and how far they do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from classifier.data.agreement import Agreement, Reading, ReadTwice, agreement
from classifier.labelling.items import Answer, Item
from classifier.policy import Policy


@dataclass(frozen=True)
class Pair:
    """Agreement of two annotators over the texts that both answered with a severity."""

    first: str
    second: str
    agreement: Agreement


@dataclass(frozen=True)
class Disagreement:
    """How far the annotators of some texts agree.

    Of ``n_items`` texts ``n_answered`` were answered by at least one and ``n_several`` by several annotators, of which ``n_unanimous`` got one
    answer; ``disputed`` are the ids of those for which no answer has a majority. ``n_predicted`` settled texts came with a model's prediction, and
    ``n_prediction_kept`` of those were settled as predicted. ``pairs`` has the pairs of annotators by the number of their texts, most first.
    """

    n_items: int
    n_answered: int
    n_several: int
    n_unanimous: int
    disputed: tuple[str, ...]
    n_predicted: int
    n_prediction_kept: int
    pairs: tuple[Pair, ...]

    @property
    def words(self) -> str:
        """The result in lines to read."""
        lines = [
            f"{self.n_items:,} texts, {self.n_answered:,} answered; {self.n_several:,} by several annotators, {self.n_unanimous:,} of these alike",
            f"without a majority: {len(self.disputed):,}",
        ]
        if self.n_predicted:
            lines.append(f"model predictions: {self.n_prediction_kept:,} of {self.n_predicted:,} settled as predicted")
        for pair in self.pairs:
            found = pair.agreement
            lines.append(
                f"{pair.first} / {pair.second}: {found.n_texts:,} texts, {found.n_equal:,} alike, any violation kappa {found.violation.kappa:.3f} "
                f"[{found.violation.low:.3f}, {found.violation.high:.3f}], severity kappa {found.severity_kappa:.3f}"
            )
        return "\n".join(lines)


def settled(answers: Sequence[Answer]) -> Answer | None:
    """The answer that more than half of the annotators gave (set of categories, and severity); None where there is none.

    The main act is that of the most, then of the first of those who agree; the evidence is that of the first who marked any.

    >>> one, two = Answer("a", ("trading",), 2), Answer("b", (), 0)
    >>> settled([one, two]), settled([one, two, Answer("c", ("trading",), 2)]).annotator
    (None, 'a+c')
    """
    if not answers:
        return None
    key, n_agreeing = Counter(answer.key for answer in answers).most_common(1)[0]
    if 2 * n_agreeing <= len(answers):
        return None
    agreeing = [answer for answer in answers if answer.key == key]
    categories = Counter(answer.categories for answer in agreeing).most_common(1)[0][0]
    evidence = next((answer.evidence for answer in agreeing if answer.evidence), ())
    return Answer("+".join(dict.fromkeys(answer.annotator for answer in agreeing)), categories, key[1], evidence)


def disagreement(items: Sequence[Item], policy: Policy, *, seed: int, n_resamples: int = 200) -> Disagreement:
    """Count how far annotators agree, over all texts and for every pair of annotators.

    :param seed: of the intervals.
    :raises MissingExtraError: where texts were answered several times and the extra ``train`` is not installed.
    """
    labels = {item.id: settled(item.answers) for item in items}
    several = [item for item in items if len(item.answers) > 1]
    predicted = [(item, labels[item.id]) for item in items if item.predictions and labels[item.id] is not None]
    return Disagreement(
        n_items=len(items),
        n_answered=sum(bool(item.answers) for item in items),
        n_several=len(several),
        n_unanimous=sum(len({answer.key for answer in item.answers}) == 1 for item in several),
        disputed=tuple(item.id for item in several if labels[item.id] is None),
        n_predicted=len(predicted),
        n_prediction_kept=sum(label is not None and item.predictions[-1].key == label.key for item, label in predicted),
        pairs=_pairs(several, labels, policy, seed=seed, n_resamples=n_resamples),
    )


def _pairs(items: Sequence[Item], labels: Mapping[str, Answer | None], policy: Policy, *, seed: int, n_resamples: int) -> tuple[Pair, ...]:
    read: dict[tuple[str, str], list[ReadTwice]] = {}
    for item in items:
        readings = {answer.annotator: Reading(answer.categories, answer.severity) for answer in item.answers if answer.severity is not None}
        label = labels[item.id]
        # Where nobody has a majority, the readings of both stay what they are: the text counts as settled like neither.
        final = Reading((), -1) if label is None or label.severity is None else Reading(label.categories, label.severity)
        for first, second in combinations(sorted(readings), 2):
            read.setdefault((first, second), []).append(ReadTwice(item.id, readings[first], readings[second], final))
    ordered = sorted(read.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return tuple(Pair(*names, agreement(texts, policy, seed=seed, n_resamples=n_resamples)) for names, texts in ordered)
