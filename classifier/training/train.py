"""Fine-tuning: labelled examples and a base in, a stock ``BertForSequenceClassification`` folder out, then a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score
from transformers import (
    AutoTokenizer,
    BertForSequenceClassification,
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedTokenizerBase,
    set_seed,
)

from classifier.encoder.base import resolve_base
from classifier.errors import EncoderError
from classifier.examples import Example
from classifier.policy import Policy
from classifier.records import ExampleFiles
from classifier.training.arguments import n_processes, part_of_batch, process_index, training_arguments
from classifier.training.augment import augmented
from classifier.training.averaging import keep_better_mean
from classifier.training.config import TrainingConfig
from classifier.training.encoding import Collator, training_rows
from classifier.training.evidence_head import add_evidence_head, drop_evidence_head
from classifier.training.exact import Order
from classifier.training.joining import joined
from classifier.training.losses import positive_weights, question_weights
from classifier.training.optimizer import make_optimizer
from classifier.training.order import LengthOrder
from classifier.training.pairs import PairSampler
from classifier.training.probe import start_from_probe
from classifier.training.readers import softened_targets
from classifier.training.rows import column, fingerprint_of, rows_on_disk
from classifier.training.spent import Spent
from classifier.training.tracking import trackers
from classifier.training.trainer import Objective, RecipeTrainer


@dataclass(frozen=True)
class TrainedModel:
    """Where a run left its best model (a plain Hugging Face folder) and how it went.

    ``dev_average_precision`` is the mean over the questions on dev of the weights that were kept; ``history`` holds the trainer's log entries.
    """

    folder: Path
    dev_average_precision: float
    n_steps: int
    spent: Spent
    history: tuple[dict[str, Any], ...]


def train_model(
    train: Sequence[Example] | ExampleFiles,
    dev: Sequence[Example],
    policy: Policy,
    config: TrainingConfig,
    run_dir: Path,
    *,
    resume: bool = False,
    progress: bool = True,
    track: Sequence[str] = (),
) -> TrainedModel:
    """Fine-tune a base on ``train``, keep the epoch that is best on ``dev``.

    :param train: ``ExampleFiles`` where the settings say ``out_of_core``.
    :param run_dir: checkpoints and the model folder go here.
    :param resume: go on from the last whole checkpoint in ``run_dir``, to the weights of an undisturbed run; without one, start anew.
    :param track: trackers that follow the run (``tracking``).
    :raises EncoderError: when the base cannot be had.
    :raises DataError: when the data lacks what training needs, or a checkpoint belongs to another run.
    :raises MissingExtraError: when a tracker is not installed.
    """
    set_seed(config.seed)
    followers = trackers(track, run_dir) if process_index() == 0 else []
    tokenizer, model = load_base(config.base, policy, attention_dropout=config.attention_dropout)
    rows = {"train": _training_rows(train, policy, tokenizer, config, run_dir), "dev": _dev_rows(dev, policy, tokenizer, config)}
    collate = Collator(tokenizer)
    if config.probe_head:
        start_from_probe(model, rows["train"], collate, seed=config.seed)
    if config.evidence_weight:
        if n_processes() > 1:
            raise ValueError(f"Expected one process where `evidence_weight` is on, but got {n_processes()}; switch it off or start one process.")
        add_evidence_head(model)
    trainer = RecipeTrainer(
        _objective(column(rows["train"], "labels"), policy, config),
        order=_order(rows["train"], policy, config),
        run_fingerprint=run_fingerprint(rows["train"], config),
        save_steps=config.save_steps,
        keep_last=config.average_last,
        model=model,
        args=training_arguments(config, run_dir, n_rows=len(rows["train"]), progress=progress),
        train_dataset=rows["train"],
        eval_dataset=rows["dev"],
        data_collator=collate,
        compute_metrics=dev_metrics,
        optimizers=(make_optimizer(model, config), None),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=config.patience), *followers],
    )
    trainer.start(resume=resume)
    dev_average_precision = float(trainer.state.best_metric or 0.0)
    if config.average_last:
        dev_average_precision = keep_better_mean(trainer, run_dir / "checkpoints", config.average_last)
    drop_evidence_head(model)
    folder = run_dir / "model"
    trainer.save_model(str(folder))
    if process_index() == 0:
        tokenizer.save_pretrained(str(folder))
    return TrainedModel(
        folder=folder,
        dev_average_precision=dev_average_precision,
        n_steps=trainer.state.global_step,
        spent=trainer.spent(),
        history=tuple(trainer.state.log_history),
    )


def _training_rows(
    train: Sequence[Example] | ExampleFiles, policy: Policy, tokenizer: PreTrainedTokenizerBase, config: TrainingConfig, run_dir: Path
) -> datasets.Dataset:
    def make(examples: Sequence[Example]) -> datasets.Dataset:
        return _seen_rows(examples, policy, tokenizer, config)

    if not config.out_of_core:
        return make(tuple(train))
    # Each process has a file of its own: they would have to wait for one another otherwise.
    return rows_on_disk(train, make, run_dir / f"train-{process_index()}.arrow")


def _seen_rows(train: Sequence[Example], policy: Policy, tokenizer: PreTrainedTokenizerBase, config: TrainingConfig) -> datasets.Dataset:
    seen = augmented(train, share=config.augment_share, benign_share=config.augment_benign_share, seed=config.seed)
    seen = joined(seen, share=config.joined_share, seed=config.seed)
    return training_rows(
        seen,
        policy,
        tokenizer,
        max_tokens=config.max_tokens,
        overlap_tokens=config.overlap_tokens,
        source_input=config.source_input,
        evidence_windows=config.evidence_windows,
        evidence_marks=config.evidence_weight > 0,
        groups=config.pair_weight > 0,
        targets=softened_targets(seen, policy, Path(config.smooth_by_readers)) if config.smooth_by_readers else None,
    )


def _dev_rows(dev: Sequence[Example], policy: Policy, tokenizer: PreTrainedTokenizerBase, config: TrainingConfig) -> datasets.Dataset:
    # Every text counts once, by its beginning: choosing windows by their evidence would look at the answer.
    return training_rows(dev, policy, tokenizer, max_tokens=config.max_tokens, source_input=config.source_input)


def _order(rows: datasets.Dataset, policy: Policy, config: TrainingConfig) -> Order:
    lengths = column(rows, "length")
    if not config.pair_weight:
        return LengthOrder(lengths, config.batch_size, seed=config.seed)
    violating = column(rows, "labels")[:, policy.n_categories] >= 0.5
    # Twins must share one pass, not only one update.
    n_together = part_of_batch(config, n_processes())
    return PairSampler(column(rows, "groups").tolist(), violating.tolist(), lengths.tolist(), batch_size=n_together, seed=config.seed)


def run_fingerprint(rows: datasets.Dataset, config: TrainingConfig) -> str:
    """What a run is made of: its settings and all that its rows hold."""
    # How often it is saved changes nothing.
    settings = {name: value for name, value in config.to_dict().items() if name != "save_steps"}
    return hashlib.sha256(f"{settings} {fingerprint_of(rows)}".encode()).hexdigest()[:16]


def _objective(labels: npt.NDArray[np.float64], policy: Policy, config: TrainingConfig) -> Objective:
    return Objective(
        config,
        policy.n_categories,
        positives=positive_weights(labels, config.max_positive_weight),
        shares=question_weights(policy.n_categories, len(policy.questions), config.category_weight),
    )


def load_base(base: str, policy: Policy, *, attention_dropout: float = 0.0) -> tuple[PreTrainedTokenizerBase, BertForSequenceClassification]:
    """Tokenizer and model with one logit for each question of the policy; all three kinds of base go through here.

    :param attention_dropout: share of the attention weights that training drops; anything above 0 costs a third of the speed on CPUs.
    :raises EncoderError: when the base cannot be loaded, or is no BERT.
    """
    name = resolve_base(base)
    questions = dict(enumerate(policy.questions))
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = BertForSequenceClassification.from_pretrained(
            name,
            num_labels=len(questions),
            problem_type="multi_label_classification",
            id2label=questions,
            label2id={question: i for i, question in questions.items()},
            attention_probs_dropout_prob=attention_dropout,
            attn_implementation="eager",  # twice as fast as sdpa in bfloat16 on CPUs: no fused backward pass there
        )
    except (OSError, ValueError) as error:
        raise EncoderError(f"{base}: expected a BERT base (`builtin`, a folder or a hub name) that loads, but got: {error}") from error
    if model.config.model_type != "bert":
        raise EncoderError(f"{base}: expected a model of type `bert`, but got `{model.config.model_type}`; choose a BERT base.")
    return tokenizer, model


def dev_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """Mean over the questions of the average precision on dev; a question without a positive does not count."""
    labels = np.asarray(prediction.label_ids)
    columns = [j for j in range(labels.shape[1]) if labels[:, j].any()]
    precisions = [average_precision_score(labels[:, j], prediction.predictions[:, j]) for j in columns]
    return {"average_precision": float(np.mean(precisions)) if precisions else 0.0}
