"""How near to the arithmetic of the machine: the fp32 encoder against a large float32 product, over threads, batches and lengths."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

WAYS = ("one session", "a thread each")
"""How the cores are used: by the threads of one session, or by as many calls at once, of one thread each."""
SHAPES = ((1, 64), (1, 128), (16, 128), (32, 128), (1, 256), (8, 256))
"""Texts in a call, and tokens of each."""


def gemm_gflops(seconds: float) -> float:
    """Billions of operations a second that a large float32 product reaches here with all cores, the best of some."""
    size = 2_048
    left, right = (np.random.default_rng(seed).random((size, size), dtype=np.float32) for seed in (0, 1))
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        left @ right
        best = max(best, 2 * size**3 / (time.perf_counter() - started) / 1e9)
    return best


def encoder_gflop(model: Path, n_tokens: int) -> float:
    """Billions of operations of the matrix products over one text: 2 for each weight and token, and 4 * width * tokens² a layer."""
    import onnx

    graph = onnx.load(model).graph
    shapes = {item.name: tuple(item.dims) for item in graph.initializer}
    # Pooler and head (Gemm) are run once a text and not once a token.
    products = [shapes[name] for node in graph.node if node.op_type in ("MatMul", "Attention") for name in node.input[1:2] if name in shapes]
    weights = sum(shape[0] * shape[1] for shape in products if len(shape) == 2)
    n_layers = sum(node.op_type in ("Attention", "MultiHeadAttention", "Softmax") for node in graph.node)
    return (2 * weights * n_tokens + 4 * products[0][0] * n_tokens**2 * n_layers) / 1e9


def peak(folder: str, seconds: float, n_cores: int) -> dict[str, float]:
    """GFLOP/s of the product, before and after, and of the encoder at each setting."""
    import onnxruntime

    model = Path(folder, "model.onnx")
    found = {"product": gemm_gflops(seconds)}
    for how in WAYS:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_cores if how == "one session" else 1
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        n_calls = 1 if how == "one session" else n_cores
        with ThreadPoolExecutor(n_calls) as pool:
            for batch, n_tokens in SHAPES:
                rate = _rate(session, pool, n_calls, batch, n_tokens, seconds)
                found[f"{how}, {batch} x {n_tokens}"] = rate * encoder_gflop(model, n_tokens)
    found["product"] = max(found["product"], gemm_gflops(seconds))
    return found


def _rate(session: Any, pool: ThreadPoolExecutor, n_calls: int, batch: int, n_tokens: int, seconds: float) -> float:
    """Texts a second."""
    ids = np.random.default_rng(0).integers(5, 20_000, (batch, n_tokens))
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    session.run(["logits"], inputs)
    started, end, done = time.perf_counter(), time.perf_counter() + seconds, [0] * n_calls

    def repeat(caller: int) -> None:
        while not done[caller] or time.perf_counter() < end:
            session.run(["logits"], inputs)
            done[caller] += batch

    list(pool.map(repeat, range(n_calls)))
    return sum(done) / (time.perf_counter() - started)
