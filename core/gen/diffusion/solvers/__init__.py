"""Solvers: how x moves from one noise level to the next."""

from gen.diffusion.solvers.base import Denoise, Past, Solver, State, Update
from gen.diffusion.solvers.ddim import DDIM
from gen.diffusion.solvers.heun import Heun
from gen.diffusion.solvers.multistep import ExponentialMultistep

__all__ = ["DDIM", "Denoise", "ExponentialMultistep", "Heun", "Past", "Solver", "State", "Update"]
