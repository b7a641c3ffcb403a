"""Making a first stage: weights from training texts, a threshold certified on calibration texts, and a bundle that holds both."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from classifier.bundle import LAYOUT, Bundle, load_bundle
from classifier.cascade import CascadeCertificate, FirstStage, write_first_stage
from classifier.data import clusters_of
from classifier.decisions import Decision
from classifier.decisions.arrays import Bools
from classifier.decisions.loss import certified_threshold
from classifier.decisions.sampling import one_per_cluster
from classifier.examples import Example
from classifier.files import sha256_of
from classifier.inference import Classifier
from classifier.records import read_examples
from classifier.text import normalise
from classifier.training.copying import copy_bundle
from classifier.training.first_stage import fit_weights, ordinary_texts

DEFAULT_LOSS_RATE = 0.005
CONFIDENCE_LEVEL = 0.95
PREVALENCES = (0.001, 0.01, 0.1)
ORDINARY_PER_TEXT = 8
"""Ordinary texts for each training text."""
_N_TIMED = 200


@dataclass(frozen=True)
class CascadeRow:
    """What a cascade does where a share ``prevalence`` of the texts violates: the share that the first stage lets pass, texts a second of the whole,
    and how many times as many that is as without it.
    """

    prevalence: float
    share_passed: float
    texts_per_s: float
    times_as_fast: float


@dataclass(frozen=True)
class CascadeReport:
    """The promise of a first stage and what it saves, on one machine.

    ``benign_passed`` is the share of benign texts that it lets pass: of ``n_benign`` calibration texts, or of the ordinary texts that were given.
    ``violating_passed`` is that of the violating calibration texts, those that the whole bundle would not have found either included.
    ``first_per_s`` and ``full_per_s`` are texts a second that end in the first stage, and that go on, from text to decision.
    """

    certificate: CascadeCertificate
    threshold: float
    n_benign: int
    benign_passed: float
    violating_passed: float
    first_per_s: float
    full_per_s: float
    rows: tuple[CascadeRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return asdict(self) | {"rows": [asdict(row) for row in self.rows]}


def fit_first_stage(
    train: Sequence[Example],
    calibration: Sequence[Example],
    decisions: Sequence[Decision],
    bundle: Bundle,
    *,
    max_loss_rate: float,
    confidence_level: float,
    seed: int,
) -> FirstStage:
    """Fit on ``train`` and certify on ``calibration``, of which no text may have been trained on.

    The promise is about violating texts that the bundle acts on or sends to a person. That the bundle's own thresholds were chosen on the same texts
    touches which of them count, and not what the first stage, which has seen none, says of them.

    :param decisions: of the whole bundle about the calibration texts.
    :raises CalibrationError: when the texts do not suffice.
    """
    texts = [normalise(example.text).text for example in train]
    ordinary = [normalise(text).text for text in ordinary_texts([len(text) for text in texts], ORDINARY_PER_TEXT * len(texts), seed=seed)]
    answers = np.array([example.violating for example in train] + [False] * len(ordinary))
    weights, intercept = fit_weights([*texts, *ordinary], answers, seed=seed)
    rows = np.flatnonzero(_found(calibration, decisions))
    draft = FirstStage(weights, intercept, 0.0, CascadeCertificate(max_loss_rate, confidence_level, 0, 0, 1.0, "", ""))
    if rows.size:
        rows = rows[one_per_cluster(clusters_of(calibration)[rows], seed=seed)]
    scores = draft.scores([normalise(calibration[i].text).text for i in rows.tolist()])
    made = certified_threshold(scores, max_loss_rate=max_loss_rate, confidence_level=confidence_level)
    certificate = CascadeCertificate(
        max_loss_rate, confidence_level, made.n_trials, made.n_lost, made.upper_bound, bundle.model_fingerprint, bundle.ladder.fingerprint
    )
    return replace(draft, threshold=made.threshold, certificate=certificate)


def _found(examples: Sequence[Example], decisions: Sequence[Decision]) -> Bools:
    return np.array([e.violating and (d.severity > 0 or d.review) for e, d in zip(examples, decisions, strict=True)], dtype=np.bool_)


def cascade_report(
    stage: FirstStage, bundle: Bundle, calibration: Sequence[Example], ordinary: Sequence[str], *, n_threads: int | None = None
) -> CascadeReport:
    """What a first stage saves; the pace of the whole bundle is measured with 200 texts.

    :param ordinary: benign texts as in production, for the share that passes; empty to take the benign calibration texts, which are hard ones.
    """
    benign = list(ordinary) or [example.text for example in calibration if not example.violating]
    violating = [example.text for example in calibration if example.violating]
    benign_passed, violating_passed = _share_passed(stage, benign), _share_passed(stage, violating)
    full = Classifier(bundle, n_threads=n_threads, cache_size=0)
    all_pass = Classifier(bundle, n_threads=n_threads, cache_size=0, first_stage=replace(stage, threshold=math.inf))
    full_per_s, first_per_s = _pace(full.classify_many, benign[:_N_TIMED]), _pace(all_pass.classify_many, benign)
    rows = []
    for prevalence in PREVALENCES:
        share = prevalence * violating_passed + (1 - prevalence) * benign_passed
        pace = 1 / (1 / first_per_s + (1 - share) / full_per_s)
        rows.append(CascadeRow(prevalence, share, pace, pace / full_per_s))
    return CascadeReport(stage.certificate, stage.threshold, len(benign), benign_passed, violating_passed, first_per_s, full_per_s, tuple(rows))


def _share_passed(stage: FirstStage, texts: Sequence[str]) -> float:
    return float((~stage.goes_on([normalise(text).text for text in texts])).mean()) if texts else 0.0


def _pace(decide: Callable[[Sequence[str]], Sequence[Decision]], texts: Sequence[str]) -> float:
    decide(texts[:1])
    started = time.perf_counter()
    decide(texts)
    return len(texts) / max(time.perf_counter() - started, 1e-9)


def cascade_bundle(
    folder: Path,
    train_paths: Sequence[Path],
    calibration_paths: Sequence[Path],
    out: Path,
    *,
    seed: int,
    max_loss_rate: float = DEFAULT_LOSS_RATE,
    confidence_level: float = CONFIDENCE_LEVEL,
    ordinary: Sequence[str] = (),
    n_threads: int | None = None,
) -> CascadeReport:
    """Make a first stage for the bundle in ``folder`` and write the bundle with it to ``out``; nothing else of the bundle changes.

    :param ordinary: texts as most are in production, without labels; only for the report.
    :raises CalibrationError: when the texts do not suffice; nothing is written then.
    """
    bundle = load_bundle(folder)
    train, calibration = read_examples(train_paths, bundle.policy), read_examples(calibration_paths, bundle.policy)
    decisions = Classifier(bundle, n_threads=n_threads).classify_many([e.text for e in calibration], source=[e.source for e in calibration])
    stage = fit_first_stage(train, calibration, decisions, bundle, max_loss_rate=max_loss_rate, confidence_level=confidence_level, seed=seed)
    report = cascade_report(stage, bundle, calibration, ordinary, n_threads=n_threads)
    facts = {
        "train": {path.name: sha256_of(path) for path in train_paths},
        "calibration": {path.name: sha256_of(path) for path in calibration_paths},
        "seed": seed,
        "report": report.to_dict(),
    }
    write_with_first_stage(bundle, out, stage, facts)
    return report


def write_with_first_stage(bundle: Bundle, out: Path, stage: FirstStage, facts: Mapping[str, Any]) -> Bundle:
    """The same bundle with a first stage, its facts in the provenance; plain loading decides as before."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / LAYOUT.cascade
        write_first_stage(path, stage)
        return copy_bundle(bundle, out, facts={"cascade": dict(facts)}, files={LAYOUT.cascade: path})
