"""What the loop of a pipeline in diffusers cannot heed: it is refused with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gen.checkpoints.pipeline import LOOP, PipelineCheckpoint
from gen.errors import UsageError
from gen.plan.choices import NOISE
from gen.plan.plan import Plan
from gen.plan.request import Request
from gen.presets import OWN_GRID

if TYPE_CHECKING:
    from gen.plugin.host import Host


def check_looped(plan: Plan, checkpoint: PipelineCheckpoint, request: Request, host: Host) -> None:
    """Refuse what only the core's own sampler does, and what the pipeline has no argument for.

    Raises:
        UsageError: Something else than the pipeline takes was chosen.
    """
    choices, call = plan.choices, checkpoint.call
    counted = "num_inference_steps" in call.defaults or request.steps in (None, checkpoint.defaults.steps)
    refused = {
        "solver": choices.solver.spec.name != LOOP.name,
        "grid": str(choices.grid) != OWN_GRID,
        "guide": [str(guide) for guide in choices.guides] != [LOOP.guidance],
        "cache": choices.cache is not None,
        "noise": str(choices.noise) != NOISE,
        "steps": not counted,
        "vary": request.vary is not None,
        "interpolate": request.interpolate is not None,
        **{name: not checkpoint.takes(name) for name in plan.params},
        **dict.fromkeys((*plan.artifacts, *plan.checkpoints), True),
    }
    name = next((name for name, wrong in refused.items() if wrong), "")
    if name:
        families = ", ".join(family.name for family in host.families(plan.spec.name))
        others = f", or use a checkpoint of {families}" if families else ""
        raise UsageError(
            f"model {checkpoint.name}, run by diffusers' own loop, takes no {name}",
            f"leave out {name}{others}",
        )
