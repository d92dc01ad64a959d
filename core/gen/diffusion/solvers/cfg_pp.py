"""CFG++ in second order, as in ComfyUI; no paper has these. For predictions of ``CFGPlusPlus``.

With the guided x0, the unguided eps and the unguided u = (x_t - sigma_t eps) / alpha_t, a step starts from

    x'_t = alpha_t x0 + sigma_t eps = x_t + alpha_t (x0 - u)

as CFG++ does in first order (Chung et al. 2024, arXiv 2406.08070, algorithm 2), and u takes the place of x0
in a part of the formulas. Without guidance u = x0, and ``CFGpp2M`` is ``DPMpp2M``.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gen.diffusion.denoiser import Prediction
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.base import Denoise, Solver, State, Update, affine, between, implied, infinite
from gen.diffusion.solvers.dpmpp import DPMpp2M, coefficients
from gen.diffusion.solvers.multistep import Past, history


def _unguided(prediction: Prediction, x: Tensor, t: Level[float]) -> Tensor:
    """u; x0 itself at alpha_t = 0."""
    if prediction.eps is None or t.alpha == 0:
        return prediction.x0
    return affine(x, 1 / t.alpha, (-t.sigma / t.alpha, prediction.eps))


@dataclass(frozen=True)
class CFGpp2M(DPMpp2M):
    """DPM-Solver++(2M) and its SDE with CFG++, one evaluation per step.

        x_s = scale x'_t + total x0 + slope (x0 - u') / r + std z    "midpoint"
        x_s = scale x'_t + total u + slope (u - u') / r + std z      "heun", which is RES

    with u' of the step before. The first step and the one to clean data are scale x'_t + total x0 + std z.

    Args:
        eta: Strength of the noise, >= 0; 1 is ComfyUI's ancestral form.
        kind: As of ``DPMpp2M``.
    """

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        prediction = denoise(x, t)
        x0, u, c = prediction.x0, _unguided(prediction, x, t), coefficients(t, s, self.eta, self.kind)
        terms = [(c.total, x0)]
        if past := history(state, t, s):
            r = (t.log_snr - past[0].level.log_snr) / (s.log_snr - t.log_snr)
            newest = x0 if self.kind == "midpoint" else u
            terms = [(c.total + c.slope / r, newest), (-c.slope / r, past[0].value)]
        z = noise(x, "step") if c.std > 0 else None
        end = affine(implied(prediction, x, t), c.scale, *terms, (c.std, z))
        return Update(end, (Past(t, u),), x0, c.std, z)


@dataclass(frozen=True)
class CFGpp2S(Solver):
    """DPM-Solver++(2S) with CFG++ as ComfyUI has it, two evaluations per step.

        x_m = scale x'_t + total x0                                          at lambda_m = lambda_t + h / 2
        x_s = scale (x_t + alpha_t (x0 - u_m)) + total x0_m

    It has u_m where the form of the other formulas would have u, so that it is of first order, with guidance
    and without. A step from pure noise or to clean data is scale x'_t + total x0.
    """

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        prediction = denoise(x, t)
        x0, c = prediction.x0, coefficients(t, s, 0.0)
        if infinite(t, s):
            return Update(affine(implied(prediction, x, t), c.scale, (c.total, x0)), state, x0)
        m = between(t, s, 0.5)
        c_m = coefficients(t, m, 0.0)
        x_m = affine(implied(prediction, x, t), c_m.scale, (c_m.total, x0))
        middle = denoise(x_m, m)
        shift = c.scale * t.alpha
        u_m = _unguided(middle, x_m, m)
        return Update(affine(x, c.scale, (shift, x0), (-shift, u_m), (c.total, middle.x0)), state, x0)
