"""Windows of tokens: a text of any length becomes one or more rows of token ids, and nothing is cut off silently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from classifier.errors import EncoderError

SOURCE_NAMES = ("帖子", "简介")
"""What the encoder reads of a source where it is given as a text, by its number."""


@dataclass(frozen=True)
class Window:
    """One row for the encoder: token ids with special tokens, the row of its text, and the token type of each token."""

    ids: tuple[int, ...]
    text_index: int
    types: tuple[int, ...]


class Windower:
    """Cuts normalised texts into overlapping windows with the tokenizer of a bundle; safe to share between threads."""

    def __init__(self, tokenizer_path: Path, *, max_tokens: int, overlap_tokens: int, source_input: str = "token_type") -> None:
        """:param source_input: ``token_type`` or ``none``: all tokens have the number of the source as their type (which is 0 for ``none``);
        ``text_pair``: the name of the source is the first text of a pair, in every window.
        """
        try:
            self._tokenizer = Tokenizer.from_file(str(tokenizer_path))
        except Exception as error:  # the Rust tokenizer raises plain Exception, nothing narrower
            raise EncoderError(f"{tokenizer_path}: expected a tokenizer of the `tokenizers` library, but got: {error}") from error
        self._tokenizer.no_padding()
        self._pair = source_input == "text_pair"
        self._tokenizer.enable_truncation(max_length=max_tokens, stride=overlap_tokens, strategy="only_second" if self._pair else "longest_first")

    def windows(self, texts: Sequence[str], source_numbers: Sequence[int]) -> list[Window]:
        """Windows of all texts, in the order of the texts; an empty text has one window of special tokens.

        :param texts: normalised.
        :param source_numbers: 0 (post) or 1 (bio) for each text.
        """
        rows: list[Window] = []
        if self._pair:
            named = [(SOURCE_NAMES[number], text) for number, text in zip(source_numbers, texts, strict=True)]
            for i, encoding in enumerate(self._tokenizer.encode_batch(named)):
                rows.extend(Window(tuple(part.ids), i, tuple(part.type_ids)) for part in (encoding, *encoding.overflowing))
            return rows
        for i, (encoding, number) in enumerate(zip(self._tokenizer.encode_batch(list(texts)), source_numbers, strict=True)):
            rows.extend(Window(tuple(part.ids), i, (number,) * len(part.ids)) for part in (encoding, *encoding.overflowing))
        return rows


def model_inputs(windows: Sequence[Window], length: int | None = None) -> dict[str, npt.NDArray[np.int64]]:
    """The three arrays that a BERT takes; what a window lacks is 0 in all of them, and masked.

    :param length: tokens of each row; None for those of the longest window.
    :return: ``input_ids``, ``attention_mask``, ``token_type_ids``; int64, *Shape:* (n_windows, length).
    """
    n_tokens = max(len(window.ids) for window in windows) if length is None else length
    ids, mask, types = (np.zeros((len(windows), n_tokens), dtype=np.int64) for _ in range(3))
    for row, window in enumerate(windows):
        end = len(window.ids)
        ids[row, :end], mask[row, :end], types[row, :end] = window.ids, 1, window.types
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def pool_windows(logits: npt.NDArray[np.float32], text_index: npt.NDArray[np.int64], n_texts: int) -> npt.NDArray[np.float32]:
    """One row a text: the highest logit of its windows, question by question.

    :param logits: *Shape:* (n_windows, n_questions).
    :param text_index: row of the text of each window, *Shape:* (n_windows,).
    :return: float32, *Shape:* (n_texts, n_questions).

    >>> pool_windows(np.float32([[1, 5], [3, 2], [0, 0]]), np.array([0, 0, 1]), 2).tolist()
    [[3.0, 5.0], [0.0, 0.0]]
    """
    pooled = np.full((n_texts, logits.shape[1]), -np.inf, dtype=np.float32)
    np.maximum.at(pooled, text_index, logits)
    return pooled
