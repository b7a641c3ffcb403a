"""A question on each token, asked in training only: does it belong to the evidence? It teaches the encoder where to look.

The head is one linear layer on the last hidden states. While training it is part of the model, so that checkpoints, the optimizer and resuming
know it; the model that is kept is a stock ``BertForSequenceClassification`` without it.
"""

from __future__ import annotations

import torch
from transformers import BertForSequenceClassification

_START = -3.0
"""First log odds of a token: few of them are evidence (1 in 21 at this value)."""


def add_evidence_head(model: BertForSequenceClassification) -> None:
    """Give the model an ``evidence_head``, weights 0, in place."""
    head = torch.nn.Linear(model.config.hidden_size, 1)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.constant_(head.bias, _START)
    model.evidence_head = head


def drop_evidence_head(model: BertForSequenceClassification) -> None:
    """Take the head away where there is one, in place."""
    if hasattr(model, "evidence_head"):
        del model.evidence_head
