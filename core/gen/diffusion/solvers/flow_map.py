"""Flow maps: networks that take the target of a step as an input, and predict the whole step at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gen.diffusion.conditioning import Condition, Conditioning
from gen.diffusion.denoiser import Denoiser, Memory, Prediction
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.parameterization import Parameterization
from gen.diffusion.process import Process
from gen.diffusion.solvers.base import Denoise, Solver, State, Update
from gen.diffusion.solvers.first_order import DDIM


@dataclass(frozen=True)
class FlowMap(Solver):
    """One evaluation per step, exact at any step size for an exact flow map (Boffi et al. 2024, 2406.07507).

    The network predicts the x0 with which a DDIM step ends at the right place. For a flow and a velocity u
    it is x - t u, and the step x_r = x_t - (t - r) u(x, t, r), as in MeanFlow (Geng et al. 2025, 2505.13447,
    eq. 12). With ``Ancestral`` around it, the map leads to the level below and the noise back up, as in
    gamma-sampling.
    """

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        def towards(x: Tensor, level: Level[float]) -> Prediction:
            return denoise(x, replace(level, target=s))

        return DDIM().step(state, x, towards, t, s, noise=noise)


@dataclass(frozen=True, eq=False)
class FlowMapDenoiser:
    """Gives a network the target of the step, as a condition.

    Where a level has no target, its target is the level itself, at which a flow map is the velocity: so every
    solver can use the network. Guidance belongs around this.

    Args:
        denoiser: A ``ModelDenoiser`` whose network reads the condition.
        process: The process of that network.
        parameterization: Its parameterization, whose c_noise stands for the target, too.
        name: Of the condition: (B, 1) float32 with the c_noise of the target, route "global".
    """

    denoiser: Denoiser
    process: Process
    parameterization: Parameterization
    name: str = "target"

    def __call__(
        self, x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
    ) -> Prediction:
        plain = replace(level, target=None)
        target = level.target or plain
        own = self.process.level(target.t)
        if own != target:
            own = self.process.level(self.process.t_of_log_snr(target.log_snr))
        c_noise = torch.full(
            (x.shape[0], 1), self.parameterization.c_noise(own), dtype=torch.float32, device=x.device
        )
        with_target = Conditioning({**conditioning, self.name: Condition(c_noise, "global")})
        return self.denoiser(x, plain, with_target, memory)
