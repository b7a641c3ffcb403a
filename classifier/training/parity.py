"""A smaller form of a bundle held against its fp32 form, and the figures put into the smaller one."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from classifier.bundle import Bundle, load_bundle
from classifier.errors import BundleError
from classifier.evaluation.compare import Side
from classifier.evaluation.parity import ParityGate, ParityReport, parity
from classifier.examples import Example
from classifier.files import sha256_of
from classifier.inference import Classifier
from classifier.records import read_examples
from classifier.scoring import score_files
from classifier.training.copying import copy_bundle
from classifier.training.recalibrate import calibrate_bundle


def check_parity(fp32: Path, other: Path, paths: Sequence[Path], *, gate: ParityGate | None = None, n_threads: int | None = None) -> ParityReport:
    """Run both over labelled texts, and write what came of it into the provenance of the other bundle, whether the gate passes or not.

    :raises BundleError: when the first is not fp32, or the other is.
    :raises CalibrationError: when one is not calibrated, or their policies differ.
    """
    bundles = load_bundle(fp32), load_bundle(other)
    if bundles[0].settings.precision != "fp32":
        raise BundleError(f"{fp32}: expected precision fp32, but got {bundles[0].settings.precision}; give fp32 first, then the smaller form.")
    examples = tuple(read_examples(paths, bundles[0].policy))
    first, second = (_side(bundle, examples, n_threads=n_threads) for bundle in bundles)
    report = parity(first, second, examples, ParityGate() if gate is None else gate)
    facts = report.to_dict() | {"data": {path.name: sha256_of(path) for path in paths}}
    copy_bundle(bundles[1], other, facts={"parity": facts})
    return report


def calibrated_copy(bundle: Path, out: Path, paths: Sequence[Path], *, seed: int, n_threads: int | None = None) -> Bundle:
    """The bundle with calibrators and thresholds fitted to what it says itself about labelled texts.

    :param out: may be the bundle's own folder.
    """
    with tempfile.TemporaryDirectory() as name:
        scores = Path(name) / "scores.npz"
        score_files(bundle, paths, scores, n_threads=n_threads)
        return calibrate_bundle(bundle, scores, out, seed=seed)


def refitted_parity(
    fp32: Path,
    other: Path,
    paths: Sequence[Path],
    *,
    calibration: Sequence[Path],
    seed: int,
    gate: ParityGate | None = None,
    n_threads: int | None = None,
) -> ParityReport:
    """``check_parity`` after both were calibrated anew, each on its own scores; the other bundle keeps its new calibration, fp32 is not touched.

    :param calibration: labelled files that nothing else has used.
    """
    with tempfile.TemporaryDirectory() as name:
        first = Path(name) / "fp32"
        calibrated_copy(fp32, first, calibration, seed=seed, n_threads=n_threads)
        calibrated_copy(other, other, calibration, seed=seed, n_threads=n_threads)
        return check_parity(first, other, paths, gate=gate, n_threads=n_threads)


def _side(bundle: Bundle, examples: Sequence[Example], *, n_threads: int | None) -> Side:
    classifier = Classifier(bundle, n_threads=n_threads)
    probs = classifier.predict_proba([example.text for example in examples], source=[example.source for example in examples])
    return Side(bundle.model_fingerprint, probs, bundle.policy, bundle.ladder, bundle.category_thresholds)
