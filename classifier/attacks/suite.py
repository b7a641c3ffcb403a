"""The techniques by name. Each is a pure function of text, intensity and seed that changes nothing of what a Chinese reader understands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np

from classifier.attacks import numerals, shapes, sounds
from classifier.attacks.attacked import Attacked
from classifier.attacks.places import Place, View, generator_of, hit, places_of, view_of
from classifier.attacks.tables import check_half, substitutes

FindPlaces = Callable[[View, str, np.random.Generator], Iterable[Place]]


@dataclass(frozen=True)
class Technique:
    """One way of spelling around a filter.

    ``undone`` says that ``classifier.text.normalise`` takes it back whole, so that the model never sees it.
    """

    name: str
    name_zh: str
    example: str
    find: FindPlaces
    undone: bool = False

    def __call__(self, text: str, intensity: float, seed: int, *, half: str = "test") -> Attacked:
        """Rewrite a text.

        :param intensity: share of the possible places that are hit, from 0 (nothing changes) to 1; deciding words come first.
        :param half: of the substitutes: ``"train"`` for augmenting, ``"test"`` for attacking. Techniques without tables use one set for both.
        :raises MissingExtraError: for the techniques of sound, when the extra ``train`` is not installed.
        """
        check_half(half)
        generator = generator_of(text, seed)
        return hit(text, list(self.find(view_of(text), half, generator)), intensity, generator)


def _from_table(view: View, half: str, generator: np.random.Generator, *, table: str) -> Iterable[Place]:
    return places_of(view, substitutes(table, half))


def _all() -> Mapping[str, Technique]:
    techniques = (
        Technique("homophones", "同音字", "必圈", sounds.homophones),
        Technique("lookalikes", "形近字", "帀圈", shapes.lookalikes),
        Technique("splits", "拆字", "君羊", shapes.splits),
        Technique("pinyin", "拼音", "交yi所", sounds.pinyin),
        Technique("initials", "首字母", "HY", sounds.initials),
        Technique("letters", "字母代字", "B圈", sounds.letters),
        Technique("symbols", "表情与符号", "🅱️圈", partial(_from_table, table="symbols")),
        Technique("spellings", "圈内写法", "葬品", partial(_from_table, table="spellings")),
        Technique("contacts", "联系方式变形", "加薇❤", partial(_from_table, table="contacts")),
        Technique("english", "夹用英文", "买coin", partial(_from_table, table="english")),
        Technique("traditional", "繁体", "幣圈", shapes.traditional, undone=True),
        Technique("styled", "全角与花体", "ＵＳＤＴ", shapes.styled, undone=True),
        Technique("zero_width", "零宽字符", "币\\u200b圈", shapes.zero_width, undone=True),
        Technique("marks", "插入符号", "比|特|币", shapes.marks),
        Technique("reorder", "字序颠倒", "研表究明", shapes.reorder),
        Technique("numbers", "数字写法", "叁佰", numerals.numbers),
        Technique("filler", "前后填充", "今天天气不错……", shapes.filler),
    )
    return MappingProxyType({technique.name: technique for technique in techniques})


TECHNIQUES = _all()
"""Every technique by its name, in the order of reports."""


def techniques_of(names: Iterable[str] | None) -> tuple[Technique, ...]:
    """The named techniques, all where none is named.

    :raises ValueError: when a name is unknown.
    """
    chosen = tuple(TECHNIQUES if names is None else names)
    unknown = [name for name in chosen if name not in TECHNIQUES]
    if unknown or not chosen:
        raise ValueError(f"Expected names among {', '.join(TECHNIQUES)}, but got {unknown or 'none'}.")
    return tuple(TECHNIQUES[name] for name in chosen)
