"""The whole page from the results of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from classifier.evaluation.bundle_results import BundleReport
from classifier.reports.section import TEMPLATES_DIR, NamedBackground, Section, render
from classifier.reports.sections import all_sections


def render_report(
    report: BundleReport, *, backgrounds: Sequence[NamedBackground] = (), extra: Sequence[Section] = (), command: str | None = None
) -> str:
    """One HTML page that opens without a network; the same results always give the same bytes.

    :param backgrounds: of files of ordinary texts, where there are any.
    :param extra: further sections, put before the mistakes.
    :param command: the command line that made the report.
    :raises ValueError: when two sections have one id.
    """
    sections = all_sections(report, backgrounds, extra, command)
    ids = [section.id for section in sections]
    if len(set(ids)) < len(ids):
        raise ValueError(f"Expected sections with ids of their own, but got {ids}; name the extra ones otherwise.")
    css, script = (Markup((TEMPLATES_DIR / name).read_text(encoding="utf-8")) for name in ("style.css", "script.js"))
    return str(render("page.html", report=report, policy=report.bundle.policy, sections=sections, css=css, script=script)) + "\n"
