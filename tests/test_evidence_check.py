"""The evidence of a bundle is judged where it is due, with scorers whose reasons are known, and by a real tiny bundle."""

import dataclasses
import json

import numpy as np
import pytest

from classifier.decisions import decisions_of
from classifier.decisions.decision import Span
from classifier.errors import CalibrationError
from classifier.evaluation.evidence_check import evidence_report
from classifier.examples import Example
from tests.report_sample import sample_report
from tests.test_cli import run


@pytest.fixture(scope="module")
def bundle():
    return sample_report().bundle


def texts(n):
    """Violating texts with a mark, each second of them without 收U, and benign ones."""
    said = [f"今天{'收U出' if i % 2 else '看见猫'}大家第{i}回" for i in range(n)]
    marked = [Example(f"v{i}", text, "bio" if i % 3 else "post", ("trading",), 2, evidence=("大家",)) for i, text in enumerate(said)]
    return [*marked, Example("b", "今天收U", "post", (), 0), Example("w", "今天收U", "post", ("trading",), 2)]


class Keyword:
    """Acts on texts with 收U, which it shows; whatever is asked is kept."""

    def __init__(self, bundle):
        self.bundle, self.asked = bundle, []

    def predict(self, texts, sources):
        self.asked += list(zip(texts, sources, strict=True))
        probs = np.array([[0.9 if "收U" in text else 0.05] for text in texts], dtype=np.float32)
        return np.repeat(probs, len(self.bundle.policy.questions), axis=1)

    def explain(self, examples):
        bundle, given = self.bundle, [e.source for e in examples]
        probs = self.predict([e.text for e in examples], given)
        made = decisions_of(probs, bundle.ladder, bundle.policy, bundle.category_thresholds, sources=given, model_fingerprint="m")
        self.asked.clear()
        spans = [tuple(Span(at, at + 2, "收U", 1.0) for at in [e.text.find("收U")] if at >= 0) for e in examples]
        return [dataclasses.replace(decision, evidence=found) for decision, found in zip(made, spans, strict=True)]


def judged(bundle, given, *, limit=40):
    model = Keyword(bundle)
    return evidence_report(given, bundle, model.explain, model.predict, limit=limit, seed=1, n_resamples=20), model


def test_the_span_that_decides_takes_all_and_keeps_all(bundle):
    report, _ = judged(bundle, texts(40))
    assert report.faithfulness.comprehensiveness.value == pytest.approx(0.85)
    assert report.faithfulness.sufficiency.value == pytest.approx(0)
    assert report.faithfulness.comprehensiveness_gain.low > 0
    assert report.faithfulness.f1.value == 0  # the marks lie elsewhere


def test_only_marked_texts_count_and_of_them_those_that_are_explained(bundle):
    report, _ = judged(bundle, texts(40))
    assert (report.n_drawn, report.faithfulness.n) == (40, 20)


def test_the_limit_bounds_what_is_drawn(bundle):
    assert judged(bundle, texts(40), limit=10)[0].n_drawn == 10


def test_every_part_is_asked_as_its_own_text_is(bundle):
    given = texts(40)
    _, model = judged(bundle, given)
    by_number = {e.text.partition("第")[2]: e.source for e in given[:40]}
    for text, source in model.asked:
        number = text.partition("第")[2]
        if number in by_number and number.endswith("回") and text.startswith("今天"):
            assert source == by_number[number]


def test_a_text_of_which_nothing_is_left_is_not_asked(bundle):
    shown = [Example("v", "收U", "post", ("trading",), 2, evidence=("收U",))]
    report, model = judged(bundle, shown)
    assert all(text for text, _ in model.asked)
    assert report.faithfulness.comprehensiveness.value == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("given", "expected"), [([Example("b", "猫", "post", (), 0)], "with marked evidence"), (texts(1)[:1], "acted on or sent to review")]
)
def test_texts_without_marks_or_decisions_are_refused(given, expected, bundle):
    with pytest.raises(CalibrationError, match=expected):
        judged(bundle, given)


def test_it_names_the_bundle_and_reads_well(bundle):
    report, _ = judged(bundle, texts(40))
    assert report.model_fingerprint == bundle.model_fingerprint
    assert report.ladder_fingerprint == bundle.ladder.fingerprint
    assert "| comprehensiveness | 0.850" in report.to_markdown()


def test_the_command_writes_what_it_prints(tiny_bundle, toy_files, tmp_path):
    out = tmp_path / "e.json"
    done = run("evidence-check", tiny_bundle.folder, toy_files["test"], "--limit", 20, "--resamples", 20, "--out", out)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert content == json.loads(out.read_text(encoding="utf-8"))
    assert content["n_drawn"] == 20
    assert content["model_fingerprint"] == tiny_bundle.model_fingerprint


def test_help_has_an_example():
    assert "Example: classifier evidence-check" in run("evidence-check", "--help").stdout
