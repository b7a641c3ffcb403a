"""Numbers spelt another way: 300 as 三百, 叁佰, ③⓪⓪ or 三〇〇, and 三百 as 300."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from classifier.attacks.places import Place, View

_DIGITS, _UNITS = "零一二三四五六七八九", ("", "十", "百", "千")
_FORMAL = str.maketrans("零一二三四五六七八九十百千万", "零壹贰叁肆伍陆柒捌玖拾佰仟萬")
_ARABIC = re.compile(r"(?<![0-9A-Za-z.:：])[0-9]{1,11}(?![0-9A-Za-z.:：])")
"""No part of a decimal, a time or a name such as V3."""
_CHINESE = re.compile(
    "[一二两三四五六七八九]?十[一二三四五六七八九]?|[一二两三四五六七八九][百千][零一二三四五六七八九十百]*"
    "|[一二两三四五六七八九](?=[个天年月人张次份台块点元])"
)
_MAX_IN_WORDS = 9_999


def numbers(view: View, half: str, generator: np.random.Generator) -> Iterator[Place]:
    """Every number in the text, Arabic or Chinese."""
    found = [(match.span(), _of_digits(match.group())) for match in _ARABIC.finditer(view.text)]
    for match in _CHINESE.finditer(view.text):
        value = value_of(match.group())
        if value is not None:
            found.append((match.span(), (str(value), _circled(str(value)), match.group().replace("两", "二").translate(_FORMAL))))
    for (start, end), options in sorted(found):
        yield Place(start, end, options, view.rank(start, end))


def in_chinese(value: int) -> str:
    """A number from 0 to 9,999 in Chinese.

    >>> in_chinese(300), in_chinese(1024), in_chinese(15), in_chinese(0)
    ('三百', '一千零二十四', '十五', '零')
    """
    if not 0 <= value <= _MAX_IN_WORDS:
        raise ValueError(f"Expected a number from 0 to {_MAX_IN_WORDS:,}, but got {value}.")
    digits = str(value)
    if value == 0:
        return _DIGITS[0]
    parts = [_DIGITS[int(digit)] + _UNITS[len(digits) - 1 - i] if digit != "0" else "零" for i, digit in enumerate(digits)]
    joined = re.sub("零+", "零", "".join(parts)).rstrip("零")
    return joined[1:] if joined.startswith("一十") else joined


def value_of(chinese: str) -> int | None:
    """The value of a Chinese number below 10,000; None where it is not spelt in full.

    >>> value_of("三百"), value_of("一千零二十四"), value_of("十五"), value_of("三百五")
    (300, 1024, 15, None)
    """
    total = digit = 0
    for character in chinese.replace("两", "二"):
        if character in _DIGITS:
            digit = _DIGITS.index(character)
        else:
            total += (digit or 1) * 10 ** _UNITS.index(character)
            digit = 0
    total += digit
    return total if in_chinese(total) == chinese.replace("两", "二") else None


def _of_digits(digits: str) -> tuple[str, ...]:
    one_by_one = "".join(_DIGITS[int(digit)] for digit in digits).replace("零", "〇")
    spelt: tuple[str, ...] = (one_by_one, _circled(digits), "".join(f"{digit}\ufe0f\u20e3" for digit in digits))
    if len(digits) <= 4 and (digits == "0" or not digits.startswith("0")):
        words = in_chinese(int(digits))
        spelt += (words, words.translate(_FORMAL))
    return spelt


def _circled(digits: str) -> str:
    return "".join(chr(0x245F + int(digit)) if digit != "0" else "⓪" for digit in digits)
