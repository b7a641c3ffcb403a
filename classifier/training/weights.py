"""From an fp32 ONNX file to one whose weights are stored as int8 (or fp16) and computed with in fp32.

ONNX Runtime multiplies values and scales out once, when it loads the file: the arithmetic is fp32's, activations are never rounded, and a text's
logits do not depend on its neighbours. What is left is the rounding of the weights. It is not done weight by weight: each input channel is rounded
in turn, and the channels that are still to come take over its error, as far as they move together with it on typical texts (GPTQ: Frantar et al.
2022, arXiv:2210.17323).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from classifier.files import atomic_path
from classifier.training.quantise import first_place, multiplied, products, quantise_tables, replace

BLOCK = 32
"""Input channels that share a scale, for each output."""
DAMPING = 1e-4
"""Added to the variance of each channel, as a share of the mean one: channels that never move would be free otherwise."""
_TOGETHER = 64  # channels between two updates of all the rest: many small updates are slow
Floats = npt.NDArray[np.float64]


def quantise_weights(path: Path, out: Path, inputs: Iterable[Mapping[str, npt.NDArray[np.int64]]], *, block: int = BLOCK) -> None:
    """Write a copy of a fused fp32 model with int8 weights, whole or not at all.

    :param inputs: model inputs of some typical texts, on which is seen which channels move together; some hundreds do.
    :param block: input channels that share a scale; a matrix that they do not divide has one scale for each output.
    :raises EncoderError: when there are no inputs.
    """
    model = onnx.load(path)
    moments = second_moments(model, inputs)
    constants = {item.name: item for item in model.graph.initializer}
    for node in products(model.graph):
        name = node.input[1]
        weights = numpy_helper.to_array(constants[name])
        values, scales = compensated(weights.astype(np.float64), moments[node.input[0]], block=block if len(weights) % block == 0 else len(weights))
        _store(model.graph, node, constants[name], values, scales)
    quantise_tables(model.graph)
    with atomic_path(out) as target:
        onnx.save(model, target)


def halve_weights(path: Path, out: Path) -> None:
    """Write a copy of a fused fp32 model whose matrices and tables are stored as fp16, whole or not at all: half the size, hardly any rounding.

    A weight beyond the range of fp16 (65,504) is kept at the end of the range.
    """
    model = onnx.load(path)
    largest = float(np.finfo(np.float16).max)
    for item in [item for item in model.graph.initializer if item.data_type == onnx.TensorProto.FLOAT and len(item.dims) == 2]:
        halves = np.clip(numpy_helper.to_array(item), -largest, largest).astype(np.float16)
        replace(model.graph, item, {f"{item.name}.half": halves})
        model.graph.node.insert(0, helper.make_node("Cast", [f"{item.name}.half"], [item.name], to=onnx.TensorProto.FLOAT))
    with atomic_path(out) as target:
        onnx.save(model, target)


def second_moments(model: onnx.ModelProto, inputs: Iterable[Mapping[str, npt.NDArray[np.int64]]]) -> dict[str, Floats]:
    """Sum over all tokens of ``x x'`` of every activation that a weight matrix multiplies, by its name, *Shape:* (width, width) each.

    :raises EncoderError: when there are no inputs.
    """
    moments: dict[str, Floats] = {}
    for name, values in multiplied(model, inputs):
        product = (values.T @ values).astype(np.float64)
        moments[name] = moments[name] + product if name in moments else product
    return moments


def compensated(weights: Floats, moments: Floats, *, block: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Weights as int8 and scales, such that ``x @ weights`` stays as it is for the ``x`` that occur.

    :param weights: *Shape:* (width, n_outputs).
    :param moments: sum of ``x x'``, *Shape:* (width, width).
    :param block: input channels that share a scale; divides ``width``.
    :return: values, *Shape:* (width, n_outputs), and scales, *Shape:* (width / block, 1, n_outputs).

    Without anything to take the error over, each weight is rounded for itself:

    >>> values, scales = compensated(np.array([[254.0], [0.9]]), np.eye(2), block=2)
    >>> values.tolist(), scales.tolist()
    ([[127], [0]], [[[2.0]]])
    """
    width, n_outputs = weights.shape
    blocks = weights.reshape(-1, block, n_outputs)
    largest = np.abs(blocks).max(axis=1, keepdims=True)
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    # The channels that move most come first: all others can still make up for them.
    order = np.argsort(-np.diag(moments), kind="stable")
    steps = np.broadcast_to(scales.astype(np.float64), blocks.shape).reshape(width, n_outputs)[order]
    values = np.empty((width, n_outputs), dtype=np.int8)
    values[order] = _rounded(weights[order], steps, _shares(moments[np.ix_(order, order)]))
    return values, scales


def _shares(moments: Floats) -> Floats:
    """Upper Cholesky factor of the inverse: row i says how channels from i on take over the error of channel i."""
    damped = moments + np.eye(len(moments)) * max(DAMPING * float(np.diag(moments).mean()), 1e-12)
    return np.asarray(np.linalg.cholesky(np.linalg.inv(damped)).T)


def _rounded(weights: Floats, steps: Floats, shares: Floats) -> npt.NDArray[np.int8]:
    rest, values = weights.copy(), np.empty(weights.shape, dtype=np.int8)
    for start in range(0, len(rest), _TOGETHER):
        end = min(start + _TOGETHER, len(rest))
        errors = np.empty((end - start, rest.shape[1]))
        for i in range(start, end):
            values[i] = np.clip(np.rint(rest[i] / steps[i]), -127, 127)
            errors[i - start] = (rest[i] - values[i] * steps[i]) / shares[i, i]
            rest[i:end] -= np.outer(shares[i, i:end], errors[i - start])
        rest[end:] -= shares[start:end, end:].T @ errors
    return values


def _store(
    graph: onnx.GraphProto, node: onnx.NodeProto, old: onnx.TensorProto, values: npt.NDArray[np.int8], scales: npt.NDArray[np.float32]
) -> None:
    """Put ``values * scales`` in the place of a weight matrix, out of nodes that ONNX Runtime computes when it loads the file, in place."""
    name, n_blocks = old.name, len(scales)
    shape = np.array(values.shape, dtype=np.int64)
    replace(graph, old, {f"{name}.int8": values.reshape(n_blocks, -1, values.shape[1]), f"{name}.scale": scales, f"{name}.shape": shape})
    made = [
        helper.make_node("Cast", [f"{name}.int8"], [f"{name}.floats"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}.floats", f"{name}.scale"], [f"{name}.scaled"]),
        helper.make_node("Reshape", [f"{name}.scaled", f"{name}.shape"], [name]),
    ]
    place = first_place(graph, [node])
    for offset, item in enumerate(made):
        graph.node.insert(place + offset, item)
