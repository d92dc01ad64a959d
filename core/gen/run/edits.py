"""What a generation is given to start from and to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gen.model import Codec, CompletingCodec
from gen.plan import Plan
from gen.run.failures import user_values

if TYPE_CHECKING:
    from torch import Tensor


def given_parts(
    plan: Plan, codec: Codec, params: Mapping[str, object], shape: tuple[int, ...]
) -> tuple[Tensor | None, Tensor, Tensor]:
    """What is started from (1, *shape), where the state is given (1, 1, *spatial), and the state there."""
    import torch

    keep, known = torch.zeros(1, 1, *shape[1:]), torch.zeros(1, *shape)
    start: Tensor | None = None
    if plan.init is not None:
        with user_values(_file_of(plan, "init")):
            start = codec.encode([plan.init], params).cpu()
        _fits("the input", start.shape, (1, *shape))
        if plan.mask is not None:
            with user_values(_file_of(plan, "mask")):
                keep, known = codec.mask(plan.mask, params).to(start), start
            _fits("the mask", keep.shape, (1, 1, *shape[1:]))
    parts = codec.given(params) if isinstance(codec, CompletingCodec) else None
    if parts is not None:
        where, state = parts[0].to(keep), parts[1].to(known)
        _fits("what is given", state.shape, (1, *shape))
        known = torch.where(where > 0, state, known)
        keep = torch.maximum(keep, where)
    to = plan.device
    return None if start is None else start.to(to), keep.to(to), known.to(to)


def _fits(what: str, shape: Sequence[int], expected: Sequence[int]) -> None:
    if tuple(shape) != tuple(expected):
        raise ValueError(f"{what} became a state of {tuple(shape)}, not {tuple(expected)}")


def _file_of(plan: Plan, role: str) -> str:
    """The start of a message about an input: the name of its file; empty for one from memory."""
    return next((f"{one.name}: " for one in plan.inputs if one.role == role and one.name != "memory"), "")
