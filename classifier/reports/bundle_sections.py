"""What the bundle itself carries about long texts and about its first stage, where it has them."""

from __future__ import annotations

from classifier.bundle import Bundle
from classifier.reports.section import Section, render


def bundle_sections(bundle: Bundle) -> tuple[Section, ...]:
    """Sections on the correction for length and on the first stage; none for a bundle without them."""
    return (*_long_texts(bundle), *_first_stage(bundle))


def _long_texts(bundle: Bundle) -> tuple[Section, ...]:
    length = bundle.calibration.length
    if length is None:
        return ()
    return (Section("length", "Long texts", render("length.html", length=length, questions=bundle.policy.questions)),)


def _first_stage(bundle: Bundle) -> tuple[Section, ...]:
    facts = bundle.provenance.get("cascade")
    if facts is None:
        return ()
    return (Section("cascade", "First stage", render("cascade.html", report=facts["report"])),)
