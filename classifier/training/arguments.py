"""The settings of a run in the words of ``Trainer``."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from classifier.training.bfloat16 import use_bf16
from classifier.training.config import TrainingConfig


def training_arguments(config: TrainingConfig, run_dir: Path, *, n_rows: int, progress: bool, track: Sequence[str] = ()) -> TrainingArguments:
    """Arguments of one run: an evaluation and a checkpoint an epoch, the best epoch kept.

    Under ``torchrun`` (or ``accelerate launch``) each process takes an equal part of every batch.

    :param track: names of trackers (``tracking.trackers``).
    :raises ValueError: when a batch cannot be shared out evenly over processes and passes.
    """
    n_steps = config.n_epochs * -(-n_rows // config.batch_size)
    on_cpu = not torch.accelerator.is_available()
    return TrainingArguments(
        output_dir=str((run_dir / "checkpoints").absolute()),
        num_train_epochs=config.n_epochs,
        per_device_train_batch_size=part_of_batch(config, n_processes()),
        per_device_eval_batch_size=4 * config.batch_size,
        gradient_accumulation_steps=config.accumulation_steps,
        learning_rate=config.learning_rate,
        warmup_steps=round(config.warmup_share * n_steps),
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=None,  # ``ExactTrainer`` takes old checkpoints away, once the new one is whole
        load_best_model_at_end=True,
        restore_callback_states_from_checkpoint=True,  # how patient early stopping still is
        metric_for_best_model="average_precision",
        greater_is_better=True,
        logging_steps=20,
        bf16=use_bf16(config.bf16),
        use_cpu=on_cpu,  # said outright, or bf16 is refused on a processor that has it
        ddp_backend="gloo" if on_cpu and n_processes() > 1 else None,
        report_to=list(track),
        disable_tqdm=not progress or process_index() > 0,
        seed=config.seed,
        data_seed=config.seed,
        remove_unused_columns=False,  # ``Collator`` drops what the model does not take
        label_names=["labels"],
        **_checkpointing(config.gradient_checkpointing),
    )


def part_of_batch(config: TrainingConfig, n_processes: int) -> int:
    """Texts of one pass of one process.

    >>> part_of_batch(TrainingConfig(batch_size=16, accumulation_steps=2), 2)
    4
    """
    n_parts = n_processes * config.accumulation_steps
    if config.batch_size % n_parts:
        raise ValueError(
            f"Expected `batch_size` to be a multiple of {n_parts} ({n_processes} processes x {config.accumulation_steps} accumulation steps), "
            f"but got {config.batch_size}."
        )
    return config.batch_size // n_parts


def n_processes() -> int:
    """How many processes train together, as ``torchrun`` tells each of them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def process_index() -> int:
    """Which of them this is; the first, 0, alone writes and talks."""
    return int(os.environ.get("RANK", "0"))


def _checkpointing(switched_on: bool) -> dict[str, Any]:
    """Activation checkpointing by the name that this version of ``transformers`` has for it."""
    names = {item.name for item in dataclasses.fields(TrainingArguments)}
    name = "activation_checkpointing" if "activation_checkpointing" in names else "gradient_checkpointing"
    return {name: True, f"{name}_kwargs": {"use_reentrant": False}} if switched_on else {}
