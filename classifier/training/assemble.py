"""From a trained model folder to a bundle: export, provenance, card; and from saved scores to a calibrated bundle."""

from __future__ import annotations

import datetime
import platform
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.bundle import LAYOUT, Bundle, EncoderSettings, write_bundle
from classifier.decisions import Calibration, CategoryThresholds, Ladder, LevelThreshold, Temperature
from classifier.decisions.calibration import QuestionCalibration
from classifier.decisions.ladder import promises_of
from classifier.encoder.windows import Windower, model_inputs
from classifier.examples import Example, source_number
from classifier.files import sha256_of
from classifier.policy import Policy
from classifier.text import normalise
from classifier.training.card import card_text
from classifier.training.config import TrainingConfig
from classifier.training.export import export_onnx
from classifier.training.quantise import quantise
from classifier.training.weights import halve_weights, quantise_weights

PACKAGES = ("torch", "transformers", "datasets", "accelerate", "scikit-learn", "onnxruntime", "tokenizers", "numpy", "jieba")
MAX_SAMPLES = 300
"""Texts on which the spread of the activations is seen before quantising."""


Quantiser = Callable[[Path, Path, Iterable[Mapping[str, npt.NDArray[np.int64]]]], None]
QUANTISERS: Mapping[str, Quantiser] = {
    "int8": quantise,
    "int8-weights": quantise_weights,
    "fp16-weights": lambda path, out, _: halve_weights(path, out),
}
"""From a fused fp32 file to one of another precision, by its name in the settings of a bundle."""


def uncalibrated(policy: Policy) -> tuple[Calibration, CategoryThresholds, Ladder]:
    """What a freshly trained bundle says: probs are the plain sigmoid, no level is in force, all from 0.5 on is for a person."""
    questions = tuple(QuestionCalibration(name, Temperature(1.0), note="not calibrated yet") for name in policy.questions)
    n = policy.n_categories
    levels = tuple(
        LevelThreshold(
            level_id=promise.level_id,
            severity=severity,
            threshold=None,
            would_be_threshold=0.5,
            target_precision=promise.target_precision,
            confidence_level=promise.confidence_level,
            certified=False,
            n_acted=0,
            n_errors=0,
            precision=None,
            precision_lower_bound=None,
            certifiable_precision=None,
            n_more_needed=None,
        )
        for severity, promise in enumerate(promises_of(policy), start=1)
    )
    return (
        Calibration(questions, n, policy.fingerprint, n_texts=0, n_folds=0, seed=0),
        CategoryThresholds(policy.category_ids, (0.5,) * n, (None,) * n, (0,) * n, policy.fingerprint),
        Ladder(levels, 0.5, policy.fingerprint, "none", None, 0, None, notes=("not calibrated yet: every level is off",)),
    )


def bundle_from_model(
    model_folder: Path,
    out: Path,
    policy: Policy,
    config: TrainingConfig,
    *,
    provenance: Mapping[str, Any],
    samples: Sequence[Example],
    precision: str = "fp32",
    keep_weights: bool = False,
) -> Bundle:
    """Export a trained model and write an uncalibrated bundle.

    :param samples: typical texts, on which quantising sees the activations; the first ``MAX_SAMPLES`` of them by a shuffle with the seed.
    :param precision: one of ``classifier.bundle.PRECISIONS``.
    :param keep_weights: keep ``model.safetensors`` and its configuration too, so that plain ``transformers`` loads the folder.
    """
    with tempfile.TemporaryDirectory() as name:
        onnx = Path(name) / "fp32.onnx"
        export_onnx(model_folder, onnx)
        return bundle_from_onnx(
            onnx,
            model_folder,
            out,
            policy,
            config,
            provenance=provenance,
            samples=samples,
            precision=precision,
            keep_weights=keep_weights,
        )


def bundle_from_onnx(
    fp32: Path,
    model_folder: Path,
    out: Path,
    policy: Policy,
    config: TrainingConfig,
    *,
    provenance: Mapping[str, Any],
    samples: Sequence[Example],
    precision: str,
    keep_weights: bool = False,
) -> Bundle:
    """``bundle_from_model`` on a model that is exported already.

    :param fp32: what ``export_onnx`` made of the model.
    """
    calibration, category_thresholds, ladder = uncalibrated(policy)
    settings = EncoderSettings(config.max_tokens, config.overlap_tokens, precision, config.source_input, config.base)
    with tempfile.TemporaryDirectory() as name:
        onnx = fp32
        if precision != "fp32":
            onnx = Path(name) / LAYOUT.onnx
            QUANTISERS[precision](fp32, onnx, _sample_inputs(samples, model_folder / "tokenizer.json", config))
        files = {LAYOUT.onnx: onnx, LAYOUT.tokenizer: model_folder / "tokenizer.json"}
        if keep_weights:
            files |= {item: model_folder / item for item in (LAYOUT.weights, "config.json", "tokenizer_config.json")}
        return write_bundle(
            out,
            model_files=files,
            policy=policy,
            calibration=calibration,
            category_thresholds=category_thresholds,
            ladder=ladder,
            settings=settings,
            provenance=provenance,
            card=model_card(policy, settings, ladder, provenance),
        )


def _sample_inputs(examples: Sequence[Example], tokenizer_path: Path, config: TrainingConfig) -> Iterator[dict[str, npt.NDArray[np.int64]]]:
    """Model inputs of the windows of some examples."""
    chosen = [examples[i] for i in np.random.default_rng(config.seed).permutation(len(examples))[:MAX_SAMPLES]]
    windower = Windower(tokenizer_path, max_tokens=config.max_tokens, overlap_tokens=config.overlap_tokens, source_input=config.source_input)
    texts = [normalise(example.text).text for example in chosen]
    for window in windower.windows(texts, [source_number(example.source, config.source_input) for example in chosen]):
        yield model_inputs([window])


def recalibrated(
    bundle: Bundle,
    out: Path,
    *,
    calibration: Calibration,
    category_thresholds: CategoryThresholds,
    ladder: Ladder,
    provenance: Mapping[str, Any],
) -> Bundle:
    """The same model with another calibration and other thresholds, as a bundle of its own (``out`` may be the bundle's own folder)."""
    merged = {**bundle.provenance, **provenance}
    return write_bundle(
        out,
        model_files=_model_files(bundle),
        policy=bundle.policy,
        calibration=calibration,
        category_thresholds=category_thresholds,
        ladder=ladder,
        settings=bundle.settings,
        provenance=merged,
        card=model_card(bundle.policy, bundle.settings, ladder, merged),
    )


def with_account_ladder(bundle: Bundle, out: Path, ladder: Ladder, facts: Mapping[str, Any]) -> Bundle:
    """The same bundle with levels certified on whole accounts; another calibration of the texts takes them away again."""
    provenance = {**bundle.provenance, "accounts": dict(facts)}
    return write_bundle(
        out,
        model_files=_model_files(bundle),
        policy=bundle.policy,
        calibration=bundle.calibration,
        category_thresholds=bundle.category_thresholds,
        ladder=bundle.ladder,
        settings=bundle.settings,
        provenance=provenance,
        card=(bundle.folder / LAYOUT.card).read_text(encoding="utf-8"),
        account_ladder=ladder,
    )


def _model_files(bundle: Bundle) -> dict[str, Path]:
    """The files that are copied as they are: tokenizer, model, and what plain ``transformers`` needs."""
    written = {LAYOUT.policy, LAYOUT.calibration, LAYOUT.thresholds, LAYOUT.settings, LAYOUT.provenance, LAYOUT.card, LAYOUT.accounts}
    return {name: bundle.folder / name for name in bundle.hashes if name not in written}


def training_provenance(
    config: TrainingConfig, policy: Policy, data_paths: Mapping[str, Sequence[Path]], trained: Mapping[str, Any]
) -> dict[str, Any]:
    """Where a model comes from: hashes of its data, settings, seed, versions, commit, machine."""
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "policy": {"id": policy.id, "version": policy.version, "fingerprint": policy.fingerprint},
        "data": {split: {path.name: sha256_of(path) for path in paths} for split, paths in data_paths.items()},
        "config": config.to_dict(),
        "training": dict(trained),
        "versions": {"python": platform.python_version(), **{name: version_of(name) for name in ("tiaowen", *PACKAGES)}},
        "commit": commit_of(Path.cwd()),
        "machine": {"system": platform.system(), "machine": platform.machine()},
    }


def version_of(package: str) -> str | None:
    """Installed version of a package, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit_of(folder: Path) -> str | None:
    """Commit that a folder is at, None where there is none; with ``+`` where files differ from it."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    return None if commit is None else commit + ("+" if git("status", "--porcelain") else "")


def model_card(policy: Policy, settings: EncoderSettings, ladder: Ladder, provenance: Mapping[str, Any]) -> str:
    """The card of a bundle, made from what the bundle holds."""
    return card_text(policy, settings, ladder, provenance)
