"""The trainer of all recipes: what a batch costs, and one more pass where adversarial training is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from classifier.training.adversary import Adversary
from classifier.training.config import TrainingConfig
from classifier.training.exact import ExactTrainer
from classifier.training.losses import contradiction, disagreement, evidence_loss, pair_loss, question_losses

EXTRAS = ("groups", "evidence_marks")
"""What a batch may hold besides labels and the inputs of the model."""


@dataclass(frozen=True)
class Objective:
    """What a batch costs: the loss of the answers, and a weighted term for each recipe that is on.

    ``positives`` and ``shares`` weigh a yes and a question, *Shape:* (n_questions,); ``n_categories`` tells where severity begins.
    """

    config: TrainingConfig
    n_categories: int
    positives: torch.Tensor
    shares: torch.Tensor

    def answers(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean weighted loss of the answers, *Shape:* ()."""
        losses = question_losses(logits, targets.to(logits.dtype), kind=self.config.loss, positives=self.positives.to(logits.device))
        return (losses * self.shares.to(logits.device)).mean()

    def total(self, logits: torch.Tensor, targets: torch.Tensor, groups: torch.Tensor | None = None) -> torch.Tensor:
        """The answers and all terms that need nothing but logits, *Shape:* ().

        :param logits: *Shape:* (n_texts, n_questions); with R-Drop (2 * n_texts, n_questions), all texts a second time.
        :param targets: *Shape:* (n_texts, n_questions).
        :param groups: *Shape:* (n_texts,), where twins are held against each other.
        """
        config, n_passes = self.config, len(logits) // len(targets)
        targets = targets.repeat(n_passes, 1)
        loss = self.answers(logits, targets)
        if config.ordinal_weight:
            loss = loss + config.ordinal_weight * contradiction(logits, self.n_categories)
        if config.rdrop_weight and n_passes == 2:
            loss = loss + config.rdrop_weight * disagreement(*logits.chunk(2))
        if groups is not None:
            violation, violating = logits[:, self.n_categories], targets[:, self.n_categories] >= 0.5
            loss = loss + config.pair_weight * pair_loss(violation, violating, groups.repeat(n_passes))
        return loss


class RecipeTrainer(ExactTrainer):
    """An ``ExactTrainer`` that learns an ``Objective``; on dev it tells the loss of the answers alone."""

    def __init__(self, objective: Objective, **options: Any) -> None:
        super().__init__(compute_loss_func=self._mean_loss, **options)
        self._objective = objective
        self._extras: dict[str, torch.Tensor] = {}
        epsilon = objective.config.fgm_epsilon
        self._adversary = Adversary(self.model.bert.embeddings.word_embeddings, epsilon) if epsilon else None

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        """One pass: a text twice for R-Drop, hidden states where tokens are asked about; ``Trainer`` then calls ``_mean_loss``."""
        self._extras = {name: inputs[name] for name in EXTRAS if name in inputs}
        fed = {name: value for name, value in inputs.items() if name not in EXTRAS}
        config = self._objective.config
        if model.training and config.rdrop_weight:
            fed |= {name: torch.cat([value, value]) for name, value in fed.items() if name != "labels"}
        if model.training and config.evidence_weight:
            fed["output_hidden_states"] = True
        return super().compute_loss(model, fed, return_outputs, num_items_in_batch)

    def _mean_loss(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        logits = outputs["logits"]
        if not self.model.training:
            return self._objective.answers(logits, labels)
        loss = self._objective.total(logits, labels, self._extras.get("groups"))
        marks = self._extras.get("evidence_marks")
        if marks is not None:
            hidden = outputs["hidden_states"][-1]
            asked = self.model.evidence_head(hidden).squeeze(-1)
            loss = loss + self._objective.config.evidence_weight * evidence_loss(asked, marks.repeat(len(hidden) // len(marks), 1))
        return loss

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """One pass, and with an adversary a second over the moved texts; the loss of the first is the one that is told."""
        loss: torch.Tensor = super().training_step(model, dict(inputs), num_items_in_batch)
        if self._adversary is not None:
            with self._adversary.moved():
                super().training_step(model, dict(inputs), num_items_in_batch)
        return loss
