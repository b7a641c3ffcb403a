"""The evaluation as one HTML page that needs nothing else. Draws and lays out; computes nothing. Needs Jinja2 and matplotlib."""

from classifier.reports.html import render_report
from classifier.reports.section import NamedBackground, Section

__all__ = ["NamedBackground", "Section", "render_report"]
