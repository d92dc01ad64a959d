"""A name is its namesake: whole runs beside those of the program that the name comes from, in float64.

ComfyUI's are in comfy_reference.npz, see ``make_comfy_reference``; diffusers' run in ``test_parity`` and
``test_presets_parity``. Where the two
differ, ``OURS`` has the qualified name.
"""

from __future__ import annotations

import itertools
import math

import comfy_cases as cases
import numpy as np
import pytest
import torch
from torch import Tensor

from gen import presets
from gen.diffusion import Level, Prediction
from gen.diffusion.solvers.base import decay

REFERENCE = np.load(cases.FILE)
OURS = {
    "lms": "comfy_lms",
}
"""Where ComfyUI's name is another program's in these presets."""


def _guided(x: Tensor, level: Level[float]) -> Prediction:
    """As CFGPlusPlus predicts."""
    y, sigma = x / level.alpha, level.sigma / level.alpha
    return Prediction(cases.guided_x0(y, sigma), (y - cases.uncond_x0(y, sigma)) / sigma)


def _plain(x: Tensor, level: Level[float]) -> Prediction:
    return Prediction(cases.x0(x / level.alpha, level.sigma / level.alpha))


class _Noise:
    """Their draws in our order; for DPM-Solver++ SDE such that the whole noise of a step is theirs."""

    def __init__(self, name: str, step: int, t: Level[float], s: Level[float]) -> None:
        self.name, self.first, self.t, self.s, self.count = name, step * cases.DRAWS[name], t, s, 0

    def __call__(self, _: Tensor, stream: str) -> Tensor:
        z = cases.draw(self.first + self.count)
        self.count += 1
        if self.name != "dpmpp_sde" or self.count == 1:
            return z
        half = math.sqrt(decay(self.t, self.s))
        stage, rest = math.sqrt(1 - half**2), math.sqrt(1 - half**2)
        whole = math.sqrt(1 - half**4)
        return (whole * z - half * stage * cases.draw(self.first)) / rest


def _end(name: str, steps: int, part: str) -> Tensor:
    sigmas = cases.sigmas(steps, part)
    if name.startswith("uni_pc") and sigmas[-1] == 0:
        sigmas[-1] = 0.001  # theirs stop at this sigma
    levels = [cases.level(sigma) for sigma in sigmas]
    if name == "dpm_adaptive":
        levels = [levels[0], cases.level(min(sigma for sigma in sigmas if sigma))]
    solver = presets.solver(OURS.get(name, name)).on(levels)
    x, state = cases.START * sigmas[0] * levels[0].alpha, ()
    denoise = _guided if name.endswith("cfg_pp") else _plain
    for step, (t, s) in enumerate(itertools.pairwise(levels)):
        noise = _Noise(name, step, t, s) if name in cases.DRAWS else None
        update = solver.step(state, x, denoise, t, s, noise=noise)
        x, state = update.x, update.state
    return x / levels[-1].alpha


@pytest.mark.parametrize("part", cases.PARTS)
@pytest.mark.parametrize("steps", cases.STEPS)
@pytest.mark.parametrize("name", cases.NAMES)
def test_the_run_is_that_of_comfyui(name: str, steps: int, part: str) -> None:
    if name.startswith("sa_solver") and part == "before it":
        pytest.skip("theirs lowers the order in runs to clean data alone")
    expected = torch.from_numpy(REFERENCE[f"{name}/{steps}/{part}"])
    assert float((_end(name, steps, part) - expected).abs().max()) < 1e-6
