"""How checkpoints of each family are sampled when nobody says otherwise. Imports nothing heavy."""

from __future__ import annotations

from gen.checkpoints import Checkpoint
from gen.checkpoints.solver_names import default_solver
from gen.model import Defaults
from gen.presets import OWN_GRID


def shap_e(checkpoint: Checkpoint) -> Defaults:
    """25 steps at 4."""
    part = checkpoint["scheduler"]
    solver = default_solver(part.class_name, part.config)
    return Defaults(solver=solver, grid=OWN_GRID, steps=25, guidance=4.0)
