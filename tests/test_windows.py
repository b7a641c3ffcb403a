"""Windows, batches, padding and pooling."""

from __future__ import annotations

import numpy as np
import pytest

from classifier.encoder.windows import Window, Windower, model_inputs, pool_windows
from classifier.errors import EncoderError


@pytest.fixture
def windower(tiny_base):
    return Windower(tiny_base / "tokenizer.json", max_tokens=12, overlap_tokens=4)


def test_a_short_text_is_one_window(windower):
    (window,) = windower.windows(["收U"], [1])
    assert window.text_index == 0
    assert set(window.types) == {1}


def test_a_long_text_loses_no_token(windower):
    text = "今天我们在小区门口看见一只猫收出币藏品"
    windows = windower.windows([text], [0])
    assert len(windows) > 1
    seen = {token for window in windows for token in window.ids}
    whole = Windower.__new__(Windower)  # the same tokenizer without truncation tells which tokens there are
    whole._tokenizer = windower._tokenizer
    whole._tokenizer.no_truncation()
    assert seen == set(whole._tokenizer.encode(text).ids)


def test_an_empty_text_still_has_a_window(windower):
    assert len(windower.windows([""], [0])) == 1


def test_a_window_becomes_three_arrays():
    arrays = model_inputs([Window((5, 6, 7), 0, (1, 1, 1))])
    assert {name: array.tolist() for name, array in arrays.items()} == {
        "input_ids": [[5, 6, 7]],
        "attention_mask": [[1, 1, 1]],
        "token_type_ids": [[1, 1, 1]],
    }


def test_pooling_takes_the_highest_window():
    pooled = pool_windows(np.float32([[0.1], [2.0], [-1.0]]), np.array([1, 0, 1]), 2)
    assert pooled.ravel().tolist() == pytest.approx([2.0, 0.1])


def test_a_broken_tokenizer_file_is_named(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(EncoderError, match=r"tokenizer\.json: expected a tokenizer"):
        Windower(path, max_tokens=12, overlap_tokens=4)


def test_a_shorter_window_is_padded_and_masked():
    arrays = model_inputs([Window((5, 6, 7), 0, (1, 1, 1)), Window((8, 9), 1, (0, 0))], 4)
    assert arrays["input_ids"].tolist() == [[5, 6, 7, 0], [8, 9, 0, 0]]
    assert arrays["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 1, 0, 0]]
    assert arrays["token_type_ids"].tolist() == [[1, 1, 1, 0], [0, 0, 0, 0]]


def test_windows_of_one_length_become_one_array():
    arrays = model_inputs([Window((5, 6, 7), 0, (1, 1, 1)), Window((8, 9, 3), 1, (0, 0, 0))])
    assert arrays["input_ids"].tolist() == [[5, 6, 7], [8, 9, 3]]
    assert arrays["token_type_ids"].tolist() == [[1, 1, 1], [0, 0, 0]]
    assert all(array.shape == (2, 3) and array.dtype == "int64" for array in arrays.values())
