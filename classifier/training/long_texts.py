"""Long texts for calibrating: what the encoder says of short calibration texts that were joined, none of which certifies anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from classifier.data.join import joined_texts, short_texts
from classifier.decisions.arrays import Bools, Floats, Ints
from classifier.decisions.fit_length import fit_length, length_figures
from classifier.decisions.length import LengthCorrection
from classifier.encoder.runtime import Encoded
from classifier.evaluation.scores import Scores
from classifier.examples import Example
from classifier.policy import Policy

N_FITTED = 200
N_JUDGED = 200
MIN_SHORT = 40
"""Fewest short benign texts that make long ones; of fewer the same words would come again and again."""

Encode = Callable[[Sequence[str]], Encoded]


@dataclass(frozen=True, eq=False)
class _Lot:
    """Logits *Shape:* (n, n_questions), numbers of windows and violations, *Shape:* (n,)."""

    logits: Floats
    n_windows: Ints
    violating: Bools


def length_correction(scores: Scores, fitting: Bools, policy: Policy, encode: Encode, *, max_tokens: int, seed: int) -> LengthCorrection:
    """Fit to the benign texts of one part of the scores and to long ones joined from them; the figures come from the other part.

    :param fitting: texts of the part that may be fitted to, *Shape:* (n_texts,).
    :param encode: raw logits and windows of texts.
    :param max_tokens: of a window; joined texts have as many characters at least, and eight times as many at most.
    """
    made = _lot(scores, fitting, policy, encode, N_FITTED, max_tokens=max_tokens, seed=seed)
    benign = ~made.violating
    correction = fit_length(made.logits[benign], made.n_windows[benign])
    if correction.note:
        return correction
    judged = _lot(scores, ~fitting, policy, encode, N_JUDGED, max_tokens=max_tokens, seed=seed + 1, with_violating=True)
    figures = length_figures(correction, judged.logits, judged.n_windows, judged.violating, column=policy.severity_column(1))
    return replace(correction, figures=figures)


def _lot(scores: Scores, members: Bools, policy: Policy, encode: Encode, n: int, *, max_tokens: int, seed: int, with_violating: bool = False) -> _Lot:
    """The texts of one part as they stand, and joined ones: benign, and violating ones each of a violating text among benign ones."""
    own = scores.select(members)
    examples: tuple[Example, ...] = own.examples
    benign, bad = short_texts(examples, violating=False), short_texts(examples, violating=True)
    longest = 8 * max_tokens
    enough = len(benign) >= MIN_SHORT
    texts = joined_texts(benign, n, seed=seed, min_chars=max_tokens, max_chars=longest) if enough else []
    wanted = n // 2 if enough and bad and with_violating else 0
    mixed = joined_texts(benign, wanted, seed=seed, first=bad, min_chars=max_tokens, max_chars=longest) if wanted else []
    violating = np.array([e.violating for e in examples] + [False] * len(texts) + [True] * len(mixed), dtype=np.bool_)
    if not texts:
        return _Lot(own.logits.astype(np.float64), own.n_windows.astype(np.int64), violating)
    joined = encode([*texts, *mixed])
    logits = np.concatenate([own.logits, joined.logits]).astype(np.float64)
    return _Lot(logits, np.concatenate([own.n_windows, joined.n_windows]).astype(np.int64), violating)
