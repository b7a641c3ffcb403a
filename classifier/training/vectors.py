"""Vectors of texts from an encoder that is not tuned: the mean over the tokens, of length 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModel, AutoTokenizer

from classifier.encoder.base import BUILTIN, resolve_base
from classifier.text import normalise

_PREFIXES = {BUILTIN: "query: "}
"""What an encoder was trained to see before every text (Wang et al. 2024, *Multilingual E5 Text Embeddings*)."""


@torch.inference_mode()
def mean_vectors(texts: Sequence[str], *, base: str = BUILTIN, max_tokens: int = 128, batch_size: int = 32) -> npt.NDArray[np.float32]:
    """Vectors of texts; what is longer than ``max_tokens`` is cut off.

    :param base: ``builtin``, a folder or a hub name.
    :return: float32, *Shape:* (n_texts, width), rows of length 1.
    :raises EncoderError: when the base cannot be found.
    """
    folder = resolve_base(base)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    plain = [_PREFIXES.get(base, "") + normalise(text).text for text in texts]
    order = np.argsort([len(text) for text in plain], kind="stable")  # texts of like length together: less padding
    vectors = np.empty((len(plain), model.config.hidden_size), dtype=np.float32)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        batch = tokenizer([plain[int(i)] for i in rows], padding=True, truncation=True, max_length=max_tokens, return_tensors="pt")
        hidden = model(**batch).last_hidden_state
        kept = batch["attention_mask"].unsqueeze(-1)
        mean = (hidden * kept).sum(dim=1) / kept.sum(dim=1)
        vectors[rows] = torch.nn.functional.normalize(mean, dim=1).numpy()
    return vectors
