"""ONNX Runtime: token ids in, logits out. No torch.

Every window is padded to the next multiple of some tokens, whatever comes with it; those of one length then run together up to a budget of tokens,
several such batches at once on threads of one core each. A row of fp32 products is computed as if it were alone, so that a text's logits are the
same, bit for bit, in any company. With int8 they would not be (activations are quantised over a whole batch), and every window runs alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from classifier.encoder.windows import Windower, model_inputs, pool_windows
from classifier.errors import EncoderError

PAD_MULTIPLE = 8
"""Windows are as long as a multiple of this: 31 and 32 tokens share a batch, and what is padded costs about a twentieth on the test split."""
BATCH_TOKENS = 512
"""Tokens of a batch of windows: from here on the matrix products do not get faster (measured on the test split; 128: 8% slower, 2,048: 6%)."""


@dataclass(frozen=True)
class Encoded:
    """Logits of texts, float32 *Shape:* (n_texts, n_questions), and how many windows each was cut into, int32 *Shape:* (n_texts,)."""

    logits: npt.NDArray[np.float32]
    n_windows: npt.NDArray[np.int32]


class OnnxEncoder:
    """A sequence classifier in ONNX with its tokenizer.

    Threads may share one object: the session and the tokenizer are both safe to call at once.
    """

    def __init__(
        self,
        model_path: Path,
        tokenizer_path: Path,
        *,
        n_questions: int,
        max_tokens: int,
        overlap_tokens: int,
        n_threads: int | None = None,
        batch_tokens: int = BATCH_TOKENS,
        low_latency: bool = False,
        source_input: str = "token_type",
    ) -> None:
        """:param n_threads: None for all cores of this process.

        :param batch_tokens: windows of one padded length run together up to so many tokens; 0 for each window alone, unpadded.
        :param low_latency: the threads share the work on one batch, instead of each having its own: a single text is answered sooner.
        """
        n_threads = n_threads or available_cores()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads if low_latency else 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(model_path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises many types of its own, with no common base but Exception
            raise EncoderError(f"{model_path}: expected a model that ONNX Runtime loads, but got: {error}") from error
        self._windower = Windower(tokenizer_path, max_tokens=max_tokens, overlap_tokens=overlap_tokens, source_input=source_input)
        self._pool = ThreadPoolExecutor(1 if low_latency else n_threads, thread_name_prefix="encoder")
        self._batch_tokens, self._max_tokens = batch_tokens, max_tokens
        n_outputs = self._session.get_outputs()[0].shape[-1]
        if n_outputs != n_questions:
            raise EncoderError(f"{model_path}: expected {n_questions} logits, one for each question of the policy, but got {n_outputs}.")
        self._n_questions = n_questions

    def encode(self, texts: Sequence[str], source_numbers: Sequence[int]) -> Encoded:
        """Logits of normalised texts, pooled over their windows; rows in the order of the texts.

        A text's logits are the same whatever other texts come with it.
        """
        windows = self._windower.windows(texts, source_numbers)
        lengths = [self._padded(len(window.ids)) for window in windows]
        batches = batches_of(lengths, self._batch_tokens)
        logits = np.empty((len(windows), self._n_questions), dtype=np.float32)

        def run(rows: Sequence[int]) -> None:
            logits[rows] = self._run(model_inputs([windows[row] for row in rows], lengths[rows[0]]))

        for _ in map(run, batches) if len(batches) < 2 else self._pool.map(run, batches):
            pass  # an error of a batch is raised here
        text_index = np.array([window.text_index for window in windows], dtype=np.int64)
        n_windows = np.bincount(text_index, minlength=len(texts)).astype(np.int32)
        return Encoded(pool_windows(logits, text_index, len(texts)), n_windows)

    def _padded(self, n_tokens: int) -> int:
        # A window is never longer than the model was made for.
        return min(-(-n_tokens // PAD_MULTIPLE) * PAD_MULTIPLE, self._max_tokens) if self._batch_tokens else n_tokens

    def _run(self, inputs: Mapping[str, npt.NDArray[np.int64]]) -> npt.NDArray[np.float32]:
        outputs: list[npt.NDArray[np.float32]] = self._session.run(["logits"], dict(inputs))
        return outputs[0]


def batches_of(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Rows of equal length together, at most so many tokens a batch and at least one row; the batches with most tokens first, so that no thread
    is left with a long one at the end (longest processing time first, Graham 1969).

    >>> batches_of([4, 9, 4, 4, 9], 8)
    [[1], [4], [0, 2], [3]]
    >>> batches_of([4, 4], 0)
    [[0], [1]]
    """
    by_length: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        by_length.setdefault(length, []).append(row)
    batches = []
    for length, rows in by_length.items():
        size = max(1, batch_tokens // length)
        batches += [rows[start : start + size] for start in range(0, len(rows), size)]
    return sorted(batches, key=lambda rows: -len(rows) * lengths[rows[0]])


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
