"""How many texts each split shall have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from classifier.errors import DataError, Problem

SPLITS = ("train", "dev", "calibration", "test")
LATE_SPLITS = ("calibration", "test")
"""The splits that get the later texts when a data set is split by time."""


@dataclass(frozen=True)
class SplitSizes:
    """The size of each split: a float is a share of all texts, an int a number of texts, None (one split at most) is the rest.

    ``minimums`` demands a number of texts of a split, whatever the components allow.

    >>> SplitSizes(train=None, dev=0.25, calibration=2, test=1).wanted(12)
    {'train': 6, 'dev': 3, 'calibration': 2, 'test': 1}
    """

    train: float | int | None = None
    dev: float | int | None = 0.1
    calibration: float | int | None = 0.15
    test: float | int | None = 0.15
    minimums: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = {name: getattr(self, name) for name in SPLITS}
        for name, size in sizes.items():
            if size is not None and (size < 0 or (isinstance(size, float) and size > 1)):
                raise ValueError(f"Expected for {name} a share from 0.0 to 1.0 or a number of at least 0, but got {size!r}.")
        if list(sizes.values()).count(None) > 1:
            raise ValueError(f"Expected at most one split that takes the rest, but got {[name for name in SPLITS if sizes[name] is None]}.")
        unknown = sorted(set(self.minimums) - set(SPLITS))
        if unknown:
            raise ValueError(f"Expected minimums for {', '.join(SPLITS)} only, but got {unknown}.")

    def wanted(self, n_texts: int) -> dict[str, int]:
        """The number of texts wanted in each split.

        :raises DataError: when the sizes do not add up to ``n_texts``, or a split is wanted smaller than its minimum.
        """
        sizes = {name: getattr(self, name) for name in SPLITS}
        exact = {name: size * n_texts if isinstance(size, float) else size for name, size in sizes.items() if size is not None}
        given = sum(exact.values())
        rest = next((name for name in SPLITS if sizes[name] is None), None)
        if given > n_texts + 0.5 or (rest is None and given < n_texts - 0.5):
            message = f"expected sizes that add up to the {n_texts:,} texts, but got {given:,.0f}; give one split as the rest"
            raise DataError((Problem("split", 0, "sizes", message),))
        counts = _rounded(exact | ({rest: n_texts - given} if rest else {}), n_texts)
        for name, minimum in self.minimums.items():
            if counts[name] < minimum:
                message = f"expected at least {minimum:,} texts, but its size is {counts[name]:,} of the {n_texts:,} texts; give it a larger size"
                raise DataError((Problem("split", 0, name, message),))
        return counts


def _rounded(exact: Mapping[str, float], n_texts: int) -> dict[str, int]:
    """Whole numbers that add up: all rounded down, then one more for the largest remainders."""
    counts = {name: int(exact[name] + 1e-9) for name in SPLITS}
    by_remainder = sorted(SPLITS, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: n_texts - sum(counts.values())]:
        counts[name] += 1
    return counts


def parse_sizes(text: str) -> SplitSizes:
    """Read sizes as one writes them: a number with a point is a share, one without a number of texts, ``rest`` what is left.

    :raises ValueError: when it cannot be read so.

    >>> parse_sizes("train=rest,dev=0.1,calibration=1500,test=1500").calibration
    1500
    """
    sizes: dict[str, float | int | None] = {}
    for part in text.split(","):
        name, _, size = (piece.strip() for piece in part.partition("="))
        if name not in SPLITS or name in sizes:
            raise ValueError(f"Expected each of {', '.join(SPLITS)} once, as in train=rest,dev=0.1,calibration=1500,test=1500, but got {part!r}.")
        sizes[name] = _size(name, size)
    missing = [name for name in SPLITS if name not in sizes]
    if missing:
        raise ValueError(f"Expected a size for every split, but {', '.join(missing)} has none; say `{missing[0]}=rest` or `{missing[0]}=0`.")
    return SplitSizes(sizes["train"], sizes["dev"], sizes["calibration"], sizes["test"])


def _size(name: str, size: str) -> float | int | None:
    if size == "rest":
        return None
    try:
        return int(size) if size.isascii() and size.isdigit() else float(size)
    except ValueError as error:
        raise ValueError(f"Expected for {name} a share such as 0.1, a number such as 1500, or rest, but got {size!r}.") from error
