"""Where diffusers differs from its sources: ours follows them, and theirs becomes ours when corrected."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from parity import (
    MODEL,
    START,
    difference,
    draw,
    eps_of,
    in_double,
    level_of,
    on_sigma,
    on_solver_sigma,
    ours,
    scheduler,
    sigma_levels,
    theirs,
    v_of,
)

from gen.diffusion import DDIM, DPMpp2M, Level
from gen.diffusion.solvers import IPNDM, DPMpp2S

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")]
STEPS = 16
EPS = {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}


def _run(made: Any, output: Any = eps_of) -> tuple[list[Level[float]], torch.Tensor, list[torch.Tensor]]:
    with in_double(type(made).__module__):
        made.set_timesteps(STEPS)
    levels = sigma_levels(made, on_solver_sigma)
    return levels, START, theirs(made, STEPS, on_solver_sigma, output, START)


def test_ipndm_takes_the_data_at_pure_noise_to_be_zero() -> None:
    """At alpha = 0 it divides 0 by 1e-8. With a network that predicts x0 = 0 at that level both agree."""
    made = scheduler("IPNDMScheduler")
    with in_double(type(made).__module__):
        made.set_timesteps(STEPS)

    def level(made: Any, index: int) -> Level[float]:
        alpha, sigma = float(made.alphas[index]), float(made.betas[index])
        return level_of(alpha if index else 0.0, sigma)

    levels = [level(made, i) for i in range(STEPS + 1)]
    first = [theirs(made, STEPS, level, lambda x0, x, _, c=c: v_of(x0 * c, x, _), START)[1] for c in (1, 2)]
    torch.testing.assert_close(first[0], first[1])
    solver = IPNDM(4, lower_order_final=False)
    found = theirs(made, STEPS, level, v_of, START)
    assert difference(ours(solver, levels, START), found) > 1e-3

    with pytest.MonkeyPatch.context() as patch:
        exact = type(MODEL).x0
        patch.setattr(type(MODEL), "x0", lambda self, x, t: exact(self, x, t) * (t.alpha > 0))
        made = scheduler("IPNDMScheduler")
        found = theirs(made, STEPS, level, v_of, START)
        assert difference(ours(solver, levels, START), found) < 1e-7


def test_cogvideox_draws_twice_and_forgets_the_second_step() -> None:
    """CogVideoXDPM is DPM-Solver++ 2M SDE, with a draw thrown away in every step but the first."""
    made = scheduler("CogVideoXDPMScheduler", timestep_spacing="trailing", set_alpha_to_one=True)
    with in_double(type(made).__module__):
        made.set_timesteps(20)
    steps = len(made.timesteps)
    draws = [draw(i) for i in range(2 * steps)]

    def level(index: int) -> Level[float]:
        if index == steps:
            return level_of(1.0, 0.0)
        alpha_bar = made.alphas_cumprod[made.timesteps[index]]
        return level_of(alpha_bar**0.5, (1 - alpha_bar) ** 0.5)

    levels = [level(i) for i in range(steps + 1)]
    states, x, old, back = [START], START, None, None
    with in_double(type(made).__module__, draws=iter(draws)):
        for i, t in enumerate(made.timesteps[:-1]):
            output = eps_of(MODEL.x0(x, levels[i]), x, levels[i])
            x, old = made.step(output, old, t, back, x, return_dict=False)
            back = t
            states.append(x)
    kept = [draws[0], *draws[2::2]]
    found = ours(DPMpp2M(1.0), levels[:-1], START, kept)
    assert difference(found, states) < 1e-8


def test_the_single_step_solver_lowers_its_order_at_the_end() -> None:
    """Its cycles of two calls are our steps of order 2; the call that is left over is of order 1."""
    made = scheduler("DPMSolverSinglestepScheduler")
    with in_double(type(made).__module__):
        made.set_timesteps(STEPS + 1)
    found = theirs(made, None, on_solver_sigma, eps_of, START)
    levels = sigma_levels(made, on_solver_sigma)
    x = START
    for i in range(0, STEPS, 2):
        t, middle, s = levels[i : i + 3]
        node = (middle.log_snr - t.log_snr) / (s.log_snr - t.log_snr)
        x = ours(DPMpp2S(node), [t, s], x)[-1]
        torch.testing.assert_close(x, found[i + 2])
    x = ours(DDIM(), levels[STEPS : STEPS + 2], x)[-1]
    torch.testing.assert_close(x, found[STEPS + 1])


def test_sde_noise_of_the_stage_is_part_of_that_of_the_step() -> None:
    """Their Brownian path runs in sigma, so the noise of half a step is not the half that the diffusion makes
    of it. Given draws that agree in law, the two are one."""
    made = scheduler("DPMSolverSDEScheduler")
    with in_double(type(made).__module__):
        made.set_timesteps(STEPS)
    levels = [on_sigma(made, 0), *(on_sigma(made, i) for i in range(1, 2 * STEPS, 2))]
    pairs = [(draw(2 * i), draw(2 * i + 1)) for i in range(STEPS)]
    whole, rest = [], []
    for (level_t, level_s), (stage, later) in zip(itertools.pairwise(levels), pairs, strict=True):
        h = level_s.log_snr - level_t.log_snr if level_s.sigma > 0 else math.inf
        share = math.exp(-h / 2) * math.sqrt(-math.expm1(-h)) if h < math.inf else 0.0
        # sigma_s (share stage + remainder later) has the variance of the step's noise.
        remainder = math.sqrt(-math.expm1(-h))
        total = math.hypot(share, remainder)
        whole.append((stage * share + later * remainder) / total)
        rest += [stage, later]
    given = iter([z for (stage, _), full in zip(pairs, whole, strict=True) for z in (stage, full)])
    x = START * levels[0].sigma
    states = [x]
    with in_double(type(made).__module__):
        made.noise_sampler = lambda *_: next(given)
        for i, t in enumerate(made.timesteps):
            sigma = made.sigmas[i] if i % 2 == 0 else made.mid_point_sigma
            level_t = level_of(1.0, sigma)
            x = made.step(eps_of(MODEL.x0(x, level_t), x, level_t), t, x, return_dict=False)[0]
            states.append(x)
    states = [states[0], *states[2::2], states[-1]]
    found = ours(DPMpp2S(eta=1.0), levels, START * levels[0].sigma, rest)
    assert difference(found, states) < 1e-8
