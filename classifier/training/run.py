"""A whole training run: files in, an uncalibrated bundle out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from accelerate import PartialState

from classifier.bundle import Bundle, load_bundle
from classifier.examples import Example
from classifier.files import write_text_atomic
from classifier.policy import Policy
from classifier.records import ExampleFiles, read_examples
from classifier.reports.learning import learning_curves
from classifier.training.arguments import n_processes, process_index
from classifier.training.assemble import MAX_SAMPLES, bundle_from_model, training_provenance
from classifier.training.bfloat16 import use_bf16
from classifier.training.config import TrainingConfig
from classifier.training.train import TrainedModel, train_model

LOG, CURVES = "log.jsonl", "learning.svg"
"""What a run leaves beside its checkpoints: the trainer's log, and its picture."""


def train_bundle(
    train_paths: Sequence[Path],
    dev_paths: Sequence[Path],
    out: Path,
    *,
    run_dir: Path,
    policy_name: str,
    config: TrainingConfig,
    int8: bool,
    keep_weights: bool,
    resume: bool,
    track: Sequence[str] = (),
) -> Bundle:
    """Read, train, export, and write the bundle; the trainer's log and its learning curves land in ``run_dir``.

    Under ``torchrun`` all processes train, the first one alone writes, and the others wait for it.

    :param track: trackers that follow the run, ``tensorboard`` or ``mlflow``.
    :raises DataError: when a file breaks the record, or a checkpoint belongs to another run.
    :raises EncoderError: when the base cannot be had, or the export does not agree with the model.
    :raises MissingExtraError: when a tracker is not installed.
    """
    policy = Policy.load(policy_name)
    train = ExampleFiles(tuple(train_paths), policy) if config.out_of_core else read_examples(train_paths, policy)
    dev = read_examples(dev_paths, policy)
    trained = train_model(train, dev, policy, config, run_dir, resume=resume, track=track)
    if process_index() == 0:
        _write_log(run_dir, trained)
        samples, n_train = _samples(train, config)
        facts = {
            "n_train": n_train,
            "n_dev": len(dev),
            "n_steps": trained.n_steps,
            "n_processes": n_processes(),
            "computed_in": "bfloat16" if use_bf16(config.bf16) else "float32",
            "dev_average_precision": trained.dev_average_precision,
            **{name: value if value is None else round(value, 1) for name, value in asdict(trained.spent).items()},
        }
        provenance = training_provenance(config, policy, {"train": train_paths, "dev": dev_paths}, facts)
        precision = "int8" if int8 else "fp32"
        bundle_from_model(trained.folder, out, policy, config, provenance=provenance, samples=samples, precision=precision, keep_weights=keep_weights)
    if n_processes() > 1:
        PartialState().wait_for_everyone()
    return load_bundle(out)


def _samples(train: Sequence[Example] | ExampleFiles, config: TrainingConfig) -> tuple[Sequence[Example], int]:
    """Texts to quantise by, and how many there are in all."""
    if isinstance(train, ExampleFiles):
        sample = train.sample(MAX_SAMPLES, seed=config.seed)
        return sample.examples, sample.n_examples
    return train, len(train)


def _write_log(run_dir: Path, trained: TrainedModel) -> None:
    write_text_atomic(run_dir / LOG, "".join(json.dumps(entry) + "\n" for entry in trained.history))
    write_text_atomic(run_dir / CURVES, learning_curves(trained.history))
