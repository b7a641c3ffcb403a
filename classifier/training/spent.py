"""What a run costs: seconds, processor time, and energy, measured where the machine tells it and estimated where it does not."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
WATTS_PER_CORE = 5.0
"""Assumed draw of one busy core with its share of the memory, in watts; a server processor of 64 cores and 280 W comes to about 4.4."""
JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Spent:
    """Wall-clock seconds, processor seconds over all cores, and joules of the processor packages, None where the machine does not tell.

    ``processor_s`` counts this process alone; the counter of the packages counts all that ran on the machine meanwhile.
    """

    seconds: float = 0.0
    processor_s: float = 0.0
    joules: float | None = None

    def plus(self, other: Spent) -> Spent:
        """The sum; joules are known only where both parts know them, or one part is empty.

        >>> Spent(1.0, 2.0, 3.0).plus(Spent(1.0, 1.0, None))
        Spent(seconds=2.0, processor_s=3.0, joules=None)
        """
        if not other.seconds:
            return self
        if not self.seconds:
            return other
        joules = None if self.joules is None or other.joules is None else self.joules + other.joules
        return Spent(self.seconds + other.seconds, self.processor_s + other.processor_s, joules)

    @property
    def kwh(self) -> float:
        """Kilowatt-hours: of the counters where there are any, otherwise processor time times ``WATTS_PER_CORE``.

        >>> Spent(3600.0, 7200.0).kwh
        0.01
        """
        return (self.processor_s * WATTS_PER_CORE if self.joules is None else self.joules) / JOULES_PER_KWH


class Meter:
    """Counts from its making on."""

    def __init__(self, powercap: Path = POWERCAP) -> None:
        self._powercap = powercap
        self._started = (time.monotonic(), time.process_time(), package_joules(powercap))

    def spent(self) -> Spent:
        """What was spent so far."""
        seconds, processor_s, joules = self._started
        now = package_joules(self._powercap)
        # A counter that went down has started again from zero: how often is not known.
        known = joules is not None and now is not None and now >= joules
        return Spent(time.monotonic() - seconds, time.process_time() - processor_s, now - joules if known else None)  # type: ignore[operator]


def package_joules(powercap: Path = POWERCAP) -> float | None:
    """Sum of the energy counters of the processor packages (RAPL), in joules; None where there is none or it may not be read."""
    try:
        counters = [int((zone / "energy_uj").read_text()) for zone in powercap.glob("intel-rapl:*") if zone.name.count(":") == 1]
    except (OSError, ValueError):
        return None
    return sum(counters) / 1e6 if counters else None
