"""A prevalence on the command line: one share, or a range of shares."""

from __future__ import annotations


def prevalence_of(given: str | None) -> float | tuple[float, float] | None:
    """Read ``0.01`` or ``0.01:0.05``.

    :raises ValueError: when it is neither, or not between 0 and 1.

    >>> prevalence_of("0.01"), prevalence_of("0.01:0.05"), prevalence_of(None)
    (0.01, (0.01, 0.05), None)
    """
    if given is None:
        return None
    try:
        shares = tuple(float(part) for part in given.split(":"))
    except ValueError as error:
        raise ValueError(f"Expected a prevalence such as 0.01, or a range such as 0.01:0.05, but got {given!r}.") from error
    if len(shares) > 2 or not all(0 < share < 1 for share in shares) or list(shares) != sorted(shares):
        raise ValueError(f"Expected a prevalence above 0 and below 1, or a rising range of them, but got {given!r}.")
    return shares[0] if len(shares) == 1 else (shares[0], shares[1])


def ends_of(prevalence: float | tuple[float, float]) -> tuple[float, ...]:
    """The one share, or both ends of the range.

    >>> ends_of(0.01), ends_of((0.01, 0.05))
    ((0.01,), (0.01, 0.05))
    """
    return prevalence if isinstance(prevalence, tuple) else (prevalence,)
