"""A section of the page, and the one place that turns a template and values into HTML: everything is escaped unless it is markup already."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from classifier.evaluation.background import Background
from classifier.evaluation.bootstrap import Estimate

TEMPLATES_DIR = Path(__file__).parent / "templates"
_HAN = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]+(?:[\w·《》〔〕、,。()\s.]*[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]+)*")


@dataclass(frozen=True)
class Section:
    """One part of the page: ``id`` is its anchor, ``title`` its heading and its entry in the contents, ``html`` what stands below the heading."""

    id: str
    title: str
    html: Markup


@dataclass(frozen=True)
class NamedBackground:
    """What happens to the ordinary texts of one file; ``worst_texts`` and ``worst_probs`` (of any violation) belong to ``result.worst``."""

    name: str
    result: Background
    worst_texts: tuple[str, ...]
    worst_probs: tuple[float, ...]


def render(template: str, **values: Any) -> Markup:
    """Fill a template of this room."""
    return Markup(_environment().get_template(template).render(**values))


def percent(value: float, digits: int = 1) -> str:
    """A share as a percentage, a dash for nan.

    >>> percent(0.9231), percent(float("nan"))
    ('92.3%', '–')
    """
    return "–" if math.isnan(value) else f"{100 * value:.{digits}f}%"


def number(value: float, digits: int = 3) -> str:
    """A number, a dash for nan.

    >>> number(0.70161), number(-0.02)
    ('0.702', '−0.020')
    """
    return "–" if math.isnan(value) else f"{value:.{digits}f}".replace("-", "−")


def with_interval(estimate: Estimate, kind: str = "number", digits: int | None = None) -> Markup:
    """Value and interval; ``kind`` is ``number``, ``percent`` or ``signed``.

    >>> str(with_interval(Estimate(0.5, 0.4, 0.6, 10), "percent"))
    '<span class="value">50.0%</span> <span class="interval">40.0–60.0</span>'
    """
    if math.isnan(estimate.value):
        return Markup('<span class="value none">–</span>')
    scale, places = (100, 1) if kind == "percent" else (1, 3)
    places = places if digits is None else digits
    value, low, high = (f"{scale * part:.{places}f}".replace("-", "−") for part in (estimate.value, estimate.low, estimate.high))
    sign = "+" if kind == "signed" and estimate.value > 0 else ""
    unit = "%" if kind == "percent" else ""
    dash = " to " if "−" in low + high else "–"
    interval = "" if math.isnan(estimate.low) else f' <span class="interval">{low}{dash}{high}</span>'
    return Markup(f'<span class="value">{sign}{value}{unit}</span>{interval}')


def with_language(text: object) -> Markup:
    """Text in which Chinese is marked as such.

    >>> str(with_language("banned (永久封禁)"))
    'banned (<span lang="zh">永久封禁</span>)'
    """
    return Markup(_HAN.sub(lambda match: f'<span lang="zh">{match.group()}</span>', str(escape(text))))


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES_DIR), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(percent=percent, number=number, estimate=with_interval, zh=with_language, nan=math.isnan)
    return environment
