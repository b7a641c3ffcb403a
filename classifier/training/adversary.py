"""Adversarial training on word embeddings (Miyato et al. 2017, arXiv:1605.07725).

Each text's word embeddings are moved a short way up the gradient of its loss, and the moved text is learnt too. What moves is the *output* of
the embedding layer, text by text as in the paper, never the weights: nothing has to be put back, gradients that an accumulation already holds
do not matter, and since only the gradient's direction is used neither do the scale of the loss and the precision of the pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


def adversarial_step(embeddings: torch.Tensor, gradient: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Where each text goes: ``epsilon * |embeddings| * gradient / |gradient|``, norms over the whole text.

    The paper normalises the embeddings and then uses a fixed length; a length relative to the embeddings does the same for any base.

    :param embeddings: *Shape:* (n_texts, n_tokens, width); ``gradient`` likewise.
    :return: the same shape; 0 for a text without gradient.

    >>> adversarial_step(torch.tensor([[[3.0, 4.0]]]), torch.tensor([[[0.0, 0.2]]]), 0.1).tolist()
    [[[0.0, 0.5]]]
    """
    length, steepness = (torch.linalg.vector_norm(part, dim=(1, 2), keepdim=True) for part in (embeddings, gradient))
    step: torch.Tensor = epsilon * length * gradient / steepness.clamp(min=torch.finfo(gradient.dtype).tiny)
    return step


class Adversary:
    """Watches the word embeddings of a model: remembers them and their gradient in one pass, moves them in the next."""

    def __init__(self, layer: torch.nn.Module, epsilon: float) -> None:
        self._epsilon = epsilon
        self._seen: torch.Tensor | None = None
        self._step: torch.Tensor | None = None
        layer.register_forward_hook(self._hook)

    def _hook(self, layer: torch.nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor | None:
        if self._step is not None:
            return output + self._step
        if output.requires_grad:
            output.retain_grad()
            self._seen = output
        return None

    @contextmanager
    def moved(self) -> Iterator[None]:
        """Inside, passes over the batch whose backward pass has just ended see it moved."""
        if self._seen is None or self._seen.grad is None:
            raise ValueError("Expected a forward and a backward pass before an adversarial one, but there was none.")
        self._step = adversarial_step(self._seen.detach(), self._seen.grad, self._epsilon)
        try:
            yield
        finally:
            self._step = self._seen = None
