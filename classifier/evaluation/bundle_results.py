"""The report about a bundle: results side by side, as JSON-able content and as Markdown. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from classifier.bundle import Bundle
from classifier.evaluation.baselines import BaselineResult, PairedDifference, headline_of
from classifier.evaluation.honesty import Honesty, PrecisionAt, precision_at
from classifier.evaluation.mistakes import FalsePositives, Mistakes, SeverityCost, severity_cost
from classifier.evaluation.results import Evaluation
from classifier.evaluation.saved import SavedResults
from classifier.evaluation.tables import markdown_table, shown

TFIDF = "TF-IDF + logistic regression"
"""Name of the baseline that is fitted wherever training texts are given."""


@dataclass(frozen=True)
class BundleReport:
    """The evaluation of a bundle; ``baseline`` is TF-IDF where training texts were given.

    ``baselines`` are that and all whose scores were given, each with what the bundle has more; ``saved`` was measured earlier.
    """

    evaluation: Evaluation
    baseline: Evaluation | None
    baselines: tuple[BaselineResult, ...]
    facts: dict[str, Any]
    bundle: Bundle
    mistakes: Mistakes
    false_positives: tuple[FalsePositives, ...]
    honesty: Honesty
    saved: SavedResults = field(default_factory=SavedResults)

    @property
    def comparisons(self) -> tuple[BaselineResult, ...]:
        """The baselines judged now, then the saved ones of other names."""
        names = {item.name for item in self.baselines}
        return self.baselines + tuple(item for item in self.saved.baselines if item.name not in names)

    @property
    def difference(self) -> PairedDifference | None:
        """Bundle minus ``baseline``."""
        return next((item.difference for item in self.baselines if item.name == TFIDF), None)

    @property
    def costs(self) -> tuple[SeverityCost, ...]:
        """Of deciding severity by the ladder, and by the number of probs of at least 0.5."""
        return severity_cost(self.evaluation.decided_severity), severity_cost(self.evaluation.even_severity)

    @property
    def precision_at(self) -> tuple[PrecisionAt, ...]:
        """Of acting at all, where violations are rarer."""
        return precision_at(self.evaluation.acted)

    @property
    def alarms(self) -> tuple[str, ...]:
        """Why the figures or promises must not be relied on, one sentence each."""
        void = self.bundle.void
        said = () if void is None else (f"The promises of this bundle were declared void on {void.date}: {void.question} drifted on {void.source}.",)
        return said + self.honesty.alarms

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content. The texts of the mistakes are left out."""
        return {
            "facts": self.facts,
            "evaluation": self.evaluation.to_dict(),
            "baseline": None if self.baseline is None else self.baseline.to_dict(),
            "difference": None if self.difference is None else self.difference.to_dict(),
            "baselines": [item.to_dict() for item in self.comparisons],
            **self.saved.to_dict(),
            "alarms": list(self.alarms),
            "honesty": self.honesty.to_dict(),
            "mistakes": [vars(count) for count in self.mistakes.counts],
            "costs": [{**vars(cost), "per_text": cost.per_text.to_dict()} for cost in self.costs],
            "precision_at": [{"prevalence": item.prevalence, "precision": item.precision.to_dict()} for item in self.precision_at],
        }

    def to_markdown(self) -> str:
        """The same content to read."""
        lines = [f"- {key}: `{value}`" for key, value in self.facts.items() if not isinstance(value, dict)]
        alarms = "".join(f"**Do not rely on these figures: {alarm}**\n\n" for alarm in self.alarms)
        text = "# Evaluation\n\n" + alarms + HONESTY + "\n\n" + "\n".join(lines) + "\n\n" + self.evaluation.to_markdown()
        if self.comparisons:
            text += "\n\n" + _comparisons(self.evaluation, self.comparisons)
        if self.baseline is not None:
            text += "\n\n" + BASELINE + "\n\n" + self.baseline.to_markdown()
        saved = (self.saved.attack, self.saved.evidence)
        text += "".join(f"\n\n{result.to_markdown().rstrip()}" for result in saved if result is not None)
        return text + "\n"


HONESTY = (
    "The labelled texts were written for this project, not collected from a platform, and the severity criteria are the project's own: these "
    "figures hold for texts like these. Before acting on a platform's accounts, label its own texts, calibrate and evaluate on them."
)

BASELINE = (
    "# Baseline: jieba TF-IDF with logistic regression, trained on the same texts\n\nThe ladder was certified for the bundle's probs, not for "
    "these: look at the figures that rest on no level."
)


AT_EVEN = "Baselines of saved scores name categories at a prob of 0.5; all other figures compare like with like."


def _comparisons(evaluation: Evaluation, comparisons: Sequence[BaselineResult]) -> str:
    """Headline figures of all models, then what the bundle has more."""
    headers = ["model", "macro-F1", "F1 of any violation", "average precision", "kappa of severity"]
    own = ["this model", *map(shown, vars(headline_of(evaluation)).values())]
    rows = [own, *([item.name, *map(shown, vars(item.headline).values())] for item in comparisons)]
    more = [[f"this model − {item.name}", *map(shown, vars(item.difference).values())] for item in comparisons]
    tests = [[item.name, item.mcnemar.n_only_first, item.mcnemar.n_only_second, f"{item.mcnemar.p_value:.2g}"] for item in comparisons]
    return "\n\n".join(
        [
            "# Next to the baselines",
            *([AT_EVEN] if any(item.name != TFIDF for item in comparisons) else []),
            markdown_table(headers, rows),
            markdown_table(["paired difference", *headers[1:]], more),
            markdown_table(["any violation at 0.5", "only this model is right", "only the baseline is", "p (McNemar)"], tests),
        ]
    )
