"""A trained model as a calibrated bundle of some precision, written only where it decides as the fp32 model does."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from classifier.bundle import LAYOUT, load_bundle
from classifier.evaluation.parity import ParityGate, ParityReport
from classifier.files import sha256_of
from classifier.policy import Policy
from classifier.records import read_examples
from classifier.training.assemble import bundle_from_onnx, training_provenance
from classifier.training.config import TrainingConfig
from classifier.training.copying import copy_bundle
from classifier.training.export import export_onnx
from classifier.training.parity import calibrated_copy, check_parity


def gated_export(
    model_folder: Path,
    out: Path,
    *,
    precision: str,
    policy_name: str,
    config: TrainingConfig,
    samples: Sequence[Path],
    calibration: Sequence[Path],
    compared: Sequence[Path],
    gate: ParityGate,
    below_gate: bool,
    seed: int,
    n_threads: int | None = None,
    trained: Path | None = None,
) -> ParityReport:
    """Export in fp32 and in ``precision``, calibrate each for itself, compare their decisions on all texts, and write the bundle with the figures.

    :param config: the settings that the model was trained with: tokens of a window and how the source is told.
    :param samples: files of training texts, from which int8 sees the spread of the activations.
    :param calibration: files that calibrators and thresholds of both are fitted to.
    :param compared: files on which, and on those of ``calibration``, decisions are compared.
    :param below_gate: write the bundle though the gate refuses.
    :param trained: the bundle that training wrote of the same model; where its data, settings and cost are told.
    :return: with ``refusals`` where the gate has something against it; nothing is written then, unless ``below_gate``.
    :raises DataError: when a file breaks the record.
    :raises EncoderError: when the export does not agree with the model.
    """
    policy = Policy.load(policy_name)
    examples = read_examples(samples, policy)
    facts = {"exported": {"precision": precision, "weights": sha256_of(model_folder / LAYOUT.weights)}}
    provenance = training_provenance(config, policy, {"samples": samples}, {}) | facts
    if trained is not None:
        provenance = provenance | dict(load_bundle(trained).provenance) | facts
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as name:
        folder = Path(name)
        export_onnx(model_folder, folder / "fp32.onnx")
        made = {}
        for kind in dict.fromkeys(("fp32", precision)):
            bundle_from_onnx(
                folder / "fp32.onnx", model_folder, folder / f"{kind}-raw", policy, config, provenance=provenance, samples=examples, precision=kind
            )
            made[kind] = folder / kind
            calibrated_copy(folder / f"{kind}-raw", made[kind], calibration, seed=seed, n_threads=n_threads)
        report = check_parity(made["fp32"], made[precision], [*calibration, *compared], gate=gate, n_threads=n_threads)
        if below_gate or not report.refusals:
            copy_bundle(load_bundle(made[precision]), out, facts={})
    return report
