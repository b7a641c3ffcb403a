"""Are the spans that a bundle shows the ones that carry its decisions? Its own evidence, judged on texts whose labels mark theirs.

The room runs no encoder: it is given a function that decides with evidence, and one that turns texts into probs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.bundle import Bundle
from classifier.data import clusters_of
from classifier.decisions.decision import Decision
from classifier.errors import CalibrationError
from classifier.evaluation.faithfulness import Explained, Faithfulness, faithfulness
from classifier.evaluation.mistakes import marked_stretches
from classifier.evaluation.tables import markdown_table, shown
from classifier.examples import Example
from classifier.text import normalise

N_RANDOM = 3
"""Sets of random spans that each text's own are held against."""
Explain = Callable[[Sequence[Example]], Sequence[Decision]]
"""Texts to their decisions with evidence, in the same order."""
PredictProbs = Callable[[Sequence[str], Sequence[str]], npt.NDArray[np.float32]]
"""Texts and their sources to calibrated probs, *Shape:* (n_texts, n_questions)."""


@dataclass(frozen=True)
class EvidenceReport:
    """``n_drawn`` texts with marked evidence were decided; ``faithfulness`` is over those for which spans were due (acted on or in review)."""

    n_drawn: int
    seed: int
    n_random: int
    n_resamples: int
    model_fingerprint: str
    policy_fingerprint: str
    ladder_fingerprint: str
    faithfulness: Faithfulness

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return vars(self) | {"faithfulness": self.faithfulness.to_dict()}

    def to_markdown(self) -> str:
        """The same content to read."""
        found = self.faithfulness
        rows = [
            ["comprehensiveness", shown(found.comprehensiveness), shown(found.random_comprehensiveness), shown(found.comprehensiveness_gain)],
            ["sufficiency", shown(found.sufficiency), shown(found.random_sufficiency), shown(found.sufficiency_gain)],
        ]
        return (
            f"# Evidence\n\n{found.n} of {self.n_drawn} texts with marked evidence were acted on or sent to review; beside them {self.n_random} sets "
            "of random spans of the same lengths. Comprehensiveness: how far the prob of any violation falls without the spans; sufficiency: how "
            "far it falls with nothing but them (the less the better). A gain above 0 is good for both.\n\n"
            + markdown_table(["measure", "shown spans", "random spans", "gain"], rows)
            + f"\n\nOverlap with the marks: F1 {shown(found.f1)}, intersection over union {shown(found.iou)} (characters); "
            f"share of the text shown {shown(found.shown_share)}.\n"
        )


def evidence_report(
    examples: Sequence[Example],
    bundle: Bundle,
    explain: Explain,
    predict: PredictProbs,
    *,
    limit: int,
    seed: int,
    n_random: int = N_RANDOM,
    n_resamples: int = 1000,
) -> EvidenceReport:
    """Judge the evidence of a bundle on violating texts whose labels mark theirs.

    :param limit: most texts to decide, drawn by the seed.
    :raises CalibrationError: when no text has marked evidence, or for none of those drawn any evidence is due.
    """
    marked = [example for example in examples if example.violating and marked_stretches(example)]
    if not marked or limit < 1:
        raise CalibrationError(f"Expected violating texts with marked evidence, and a limit of at least 1, but got {len(marked)} and {limit}.")
    rows = np.sort(np.random.default_rng(seed).permutation(len(marked))[:limit])
    drawn = [marked[int(row)] for row in rows]
    pairs = [(e, d) for e, d in zip(drawn, explain(drawn), strict=True) if d.error is None and (d.severity > 0 or d.review)]
    if not pairs:
        raise CalibrationError(f"Expected texts that are acted on or sent to review, but none of {len(drawn)} is; give more of them.")
    kept = [example for example, _ in pairs]
    texts = [Explained(e.text, tuple((span.start, span.end) for span in d.evidence), marked_stretches(e)) for e, d in pairs]
    score = _scorer(predict, [example.source for example in kept], bundle.policy.severity_column(1))
    found = faithfulness(texts, score, clusters=clusters_of(kept), seed=seed, n_random=n_random, n_resamples=n_resamples)
    return EvidenceReport(
        n_drawn=len(drawn),
        seed=seed,
        n_random=n_random,
        n_resamples=n_resamples,
        model_fingerprint=bundle.model_fingerprint,
        policy_fingerprint=bundle.policy.fingerprint,
        ladder_fingerprint=bundle.ladder.fingerprint,
        faithfulness=found,
    )


def _scorer(predict: PredictProbs, sources: Sequence[str], column: int) -> Callable[[Sequence[str]], npt.NDArray[np.float32]]:
    def score(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Probs of one question; a text of which nothing visible is left says nothing, and has none."""
        of_texts = list(sources) * (len(texts) // len(sources))  # faithfulness asks for all texts in their order, round after round
        probs = np.zeros(len(texts), dtype=np.float32)
        visible = [i for i, text in enumerate(texts) if normalise(text).text]
        if visible:
            probs[visible] = predict([texts[i] for i in visible], [of_texts[i] for i in visible])[:, column]
        return probs

    return score
