"""What a generation is given to start from and to keep, encoded as states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from gen.model import Edits, Model, State, Task
from gen.model.parts import Parts
from gen.plan import Plan

if TYPE_CHECKING:
    from torch import Tensor


def edits_of(plan: Plan, parts: Parts, task: Task) -> Edits:
    """What the codec makes of the inputs.

    Args:
        plan: Names the files, for messages.
        parts: Those of the model.
        task: With the codec's shape.

    Raises:
        UsageError: The codec cannot use an input, or reads none.
        PluginError: The codec fails, or returned states of other shapes.
    """
    edits = Edits()
    if plan.editing.vary is not None and plan.editing.vary_seed is None:
        edits = Edits(start=parts.encode(plan.editing.vary, task, _file_of(plan, "vary")))
    if task.init is not None and plan.editing.restore is None:
        start = parts.encode(task.init, task, _file_of(plan, "init"))
        edits = Edits(start=start)
        if task.mask is not None:
            edits = Edits(start=start, keep=parts.mask(task.mask, task, _file_of(plan, "mask")), known=start)
    if plan.editing.to is not None:
        end = parts.encode(plan.editing.to, task, _file_of(plan, "interpolate"))
        edits = replace(edits, end=end)
    given = parts.given(task)
    return edits if given is None else _with(edits, *given)


def ways_of_editing(plan: Plan, model: Model) -> dict[str, dict[str, str]]:
    """By what the edits of a plan are made, for the provenance of a recipe; empty where nothing is edited."""
    if model.loop is not None:
        return {}
    editing, last = plan.editing, model.path[-1]
    guided = "measurement guidance"
    ways: dict[str, str] = {}
    if plan.mask is not None and editing.restore is None:
        ways["mask"] = f"{'mask channels' if last.completes else guided}, then the input's own samples"
    if editing.upscale > 1:
        own = "the model" if editing.restore is None and not editing.tiled else guided
        ways["upscale"] = f"{own}, in tiles" if editing.tiled else own
    elif editing.restore is not None:
        ways["restore"] = guided
    if editing.tile:
        ways["tile"] = "the model"
    return {"edits": ways} if ways else {}


def _with(edits: Edits, keep: State, known: State) -> Edits:
    """Edits with a further given part, which covers what they have there."""
    if edits.keep is None or edits.known is None:
        return replace(edits, keep=keep, known=known)
    if isinstance(keep, Mapping):
        before, states = cast("Mapping[str, Tensor]", edits.keep), cast("Mapping[str, Tensor]", edits.known)
        pairs = {name: _laid(before[name], states[name], keep[name], known[name]) for name in keep}  # type: ignore[index, call-overload]
        return replace(
            edits,
            keep={name: pair[0] for name, pair in pairs.items()},
            known={name: pair[1] for name, pair in pairs.items()},
        )
    both = _laid(cast("Tensor", edits.keep), cast("Tensor", edits.known), keep, cast("Tensor", known))
    return replace(edits, keep=both[0], known=both[1])


def _laid(keep: Tensor, known: Tensor, where: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """The second pair over the first."""
    import torch

    where, state = where.to(keep), state.to(known)
    return torch.maximum(keep, where), torch.where(where > 0, state, known)


def _file_of(plan: Plan, role: str) -> str:
    """The start of a message about an input: the name of its file; empty for one from memory."""
    return next((f"{one.name}: " for one in plan.inputs if one.role == role and one.name != "memory"), "")
