"""Labelled texts as rows that a trainer takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import numpy as np
from transformers import PreTrainedTokenizerBase

from classifier.errors import DataError, Problem
from classifier.examples import Example, n_without_severity, targets_of, token_type_of
from classifier.policy import Policy
from classifier.text import normalise


def training_rows(
    examples: Sequence[Example], policy: Policy, tokenizer: PreTrainedTokenizerBase, *, max_tokens: int, source_input: str
) -> datasets.Dataset:
    """Rows with ``input_ids``, ``attention_mask``, ``token_type_ids`` and ``labels`` (float 0/1, one for each question).

    :raises DataError: when a violating text carries no severity, which training needs.
    """
    missing = n_without_severity(examples)
    if missing:
        raise DataError((Problem("training data", 0, "severity", f"expected a severity on every violating text, but {missing} carry none"),))
    encoded: dict[str, Any] = dict(tokenizer([normalise(example.text).text for example in examples], truncation=True, max_length=max_tokens))
    encoded["token_type_ids"] = [
        [token_type_of(example.source, source_input)] * len(ids) for example, ids in zip(examples, encoded["input_ids"], strict=True)
    ]
    encoded["labels"] = targets_of(examples, policy).astype(np.float32).tolist()
    encoded["length"] = [len(ids) for ids in encoded["input_ids"]]
    return datasets.Dataset.from_dict(encoded)
