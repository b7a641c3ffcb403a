"""The memory of logits: the same answers with it and without, counted, bounded, shared by threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.encoder.cache import EncodingCache
from classifier.encoder.runtime import Encoded
from classifier.inference import Classifier

TEXTS = ["收U出U", "今天看见一只猫", "收 U出U", "收U出U", "🅱️圈收Ｕ", "今天看见一只猫", "投资日息" * 40]
REQUESTS = st.lists(st.tuples(st.sampled_from("abcdefg"), st.integers(0, 1)), min_size=1, max_size=12)


class Encoder:
    """Logits that tell text and token type, and a record of what was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts, source_numbers):
        pairs = list(zip(texts, source_numbers, strict=True))
        self.asked.extend(pairs)
        logits = np.array([[ord(text[0]), source_number, len(text)] for text, source_number in pairs], dtype=np.float32) / 3
        return Encoded(logits, np.array([len(text) for text in texts], dtype=np.int32))


def ask(cache, encoder, pairs):
    return cache.encode([text for text, _ in pairs], [source_number for _, source_number in pairs], encoder)


@given(calls=st.lists(REQUESTS, max_size=8), max_entries=st.integers(0, 5))
def test_answers_are_those_of_the_encoder_whatever_the_size(calls, max_entries):
    cache = EncodingCache(max_entries)
    for pairs in calls:
        got, expected = ask(cache, Encoder(), pairs), ask(EncodingCache(0), Encoder(), pairs)
        direct = Encoder()([text for text, _ in pairs], [source_number for _, source_number in pairs])
        assert got.logits.tobytes() == expected.logits.tobytes() == direct.logits.tobytes()
        assert got.n_windows.tolist() == direct.n_windows.tolist()
        assert cache.counts.n_entries <= max_entries


def test_a_text_is_asked_for_once_and_again_for_another_source():
    cache, encoder = EncodingCache(10), Encoder()
    ask(cache, encoder, [("a", 0), ("b", 0), ("a", 0), ("a", 1)])
    ask(cache, encoder, [("b", 0), ("c", 0)])
    assert encoder.asked == [("a", 0), ("b", 0), ("a", 1), ("c", 0)]


def test_hits_and_misses_add_up_to_the_texts():
    cache = EncodingCache(10)
    ask(cache, Encoder(), [("a", 0), ("a", 0), ("b", 0)])
    ask(cache, Encoder(), [("a", 0), ("d", 1)])
    counts = cache.counts
    assert (counts.n_hits, counts.n_misses, counts.n_entries, counts.max_entries) == (2, 3, 3, 10)


def test_the_least_recently_used_gives_way():
    cache, encoder = EncodingCache(2), Encoder()
    for text in "abac":
        ask(cache, encoder, [(text, 0)])
    encoder.asked.clear()
    ask(cache, encoder, [("a", 0), ("c", 0)])
    assert encoder.asked == []
    ask(cache, encoder, [("b", 0)])
    assert encoder.asked == [("b", 0)]


def test_what_it_gave_may_be_written_to():
    cache = EncodingCache(2)
    ask(cache, Encoder(), [("a", 0)]).logits[:] = 7
    assert ask(cache, Encoder(), [("a", 0)]).logits.tolist() == ask(EncodingCache(0), Encoder(), [("a", 0)]).logits.tolist()


def test_a_negative_size_is_refused():
    with pytest.raises(ValueError, match="0 entries or more, but got -1"):
        EncodingCache(-1)


def test_threads_get_their_own_answers():
    cache = EncodingCache(5)
    calls = [[(chr(97 + (i * j) % 17), j % 2) for j in range(9)] for i in range(200)]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda pairs: ask(cache, Encoder(), pairs).logits.tolist(), calls))
    assert got == [ask(EncodingCache(0), Encoder(), pairs).logits.tolist() for pairs in calls]
    assert cache.counts.n_hits + cache.counts.n_misses == 200 * 9


def test_decisions_are_the_same_with_and_without(tiny_bundle):
    with_cache = Classifier.load(tiny_bundle.folder, n_threads=1)
    without = Classifier.load(tiny_bundle.folder, n_threads=1, cache_size=0)
    for _ in range(2):
        decided = [classifier.classify_many(TEXTS, source="bio", evidence=True) for classifier in (with_cache, without)]
        assert decided[0] == decided[1]
    assert with_cache.cache_counts.n_misses < without.cache_counts.n_misses


def test_copies_are_found_after_normalisation(tiny_bundle):
    classifier = Classifier.load(tiny_bundle.folder, n_threads=1, cache_size=0)
    classifier.classify_many(["收U出U", "收Ｕ出\u200bＵ", " 收U出U\n", "今天"])
    assert (classifier.cache_counts.n_misses, classifier.cache_counts.n_hits) == (2, 2)
