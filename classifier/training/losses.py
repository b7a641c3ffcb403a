"""What a batch of logits costs. Columns are the policy's questions: ``n_categories`` categories, then severity at least 1, 2, ..."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

FOCUS = 2.0
"""Exponent of the focal loss (gamma of Lin et al. 2017)."""
NEGATIVE_FOCUS = 4.0
"""Exponent on negatives in the asymmetric loss (gamma- of Ridnik et al. 2021; that of positives is 0)."""
NEGATIVE_SHIFT = 0.05
"""Prob up to which a negative costs nothing in the asymmetric loss (m of Ridnik et al. 2021)."""
MARGIN = 2.0
"""Logits by which a violating text must lie above its benign twin: 0.73 against 0.27 around an even chance."""


def positive_weights(labels: npt.NDArray[np.float64], max_weight: float) -> torch.Tensor:
    """Weight of a question's positives: ``n_negative / n_positive``, from 1 to ``max_weight``.

    :param labels: 0/1 or between, *Shape:* (n_texts, n_questions).
    :return: float32, *Shape:* (n_questions,).

    >>> positive_weights(np.array([[1, 1], [0, 1], [0, 1], [0, 0]], dtype=float), 2.5).tolist()
    [2.5, 1.0]
    """
    positives = labels.sum(axis=0)
    ratio = (len(labels) - positives) / np.maximum(positives, 1)
    return torch.tensor(np.clip(ratio, 1.0, max_weight), dtype=torch.float32)


def question_weights(n_categories: int, n_questions: int, category_weight: float) -> torch.Tensor:
    """Share of each question in the loss, mean 1.

    :return: float32, *Shape:* (n_questions,).

    >>> question_weights(1, 3, 4.0).tolist()
    [2.0, 0.5, 0.5]
    """
    weights = torch.ones(n_questions)
    weights[:n_categories] = category_weight
    return weights / weights.mean()


def question_losses(logits: torch.Tensor, targets: torch.Tensor, *, kind: str, positives: torch.Tensor) -> torch.Tensor:
    """Loss of each answer; targets between 0 and 1 mix the losses of both answers.

    ``bce`` is cross-entropy; ``focal`` multiplies it by ``(1 - p of the right answer) ** 2`` (Lin et al. 2017, arXiv:1708.02002);
    ``asymmetric`` leaves positives as they are and counts a negative as ``q ** 4 * -log(1 - q)`` with ``q = max(p - 0.05, 0)``
    (Ridnik et al. 2021, arXiv:2009.14119).

    :param logits: *Shape:* (n_texts, n_questions); ``targets`` likewise.
    :param positives: weight of a yes, *Shape:* (n_questions,); the asymmetric loss, which has its own balance, does without.
    :return: *Shape:* (n_texts, n_questions).

    An even chance costs log 2, a focal one a quarter of that:

    >>> one, yes = torch.zeros(1, 1), torch.ones(1, 1)
    >>> [round(question_losses(one, yes, kind=kind, positives=torch.ones(1)).item(), 4) for kind in ("bce", "focal", "asymmetric")]
    [0.6931, 0.1733, 0.6931]
    """
    if kind == "bce":
        return binary_cross_entropy_with_logits(logits, targets, pos_weight=positives, reduction="none")
    probs = torch.sigmoid(logits)
    if kind == "focal":
        yes = -positives * (1 - probs) ** FOCUS * logsigmoid(logits)
        no = -(probs**FOCUS) * logsigmoid(-logits)
    elif kind == "asymmetric":
        shifted = (probs - NEGATIVE_SHIFT).clamp(min=0)
        yes = -logsigmoid(logits)
        no = -(shifted**NEGATIVE_FOCUS) * torch.log1p(-shifted)
    else:
        raise ValueError(f"Expected loss bce, focal or asymmetric, but got {kind!r}.")
    return targets * yes + (1 - targets) * no


def contradiction(logits: torch.Tensor, n_categories: int) -> torch.Tensor:
    """How far answers contradict each other, in logits, mean over the texts.

    A severity of at least k + 1 must not be likelier than one of at least k; and a severity of at least 1 must not be likelier than that any
    category holds, were the categories independent (``1 - prod(1 - p)``; its log odds are ``log(exp(s) - 1)`` with ``s = sum(softplus(z))``).

    :param logits: *Shape:* (n_texts, n_questions).
    :return: 0 or more, *Shape:* ().

    No category to speak of, severity >= 1 at 0, >= 2 at 1: one logit too many, and about 9 above the one category:

    >>> round(contradiction(torch.tensor([[-9.0, 0.0, 1.0]]), 1).item(), 3)
    10.0
    """
    categories, severity = logits[:, :n_categories], logits[:, n_categories:]
    steps = (severity[:, 1:] - severity[:, :-1]).relu().sum(dim=1)
    total = softplus(categories).sum(dim=1)
    any_category = total + torch.log(-torch.expm1(-total))
    return (steps + (severity[:, 0] - any_category).relu()).mean()


def disagreement(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Mean symmetric Kullback-Leibler distance of two passes, question by question (R-Drop: Wu et al. 2021, arXiv:2106.14448).

    For yes/no answers ``(KL(p, q) + KL(q, p)) / 2 = (p - q) (logit p - logit q) / 2``.

    :param first: logits, *Shape:* (n_texts, n_questions); ``second`` likewise.
    :return: nats, 0 or more, *Shape:* ().

    >>> round(disagreement(torch.zeros(1, 1), torch.full((1, 1), torch.log(torch.tensor(3.0)))).item(), 4)
    0.1373
    """
    return ((torch.sigmoid(first) - torch.sigmoid(second)) * (first - second)).mean() / 2


def pair_loss(violation: torch.Tensor, violating: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """What a violating text lacks of ``MARGIN`` above its benign twins, mean over the pairs of the batch; 0 where it holds none.

    :param violation: logit of severity at least 1, *Shape:* (n_texts,).
    :param violating: bool, *Shape:* (n_texts,).
    :param groups: number of the group of twins, -1 for none, *Shape:* (n_texts,).
    :return: *Shape:* ().

    >>> pair_loss(torch.tensor([1.0, 0.5, 9.0]), torch.tensor([True, False, False]), torch.tensor([4, 4, -1])).item()
    1.5
    """
    together = (groups[:, None] == groups[None, :]) & (groups >= 0)[:, None]
    pairs = together & violating[:, None] & ~violating[None, :]
    lacking = (MARGIN - (violation[:, None] - violation[None, :])).relu()
    return (lacking * pairs).sum() / pairs.sum().clamp(min=1)


def evidence_loss(logits: torch.Tensor, marks: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over the tokens that are marked 1 (evidence) or 0 (not); -1 marks those that do not count.

    :param logits: *Shape:* (n_texts, n_tokens).
    :param marks: -1, 0 or 1, *Shape:* (n_texts, n_tokens).
    :return: nats, *Shape:* ().

    >>> round(evidence_loss(torch.zeros(1, 3), torch.tensor([[1, 0, -1]])).item(), 4)
    0.6931
    """
    counted = marks >= 0
    losses = binary_cross_entropy_with_logits(logits, marks.clamp(min=0).to(logits.dtype), reduction="none")
    return (losses * counted).sum() / counted.sum().clamp(min=1)
