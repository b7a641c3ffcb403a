"""Weights as int8, arithmetic in fp32: rounding that knows what occurs beats rounding that does not, and nothing but ONNX Runtime is needed."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from classifier.errors import EncoderError
from classifier.training.export import export_onnx
from classifier.training.weights import compensated, halve_weights, quantise_weights

from .test_quantise import inputs, logits


@pytest.fixture(scope="module")
def fp32(tiny_bundle, tmp_path_factory):
    """A tiny BERT, exported."""
    path = tmp_path_factory.mktemp("exported") / "fp32.onnx"
    export_onnx(tiny_bundle.folder, path)
    return path


def as_floats(values, scales):
    return (values.reshape(len(scales), -1, values.shape[1]) * scales.astype(np.float64)).reshape(values.shape)


def test_what_occurs_together_makes_up_for_each_other():
    generator = np.random.default_rng(1)
    x = generator.normal(size=(500, 4)) @ generator.normal(size=(4, 32)) * generator.uniform(0.1, 30, 32)
    weights = generator.normal(size=(32, 8))
    values, scales = compensated(weights, x.T @ x, block=16)
    steps = np.abs(weights.reshape(2, 16, 8)).max(axis=1, keepdims=True) / 127
    plain = np.rint(weights.reshape(2, 16, 8) / steps) * steps
    error, plain_error = (np.abs(x @ (w.reshape(32, 8) - weights)).mean() for w in (as_floats(values, scales), plain))
    assert error < plain_error / 3


def test_channels_that_do_not_move_together_are_rounded_to_the_nearest():
    weights = np.random.default_rng(2).normal(size=(64, 5))
    values, scales = compensated(weights, np.diag(np.arange(1.0, 65.0)), block=32)
    assert (np.abs(as_floats(values, scales) - weights) <= np.repeat(scales[:, 0], 32, axis=0) * 0.5001).all()


def test_a_channel_that_never_occurs_does_no_harm():
    weights = np.random.default_rng(3).normal(size=(8, 3))
    values, scales = compensated(weights, np.zeros((8, 8)), block=8)
    assert np.abs(as_floats(values, scales) - weights).max() < 0.02


def test_the_file_is_small_and_comes_closer_than_int8_arithmetic(fp32, tmp_path):
    quantise_weights(fp32, tmp_path / "small.onnx", inputs(30, seed=1))
    expected = logits(fp32, inputs(40, seed=2))
    assert (tmp_path / "small.onnx").stat().st_size < 0.75 * fp32.stat().st_size
    assert np.abs(logits(tmp_path / "small.onnx", inputs(40, seed=2)) - expected).mean() < 0.02 * expected.std()


def test_a_text_gives_the_same_logits_whatever_its_neighbours(fp32, tmp_path):
    quantise_weights(fp32, tmp_path / "small.onnx", inputs(10, seed=1))
    rows = list(inputs(1, seed=4)) * 2
    rows[1] = {name: values[:, ::-1].copy() for name, values in rows[1].items()}
    session = onnxruntime.InferenceSession(str(tmp_path / "small.onnx"), providers=["CPUExecutionProvider"])
    together = session.run(["logits"], {name: np.concatenate([row[name] for row in rows]) for name in rows[0]})[0]
    np.testing.assert_allclose(together, logits(tmp_path / "small.onnx", rows), atol=1e-5)


def test_products_are_fp32_and_weights_are_not(fp32, tmp_path):
    quantise_weights(fp32, tmp_path / "small.onnx", inputs(5, seed=1))
    graph = onnx.load(tmp_path / "small.onnx").graph
    assert {node.op_type for node in graph.node} & {"MatMulInteger", "DynamicQuantizeLinear"} == set()
    floats = [item for item in graph.initializer if item.data_type == onnx.TensorProto.FLOAT and not item.name.endswith(".scale")]
    multiplied = {node.input[1] for node in graph.node if node.op_type == "MatMul"}
    assert not multiplied & {item.name for item in floats}


def test_without_texts_it_is_refused(fp32, tmp_path):
    with pytest.raises(EncoderError, match="Expected at least one text"):
        quantise_weights(fp32, tmp_path / "small.onnx", [])
    assert not (tmp_path / "small.onnx").exists()


def test_half_the_size_is_nearly_exact(fp32, tmp_path):
    halve_weights(fp32, tmp_path / "half.onnx")
    expected = logits(fp32, inputs(40, seed=2))
    assert (tmp_path / "half.onnx").stat().st_size < 0.85 * fp32.stat().st_size
    assert np.abs(logits(tmp_path / "half.onnx", inputs(40, seed=2)) - expected).max() < 0.002
