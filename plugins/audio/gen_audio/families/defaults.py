"""How checkpoints of each family are sampled when nobody says otherwise. Imports nothing heavy."""

from __future__ import annotations

from gen.checkpoints import Checkpoint
from gen.checkpoints.solver_names import default_solver
from gen.model import Defaults
from gen.presets import OWN_GRID


def _defaults(checkpoint: Checkpoint, steps: int, guidance: float) -> Defaults:
    part = checkpoint["scheduler"]
    solver = default_solver(part.class_name, part.config)
    return Defaults(solver=solver, grid=OWN_GRID, steps=steps, guidance=guidance)


def stable_audio(checkpoint: Checkpoint) -> Defaults:
    """100 steps at 7."""
    return _defaults(checkpoint, 100, 7.0)


def audioldm_2(checkpoint: Checkpoint) -> Defaults:
    """200 steps at 3.5."""
    return _defaults(checkpoint, 200, 3.5)


def ace_step(checkpoint: Checkpoint) -> Defaults:
    """8 steps at 7; without guidance where it is distilled."""
    config = checkpoint["transformer"].config
    turbo = config.get("is_turbo") or config.get("model_version") == "turbo"
    return _defaults(checkpoint, 8, 1.0 if turbo else 7.0)
