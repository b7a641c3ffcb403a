"""How many machines a stream takes, and what it costs: from one measured speed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from classifier.batch.rates import Rate

_DAY_S = 86_400


@dataclass(frozen=True)
class Plan:
    """Machines for a number of texts a day.

    ``texts_per_s`` is what must be done on average; ``machine_hours_per_million`` counts hours of one machine at work; ``cost_per_million`` is in the
    currency of the price, and pays for idle time, too.
    """

    texts_per_s: float
    n_machines: int
    machine_hours_per_million: float
    cost_per_million: float
    cost_per_day: float


def plan_for(texts_per_day: float, *, machine_texts_per_s: float, price_per_hour: float = 0.0, utilisation: float = 0.7) -> Plan:
    """Plan machines for a stream.

    :param machine_texts_per_s: measured on one machine, with texts of the stream's length and its share of copies.
    :param price_per_hour: of one machine.
    :param utilisation: share of the day that a machine may be planned for; the rest is for peaks, failures and starts.
    :raises ValueError: when a number is not positive, or the utilisation above 1.

    A machine at 100 texts/s that is at work half the day does 4.32 million a day:

    >>> plan = plan_for(8_640_000, machine_texts_per_s=100, price_per_hour=0.36, utilisation=0.5)
    >>> plan.texts_per_s, plan.n_machines, round(plan.machine_hours_per_million, 2)
    (100.0, 2, 2.78)
    >>> round(plan.cost_per_day, 2), round(plan.cost_per_million, 2)
    (17.28, 2.0)
    """
    if not (texts_per_day > 0 and machine_texts_per_s > 0 and price_per_hour >= 0 and 0 < utilisation <= 1):
        given = (texts_per_day, machine_texts_per_s, price_per_hour, utilisation)
        raise ValueError(f"Expected positive numbers, a price of 0 or more and a utilisation up to 1, but got {given}.")
    n_machines = math.ceil(texts_per_day / (_DAY_S * machine_texts_per_s * utilisation))
    cost_per_day = n_machines * 24 * price_per_hour
    return Plan(
        texts_per_s=texts_per_day / _DAY_S,
        n_machines=n_machines,
        machine_hours_per_million=1e6 / machine_texts_per_s / 3_600,
        cost_per_million=cost_per_day / texts_per_day * 1e6,
        cost_per_day=cost_per_day,
    )


def plan_table(rate: Rate, *, texts_per_day: float, price_per_hour: float = 0.0, utilisation: float = 0.7) -> str:
    """A plan as a Markdown table that says how each figure follows from the measured ones."""
    plan = plan_for(texts_per_day, machine_texts_per_s=rate.texts_per_s, price_per_hour=price_per_hour, utilisation=utilisation)
    busy, hours = plan.texts_per_s / rate.texts_per_s, plan.machine_hours_per_million
    rows = [
        ("measured on one machine", f"`{rate.measured}` ({rate.texts})", f"{rate.texts_per_s:g} texts/s on {rate.cores} cores"),
        ("to be done", f"{texts_per_day:,.0f} / 86,400 s", f"{plan.texts_per_s:,.0f} texts/s"),
        ("time of one machine a million texts", f"1,000,000 / {rate.texts_per_s:g} / 3,600", f"{hours:.2f} h, {rate.cores * hours:.2f} core hours"),
        ("machines, never idle", f"{plan.texts_per_s:,.0f} / {rate.texts_per_s:g}", f"{busy:.1f}"),
        (f"machines, planned at {utilisation:.0%}", f"{busy:.1f} / {utilisation:g}, up", f"{plan.n_machines:,}"),
        ("cost of a million texts", f"{plan.n_machines:,} machines x 24 h x {price_per_hour:g} / millions a day", f"{plan.cost_per_million:.2f}"),
        ("cost of a day", f"{plan.n_machines:,} machines x 24 h x {price_per_hour:g}", f"{plan.cost_per_day:,.0f}"),
    ]
    return "\n".join(["| what | how | value |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])
