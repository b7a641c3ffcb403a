"""What the report page says of long texts and of the first stage comes out of the bundle."""

from __future__ import annotations

from dataclasses import replace

from classifier.decisions.length import LengthCorrection, LengthFigure
from classifier.reports.bundle_sections import bundle_sections

FIGURE = LengthFigure(2, 4, 90, 0.122, 0.051, 40, None, None)


def with_length(bundle, **changes):
    length = replace(LengthCorrection((0.25,) * 7, max_windows=4, n_texts=300, n_long=120, figures=(FIGURE,)), **changes)
    return replace(bundle, calibration=replace(bundle.calibration, length=length))


def test_a_bundle_without_either_has_no_section(tiny_bundle):
    assert bundle_sections(tiny_bundle) == ()


def test_the_figures_of_long_texts_stand_in_a_table(tiny_bundle):
    (section,) = bundle_sections(with_length(tiny_bundle))
    assert section.id == "length"
    cells = ['<th scope="row">2–4</th>', '<td class="n">12.2%</td>', '<td class="n">5.1%</td>', '<td class="n">–</td>', "trading 0.25,"]
    assert all(cell in section.html for cell in cells)


def test_what_could_not_be_fitted_is_said(tiny_bundle):
    (section,) = bundle_sections(with_length(tiny_bundle, note="no correction for length: 3 benign texts <b>", figures=()))
    assert "3 benign texts &lt;b&gt;" in section.html
    assert "<table>" not in section.html


def test_the_first_stage_tells_its_promise_and_what_it_saves(tiny_bundle):
    report = {
        "certificate": {"confidence_level": 0.95, "loss_rate_upper_bound": 0.0049, "n_lost": 1, "n_trials": 970},
        "n_benign": 500,
        "benign_passed": 0.412,
        "violating_passed": 0.01,
        "rows": [{"prevalence": 0.001, "share_passed": 0.41, "texts_per_s": 250.4, "times_as_fast": 1.68}],
    }
    (section,) = bundle_sections(replace(tiny_bundle, provenance={"cascade": {"report": report}}))
    assert "at most 0.49%" in section.html
    assert "1 of 970" in section.html
    for cell in ("0.1%", "41.0%", "250", "1.68"):
        assert f'<td class="n">{cell}</td>' in section.html
