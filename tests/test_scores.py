"""Saved scores come back equal, and whatever is not right with the file is refused in words."""

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest

from classifier.errors import ScoresError
from classifier.evaluation import Scores, read_scores, write_scores
from classifier.examples import Example
from classifier.policy import Policy

POLICY = Policy.load()
N_QUESTIONS = len(POLICY.questions)
OTHER_POLICY = dataclasses.replace(POLICY, version="0")
EXAMPLES = (
    Example("1", "出 U 收 U\n加V", "bio", ("trading",), 2, tags=("slang",), account_id="a", evidence=("出 U",), extra={"n": [1, None]}),
    Example("2", "今天天气很好", "post", (), 0, group="g"),
    Example("3", "代发币", "post", ("issuance", "financing"), None),
)


def scores(**changes):
    logits = np.random.default_rng(0).normal(size=(3, N_QUESTIONS)).astype(np.float32)
    fields = {
        "examples": EXAMPLES,
        "logits": logits,
        "n_windows": np.array([1, 1, 4], dtype=np.int32),
        "policy_fingerprint": POLICY.fingerprint,
        "model_fingerprint": "m" * 16,
        "data_sha256": {"test.jsonl": "0" * 64},
    }
    return Scores(**(fields | changes))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "scores.npz"
    write_scores(path, scores())
    return path


def rewrite(path, **changes):
    """The same archive with some members replaced, or dropped where None; other members stay as they are."""
    with np.load(path) as loaded:
        arrays = {name: loaded[name] for name in loaded.files} | changes
    np.savez(path, allow_pickle=False, **{name: array for name, array in arrays.items() if array is not None})


def header_of(path):
    with np.load(path) as loaded:
        return json.loads(loaded["header"].tobytes())


def as_bytes(content):
    return np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)


def test_the_arrays_come_back_with_type_and_bits(path):
    again, before = read_scores(path, POLICY), scores()
    assert (again.logits.dtype, again.n_windows.dtype) == (np.float32, np.int32)
    np.testing.assert_array_equal(again.logits, before.logits)
    np.testing.assert_array_equal(again.n_windows, before.n_windows)


def test_the_examples_and_fingerprints_come_back(path):
    again = read_scores(path, POLICY)
    assert again.examples == EXAMPLES
    assert (again.policy_fingerprint, again.model_fingerprint, again.data_sha256) == (POLICY.fingerprint, "m" * 16, {"test.jsonl": "0" * 64})


def test_no_texts_come_back_as_no_texts(tmp_path):
    empty = scores(examples=(), logits=np.empty((0, N_QUESTIONS), np.float32), n_windows=np.empty(0, np.int32))
    write_scores(tmp_path / "empty.npz", empty)
    assert read_scores(tmp_path / "empty.npz", POLICY).logits.shape == (0, N_QUESTIONS)


def test_targets_are_the_gold_answers_in_the_order_of_the_questions():
    # trading at severity 2; benign; issuance and financing without a severity, which counts as the highest
    assert scores().targets(POLICY).tolist() == [[0, 1, 0, 0, 1, 1, 0], [0] * 7, [1, 0, 1, 0, 1, 1, 1]]


def test_the_file_holds_no_pickle(path):
    with zipfile.ZipFile(path) as archive:
        heads = [archive.read(name)[:128] for name in archive.namelist()]
    assert not any(b"|O" in head for head in heads)


def test_nothing_but_the_file_is_left_beside_it(path):
    assert [item.name for item in path.parent.iterdir()] == ["scores.npz"]


def test_targets_for_another_policy_are_refused():
    with pytest.raises(ScoresError, match=f"{OTHER_POLICY.fingerprint}.*got scores made for {POLICY.fingerprint}"):
        scores().targets(OTHER_POLICY)


def test_reading_for_another_policy_is_refused(path):
    with pytest.raises(ScoresError, match="score the texts again with a model of this policy"):
        read_scores(path, OTHER_POLICY)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ScoresError, match="there is none; score the texts first"):
        read_scores(tmp_path / "none.npz", POLICY)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_a_cut_file_is_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ScoresError, match="score the texts again"):
        read_scores(path, POLICY)


def test_every_altered_member_is_refused(path):
    with zipfile.ZipFile(path) as archive:
        places = [(info.header_offset + 30 + len(info.filename) + 40, info.filename) for info in archive.infolist()]
    content = path.read_bytes()
    for place, _ in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        with pytest.raises(ScoresError):
            read_scores(path, POLICY)


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "scores.npz"
    path.write_text("id,text\n")
    with pytest.raises(ScoresError, match="damaged or foreign"):
        read_scores(path, POLICY)


def test_a_single_array_is_refused(path):
    handle = io.BytesIO()
    np.save(handle, np.zeros(3))
    path.write_bytes(handle.getvalue())
    with pytest.raises(ScoresError, match="damaged or foreign"):
        read_scores(path, POLICY)


def test_a_pickled_member_is_refused(path):
    handle = io.BytesIO()
    np.savez(handle, header=np.array([{}], dtype=object))
    path.write_bytes(handle.getvalue())
    with pytest.raises(ScoresError, match="allow_pickle"):
        read_scores(path, POLICY)


@pytest.mark.parametrize("name", ["header", "examples", "logits", "n_windows"])
def test_a_missing_member_is_refused(path, name):
    rewrite(path, **{name: None})
    with pytest.raises(ScoresError, match=f"{name}"):
        read_scores(path, POLICY)


def test_logits_that_someone_changed_are_refused(path):
    rewrite(path, logits=scores().logits + np.float32(1))
    with pytest.raises(ScoresError, match="SHA-256"):
        read_scores(path, POLICY)


def test_another_format_version_is_refused(path):
    rewrite(path, header=as_bytes(header_of(path) | {"format_version": 99}))
    with pytest.raises(ScoresError, match="format version 1, but got 99"):
        read_scores(path, POLICY)


def test_a_header_without_a_key_is_refused(path):
    header = header_of(path)
    del header["model_fingerprint"]
    rewrite(path, header=as_bytes(header))
    with pytest.raises(ScoresError, match=r"expected the header keys .*model_fingerprint"):
        read_scores(path, POLICY)


def test_another_file_name_is_a_mistake_of_the_caller(tmp_path):
    with pytest.raises(ValueError, match=r"ending with \.npz"):
        write_scores(tmp_path / "scores.bin", scores())


@pytest.mark.parametrize(
    "changes",
    [
        {"logits": np.zeros((2, N_QUESTIONS), np.float32)},
        {"n_windows": np.ones(2, np.int32)},
        {"logits": np.zeros((3, N_QUESTIONS), np.float64)},
        {"logits": np.full((3, N_QUESTIONS), np.nan, np.float32)},
    ],
    ids=["rows", "windows", "dtype", "nan"],
)
def test_arrays_that_do_not_fit_are_refused(changes):
    with pytest.raises(ScoresError, match="xpected"):
        scores(**changes)
