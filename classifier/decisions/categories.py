"""The threshold of each category: which categories a decision names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from classifier.errors import CalibrationError


@dataclass(frozen=True)
class CategoryThresholds:
    """One inclusive threshold for each category, in the policy's order, with the F1 it reached where it was chosen.

    ``f1s`` holds None where the category had no gold positive to choose by.
    """

    category_ids: tuple[str, ...]
    thresholds: tuple[float, ...]
    f1s: tuple[float | None, ...]
    supports: tuple[int, ...]
    policy_fingerprint: str

    def __post_init__(self) -> None:
        lengths = {len(self.category_ids), len(self.thresholds), len(self.f1s), len(self.supports)}
        if len(lengths) != 1:
            raise CalibrationError(f"Expected one threshold, F1 and support for each category, but got lengths {sorted(lengths)}.")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content, read back by ``from_dict``."""
        return {
            "policy_fingerprint": self.policy_fingerprint,
            "categories": [
                {"category": category, "threshold": threshold, "f1": f1, "support": support}
                for category, threshold, f1, support in zip(self.category_ids, self.thresholds, self.f1s, self.supports, strict=True)
            ],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> CategoryThresholds:
        """Read what ``to_dict`` wrote.

        :raises CalibrationError: when a key is missing or of the wrong kind.
        """
        try:
            items = content["categories"]
            return cls(
                category_ids=tuple(str(item["category"]) for item in items),
                thresholds=tuple(float(item["threshold"]) for item in items),
                f1s=tuple(None if item["f1"] is None else float(item["f1"]) for item in items),
                supports=tuple(int(item["support"]) for item in items),
                policy_fingerprint=str(content["policy_fingerprint"]),
            )
        except (KeyError, TypeError) as error:
            raise CalibrationError(f"Expected the content of category thresholds, but got a malformed one: {error!r}; choose them again.") from error
