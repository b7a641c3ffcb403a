"""The first stage: a linear model on hashed character n-grams that lets the plainly benign pass, so that the encoder sees the rest only.

All texts of a batch are one array of code points; n-grams of all places are hashed by vector arithmetic, and each text's weights are added up between
its borders. NumPy alone: no tokenizer, no loop over characters.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.errors import BundleError
from classifier.files import atomic_path

FORMAT_VERSION = 1
MAX_GRAM = 4
"""Characters of the longest n-gram; all from 1 on are taken."""
DEFAULT_BITS = 18
"""2 ** 18 weights of four bytes stay in a processor's second cache."""
_BATCH_TEXTS = 256
_GAP = "\0" * (MAX_GRAM - 1)
_UNREADABLE = (OSError, EOFError, KeyError, ValueError, TypeError, NotImplementedError, zipfile.BadZipFile, zlib.error)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Grams:
    """Hashed n-grams of texts.

    ``buckets`` holds one array for each n, uint32, *Shape:* (n_places,); the places of text ``i`` begin at ``starts[i]``. ``n_places`` says how many
    each text has, *Shape:* (n_texts,).
    """

    buckets: tuple[npt.NDArray[np.uint32], ...]
    starts: npt.NDArray[np.int64]
    n_places: npt.NDArray[np.int64]

    @property
    def scales(self) -> Floats:
        """What each text's sum is multiplied with: one by the root of its number of n-grams, its length as a vector where none comes twice."""
        return (1 / np.sqrt(MAX_GRAM * self.n_places)).astype(np.float32)


def hashed_grams(texts: Sequence[str], bits: int) -> Grams:
    """All n-grams of 1 to ``MAX_GRAM`` characters, those at the ends of a text with the gap around it; none reaches into another text.

    The hash is a polynomial rolled from n-gram to n-gram (Karp & Rabin 1987) of code points mixed by a multiplication (Knuth, section 6.4).

    :param texts: normalised (without NUL), at least one.
    :param bits: buckets are numbers below ``2 ** bits``.

    >>> grams = hashed_grams(["收U", "收U出"], 18)
    >>> grams.n_places.tolist(), bool(grams.buckets[1][3] == grams.buckets[1][8])
    ([5, 6], True)
    """
    joined = _GAP + _GAP.join(texts) + _GAP
    codes = np.frombuffer(joined.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
    n_places = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + len(_GAP)
    starts = np.concatenate([[0], np.cumsum(n_places)[:-1]]).astype(np.int64)
    n_all = len(codes) - len(_GAP)
    mixed = codes * np.uint32(0x9E3779B1)
    mixed ^= mixed >> np.uint32(15)
    rolled = np.zeros(n_all, dtype=np.uint32)
    buckets = []
    for n in range(MAX_GRAM):
        rolled *= np.uint32(0x01000193)
        rolled += mixed[n : n + n_all]
        spread = rolled ^ np.uint32((n + 1) * 0x85EBCA6B & 0xFFFFFFFF)
        spread *= np.uint32(0xC2B2AE35)
        spread >>= np.uint32(32 - bits)
        buckets.append(spread)
    return Grams(tuple(buckets), starts, n_places)


@dataclass(frozen=True)
class CascadeCertificate:
    """What the first stage promises: with ``confidence_level`` it loses at most ``max_loss_rate`` of the violating texts that the rest of the bundle,
    the model ``model_fingerprint`` with the ladder ``ladder_fingerprint``, would have acted on or sent to a person.

    Counted on one text of each cluster of calibration: ``n_lost`` of ``n_trials``; ``loss_rate_upper_bound`` is the exact bound at the threshold.
    """

    max_loss_rate: float
    confidence_level: float
    n_trials: int
    n_lost: int
    loss_rate_upper_bound: float
    model_fingerprint: str
    ladder_fingerprint: str


@dataclass(frozen=True, eq=False)
class FirstStage:
    """Weights of the n-grams, float32 *Shape:* (2 ** bits,). A text goes on to the encoder when its score is at least ``threshold``."""

    weights: Floats
    intercept: float
    threshold: float
    certificate: CascadeCertificate

    def scores(self, texts: Sequence[str]) -> Floats:
        """The higher, the more like a violating text.

        :param texts: normalised.
        :return: *Shape:* (n_texts,).
        """
        parts = [linear_scores(texts[start : start + _BATCH_TEXTS], self.weights) for start in range(0, len(texts), _BATCH_TEXTS)]
        return np.concatenate([np.empty(0, dtype=np.float32), *parts]) + np.float32(self.intercept)

    def goes_on(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Whether the encoder must look, *Shape:* (n_texts,)."""
        return np.asarray(self.scores(texts).astype(np.float64) >= self.threshold)


def linear_scores(texts: Sequence[str], weights: Floats) -> Floats:
    """Scaled sums of the weights of each text's n-grams, for at least one text; *Shape:* (n_texts,)."""
    grams = hashed_grams(texts, int(weights.size).bit_length() - 1)
    totals = weights[grams.buckets[0]]
    for buckets in grams.buckets[1:]:
        totals += weights[buckets]
    return np.asarray(np.add.reduceat(totals, grams.starts) * grams.scales, dtype=np.float32)


def write_first_stage(path: Path, stage: FirstStage) -> None:
    """Write a first stage to one ``.npz`` without pickle, whole or not at all."""
    header = {"format_version": FORMAT_VERSION, "intercept": stage.intercept, "threshold": stage.threshold, "certificate": asdict(stage.certificate)}
    content = np.frombuffer(json.dumps(header, sort_keys=True).encode("utf-8"), dtype=np.uint8)
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, allow_pickle=False, header=content, weights=stage.weights)


def read_first_stage(path: Path) -> FirstStage:
    """Read what ``write_first_stage`` wrote.

    :raises BundleError: when the file is missing, damaged or of another format.
    """
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as loaded:
            header: Mapping[str, Any] = json.loads(loaded["header"].tobytes().decode("utf-8"))
            weights = loaded["weights"]
        certificate = CascadeCertificate(**header["certificate"])
        stage = FirstStage(weights, float(header["intercept"]), float(header["threshold"]), certificate)
    except _UNREADABLE as error:
        raise BundleError(f"{path}: expected a first stage, but got: {error!r}; make it again with `classifier cascade`.") from error
    sound = weights.dtype == np.float32 and weights.ndim == 1 and weights.size > 1 and not weights.size & (weights.size - 1)
    if header.get("format_version") != FORMAT_VERSION or not sound:
        got = f"version {header.get('format_version')!r} with {weights.dtype} of shape {weights.shape}"
        raise BundleError(f"{path}: expected version {FORMAT_VERSION} with float32 weights, a power of two of them, but got {got}; make it again.")
    return stage
