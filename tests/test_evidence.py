"""Evidence by parts scored alone, with scoring functions whose deciding part is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.decisions.evidence import MAX_PARTS, MAX_SPANS, deciding_parts, parts_of


def counts(*words):
    """A scorer that adds one for every word it finds."""
    return lambda texts: np.array([sum(word in text for word in words) for text in texts], dtype=np.float32)


def test_the_part_with_the_word_is_found():
    text = "今天我们在小区门口看见一只猫,出U收U找我,明天还要上班"
    (part,) = deciding_parts(text, counts("出U收U"))
    assert "出U收U" in text[part.start : part.end]
    assert part.weight == pytest.approx(1.0)


def test_neighbouring_parts_become_one_span():
    text = "早上好。出U收U,加微信聊。明天还要上班,路上堵车。"
    parts = deciding_parts(text, counts("出U收U", "加微信"))
    assert len(parts) == 1
    assert {"出U收U", "加微信"} <= {word for word in ("出U收U", "加微信") if word in text[parts[0].start : parts[0].end]}


def test_a_long_text_is_narrowed_to_its_deciding_piece():
    text = "今天天气不错,我们去爬山。" * 60 + "出U收U找我。" + "山上风大,记得带外套。" * 20
    (part,) = deciding_parts(text, counts("出U收U"))
    assert "出U收U" in text[part.start : part.end]
    assert part.end - part.start < 40


def test_a_word_said_twice_is_found_twice():
    text = "出U收U找我。今天我们在小区门口看见一只猫。出U收U找我。"
    parts = deciding_parts(text, lambda texts: np.array(["出U收U" in t for t in texts], dtype=np.float32))
    assert [text[part.start : part.end] for part in parts] == ["出U收U找我。", "出U收U找我。"]


def test_the_scorer_is_asked_twice_at_most_and_reads_little_more_than_the_text():
    for text in ("今天天气不错,出U收U找我。" * 3, "今天天气不错,我们去爬山。" * 60):
        asked = []

        def score(texts, asked=asked):
            asked.append(sum(map(len, texts)))
            return np.array([len(t) for t in texts], dtype=np.float32)

        deciding_parts(text, score)
        assert len(asked) <= 2
        assert sum(asked) <= 3 * len(text)


def test_nothing_decides_where_no_part_raises_the_logit():
    assert deciding_parts("今天天气不错,我们去爬山。", lambda texts: np.zeros(len(texts), dtype=np.float32)) == ()


def test_at_most_three_spans_the_heaviest_first():
    text = "甲甲甲,子子子子。乙乙乙,丑丑丑丑。丙丙丙,寅寅寅寅。丁丁丁,卯卯卯卯。"
    weights = {"甲": 1.0, "乙": 1.3, "丙": 1.1, "丁": 1.2}
    parts = deciding_parts(text, lambda texts: np.array([sum(w for c, w in weights.items() if c in t) for t in texts], dtype=np.float32))
    assert len(parts) <= MAX_SPANS
    assert [part.weight for part in parts] == sorted((part.weight for part in parts), reverse=True)


def test_a_number_with_a_point_is_not_cut():
    cuts = parts_of("每天吐0.3%本金,满一年1,200全退回来")
    text = "每天吐0.3%本金,满一年1,200全退回来"
    assert all(text[end - 1] not in ".," or not text[end : end + 1].isdigit() for _, end in cuts)


@given(st.text(alphabet="出收U币圈,。 a1\n", min_size=1, max_size=400))
def test_parts_cover_the_text_without_gaps_and_are_few(text):
    cuts = parts_of(text)
    assert [cuts[0][0], cuts[-1][1]] == [0, len(text)]
    assert all(first[1] == second[0] for first, second in pairwise(cuts))
    assert len(cuts) <= MAX_PARTS
