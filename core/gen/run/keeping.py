"""Samples that agree with what is given of them."""

from __future__ import annotations

import torch
from torch import Tensor

from gen.diffusion import Denoiser, Measurement, constrained
from gen.diffusion.categorical import CategoricalProcess, Masked, given
from gen.diffusion.inverse import Mask, MaskBlend
from gen.diffusion.process import ForwardProcess


def keeping(denoiser: Denoiser, process: ForwardProcess, keep: Tensor, known: Tensor) -> Denoiser:
    """``denoiser`` with the given part of the data in its predictions, exactly.

    Args:
        denoiser: Of numbers or tokens.
        process: Theirs.
        keep: 1 where the data is given, broadcastable to (B, ...).
        known: The data there, (B, ...).
    """
    if isinstance(process, CategoricalProcess):
        return given(denoiser, known, (keep > 0).expand(known.shape))
    return constrained(denoiser, Measurement(Mask(keep), keep * known), MaskBlend())


def begun(x: Tensor, process: ForwardProcess, keep: Tensor, known: Tensor) -> Tensor:
    """The state at the start of a run, with given tokens in place where masks would hide them."""
    return torch.where(keep > 0, known, x) if isinstance(process, Masked) else x
