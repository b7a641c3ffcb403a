"""The settings of a run in the words of ``Trainer``."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import TrainingArguments

from classifier.training.config import TrainingConfig


def training_arguments(config: TrainingConfig, run_dir: Path, *, n_rows: int, progress: bool) -> TrainingArguments:
    """Arguments of one run: an evaluation and a checkpoint an epoch, the best epoch kept."""
    n_steps = config.n_epochs * -(-n_rows // config.batch_size)
    return TrainingArguments(
        output_dir=str(run_dir / "checkpoints"),
        num_train_epochs=config.n_epochs,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=4 * config.batch_size,
        learning_rate=config.learning_rate,
        warmup_steps=round(config.warmup_share * n_steps),
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="average_precision",
        greater_is_better=True,
        logging_steps=20,
        bf16=config.bf16,
        use_cpu=not torch.accelerator.is_available(),  # said outright, or bf16 is refused on a processor that has it
        report_to=[],
        disable_tqdm=not progress,
        seed=config.seed,
        data_seed=config.seed,
        remove_unused_columns=True,
        label_names=["labels"],
    )
