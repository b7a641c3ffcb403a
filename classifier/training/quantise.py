"""From an fp32 ONNX file to an int8 one that decides nearly the same.

Weights are int8 with a scale for each output, activations are quantised at run time with one scale for the whole tensor. Such a scale is ruined by
the few channels in which a BERT's activations are a hundred times as large as elsewhere. So each channel is first divided by a factor and the
weights that it meets are multiplied by it (SmoothQuant: Xiao et al. 2023, arXiv:2211.10438), which changes no product: ``SMOOTHING`` says how much of
the spread moves from the activations into the weights. Embedding tables are int8 with a scale a row: they are looked up, not multiplied.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from classifier.errors import EncoderError
from classifier.files import atomic_path

SMOOTHING = 0.8
_MIN_TABLE_BYTES = 100_000
_SMALLEST = 1e-5
Floats = npt.NDArray[np.float32]


def quantise(path: Path, out: Path, inputs: Iterable[Mapping[str, npt.NDArray[np.int64]]], *, smoothing: float = SMOOTHING) -> None:
    """Write an int8 copy of a fused fp32 model, whole or not at all.

    :param inputs: model inputs of some typical texts, from which the spread of each channel is taken; some hundreds do.
    :param smoothing: from 0 (evens out the weights that the channels meet) to 1 (evens out the activations).
    :raises EncoderError: when there are no inputs.
    """
    model = onnx.load(path)
    _smooth(model.graph, channel_maxima(model, inputs), smoothing)
    quantise_tables(model.graph)
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        smoothed, temporary = Path(name) / "smoothed.onnx", Path(name) / "int8.onnx"
        onnx.save(model, smoothed)
        quantize_dynamic(
            str(smoothed),
            str(temporary),
            per_channel=True,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul"],
            extra_options={"MatMulConstBOnly": True},
        )
        with atomic_path(out) as target:
            target.write_bytes(temporary.read_bytes())


@contextmanager
def _quiet() -> Iterator[None]:
    """Let the root logger say errors only: the quantiser recommends preprocessing that the fused graph does not need."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def channel_maxima(model: onnx.ModelProto, inputs: Iterable[Mapping[str, npt.NDArray[np.int64]]]) -> dict[str, Floats]:
    """Largest magnitude in each channel of every activation that a weight matrix multiplies, by the activation's name, *Shape:* (width,) each.

    :raises EncoderError: when there are no inputs.
    """
    maxima: dict[str, Floats] = {}
    for name, values in multiplied(model, inputs):
        largest = np.abs(values).max(axis=0)
        maxima[name] = np.maximum(maxima.get(name, largest), largest)
    return maxima


def multiplied(model: onnx.ModelProto, inputs: Iterable[Mapping[str, npt.NDArray[np.int64]]]) -> Iterator[tuple[str, Floats]]:
    """Each activation that a weight matrix multiplies, by its name and input after input, *Shape:* (n_tokens, width).

    :raises EncoderError: when there are no inputs.
    """
    names = sorted({node.input[0] for node in products(model.graph)})
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend([helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(watched.SerializeToString(), options, providers=["CPUExecutionProvider"])
    seen = False
    for feeds in inputs:
        seen = True
        for name, values in zip(names, session.run(names, dict(feeds)), strict=True):
            yield name, values.reshape(-1, values.shape[-1])
    if not seen:
        raise EncoderError("Expected at least one text to see the model's activations on, but got none; give some.")


def smoothing_factors(activations: Floats, weights: Floats, smoothing: float) -> Floats:
    """What each channel is divided by: ``activations ** s / weights ** (1 - s)``, with a geometric mean of 1.

    :param activations: largest magnitude of each channel, *Shape:* (width,).
    :param weights: largest magnitude of the weights that each channel meets, *Shape:* (width,).

    >>> smoothing_factors(np.array([16.0, 1.0], dtype=np.float32), np.ones(2, dtype=np.float32), 0.5).tolist()
    [2.0, 0.5]
    """
    factors = np.log(np.maximum(activations, _SMALLEST)) * smoothing - np.log(np.maximum(weights, _SMALLEST)) * (1 - smoothing)
    return np.asarray(np.exp(factors - factors.mean()), dtype=np.float32)


def int8_rows(table: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """A table as int8 and a scale for each row: ``table ~= values * scales``, off by at most half a scale.

    :param table: *Shape:* (n, width).
    :return: values, *Shape:* (n, width), and scales, *Shape:* (n, 1).

    >>> values, scales = int8_rows(np.array([[254.0, -1.0]], dtype=np.float32))
    >>> values.tolist(), scales.tolist()
    ([[127, 0]], [[2.0]])
    """
    largest = np.abs(table).max(axis=1, keepdims=True)
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.clip(np.rint(table / scales), -127, 127).astype(np.int8), scales


def products(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes that multiply an activation with a weight matrix."""
    constants = {item.name for item in graph.initializer}
    return [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in constants]


def _smooth(graph: onnx.GraphProto, maxima: Mapping[str, Floats], smoothing: float) -> None:
    """Divide every multiplied activation by its factors and multiply the weights by them, in place; nodes that share an activation share factors."""
    constants = {item.name: item for item in graph.initializer}
    sharing: dict[str, list[onnx.NodeProto]] = {}
    for node in products(graph):
        sharing.setdefault(node.input[0], []).append(node)
    for activation, nodes in sharing.items():
        weights = [numpy_helper.to_array(constants[node.input[1]]) for node in nodes]
        met = np.max([np.abs(weight).max(axis=1) for weight in weights], axis=0)
        factors = smoothing_factors(maxima[activation], met, smoothing)
        graph.initializer.append(numpy_helper.from_array(1 / factors, f"{activation}.inverse"))
        divide = helper.make_node("Mul", [activation, f"{activation}.inverse"], [f"{activation}.smooth"], name=f"{activation}.smooth")
        graph.node.insert(first_place(graph, nodes), divide)
        for node, weight in zip(nodes, weights, strict=True):
            replace(graph, constants[node.input[1]], {node.input[1]: weight * factors[:, None]})
            node.input[0] = f"{activation}.smooth"


def quantise_tables(graph: onnx.GraphProto) -> None:
    """Put ``table[ids]`` as ``float(values[ids]) * scales[ids]``, for every large table that is looked up by its first dimension, in place."""
    tables = {item.name: item for item in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Gather" and node.input[0] in tables]:
        name, ids = node.input[0], node.input[1]
        table = numpy_helper.to_array(tables[name])
        if table.dtype != np.float32 or table.ndim != 2 or table.nbytes < _MIN_TABLE_BYTES:
            continue
        values, scales = int8_rows(table)
        replace(graph, tables[name], {f"{name}.int8": values, f"{name}.scale": scales})
        made = [
            helper.make_node("Gather", [f"{name}.int8", ids], [f"{name}.rows"]),
            helper.make_node("Gather", [f"{name}.scale", ids], [f"{name}.row_scales"]),
            helper.make_node("Cast", [f"{name}.rows"], [f"{name}.floats"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}.floats", f"{name}.row_scales"], [node.output[0]]),
        ]
        place = first_place(graph, [node])
        graph.node.remove(node)
        for offset, item in enumerate(made):
            graph.node.insert(place + offset, item)


def first_place(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto]) -> int:
    """Position of the first of some nodes of a graph."""
    outputs = {node.output[0] for node in nodes}
    return next(place for place, node in enumerate(graph.node) if node.output[0] in outputs)


def replace(graph: onnx.GraphProto, old: onnx.TensorProto, new: Mapping[str, npt.NDArray[Any]]) -> None:
    """Put constants in the place of one, in place."""
    graph.initializer.remove(old)
    graph.initializer.extend([numpy_helper.from_array(np.ascontiguousarray(values), name) for name, values in new.items()])
