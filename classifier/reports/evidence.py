"""The section about evidence: do the spans that are shown carry the decisions?"""

from __future__ import annotations

from classifier.evaluation.evidence_check import EvidenceReport
from classifier.reports.section import Section, render


def evidence(report: EvidenceReport) -> Section:
    """Faithfulness beside random spans, and overlap with what the labels mark."""
    found = report.faithfulness
    rows = [
        (
            "Comprehensiveness",
            "the prob falls by this much when the spans are cut out: the more, the better",
            found.comprehensiveness,
            found.random_comprehensiveness,
            found.comprehensiveness_gain,
        ),
        (
            "Sufficiency",
            "it falls by this much when only the spans are left: the less, the better",
            found.sufficiency,
            found.random_sufficiency,
            found.sufficiency_gain,
        ),
    ]
    overlaps = [
        ("F1 of characters", "of the spans against the marks", found.f1),
        ("Intersection over union", "of spans and marks", found.iou),
        ("Share of the text shown", "by the spans", found.shown_share),
    ]
    faithful = found.comprehensiveness_gain.low > 0 and found.sufficiency_gain.low > 0
    return Section("evidence", "Evidence", render("evidence.html", report=report, found=found, rows=rows, overlaps=overlaps, faithful=faithful))
