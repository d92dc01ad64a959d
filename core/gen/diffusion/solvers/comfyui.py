"""Solvers of ComfyUI that no paper has: the steps of its code, in the notation of this package.

``CFGpp2M`` and ``CFGpp2S`` are CFG++ in second order, for predictions of ``CFGPlusPlus``. With the guided x0,
the unguided eps and the unguided u = (x_t - sigma_t eps) / alpha_t, a step starts from

    x'_t = alpha_t x0 + sigma_t eps = x_t + alpha_t (x0 - u)

as CFG++ does in first order (Chung et al. 2024, arXiv 2406.08070, algorithm 2), and u takes the place of x0
in a part of the formulas of ``gen.diffusion.solvers.dpmpp``. Without guidance u = x0, and ``CFGpp2M`` is
``DPMpp2M``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from torch import Tensor

from gen.diffusion.denoiser import Prediction
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise
from gen.diffusion.solvers.adams import EpsMultistep, shares
from gen.diffusion.solvers.base import (
    Denoise,
    Solver,
    State,
    Update,
    affine,
    between,
    eps_of,
    eps_step,
    implied,
    infinite,
    rho,
)
from gen.diffusion.solvers.dpmpp import DPMpp2M, coefficients
from gen.diffusion.solvers.first_order import DDIM
from gen.diffusion.solvers.multistep import Past, history


@dataclass(frozen=True)
class HeunPlusPlus(Solver):
    """Heun++, in rho = sigma / alpha; three evaluations per step.

        x_s = (alpha_s / alpha_t) x_t + alpha_s (rho_s - rho_t) (w_t eps_t + w_s eps_s + w_r eps_r)

    where x at s and then at r, the level after it, are predicted by Euler steps, and w_s = rho_s / (3 rho_0),
    w_r = rho_r / (3 rho_0) and w_t = 1 - w_s - w_r, with rho_0 at the start of the run. The step before the
    last has w_s = rho_s / (2 rho_0) and no r. First order. Euler's are the last step, all steps of a run
    from pure noise, where rho_0 is infinite, those towards noise, and those between levels unknown to ``on``.
    """

    levels: tuple[Level[float], ...] = field(default=(), repr=False)

    def on(self, levels: Sequence[Level[float]]) -> Solver:
        return replace(self, levels=tuple(dict.fromkeys(levels)))  # each once where the grid renoises

    def step(
        self, state: State, x: Tensor, denoise: Denoise, t: Level[float], s: Level[float], *, noise: StepNoise
    ) -> Update:
        after = self.levels[self.levels.index(s) + 1 :] if s in self.levels else ()
        if not after or s.log_snr < t.log_snr or min(t.alpha, s.alpha) == 0 or self.levels[0].alpha == 0:
            return DDIM().step(state, x, denoise, t, s, noise=noise)
        x, eps, x0 = eps_of(denoise, x, t)
        places, values, ahead = [t, s] if len(after) == 1 else [t, s, after[0]], [eps], x
        for start, end in pairwise(places):
            scale, step = eps_step(start, end)
            ahead = affine(ahead, scale, (step, values[-1]))
            values.append(denoise(ahead, end).noise(ahead, end))
        rest = [rho(level) / (len(places) * rho(self.levels[0])) for level in places[1:]]
        scale, step = eps_step(t, s)
        weights = [1 - sum(rest), *rest]
        terms = [(step * weight, eps) for weight, eps in zip(weights, values, strict=True)]
        return Update(affine(x, scale, *terms), state, x0)


@dataclass(frozen=True)
class VariableIPNDM(EpsMultistep):
    """iPNDM with weights by the sizes of the steps, as in ipndm_v.

    With h of this step in rho and h', h'', h3 of those before, k = h / h', a = h' / h'' and
    b = a (h' + h'') / (h'' + h3):

        c = (1 + k / 2 + p + q, -k / 2 - (1 + a) p - (1 + a + b) q, a p + (a + b (1 + h'' / h3)) q, -a b q)

    p is 0 without h'', q without h3. The weights sum to 1 only where the steps form a geometric
    series; ``LMS`` has those of the polynomial through the same predictions.
    """

    order = 4

    def c(self, past: Sequence[Past], t: Level[float], s: Level[float]) -> list[float]:
        rhos = [rho(s), rho(t), *(rho(p.level) for p in history(past, t, s, rho))]
        h, *before = (later - earlier for later, earlier in pairwise(rhos))
        if not before:
            return shares(t, s, [1.0])
        k, p, q, a, b, ratio = h / before[0], 0.0, 0.0, 0.0, 0.0, 0.0
        if len(before) > 1:
            h1, h2 = before[:2]
            a = h1 / h2
            p = (1 - h / (3 * (h + h1)) * h * (h + h1) / (h1 * (h1 + h2))) / 2
        if len(before) > 2:
            h3 = before[2]
            b, ratio = a * (h1 + h2) / (h2 + h3), h2 / h3
            q = (1 - h / (3 * (h + h1))) / 2 + (1 - h / (2 * (h + h1))) * h / (6 * (h + h1 + h2))
            q *= h * (h + h1) * (h + h1 + h2) / (h1 * (h1 + h2) * (h1 + h2 + h3))
        c = [1 + k / 2 + p + q, -k / 2 - (1 + a) * p - (1 + a + b) * q]
        return shares(t, s, [*c, a * p + (a + b * (1 + ratio)) * q, -a * b * q])


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

    def remembered(self, prediction: Prediction, x: Tensor, t: Level[float]) -> Tensor:
        return _unguided(prediction, x, t)


@dataclass(frozen=True)
class CFGpp2S(Solver):
    """DPM-Solver++(2S) with CFG++, two evaluations per step.

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
