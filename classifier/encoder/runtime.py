"""ONNX Runtime: token ids in, logits out. No torch.

Every window is run alone, several at once on threads of one core each. A batch would not be faster on a CPU (no padding is computed this
way), and with int8 it would be wrong: activations are quantised over a whole batch, so that a text's logits would depend on its neighbours.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from classifier.encoder.windows import Window, Windower, model_inputs, pool_windows
from classifier.errors import EncoderError


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
        self, model_path: Path, tokenizer_path: Path, *, n_questions: int, max_tokens: int, overlap_tokens: int, n_threads: int | None = None
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(model_path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises many types of its own, with no common base but Exception
            raise EncoderError(f"{model_path}: expected a model that ONNX Runtime loads, but got: {error}") from error
        self._windower = Windower(tokenizer_path, max_tokens=max_tokens, overlap_tokens=overlap_tokens)
        self._pool = ThreadPoolExecutor(n_threads or available_cores(), thread_name_prefix="encoder")
        n_outputs = self._session.get_outputs()[0].shape[-1]
        if n_outputs != n_questions:
            raise EncoderError(f"{model_path}: expected {n_questions} logits, one for each question of the policy, but got {n_outputs}.")
        self._n_questions = n_questions

    def encode(self, texts: Sequence[str], token_types: Sequence[int]) -> Encoded:
        """Logits of normalised texts, pooled over their windows; rows in the order of the texts.

        A text's logits are the same whatever other texts come with it.
        """
        windows = self._windower.windows(texts, token_types)
        rows = [self._run(window) for window in windows] if len(windows) < 2 else list(self._pool.map(self._run, windows))
        logits = np.concatenate(rows) if rows else np.empty((0, self._n_questions), dtype=np.float32)
        text_index = np.array([window.text_index for window in windows], dtype=np.int64)
        n_windows = np.bincount(text_index, minlength=len(texts)).astype(np.int32)
        return Encoded(pool_windows(logits, text_index, len(texts)), n_windows)

    def _run(self, window: Window) -> npt.NDArray[np.float32]:
        outputs: list[npt.NDArray[np.float32]] = self._session.run(["logits"], model_inputs(window))
        return outputs[0]


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
