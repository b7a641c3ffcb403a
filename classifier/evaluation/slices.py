"""Slices: the same few numbers for each source, length, count of windows, script, period and tag, and a mark where one is worse than the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from opencc import OpenCC

from classifier.decisions.arrays import Bools, Ints
from classifier.evaluation.bootstrap import Estimate, Resamples, f1_estimates, share_estimates
from classifier.evaluation.differences import holm, p_values
from classifier.evaluation.metrics import Floats, Weights, f1, precision
from classifier.evaluation.outcomes import Outcomes
from classifier.examples import LENGTH_BUCKET_NAMES, SOURCES, Example, length_bucket

MIN_CLUSTERS = 10
"""A slice of fewer clusters gets no mark: its spread cannot be told."""
MIN_TRADITIONAL_SHARE = 0.05
"""A text is of traditional script when at least this share of its Han characters has another simplified form."""
MIN_LATIN_SHARE = 0.2
"""A text mixes scripts when at least this share of its Han characters and Latin letters are Latin letters."""
WINDOW_NAMES = ("1", "2", "3-4", "5 or more")
SCRIPTS = ("simplified", "traditional", "mixed with Latin")


@dataclass(frozen=True)
class SliceResult:
    """One slice of the texts.

    ``f1``, ``precision`` and ``recall`` are of *any violation* at a prob of 0.5 (the texts ``flagged``); ``benign_acted`` is the share of
    its benign texts that the ladder acts on. ``worse`` names those of ``f1`` and ``benign_acted`` that are significantly worse than
    in all other texts, Holm-corrected over all slices.
    """

    kind: str
    name: str
    n: int
    n_violating: int
    n_clusters: int
    f1: Estimate
    precision: Estimate
    recall: Estimate
    benign_acted: Estimate
    worse: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Membership:
    """One slice and its texts, bool *Shape:* (n_texts,)."""

    kind: str
    name: str
    members: Bools


def slice_results(
    outcomes: Outcomes, examples: Sequence[Example], resamples: Resamples, n_windows: npt.ArrayLike | None = None
) -> tuple[SliceResult, ...]:
    """The results of every slice that has a text.

    :param n_windows: that the encoder saw of each text, *Shape:* (n_texts,); None for no such slices.
    """
    slices = tuple(memberships(examples, n_windows))
    if not slices:
        return ()
    members = np.column_stack([item.members for item in slices])
    flagged, violating, acted = (values[:, None] for values in (outcomes.flagged, outcomes.violating, outcomes.acted))
    gold, benign = violating & members, ~violating & members
    n_clusters = [int(np.unique(resamples.clusters[item.members]).size) for item in slices]
    worse = _worse(outcomes, members, np.array(n_clusters), resamples)
    columns = zip(
        slices,
        n_clusters,
        f1_estimates(flagged & members, gold, resamples),
        share_estimates(flagged & members, gold, resamples),
        share_estimates(gold, flagged & members, resamples),
        share_estimates(benign, acted & members, resamples),
        worse,
        strict=True,
    )
    return tuple(
        SliceResult(item.kind, item.name, int(item.members.sum()), int((item.members & outcomes.violating).sum()), n, *rest)
        for item, n, *rest in columns
    )


def memberships(examples: Sequence[Example], n_windows: npt.ArrayLike | None = None) -> Iterator[Membership]:
    """The slices that have a text: sources, lengths, windows, scripts, years of publication, then tags from the most frequent one.

    A text without a date is in no period.
    """
    yield from _grouped("source", [example.source for example in examples], SOURCES)
    yield from _grouped("length", [length_bucket(len(example.text)) for example in examples], LENGTH_BUCKET_NAMES)
    if n_windows is not None:
        yield from _grouped("windows", [_windows_name(n) for n in np.asarray(n_windows).tolist()], WINDOW_NAMES)
    yield from _grouped("script", [script_of(example.text) for example in examples], SCRIPTS)
    years = [(example.published_at or "")[:4] for example in examples]
    yield from _grouped("period", years, sorted({*years} - {""}))
    counted = Counter(tag for example in examples for tag in set(example.tags))
    for tag in sorted(counted, key=lambda tag: (-counted[tag], tag)):
        yield Membership("tag", tag, np.array([tag in example.tags for example in examples], dtype=np.bool_))


def _windows_name(n: int) -> str:
    return WINDOW_NAMES[int(np.searchsorted((1, 2, 4), n))]


def script_of(text: str) -> str:
    """The script of a text; Latin letters count before the form of the Han characters.

    >>> script_of("专业矿机托管"), script_of("專業礦機託管"), script_of("专业BTC矿机")
    ('simplified', 'traditional', 'mixed with Latin')
    """
    n_latin = sum(character.isascii() and character.isalpha() for character in text)
    n_han = sum("\u4e00" <= character <= "\u9fff" for character in text)
    if n_latin and n_latin >= MIN_LATIN_SHARE * (n_latin + n_han):
        return SCRIPTS[2]
    return SCRIPTS[is_traditional(text)]


def is_traditional(text: str) -> bool:
    """Whether a text is of traditional script.

    >>> is_traditional("專業礦機託管"), is_traditional("专业矿机托管"), is_traditional("abc")
    (True, False, False)
    """
    han = [character for character in text if "\u4e00" <= character <= "\u9fff"]
    n_changed = sum(_simplified(character) != character for character in han)
    return bool(han) and n_changed >= MIN_TRADITIONAL_SHARE * len(han)


@lru_cache(maxsize=65_536)
def _simplified(character: str) -> str:
    return str(_converter().convert(character))


@lru_cache(maxsize=1)
def _converter() -> OpenCC:
    return OpenCC("t2s")


def _grouped(kind: str, values: Sequence[str], names: Sequence[str]) -> Iterator[Membership]:
    array = np.array(values, dtype=object)
    for name in names:
        members = np.asarray(array == name, dtype=np.bool_)
        if members.any():
            yield Membership(kind, name, members)


def _worse(outcomes: Outcomes, members: Bools, n_clusters: Ints, resamples: Resamples) -> list[tuple[str, ...]]:
    """What is worse in each slice than in the rest, *Length:* n_slices."""
    flagged, violating, acted = (values[:, None] for values in (outcomes.flagged, outcomes.violating, outcomes.acted))

    def f1_lost(weights: Weights) -> Floats:
        return f1(flagged & ~members, violating & ~members, weights) - f1(flagged & members, violating & members, weights)

    def benign_acted_gained(weights: Weights) -> Floats:
        benign = ~violating
        return precision(benign & members, acted & members, weights) - precision(benign & ~members, acted & ~members, weights)

    values = np.stack([p_values(f1_lost, resamples), p_values(benign_acted_gained, resamples)])
    values[0, ~(members & violating).any(axis=0)] = np.nan  # without a gold text an F1 of 0 says nothing
    values[:, n_clusters < MIN_CLUSTERS] = np.nan
    marks = holm(values.ravel()).reshape(values.shape)
    return [tuple(name for name, marked in zip(("f1", "benign_acted"), column, strict=True) if marked) for column in marks.T]
