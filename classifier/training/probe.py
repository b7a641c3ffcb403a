"""A start for pooler and classifier: whitened features and a linear probe, so that rare questions do not begin from noise.

The encoder's first-token vectors share a large common part (they point into a narrow cone). The pooler ``tanh(W h + b)`` is set to centre,
rotate and scale them (PCA whitening with shrinkage), and the classifier to a logistic regression on the result; then everything is tuned
together (LP-FT: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features", arXiv:2202.10054). The model stays a stock BERT.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from transformers import BertForSequenceClassification

_Floats = npt.NDArray[np.float64]
_TANH_SCALE = 0.5
"""Standard deviation of the pooler's input: inside the nearly linear part of tanh."""
_SHRINKAGE = 0.05
"""Share of the mean variance that is added to every direction, so that noise directions are not blown up."""
MAX_PROBE_TEXTS = 4_000


def whitening(vectors: _Floats) -> tuple[_Floats, _Floats]:
    """The matrix and offset that turn vectors into uncorrelated features of standard deviation 0.5 or less.

    :param vectors: *Shape:* (n, width).
    :return: ``W`` (width, width) and ``b`` (width,), used as ``W @ h + b``.
    """
    mean = vectors.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(vectors.T))
    scale = _TANH_SCALE / np.sqrt(np.maximum(variances, 0) + _SHRINKAGE * variances.mean())
    matrix = scale[:, None] * directions.T
    return matrix, -matrix @ mean


def probe(features: _Floats, targets: npt.NDArray[np.float32], *, strength: float = 0.05) -> tuple[_Floats, _Floats]:
    """One logistic regression a question.

    :param features: *Shape:* (n, width).
    :param targets: 0/1, *Shape:* (n, n_questions).
    :return: weights (n_questions, width) and biases (n_questions,); a question with one answer only gets zeros and its log odds.
    """
    weights = np.zeros((targets.shape[1], features.shape[1]))
    biases = np.zeros(targets.shape[1])
    for column in range(targets.shape[1]):
        answers = targets[:, column]
        if answers.min() == answers.max():
            share = (answers.sum() + 0.5) / (len(answers) + 1)
            biases[column] = np.log(share / (1 - share))
            continue
        fitted = LogisticRegression(C=strength, max_iter=500).fit(features, answers)
        weights[column], biases[column] = fitted.coef_[0], fitted.intercept_[0]
    return weights, biases


@torch.inference_mode()
def first_token_vectors(model: BertForSequenceClassification, rows: Any, collate: Any, *, batch_size: int) -> _Floats:
    """Vectors of the first token of each row, *Shape:* (n_rows, width); the longest rows first inside, the order of ``rows`` outside."""
    model.eval()
    order = np.argsort(rows["length"], kind="stable")
    vectors = np.zeros((len(rows), model.config.hidden_size))
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        batch = collate([rows[int(i)] for i in part])
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
        vectors[part] = model.bert(**inputs).last_hidden_state[:, 0].double().numpy()
    return vectors


def start_from_probe(model: BertForSequenceClassification, rows: Any, collate: Any, *, seed: int, batch_size: int = 32) -> None:
    """Set the model's pooler and classifier from the rows, in place."""
    chosen = np.random.default_rng(seed).permutation(len(rows))[:MAX_PROBE_TEXTS]
    sampled = rows.select(sorted(int(i) for i in chosen))
    vectors = first_token_vectors(model, sampled, collate, batch_size=batch_size)
    matrix, offset = whitening(vectors)
    weights, biases = probe(np.tanh(vectors @ matrix.T + offset), (np.array(sampled["labels"]) >= 0.5).astype(np.float32))
    with torch.no_grad():
        model.bert.pooler.dense.weight.copy_(torch.from_numpy(matrix))
        model.bert.pooler.dense.bias.copy_(torch.from_numpy(offset))
        model.classifier.weight.copy_(torch.from_numpy(weights))
        model.classifier.bias.copy_(torch.from_numpy(biases))
