"""Sampling of a state that has several parts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import cast

import torch
from torch import Tensor

from gen.diffusion import Condition, Conditioning, Denoiser, Guidance, TimeGrid, joint
from gen.diffusion.guidance import Chain
from gen.diffusion.joint import JointDenoiser, Part
from gen.model import Edits, Stage, Task
from gen.model.stage import AnyGuidance
from gen.run.keeping import begun, keeping
from gen.run.progress import Report


def sample_parts(
    stage: Stage,
    denoiser: JointDenoiser,
    parts: Mapping[str, Part],
    task: Task,
    edits: Edits,
    conditioning: Conditioning,
    guidance: Mapping[str, AnyGuidance],
    grid: TimeGrid,
    report: Report,
) -> dict[str, Tensor]:
    """The end of a stage, (B, *shape) for each part.

    Args:
        stage: Gives the state to begin with.
        denoiser: The network, without guidance.
        parts: Process and solver by name.
        task: With the shape of the stage's state.
        edits: What is given of it: what to start from, and what to keep.
        conditioning: Of the network.
        guidance: For each part that is guided.
        grid: Where to stop.
        report: Called after each step.
    """
    denoiser = _guided(denoiser, guidance)
    x = stage.prior(task, grid) if edits.start is None else stage.init(task, grid, _moved(edits.start, task))
    state = dict(cast("Mapping[str, Tensor]", x))
    keep = {name: _rows(one, state[name]) for name, one in _moved(edits.keep, task).items()}
    known = {name: _rows(one, state[name]) for name, one in _moved(edits.known, task).items()}
    for name, where in keep.items():
        pair = torch.stack([where.float(), (where * known[name]).float()], 1)
        conditioning = conditioning.with_conditions(**{f"known/{name}": Condition(pair, "channels")})
        state[name] = begun(state[name], parts[name].process, where, known[name])

    def keeper(one: Denoiser, name: str) -> Denoiser:
        return keeping(one, parts[name].process, keep[name], known[name])

    made = joint.sample(
        joint.wrapped(denoiser, {name: partial(keeper, name=name) for name in keep}),
        parts,
        grid,
        x=state,
        noise=task.noise,
        conditioning=conditioning,
        on_step=partial(report, 0, 1),
    ).x
    # Also where the grid ends above the data.
    return {
        name: torch.where(keep[name] == 1, known[name], part) if name in keep else part
        for name, part in made.items()
    }


def _guided(denoiser: JointDenoiser, guidance: Mapping[str, AnyGuidance]) -> JointDenoiser:
    """``denoiser`` with a chain of guidances for each part."""
    chains = {name: rule.parts if isinstance(rule, Chain) else (rule,) for name, rule in guidance.items()}
    for link in range(max(map(len, chains.values()), default=0)):
        rules: dict[str, Guidance] = {
            name: chain[link] for name, chain in chains.items() if link < len(chain)
        }
        denoiser = joint.guided(denoiser, rules)
    return denoiser


def _moved(state: object, task: Task) -> dict[str, Tensor]:
    """The parts of a state, on the device of the run; empty where there is none."""
    parts = cast("Mapping[str, Tensor] | None", state) or {}
    return {name: part.to(task.device) for name, part in parts.items()}


def _rows(part: Tensor, like: Tensor) -> Tensor:
    """A part (1, ...) for each item of a state (B, *shape), in its dtype."""
    return part.to(like).expand(like.shape)
