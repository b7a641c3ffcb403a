"""A whole training run: files in, an uncalibrated bundle out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from classifier.bundle import Bundle
from classifier.files import write_text_atomic
from classifier.policy import Policy
from classifier.records import read_examples
from classifier.training.assemble import bundle_from_model, training_provenance
from classifier.training.config import TrainingConfig
from classifier.training.train import train_model


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
) -> Bundle:
    """Read, train, export, and write the bundle; the trainer's log lands in ``run_dir/log.jsonl``.

    :raises DataError: when a file breaks the record.
    :raises EncoderError: when the base cannot be had, or the export does not agree with the model.
    """
    policy = Policy.load(policy_name)
    train, dev = read_examples(train_paths, policy), read_examples(dev_paths, policy)
    trained = train_model(train, dev, policy, config, run_dir, resume=resume)
    write_text_atomic(run_dir / "log.jsonl", "".join(json.dumps(entry) + "\n" for entry in trained.history))
    facts = {
        "n_train": len(train),
        "n_dev": len(dev),
        "n_steps": trained.n_steps,
        "seconds": round(trained.seconds, 1),
        "dev_average_precision": trained.dev_average_precision,
    }
    provenance = training_provenance(config, policy, {"train": train_paths, "dev": dev_paths}, facts)
    return bundle_from_model(trained.folder, out, policy, config, provenance=provenance, samples=train, int8=int8, keep_weights=keep_weights)
