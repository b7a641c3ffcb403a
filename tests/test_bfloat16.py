"""bfloat16 is computed in where it is fast, and nowhere else."""

import platform

import pytest
import torch

from classifier.training import bfloat16
from classifier.training.bfloat16 import computing, has_bf16, use_bf16


@pytest.mark.skipif(platform.machine() != "x86_64" or torch.accelerator.is_available(), reason="only x86 processors name these capabilities")
def test_a_processor_without_the_vector_width_for_it_has_none():
    if not torch.cpu.get_capabilities()["avx512_f"]:
        assert not has_bf16()
    if torch.cpu.get_capabilities()["amx_bf16"]:
        assert has_bf16()


@pytest.mark.parametrize("has", [False, True])
@pytest.mark.parametrize("asked_for", [False, True])
def test_it_is_used_where_asked_for_and_fast(monkeypatch, caplog, asked_for, has):
    monkeypatch.setattr(bfloat16, "has_bf16", lambda: has)
    assert use_bf16(asked_for) is (asked_for and has)
    assert ("computing in float32 instead" in caplog.text) is (asked_for and not has)
    with computing(asked_for):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is (torch.bfloat16 if asked_for and has else torch.float32)
