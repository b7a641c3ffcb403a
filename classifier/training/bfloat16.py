"""Whether bfloat16 is computed in here. A processor without it emulates it, many times slower than float32."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import torch

_log = logging.getLogger(__name__)


@cache
def has_bf16() -> bool:
    """Whether this machine has fast bfloat16: an accelerator (which says itself what it can), or a processor for which PyTorch has kernels."""
    return torch.accelerator.is_available() or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def use_bf16(asked_for: bool) -> bool:
    """Whether to compute in bfloat16: where it is asked for and fast; a warning tells of float32 in its place."""
    if asked_for and not has_bf16():
        _log.warning("bf16 is asked for, but this processor has no bfloat16; computing in float32 instead.")
    return asked_for and has_bf16()


def computing(bf16: bool) -> AbstractContextManager[Any]:
    """A context that computes in bfloat16 where ``use_bf16`` says so."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=use_bf16(bf16))
