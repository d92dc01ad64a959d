"""How checkpoints of each family are sampled when nobody says otherwise. Imports nothing heavy."""

from __future__ import annotations

from gen.checkpoints import Checkpoint
from gen.checkpoints.solver_names import default_solver
from gen.model import Defaults
from gen.presets import OWN_GRID


def stable_audio(checkpoint: Checkpoint) -> Defaults:
    """100 steps at 7."""
    part = checkpoint["scheduler"]
    solver = default_solver(part.class_name, part.config)
    return Defaults(solver=solver, grid=OWN_GRID, steps=100, guidance=7.0)
