"""How checkpoints of each family are sampled when nobody says otherwise. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import replace

from gen.checkpoints import Checkpoint
from gen.checkpoints.solver_names import default_solver
from gen.model import Defaults
from gen.presets import OWN_GRID

TURBO_SHIFT = 4.0
"""Of Z-Image: the schedules of distilled models are shifted by less."""


def _defaults(checkpoint: Checkpoint, steps: int, guidance: float) -> Defaults:
    part = checkpoint["scheduler"]
    solver = default_solver(part.class_name, part.config)
    return Defaults(solver=solver, grid=OWN_GRID, steps=steps, guidance=guidance)


def _with_learned_variance(checkpoint: Checkpoint, made: Defaults) -> Defaults:
    """With the variance that the network gives where it has learned one and the sampler draws noise."""
    learned = checkpoint["scheduler"].config.get("variance_type") == "learned_range"
    return replace(made, solver="ddpm_large:variance=learned") if learned and made.solver == "ddpm" else made


def stable_diffusion(checkpoint: Checkpoint) -> Defaults:
    """30 steps; 4 of a network that gets the scale of the guidance as an input."""
    consistent = checkpoint["unet"].config.get("time_cond_proj_dim")
    return _defaults(checkpoint, *((4, 8.5) if consistent else (30, 7.5)))


def upscaler(checkpoint: Checkpoint) -> Defaults:
    """75 steps at 9."""
    return _defaults(checkpoint, 75, 9.0)


def stable_diffusion_xl(checkpoint: Checkpoint) -> Defaults:
    """30 steps at 5."""
    return _defaults(checkpoint, 30, 5.0)


def stable_diffusion_3(checkpoint: Checkpoint) -> Defaults:
    """28 steps at 7."""
    return _defaults(checkpoint, 28, 7.0)


def flux(checkpoint: Checkpoint) -> Defaults:
    """28 steps at 3.5; 50 at 30 to fill a hole; 4 without guidance of the distilled model that takes none."""
    if checkpoint.pipeline == "FluxFillPipeline":
        return _defaults(checkpoint, 50, 30.0)
    guided = checkpoint["transformer"].config.get("guidance_embeds")
    return _defaults(checkpoint, *((28, 3.5) if guided else (4, 1.0)))


def z_image(checkpoint: Checkpoint) -> Defaults:
    """50 steps at 6, which is 5 where 0 is no guidance; 8 without guidance of the distilled model.

    The two differ in nothing but the shift of their schedules, 6 and 3.
    """
    turbo = float(str(checkpoint["scheduler"].config.get("shift", 3.0))) < TURBO_SHIFT
    return _defaults(checkpoint, *((8, 1.0) if turbo else (50, 6.0)))


def qwen_image(checkpoint: Checkpoint) -> Defaults:
    """50 steps at 4."""
    return _defaults(checkpoint, 50, 4.0)


def flux_2_klein(checkpoint: Checkpoint) -> Defaults:
    """50 steps at 4; 4 without guidance of the distilled model."""
    return _defaults(checkpoint, *((4, 1.0) if checkpoint.settings.get("is_distilled") else (50, 4.0)))


def sana(checkpoint: Checkpoint) -> Defaults:
    """20 steps at 4.5."""
    return _defaults(checkpoint, 20, 4.5)


def deepfloyd_if(checkpoint: Checkpoint) -> Defaults:
    """100 steps at 7."""
    return _with_learned_variance(checkpoint, _defaults(checkpoint, 100, 7.0))


def kandinsky(checkpoint: Checkpoint) -> Defaults:
    """50 steps at 4."""
    return _with_learned_variance(checkpoint, _defaults(checkpoint, 50, 4.0))


def pixart(checkpoint: Checkpoint) -> Defaults:
    """20 steps at 4.5."""
    return _defaults(checkpoint, 20, 4.5)


def dit(checkpoint: Checkpoint) -> Defaults:
    """25 steps at 4."""
    return _defaults(checkpoint, 25, 4.0)
