"""Fine-tuning: labelled examples and a base in, a stock ``BertForSequenceClassification`` folder out, then a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score
from transformers import (
    AutoTokenizer,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedTokenizerBase,
    Trainer,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint

from classifier.encoder.base import resolve_base
from classifier.errors import EncoderError
from classifier.examples import Example
from classifier.policy import Policy
from classifier.training.arguments import training_arguments
from classifier.training.augment import augmented
from classifier.training.config import TrainingConfig
from classifier.training.encoding import training_rows
from classifier.training.losses import positive_weights, weighted_loss
from classifier.training.optimizer import make_optimizer
from classifier.training.probe import start_from_probe


@dataclass(frozen=True)
class TrainedModel:
    """Where a run left its best model (a plain Hugging Face folder) and how it went.

    ``dev_average_precision`` is the mean over the questions on dev at the kept epoch; ``history`` holds the trainer's log entries.
    """

    folder: Path
    dev_average_precision: float
    n_steps: int
    seconds: float
    history: tuple[dict[str, Any], ...]


def train_model(
    train: Sequence[Example],
    dev: Sequence[Example],
    policy: Policy,
    config: TrainingConfig,
    run_dir: Path,
    *,
    resume: bool = False,
    progress: bool = True,
) -> TrainedModel:
    """Fine-tune a base on ``train``, keep the epoch that is best on ``dev``.

    :param run_dir: checkpoints and the model folder go here.
    :param resume: go on from the last checkpoint in ``run_dir``; without one, start anew.
    :raises EncoderError: when the base cannot be had.
    :raises DataError: when the data lacks what training needs.
    """
    set_seed(config.seed)
    tokenizer, model = load_base(config.base, policy, attention_dropout=config.attention_dropout)
    seen = augmented(train, share=config.augment_share, seed=config.seed)
    rows = {
        # On dev every text counts once, by its beginning: choosing windows by their evidence would look at the answer.
        name: training_rows(
            examples,
            policy,
            tokenizer,
            max_tokens=config.max_tokens,
            overlap_tokens=config.overlap_tokens,
            source_input=config.source_input,
            evidence_windows=config.evidence_windows and name == "train",
        )
        for name, examples in (("train", seen), ("dev", dev))
    }
    collate = DataCollatorWithPadding(tokenizer)
    if config.probe_head:
        start_from_probe(model, rows["train"], collate, seed=config.seed)
    trainer = Trainer(
        model=model,
        args=training_arguments(config, run_dir, n_rows=len(rows["train"]), progress=progress),
        train_dataset=rows["train"],
        eval_dataset=rows["dev"],
        data_collator=collate,
        compute_loss_func=weighted_loss(positive_weights(np.array(rows["train"]["labels"]), config.max_positive_weight)),
        compute_metrics=dev_metrics,
        optimizers=(make_optimizer(model, config), None),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=config.patience)],
    )
    checkpoint = get_last_checkpoint(str(run_dir / "checkpoints")) if resume and (run_dir / "checkpoints").is_dir() else None
    result = trainer.train(resume_from_checkpoint=checkpoint)
    folder = run_dir / "model"
    trainer.save_model(str(folder))
    tokenizer.save_pretrained(str(folder))
    return TrainedModel(
        folder=folder,
        dev_average_precision=float(trainer.state.best_metric or 0.0),
        n_steps=trainer.state.global_step,
        seconds=float(result.metrics["train_runtime"]),
        history=tuple(trainer.state.log_history),
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
