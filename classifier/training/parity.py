"""The int8 form of a bundle held against its fp32 form, and the figures put into the int8 bundle."""

from __future__ import annotations

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
from classifier.training.copying import copy_bundle


def check_parity(fp32: Path, int8: Path, paths: Sequence[Path], *, gate: ParityGate | None = None, n_threads: int | None = None) -> ParityReport:
    """Run both over labelled texts, and write what came of it into the provenance of the int8 bundle, whether the gate passes or not.

    :raises BundleError: when the bundles are not of the two precisions.
    :raises CalibrationError: when one is not calibrated, or their policies differ.
    """
    bundles = load_bundle(fp32), load_bundle(int8)
    for bundle, expected in zip(bundles, ("fp32", "int8"), strict=True):
        if bundle.settings.precision != expected:
            raise BundleError(f"{bundle.folder}: expected precision {expected}, but got {bundle.settings.precision}; give fp32 first, then int8.")
    examples = tuple(read_examples(paths, bundles[0].policy))
    first, second = (_side(bundle, examples, n_threads=n_threads) for bundle in bundles)
    report = parity(first, second, examples, ParityGate() if gate is None else gate)
    facts = report.to_dict() | {"data": {path.name: sha256_of(path) for path in paths}}
    copy_bundle(bundles[1], int8, facts={"parity": facts})
    return report


def _side(bundle: Bundle, examples: Sequence[Example], *, n_threads: int | None) -> Side:
    classifier = Classifier(bundle, n_threads=n_threads)
    probs = classifier.predict_proba([example.text for example in examples], source=[example.source for example in examples])
    return Side(bundle.model_fingerprint, probs, bundle.policy, bundle.ladder, bundle.category_thresholds)
