"""Which pieces of a multilingual vocabulary a Chinese encoder needs."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

MAX_ASCII_PIECES = 6_000
_WORD_START = "▁"
_HAN_NAMES = ("CJK UNIFIED", "CJK COMPATIBILITY", "CJK RADICAL", "KANGXI", "BOPOMOFO", "IDEOGRAPHIC")
_SHARED_CATEGORIES = frozenset({"Po", "Ps", "Pe", "Pd", "Pi", "Pf", "Pc", "Sm", "Sc", "Sk", "So", "No", "Nl", "Nd"})


def is_chinese_piece(piece: str) -> bool:
    """Whether every character is Han, or punctuation, a symbol, an emoji or a digit.

    >>> [is_chinese_piece(piece) for piece in ("▁比特", "🚀", "。", "bit", "かな")]
    [True, True, True, False, False]
    """
    body = piece.removeprefix(_WORD_START)
    return bool(body) and not body.isascii() and all(_is_kept(character) for character in body)


def _is_kept(character: str) -> bool:
    if character.isascii():
        return not character.isalpha()
    if unicodedata.category(character) in _SHARED_CATEGORIES:
        return True
    return unicodedata.name(character, "").startswith(_HAN_NAMES) or character in "\ufe0f\u200d〇々"


def trimmed_vocabulary(pieces: Sequence[str], scores: npt.NDArray[np.float32], *, n_specials: int, mask: int) -> npt.NDArray[np.int64]:
    """Indices of the pieces to keep, ascending: specials, Chinese pieces, the best ``MAX_ASCII_PIECES`` ASCII ones, the mask.

    :param scores: log-probabilities of the pieces, *Shape:* (n_pieces,).
    :param n_specials: how many leading pieces are special and always kept.
    :param mask: index of the mask piece.
    :return: int64, *Shape:* (n_kept,).
    """
    rest = range(n_specials, mask)
    chinese = [i for i in rest if is_chinese_piece(pieces[i])]
    ascii_pieces = [i for i in rest if pieces[i].removeprefix(_WORD_START).isascii()]
    best_ascii = sorted(ascii_pieces, key=lambda i: -float(scores[i]))[:MAX_ASCII_PIECES]
    return np.array(sorted({*range(n_specials), *chinese, *best_ascii, mask}), dtype=np.int64)
