"""How the notebooks show texts and tables: bare HTML without styles, so that a code host which strips styles still shows it; beside it plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import unescape
from typing import Any

from IPython.display import display
from markupsafe import Markup, escape

from classifier.reports.marking import stretches

Spans = Iterable[tuple[int, int]]
MAX_PLAIN = 80
"""Longest unmarked stretch that is shown whole, in characters; of a longer one the two ends."""


def show(html: Markup) -> None:
    """Display HTML, with its text where no HTML is shown."""
    display({"text/html": str(html), "text/plain": plain(html)}, raw=True)


def table(headers: Sequence[object], rows: Iterable[Sequence[object]]) -> None:
    """Display a table; cells are escaped unless they are ``Markup``."""
    rows = [list(row) for row in rows]
    head = Markup("").join(Markup("<th>{}</th>").format(cell) for cell in headers)
    body = Markup("").join(Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row)) for row in rows)
    html = Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)
    lines = [" | ".join(plain(cell) if isinstance(cell, Markup) else str(cell) for cell in row) for row in [headers, *rows]]
    display({"text/html": str(html), "text/plain": "\n".join(lines)}, raw=True)


def marked(text: str, by_model: Spans = (), labelled: Spans = ()) -> Markup:
    """A text with what the model went by marked, and what its labels name underlined; long unmarked stretches lose their middle.

    >>> str(marked("收U,量大", by_model=[(0, 2)], labelled=[(0, 2)]))
    '<ins><mark>收U</mark></ins>,量大'
    """
    parts = []
    for stretch in stretches(text, labelled, by_model):
        unmarked = not (stretch.labelled or stretch.by_model)
        part = _lines(_ends(stretch.text) if unmarked else stretch.text)
        part = Markup("<mark>{}</mark>").format(part) if stretch.by_model else part
        parts.append(Markup("<ins>{}</ins>").format(part) if stretch.labelled else part)
    return Markup("").join(parts)


def plain(html: Markup) -> str:
    r"""The text of HTML: line breaks kept, marks in 【】, evidence of the labels in 〔〕.

    >>> plain(Markup("<p>加<mark>U</mark>群<br><ins>收 &amp; 出</ins></p>"))
    '加【U】群\n〔收 & 出〕'
    """
    text = re.sub(r"<br>|</p>|</blockquote>", "\n", html)
    for tag, opening, closing in (("mark", "【", "】"), ("ins", "〔", "〕")):
        text = text.replace(f"<{tag}>", opening).replace(f"</{tag}>", closing)
    return unescape(re.sub(r"<[^>]+>", "", text)).strip()


def interval(estimate: Any) -> str:
    """Value and interval in percent, a dash where there is none."""
    if estimate.value != estimate.value:
        return "–"
    return f"{estimate.value:.0%} [{estimate.low:.0%}, {estimate.high:.0%}]"


def _ends(text: str) -> str:
    return text if len(text) <= MAX_PLAIN else f"{text[: MAX_PLAIN // 2]} […] {text[-MAX_PLAIN // 2 :]}"


def _lines(text: str) -> Markup:
    return Markup("<br>").join(escape(line) for line in text.split("\n"))
