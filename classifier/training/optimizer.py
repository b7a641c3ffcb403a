"""Which weights learn how fast."""

from __future__ import annotations

import re

import torch
from transformers import BertForSequenceClassification

from classifier.training.config import TrainingConfig

_HEADS = ("classifier", "bert.pooler", "evidence_head")


def make_optimizer(model: BertForSequenceClassification, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW with a rate of its own for the heads, a rate that falls with the depth of the layer, and no decay of biases and norms."""
    groups: dict[tuple[bool, int, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        head = name.startswith(_HEADS)
        # One group for all layers where they learn alike: fewer groups are faster.
        depth = 0 if head or config.layer_decay == 1 else layers_above(name, model.config.num_hidden_layers)
        groups.setdefault((head, depth, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": config.head_learning_rate if head else config.learning_rate * config.layer_decay**depth,
                "weight_decay": config.weight_decay if matrix else 0.0,
            }
            for (head, depth, matrix), parameters in groups.items()
        ],
        fused=True,  # a tenth of the time of the plain one on CPUs
    )


def layers_above(name: str, n_layers: int) -> int:
    """How many encoder layers lie above a parameter; embeddings lie below all (layer-wise rates: Howard and Ruder 2018, arXiv:1801.06146).

    >>> layers_above("bert.encoder.layer.11.output.dense.weight", 12), layers_above("bert.embeddings.word_embeddings.weight", 12)
    (0, 12)
    """
    found = re.search(r"encoder\.layer\.(\d+)\.", name)
    return n_layers - 1 - int(found.group(1)) if found else n_layers
