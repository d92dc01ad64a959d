"""Every level at which a solver evaluates the denoiser names the time that it has on the process."""

from __future__ import annotations

import pytest

from gen import presets
from gen.diffusion import (
    DDIM,
    Ancestral,
    Churn,
    Heun,
    Level,
    NoiseSource,
    Prediction,
    RectifiedFlow,
    Solver,
    TimeGrid,
    VarianceExploding,
    sample,
)
from gen.diffusion.solvers import DPMSolver2

WRAPPED: dict[str, Solver] = {
    "churn": Churn(DDIM(), 0.3),
    "churned Heun": Churn(Heun(), 0.3),
    "ancestral Heun": Ancestral(Heun()),
    "ancestral midpoint": Ancestral(DPMSolver2(r=1.0)),
}
"""Solvers that step from another level than that of x, or to another one than the next of the grid."""
SOLVERS = {name: presets.solver(name) for name in presets.SOLVERS} | WRAPPED


@pytest.mark.parametrize("process", [RectifiedFlow(), VarianceExploding()], ids=repr)
@pytest.mark.parametrize("name", SOLVERS)
def test_a_level_has_the_time_of_its_log_snr(name: str, process) -> None:
    """Also within a step: a third of a step in log_snr is no third of its time."""
    seen: list[Level[float]] = []

    def denoiser(x, level, *_):
        seen.append(level)
        return Prediction(x * level.alpha / (level.alpha**2 + level.sigma**2))

    grid = TimeGrid((0.9, 0.6, 0.4, 0.2))
    sample(denoiser, process, grid, SOLVERS[name], noise=NoiseSource([0]), shape=(3,))
    assert seen
    for level in seen:
        assert process.level(level.t).log_snr == pytest.approx(level.log_snr, abs=1e-9)
