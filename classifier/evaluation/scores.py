"""The scores of a model on labelled texts: encoder output saved once, so that everything after it needs neither model nor torch."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.errors import DataError, ScoresError
from classifier.examples import Example, Targets, targets_of
from classifier.files import atomic_path
from classifier.policy import Policy
from classifier.records.checking import Log, dumps, examples_of
from classifier.records.reading import READERS

FORMAT_VERSION = 1
_ARRAYS = ("examples", "logits", "n_windows")
_HEADER_KEYS = frozenset({"format_version", "policy_fingerprint", "model_fingerprint", "data_sha256", "content_sha256"})
_AGAIN = "score the texts again"
_UNREADABLE = (OSError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error, TypeError)
"""What NumPy and zipfile say of a damaged file; the last of a single .npy array, which cannot be entered like an archive."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Labelled texts and what one model said about them.

    ``logits`` are float32 before calibration, *Shape:* (n_texts, n_questions), columns as in ``policy.questions``; ``n_windows`` is int32,
    *Shape:* (n_texts,); ``data_sha256`` maps the name of each scored file to its hash.
    """

    examples: tuple[Example, ...]
    logits: npt.NDArray[np.float32]
    n_windows: npt.NDArray[np.int32]
    policy_fingerprint: str
    model_fingerprint: str
    data_sha256: Mapping[str, str]

    def __post_init__(self) -> None:
        n_texts = len(self.examples)
        if self.logits.ndim != 2 or len(self.logits) != n_texts or self.n_windows.shape != (n_texts,):
            raise ScoresError(
                f"Expected one row of logits and one number of windows for each of {n_texts} texts, but got shapes {self.logits.shape} and "
                f"{self.n_windows.shape}; {_AGAIN}."
            )
        if self.logits.dtype != np.float32 or self.n_windows.dtype != np.int32:
            raise ScoresError(f"Expected float32 logits and int32 windows, but got {self.logits.dtype} and {self.n_windows.dtype}; {_AGAIN}.")
        if not np.isfinite(self.logits).all():
            raise ScoresError(f"Expected finite logits, but got NaN or infinite ones; look at the model and {_AGAIN}.")

    def select(self, rows: npt.ArrayLike) -> Scores:
        """The scores of some of the texts; ``rows`` is a bool for each text or a list of positions."""
        chosen = np.asarray(rows)
        positions = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        return replace(self, examples=tuple(self.examples[i] for i in positions), logits=self.logits[positions], n_windows=self.n_windows[positions])

    def targets(self, policy: Policy) -> Targets:
        """Gold answers, int8 0/1, *Shape:* (n_texts, n_questions).

        :raises ScoresError: when the scores were made for another policy.
        """
        _check_policy(self.policy_fingerprint, self.logits.shape[1], policy, "scores")
        return targets_of(self.examples, policy)


def write_scores(path: str | Path, scores: Scores) -> None:
    """Write scores to one ``.npz`` without pickle, whole or not at all; ``read_scores`` gives them back.

    :raises ValueError: when the name does not end with ``.npz``.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"Expected a file name ending with .npz, but got {path.name!r}.")
    lines = "".join(f"{dumps(example.to_record())}\n" for example in scores.examples)
    arrays: dict[str, npt.NDArray[Any]] = {"examples": _as_bytes(lines), "logits": scores.logits, "n_windows": scores.n_windows}
    header = {
        "format_version": FORMAT_VERSION,
        "policy_fingerprint": scores.policy_fingerprint,
        "model_fingerprint": scores.model_fingerprint,
        "data_sha256": dict(scores.data_sha256),
        "content_sha256": _sha256(arrays),
    }
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, allow_pickle=False, **{"header": _as_bytes(dumps(header))}, **arrays)


def read_scores(path: str | Path, policy: Policy) -> Scores:
    """Read what ``write_scores`` wrote.

    :raises ScoresError: when the file is missing, damaged, of another format, or made for another policy.
    """
    path = Path(path)
    arrays = _arrays(path)
    header = _header(arrays.pop("header"), path)
    if header["content_sha256"] != _sha256(arrays):
        raise ScoresError(f"{path}: expected content with SHA-256 {header['content_sha256']}, but got {_sha256(arrays)}; {_AGAIN}.")
    n_columns = arrays["logits"].shape[-1] if arrays["logits"].ndim == 2 else 0
    _check_policy(header["policy_fingerprint"], n_columns, policy, str(path))
    return Scores(
        examples=_examples(arrays["examples"], path, policy),
        logits=arrays["logits"],
        n_windows=arrays["n_windows"],
        policy_fingerprint=header["policy_fingerprint"],
        model_fingerprint=header["model_fingerprint"],
        data_sha256=header["data_sha256"],
    )


def _as_bytes(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode("utf-8"), dtype=np.uint8)


def _sha256(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """One hash over name, type, shape and bytes of every array."""
    digest = hashlib.sha256()
    for name in _ARRAYS:
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as loaded:
            return {name: loaded[name] for name in ("header", *_ARRAYS)}
    except FileNotFoundError as error:
        raise ScoresError(f"{path}: expected a file of scores, but there is none; score the texts first.") from error
    except KeyError as error:
        raise ScoresError(f"{path}: expected the arrays header, {', '.join(_ARRAYS)}, but got: {error}; {_AGAIN}.") from error
    except _UNREADABLE as error:
        raise ScoresError(f"{path}: expected an .npz file of scores, but got a damaged or foreign file: {error}; {_AGAIN}.") from error


def _header(array: npt.NDArray[Any], path: Path) -> dict[str, Any]:
    try:
        header = json.loads(array.tobytes().decode("utf-8"))
    except ValueError as error:
        raise ScoresError(f"{path}: expected a header of JSON in UTF-8, but got: {error}; {_AGAIN}.") from error
    if not isinstance(header, dict) or header.get("format_version") != FORMAT_VERSION:
        got = header.get("format_version") if isinstance(header, dict) else header
        raise ScoresError(f"{path}: expected scores of format version {FORMAT_VERSION}, but got {got!r}; {_AGAIN} with this version.")
    if set(header) != _HEADER_KEYS:
        raise ScoresError(f"{path}: expected the header keys {', '.join(sorted(_HEADER_KEYS))}, but got {', '.join(sorted(header))}; {_AGAIN}.")
    return header


def _examples(array: npt.NDArray[Any], path: Path, policy: Policy) -> tuple[Example, ...]:
    log = Log(max_problems=20)
    name = f"{path}[examples]"
    rows = READERS[".jsonl"](io.BytesIO(array.tobytes()), name, log)
    examples: Sequence[Example] = examples_of(rows, name, policy, log, {})
    try:
        log.raise_if_any()
    except DataError as error:
        raise ScoresError(f"{path}: expected sound labelled texts, but got {error}; mend the labelled file and {_AGAIN}.") from error
    return tuple(examples)


def _check_policy(fingerprint: str, n_columns: int, policy: Policy, what: str) -> None:
    if fingerprint != policy.fingerprint:
        raise ScoresError(
            f"{what}: expected scores made for policy `{policy.id}` ({policy.fingerprint}), but got scores made for {fingerprint}; "
            f"{_AGAIN} with a model of this policy."
        )
    if n_columns != len(policy.questions):
        raise ScoresError(f"{what}: expected logits of {len(policy.questions)} questions, but got {n_columns}; {_AGAIN}.")
