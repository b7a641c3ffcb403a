"""From a trained Hugging Face folder to a fused fp32 ONNX file."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions
from transformers import BertForSequenceClassification

from classifier.errors import EncoderError
from classifier.files import atomic_path

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
MAX_FP32_DIFFERENCE = 1e-4
"""Largest difference of a probability between PyTorch and the fp32 ONNX file that is accepted."""


class _Logits(torch.nn.Module):
    """The model with three plain inputs and one plain output, as the exporter wants it."""

    def __init__(self, model: BertForSequenceClassification) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor) -> Any:
        return self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).logits


def export_onnx(model_folder: Path, path: Path) -> None:
    """Write the fused fp32 ONNX file of a trained model, whole or not at all.

    :raises EncoderError: when it does not give what PyTorch gives (largest difference of a probability above 1e-4).
    """
    model = BertForSequenceClassification.from_pretrained(model_folder, attn_implementation="eager").eval()
    batch, width = torch.export.Dim("batch"), torch.export.Dim("width", max=model.config.max_position_embeddings)
    inputs = _sample_inputs(model, n_rows=2, width=16, seed=0)
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notices of the exporter about its own dependencies
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        raw = Path(name) / "raw.onnx"
        torch.onnx.export(
            _Logits(model),
            tuple(inputs[name] for name in INPUTS),
            str(raw),
            input_names=list(INPUTS),
            output_names=["logits"],
            dynamic_shapes=tuple({0: batch, 1: width} for _ in INPUTS),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        fused = optimizer.optimize_model(
            str(raw),
            model_type="bert",
            num_heads=model.config.num_attention_heads,
            hidden_size=model.config.hidden_size,
            optimization_options=FusionOptions("bert"),
        )
        _forget_origin(fused.model)
        with atomic_path(path) as temporary:
            fused.save_model_to_file(str(temporary))
    difference = fp32_difference(model, path)
    if difference > MAX_FP32_DIFFERENCE:
        path.unlink()
        raise EncoderError(f"{path}: expected probs within {MAX_FP32_DIFFERENCE} of PyTorch, but the largest difference is {difference:.2g}.")


def _forget_origin(model: Any) -> None:
    """Drop what the exporter notes about the code it traced (stack traces with the paths of this machine), in place."""
    for item in (*model.graph.node, *model.graph.value_info, *model.graph.initializer, *model.graph.input, *model.graph.output, model.graph, model):
        item.doc_string = ""
        del item.metadata_props[:]


def fp32_difference(model: BertForSequenceClassification, path: Path, *, seed: int = 1) -> float:
    """Largest difference of a probability between PyTorch and an ONNX file, over random rows of several widths with padding."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    largest = 0.0
    for width in (4, 33, min(200, model.config.max_position_embeddings)):
        inputs = _sample_inputs(model, n_rows=5, width=width, seed=seed + width)
        with torch.inference_mode():
            expected = torch.sigmoid(_Logits(model)(**inputs)).numpy()
        got = session.run(["logits"], {name: value.numpy() for name, value in inputs.items()})[0]
        largest = max(largest, float(np.abs(expected - 1 / (1 + np.exp(-got))).max()))
    return largest


def _sample_inputs(model: BertForSequenceClassification, *, n_rows: int, width: int, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, model.config.vocab_size, (n_rows, width), generator=generator)
    lengths = torch.randint(max(1, width // 2), width + 1, (n_rows, 1), generator=generator)
    mask = (torch.arange(width) < lengths).long()
    types = torch.arange(n_rows).unsqueeze(1).expand(n_rows, width).remainder(2) * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types.contiguous()}
