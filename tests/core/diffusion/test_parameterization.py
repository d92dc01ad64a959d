"""Parameterizations: target and to_x0 undo each other, and agree with the published formulas."""

import math

import pytest
import torch

from gen.diffusion import (
    EDM,
    Consistency,
    Cosine,
    DiscreteBetas,
    Epsilon,
    Level,
    Parameterization,
    RectifiedFlow,
    Sample,
    Score,
    VarianceExploding,
    VariancePreserving,
    Velocity,
    VPrediction,
)
from gen.diffusion.level import derivative
from gen.diffusion.parameterization import LatentConsistency

PARAMETERIZATIONS: list[Parameterization] = [
    Epsilon(), Sample(), VPrediction(), Velocity(1), Velocity(-1), Score(), EDM(0.5), EDM(1.3),
    Consistency(), Consistency(1.2, 0.0), LatentConsistency(), LatentConsistency(VPrediction(time_scale=9.0)),
]  # fmt: skip
PROCESSES = [VariancePreserving(), Cosine(), VarianceExploding(), RectifiedFlow()]


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS, ids=repr)
def test_output_equal_to_the_target_gives_x0(parameterization: Parameterization, process) -> None:
    generator = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, 5, 3, 4, generator=generator, dtype=torch.float64)
    t = torch.linspace(0.05, 0.95, 5, dtype=torch.float64)
    for level in (process.level(t), process.level(0.3)):
        x = process.diffuse(x0, eps, level)
        output = parameterization.target(x0, eps, level)
        torch.testing.assert_close(parameterization.to_x0(output, x, level), x0, rtol=1e-8, atol=1e-8)


def test_one_level_equals_one_level_per_item() -> None:
    process = Cosine()
    x = torch.ones(3, 2)
    for parameterization in PARAMETERIZATIONS:
        single = parameterization.coefficients(process.level(0.3))
        batch = parameterization.coefficients(process.level(torch.full((3,), 0.3, dtype=torch.float64)))
        assert [float(c[0]) for c in batch] == pytest.approx(list(single))
        torch.testing.assert_close(
            parameterization.to_x0(x, x, process.level(torch.full((3,), 0.3, dtype=torch.float64))),
            parameterization.to_x0(x, x, process.level(0.3)),
        )


def test_edm_is_the_published_table() -> None:
    sigma, data = 0.7, 0.5
    c = EDM(data).coefficients(Level(0.3, 1.0, sigma))
    assert c.c_skip == pytest.approx(data**2 / (sigma**2 + data**2))
    assert c.c_out == pytest.approx(sigma * data / math.sqrt(sigma**2 + data**2))
    assert c.c_in == pytest.approx(1 / math.sqrt(sigma**2 + data**2))
    assert c.c_noise == pytest.approx(math.log(sigma) / 4)


def test_velocity_is_the_derivative_of_the_flow() -> None:
    x0, eps = torch.tensor([[2.0]]), torch.tensor([[-1.0]])
    process = RectifiedFlow()
    target = Velocity().target(x0, eps, process.level(0.4))
    slope = derivative(process.alpha, 0.4) * x0 + derivative(process.sigma, 0.4) * eps
    torch.testing.assert_close(target, slope)


@pytest.mark.parametrize(
    "parameterization", [Sample(), VPrediction(), Velocity(), EDM(), Consistency()], ids=repr
)
def test_pure_noise_still_gives_a_finite_x0(parameterization: Parameterization) -> None:
    x = torch.ones(2, 3)
    for process in (Cosine(), RectifiedFlow()):
        assert parameterization.to_x0(x, x, process.level(1.0)).isfinite().all()


@pytest.mark.parametrize("parameterization", [Epsilon(), Score()], ids=repr)
def test_noise_predictions_refuse_a_level_without_signal(parameterization: Parameterization) -> None:
    level = Cosine().level(torch.tensor([0.5, 1.0], dtype=torch.float64))
    for refused in (level, Cosine().level(1.0)):
        with pytest.raises(ValueError, match="does not determine x0 at alpha"):
            parameterization.coefficients(refused)


def test_the_index_of_a_chain_is_the_timestep_of_the_network() -> None:
    chain = Epsilon(time_scale=1000, time_shift=-1)
    assert chain.coefficients(VariancePreserving().level(0.25)).c_noise == pytest.approx(249)
    with pytest.raises(ValueError, match="sign"):
        Velocity(0)


def test_consistency_is_the_published_formula() -> None:
    sigma, data, low = 0.7, 0.5, 0.002
    c = Consistency(data, low).coefficients(Level(0.3, 1.0, sigma))
    assert c.c_skip == pytest.approx(data**2 / ((sigma - low) ** 2 + data**2))
    assert c.c_out == pytest.approx((sigma - low) * data / math.sqrt(sigma**2 + data**2))
    assert c.c_in == pytest.approx(1 / math.sqrt(sigma**2 + data**2))
    assert c.c_noise == pytest.approx(250 * math.log(sigma))


@pytest.mark.parametrize(
    ("parameterization", "level"),
    [
        (Consistency(), VarianceExploding(0.002, 80.0).level(1e-12)),
        (Consistency(0.5, 0.01), RectifiedFlow().level(0.005)),
        (LatentConsistency(), DiscreteBetas.scaled_linear().level(1 / 1000)),
        (LatentConsistency(), DiscreteBetas.scaled_linear().level(0.0003)),
    ],
)
def test_x0_is_the_state_at_the_boundary(parameterization: Parameterization, level: Level[float]) -> None:
    x, wild = torch.tensor([[0.3, -2.0]], dtype=torch.float64), torch.full((1, 2), 1e3, dtype=torch.float64)
    scale = level.alpha if isinstance(parameterization, Consistency) else 1.0
    torch.testing.assert_close(parameterization.to_x0(wild, x, level), x / scale, rtol=1e-5, atol=1e-5)


def test_latent_consistency_mixes_the_state_with_the_inner_x0() -> None:
    level = DiscreteBetas.scaled_linear().level(260 / 1000)
    inner, x, output = VPrediction(time_scale=1000, time_shift=-1), torch.ones(1, 3), torch.full((1, 3), 0.4)
    s = 10 * 259
    expected = 0.25 / (s**2 + 0.25) * x + s / math.sqrt(s**2 + 0.25) * inner.to_x0(output, x, level)
    torch.testing.assert_close(LatentConsistency(inner).to_x0(output, x, level), expected)
    assert LatentConsistency(inner).coefficients(level).c_noise == pytest.approx(259)


def test_impossible_boundaries_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Consistency(0.0)
    with pytest.raises(ValueError, match="at least 0"):
        Consistency(0.5, -1.0)
    with pytest.raises(ValueError, match="above 0"):
        LatentConsistency(sigma_data=0)
    with pytest.raises(ValueError, match="leaves F free"):
        Consistency(0.5, 0.1).mix(Level(0.1, 1.0, 0.05))
