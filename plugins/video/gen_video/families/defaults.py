"""How checkpoints of each family are sampled when nobody says otherwise. Imports nothing heavy."""

from __future__ import annotations

from gen.checkpoints import Checkpoint
from gen.checkpoints.solver_names import default_solver
from gen.model import Defaults
from gen.presets import OWN_GRID


def wan(checkpoint: Checkpoint) -> Defaults:
    """50 steps at 5; those of two transformers at 4, from a picture 40 steps at 3.5."""
    if not checkpoint.settings.get("boundary_ratio"):
        return _defaults(checkpoint, 5.0)
    pictured = checkpoint.pipeline == "WanImageToVideoPipeline"
    return _defaults(checkpoint, 3.5, steps=40) if pictured else _defaults(checkpoint, 4.0)


def ltx(checkpoint: Checkpoint) -> Defaults:
    """50 steps at 3."""
    return _defaults(checkpoint, 3.0)


def ltx_2(checkpoint: Checkpoint) -> Defaults:
    """40 steps at 4."""
    return _defaults(checkpoint, 4.0, steps=40)


def stable_video(checkpoint: Checkpoint) -> Defaults:
    """25 steps at 3, the scale of the last frame."""
    return _defaults(checkpoint, 3.0, steps=25)


def animatediff(checkpoint: Checkpoint) -> Defaults:
    """50 steps at 7.5."""
    return _defaults(checkpoint, 7.5)


def cogvideox(checkpoint: Checkpoint) -> Defaults:
    """50 steps at 6."""
    return _defaults(checkpoint, 6.0)


def _defaults(checkpoint: Checkpoint, guidance: float, steps: int = 50) -> Defaults:
    part = checkpoint["scheduler"]
    solver = default_solver(part.class_name, part.config)
    return Defaults(solver=solver, grid=OWN_GRID, steps=steps, guidance=guidance)
