"""What other engines and other kinds of int8 make of a trained model: answers that stay those of fp32, and texts a second, all in one run.

Every engine sees the first window of each dev text, in batches of like lengths, and may use all cores. An answer is the sign of a logit; a text
counts as equal when all its answers are. ``classifier export`` asks for 99.5% of equal decisions. Writes docs/benchmarks/engines.md.

Usage: scripts/engines [MODEL_FOLDER]
"""

from __future__ import annotations

import json
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import onnxruntime
import openvino
import torch
from ctranslate2.converters import TransformersConverter
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from transformers import AutoTokenizer, BertForSequenceClassification

from classifier.encoder.runtime import available_cores
from classifier.policy import DEFAULT_POLICY, Policy
from classifier.records import read_examples
from classifier.text import normalise
from classifier.training.export import export_onnx

ROOT = Path(__file__).resolve().parent.parent
MAX_TOKENS, BATCH, REPETITIONS, N_CALIBRATION = 192, 8, 3, 200
WORDS = (
    "The model of the default bundle, first windows of the dev texts in batches of eight of like lengths, all cores on each batch. A text counts as "
    "equal when the signs of all its logits are those of fp32. The gate of `classifier export` wants 99.5% of equal decisions. The int8 of this "
    "table is that of the tools as they come, without the smoothing that `classifier export --precision int8` adds. "
    "The bundle runs on ONNX Runtime; another engine would need a gate, a calibration and certificates of its own."
)
Batch = dict[str, np.ndarray]
Engine = Callable[[Batch], np.ndarray]


def batches(tokenizer: Any, name: str, n_texts: int | None = None) -> list[Batch]:
    """The first windows of a split, shortest first, padded to the longest of their batch."""
    examples = read_examples([ROOT / f"data/{name}.jsonl"], Policy.load(DEFAULT_POLICY))[:n_texts]
    rows = [(tokenizer(normalise(e.text).text, truncation=True, max_length=MAX_TOKENS)["input_ids"], int(e.source == "bio")) for e in examples]
    rows.sort(key=lambda row: len(row[0]))
    found = []
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        width = len(part[-1][0])
        batch = {key: np.zeros((len(part), width), dtype=np.int64) for key in ("input_ids", "attention_mask", "token_type_ids")}
        for i, (ids, source) in enumerate(part):
            batch["input_ids"][i, : len(ids)], batch["attention_mask"][i, : len(ids)], batch["token_type_ids"][i, : len(ids)] = ids, 1, source
        found.append(batch)
    return found


class Reader(CalibrationDataReader):
    """Batches one after another, as the static quantiser wants them."""

    def __init__(self, items: Sequence[Batch]) -> None:
        self._items: Iterator[Batch] = iter(items)

    def get_next(self) -> Batch | None:
        """The next batch; None at the end."""
        return next(self._items, None)


def of_onnxruntime(path: Path) -> Engine:
    """ONNX Runtime on all cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = available_cores(), 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(["logits"], batch)[0]


def of_openvino(path: Path, precision: str) -> Engine:
    """OpenVINO on all cores, computing in f32 or bf16."""
    settings = {"INFERENCE_NUM_THREADS": available_cores(), "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    return lambda batch: compiled(batch)[0]


def of_ctranslate2(folder: Path, model: BertForSequenceClassification) -> Engine:
    """CTranslate2's encoder on all cores, with the trained head behind it."""
    encoder = ctranslate2.Encoder(str(folder), device="cpu", intra_threads=available_cores())
    head = [value.detach().numpy() for value in (model.classifier.weight, model.classifier.bias)]

    def run(batch: Batch) -> np.ndarray:
        lengths = batch["attention_mask"].sum(axis=1)
        ids = [row[:n].tolist() for row, n in zip(batch["input_ids"], lengths, strict=True)]
        types = [row[:n].tolist() for row, n in zip(batch["token_type_ids"], lengths, strict=True)]
        pooled = np.asarray(encoder.forward_batch(ids, token_type_ids=types).pooler_output)
        return pooled @ head[0].T + head[1]

    return run


def engines(folder: Path, work: Path, calibration: Sequence[Batch]) -> Iterator[tuple[str, Callable[[], Engine], float]]:
    """Name, what loads the engine, and size on disk in MB; the first is the reference."""
    model = BertForSequenceClassification.from_pretrained(folder).eval()
    fp32, dynamic, static = work / "fp32.onnx", work / "dynamic.onnx", work / "static.onnx"
    export_onnx(folder, fp32)
    quantize_dynamic(fp32, dynamic, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"])
    quantize_static(fp32, static, Reader(calibration), quant_format=QuantFormat.QDQ, per_channel=True, op_types_to_quantize=["MatMul"])
    for name, path in (("fp32", fp32), ("int8, dynamic, per channel", dynamic), ("int8, static, per channel", static)):
        yield f"ONNX Runtime, {name}", partial(of_onnxruntime, path), size_mb(path)
    for precision in ("f32", "bf16"):
        yield f"OpenVINO, {precision}", partial(of_openvino, fp32, precision), size_mb(fp32)
    copy = shutil.copytree(folder, work / "model")
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    # The converter asks for a setting that transformers 5 no longer writes.
    (copy / "config.json").write_text(json.dumps(config | {"position_embedding_type": "absolute"}), encoding="utf-8")
    for quantisation in ("float32", "int8"):
        out = work / quantisation
        TransformersConverter(str(copy)).convert(str(out), quantization=quantisation)
        yield f"CTranslate2, {quantisation}", partial(of_ctranslate2, out, model), size_mb(out)


def size_mb(path: Path) -> float:
    """Of a file, or of the files of a folder."""
    return sum(item.stat().st_size for item in ([path] if path.is_file() else path.iterdir())) / 1e6


def main() -> None:
    """Measure, print, write."""
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "runs/default/train/model"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    dev = batches(tokenizer, "dev")
    n_texts = sum(len(batch["input_ids"]) for batch in dev)
    with tempfile.TemporaryDirectory() as name, torch.inference_mode():
        found: list[tuple[str, Engine, float]] = []
        seconds: dict[str, float] = {}
        for label, load, size in engines(folder, Path(name), batches(tokenizer, "train", N_CALIBRATION)):
            started = time.perf_counter()
            engine = load()
            engine(dev[0])
            seconds[label] = time.perf_counter() - started
            found.append((label, engine, size))
        logits = {label: np.concatenate([engine(batch) for batch in dev]) for label, engine, _ in found}
        rates: dict[str, list[float]] = {label: [] for label, _, _ in found}
        for _ in range(REPETITIONS):  # interleaved: other work on the machine meets all alike
            for label, engine, _ in found:
                started = time.perf_counter()
                for batch in dev:
                    engine(batch)
                rates[label].append(n_texts / (time.perf_counter() - started))
    reference = logits[found[0][0]]
    head = ("engine", "texts with equal answers", "largest difference of a prob", "texts/s, median", "lowest to highest", "load and first batch, s")
    lines = [f"| {' | '.join(head)} | MB |", "|---" * (len(head) + 1) + "|"]
    for label, _, size in found:
        equal = ((logits[label] > 0) == (reference > 0)).all(axis=1).mean()
        apart = np.abs(1 / (1 + np.exp(-logits[label])) - 1 / (1 + np.exp(-reference))).max()
        rate = rates[label]
        speed = f"{statistics.median(rate):.0f} | {min(rate):.0f} to {max(rate):.0f} | {seconds[label]:.2f}"
        lines.append(f"| {label} | {equal:.1%} | {apart:.4f} | {speed} | {size:.0f} |")
    versions = {item: version(item) for item in ("onnxruntime", "openvino", "ctranslate2", "transformers")}
    page = f"# Engines and kinds of int8\n\n{WORDS}\n\n" + "\n".join(lines) + "\n\n"
    page += f"{n_texts} dev texts, {available_cores()} cores, {platform.machine()}, {json.dumps(versions)}. Written by `scripts/engines`.\n"
    print(page)
    (ROOT / "docs/benchmarks/engines.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
