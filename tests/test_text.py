"""Normalisation and its way back to the original."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.text import normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("🅱️圈", "B圈"),
        ("ＵＳＤＴ 𝐔𝐒𝐃𝐓 ⓃⒻⓉ", "USDT USDT NFT"),
        ("比*特*币", "比特币"),
        ("合*约", "合约"),
        ("U.S.D.T 收", "USDT 收"),
        ("币\u200b圈\ufeff", "币圈"),
        ("虛擬幣、礦機", "虚拟币、矿机"),
        ("1️⃣3️⃣8️⃣", "138"),
        ("a\ud800b\x00c", "abc"),
        ("一行\r\n\r\n 二行  三", "一行\n二行 三"),
        (" \u3000\u200b ", ""),
        ("收/出 长期", "收/出 长期"),
        ("空头 转增 体现", "空头 转增 体现"),
        ("版本 1.2.3.4", "版本 1.2.3.4"),
    ],
)
def test_disguises_are_undone_and_words_left_alone(text, expected):
    assert normalise(text).text == expected


def test_a_span_points_at_the_original_characters():
    original = "来🅱️\u200b圈吧"
    normalised = normalise(original)
    start = normalised.text.index("B圈")
    assert original[slice(*normalised.original_span(start, start + 2))] == "🅱️\u200b圈"


@pytest.mark.parametrize(("start", "end"), [(-1, 1), (0, 0), (0, 9)])
def test_a_span_outside_is_refused(start, end):
    with pytest.raises(ValueError, match="Expected 0 <= start < end <= 2"):
        normalise("币圈").original_span(start, end)


@given(st.text(alphabet=st.characters(), max_size=60))
def test_offsets_always_lie_inside_and_never_fall(text):
    normalised = normalise(text)
    assert len(normalised.starts) == len(normalised.ends) == len(normalised.text)
    assert all(0 <= a < b <= len(text) for a, b in zip(normalised.starts, normalised.ends, strict=True))
    assert list(normalised.starts) == sorted(normalised.starts)


@given(st.text(alphabet="币圈合约UBab12·*. 虛擬\u200b\n", max_size=40))
def test_normalising_twice_changes_nothing_more_but_joins(text):
    once = normalise(text).text
    assert len(normalise(once).text) <= len(once)
