"""The stage that families of checkpoints build upon."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn

from gen.checkpoints.schedule import Schedule
from gen.diffusion import CFGPlusPlus, Condition, Conditioning, Guidance, TimeGrid
from gen.diffusion.denoiser import Network
from gen.diffusion.guidance import Chain, Extrapolation, Scale
from gen.model import Stage, Task
from gen.model.stage import AnyGuidance


@dataclass(frozen=True, kw_only=True, eq=False)
class CheckpointStage(Stage):
    """A stage that is sampled as its checkpoint's scheduler says.

    Args:
        schedule: Read from the checkpoint.
    """

    schedule: Schedule

    def tokens(self, task: Task) -> int:  # noqa: ARG002
        """Tokens of the state, on which the shift of some grids depends."""
        return 0

    def own_grid(self, task: Task) -> TimeGrid:
        """The grid that the checkpoint is made for."""
        return self.schedule.grid(task.steps, self.tokens(task))


NUMBERS = 65536
"""More numbers than any network here computes at a time for one cell of its state."""


def called(
    module: nn.Module, call: Callable[[Tensor, Tensor, Conditioning], object], *, exact: tuple[str, ...] = ()
) -> Network:
    """A network that is called as ``call`` says, with inputs in the module's precision.

    Where the memory would not suffice for a batch, such as both sides of guidance, it is divided: see
    ``gen.hardware.batching.FittingNetwork``.

    Args:
        module: Of diffusers.
        call: (x, timestep, conditioning) -> the output, or a tuple that begins with it.
        exact: Conditions that 16 bits would round too far.
    """
    from gen.hardware.batching import FittingNetwork
    from gen.hardware.memory import held_bytes
    from gen.hardware.precision import network_dtype

    @cache
    def precision() -> torch.dtype:
        return network_dtype(module)

    def evaluate(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        dtype = precision()
        values = conditioning.to(x.device, dtype)
        whole = {name: conditioning[name] for name in exact if name in conditioning}
        values = values.with_conditions(**Conditioning(whole).to(x.device))
        output: Any = call(x.to(dtype), t, values)
        return cast(Tensor, output[0] if isinstance(output, tuple) else output)

    def most(item: torch.Size) -> int:
        return math.prod(item[1:]) * NUMBERS * precision().itemsize

    @cache
    def fitting(device: str) -> FittingNetwork:
        return FittingNetwork(evaluate, device, held=held_bytes(module), most=most)

    def network(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        return fitting(str(x.device))(x, t, conditioning)

    return network


def sampled(schedule: Schedule) -> dict[str, Any]:
    """The arguments of a ``CheckpointStage`` that its schedule decides."""
    return {
        "schedule": schedule,
        "process": schedule.process,
        "parameterization": schedule.parameterization,
        "clipping": schedule.bound,
    }


def two_sides(**conditions: Condition) -> Conditioning:
    """Conditioning with ``uncond``.

    Args:
        conditions: By name, each with the rows of the prompts, then those of the negative prompts.
    """

    def side(index: int) -> Conditioning:
        return Conditioning(
            {name: one.map(lambda value: value.chunk(2)[index]) for name, one in conditions.items()}
        )

    return side(0).with_uncond(side(1))


def with_scale(guidance: AnyGuidance, scale: Scale) -> AnyGuidance:
    """The same guidance with another scale, which may depend on the level or on the place in the state.

    CFG++, whose scale means something else, is left as it is.

    Args:
        guidance: A rule, alone or with modifiers.
        scale: In place of that of the rule.
    """
    if isinstance(guidance, Chain):
        first, *others = guidance.parts
        return Chain((cast(Guidance, with_scale(first, scale)), *others))
    if isinstance(guidance, Extrapolation) and not isinstance(guidance, CFGPlusPlus):
        return replace(guidance, scale=scale)
    return guidance


def negatives(task: Task) -> tuple[str, ...]:
    """The negative prompts, empty where nobody gave one."""
    return task.negatives or ("",) * len(task.prompts)


def scale_of(task: Task) -> Tensor:
    """The scale of the guidance as an input of a network, (B, 1) float32."""
    return torch.full((len(task.prompts), 1), task.guidance)


def with_known(x: Tensor, conditioning: Conditioning) -> tuple[Tensor, Tensor]:
    """States for a network that gets the time of every cell: what is given of the data is clean, at time 0.

    Args:
        x: (B, C, *spatial), the network's input.
        conditioning: With the condition ``known`` where something is given.

    Returns:
        The states, and what to multiply the time by: (B, 1, *spatial), 0 where the data is given, else 1.
    """
    known = conditioning.get("known")
    if known is None:
        return x, torch.ones_like(x[:, :1])
    keep, value = known.value[:, :1], known.value[:, 1:]
    return torch.where(keep > 0, value.to(x), x), 1 - keep.to(x)
