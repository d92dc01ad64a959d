"""What a generation is given to start from and to keep, encoded as states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from gen.errors import UsageError
from gen.model import CompletingCodec, Edits, EncodingCodec, MaskingCodec, Model, Shape, State, Task
from gen.plan import Plan
from gen.run.failures import user_values

if TYPE_CHECKING:
    from torch import Tensor


def edits_of(plan: Plan, model: Model, task: Task) -> Edits:
    """What the codec makes of the inputs.

    Args:
        plan: Names the files, for messages.
        model: Whose codec it is.
        task: With the codec's shape.

    Raises:
        UsageError: The codec cannot use an input, or reads none.
        ValueError: The codec returned states of other shapes.
    """
    codec, edits = model.codec, Edits()
    if task.init is not None:
        if not isinstance(codec, EncodingCodec):
            raise UsageError(f"model {model.name} starts from noise alone", "leave out init")
        with user_values(_file_of(plan, "init")):
            start = codec.encode([task.init], task)
        _check_fit("the input", start, task.shape)
        edits = Edits(start=start)
        if task.mask is not None:
            if not isinstance(codec, MaskingCodec):
                raise UsageError(f"model {model.name} keeps no part of an input", "leave out mask")
            with user_values(_file_of(plan, "mask")):
                keep = codec.mask(task.mask, task)
            _check_fit("the mask", keep, task.shape, mask=True)
            edits = Edits(start=start, keep=keep, known=start)
    parts = codec.given(task) if isinstance(codec, CompletingCodec) else None
    if parts is not None:
        _check_fit("the place of what is given", parts[0], task.shape, mask=True)
        _check_fit("what is given", parts[1], task.shape)
        edits = _with(edits, *parts)
    return edits


def _with(edits: Edits, keep: State, known: State) -> Edits:
    """Edits with a further given part, which covers what they have there."""
    if edits.keep is None or edits.known is None:
        return Edits(start=edits.start, keep=keep, known=known)
    if isinstance(keep, Mapping):
        before, states = cast("Mapping[str, Tensor]", edits.keep), cast("Mapping[str, Tensor]", edits.known)
        pairs = {name: _laid(before[name], states[name], keep[name], known[name]) for name in keep}  # type: ignore[index, call-overload]
        return Edits(
            start=edits.start,
            keep={name: pair[0] for name, pair in pairs.items()},
            known={name: pair[1] for name, pair in pairs.items()},
        )
    both = _laid(cast("Tensor", edits.keep), cast("Tensor", edits.known), keep, cast("Tensor", known))
    return Edits(start=edits.start, keep=both[0], known=both[1])


def _laid(keep: Tensor, known: Tensor, where: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """The second pair over the first."""
    import torch

    where, state = where.to(keep), state.to(known)
    return torch.maximum(keep, where), torch.where(where > 0, state, known)


def _check_fit(what: str, state: State, shape: Shape, *, mask: bool = False) -> None:
    """Raises ValueError for a state that is not (1, *shape); a mask may have one channel in place of all."""
    found = dict(_shapes(state))
    expected = dict(shape) if isinstance(shape, Mapping) else {"": shape}
    if found.keys() != expected.keys():
        raise ValueError(f"{what} has the parts {', '.join(found)}, not {', '.join(expected)}")
    for name, size in expected.items():
        one_channel = mask and tuple(found[name]) == (1, 1, *size[1:])
        if tuple(found[name]) != (1, *size) and not one_channel:
            of = f" of {name}" if name else ""
            raise ValueError(f"{what} became a state{of} of {tuple(found[name])}, not {(1, *size)}")


def _shapes(state: State) -> Iterator[tuple[str, Sequence[int]]]:
    if isinstance(state, Mapping):
        yield from ((name, part.shape) for name, part in state.items())
    else:
        yield "", state.shape


def _file_of(plan: Plan, role: str) -> str:
    """The start of a message about an input: the name of its file; empty for one from memory."""
    return next((f"{one.name}: " for one in plan.inputs if one.role == role and one.name != "memory"), "")
