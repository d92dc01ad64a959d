"""Likelihoods against densities that are known."""

from __future__ import annotations

import math

import pytest
import torch
from exact import PROCESSES, Gaussian, Mixture, denoiser_of, slope_of

from gen import presets
from gen.diffusion import NoiseSource, Prediction, TimeGrid, log_likelihood, variational_bound
from thinning import thinned

SHAPE = (2, 3)
DATA = torch.linspace(-1.2, 1.6, 24, dtype=torch.float64).reshape(4, *SHAPE)
SOLVERS = [
    preset.name
    for preset in presets.SOLVERS.values()
    if not preset.stochastic and presets.solver(preset.name).stochastic is False
]


def _grid(process, steps: int, high: float = 7.0, low: float = -7.0) -> TimeGrid:
    values = (low + (high - low) * i / steps for i in range(steps + 1))
    return TimeGrid(tuple(sorted({process.t_of_log_snr(value) for value in values}, reverse=True)))


def _normal(x, mean, std):
    return -(((x - mean) / std) ** 2) / 2 - math.log(std * math.sqrt(2 * math.pi))


def _density(distribution, x):
    if isinstance(distribution, Gaussian):
        each = _normal(x, distribution.mean, distribution.std)
    else:
        parts = zip(distribution.means, distribution.stds, strict=True)
        each = torch.stack([_normal(x, mean, std) for mean, std in parts]).logsumexp(0) - math.log(3)
    return each.flatten(1).sum(1)


@pytest.mark.parametrize("distribution", [Gaussian(mean=0.0), Mixture()], ids=["gaussian", "mixture"])
@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
def test_the_density_of_data_is_found(process, distribution) -> None:
    """But for what is left of the data's mean in the noisiest level, which is taken for pure noise."""
    grid, solver = _grid(process, 250), presets.solver("dpmpp_2m")
    found = log_likelihood(denoiser_of(distribution), process, grid, solver, DATA)
    torch.testing.assert_close(found.nats, _density(distribution, DATA), rtol=0, atol=0.02)
    assert found.latent.shape == DATA.shape
    expected = -_density(distribution, DATA) / 6 / math.log(2)
    torch.testing.assert_close(found.bits_per_dim, expected, rtol=0, atol=0.01)


@pytest.mark.parametrize("name", thinned(SOLVERS, 3))
def test_its_error_falls_at_the_order_of_the_solver(name: str) -> None:
    """What halving the steps changes falls as the error does. A multistep method starts with order 1, which
    costs one error of order 2."""
    process, denoiser, data = PROCESSES["cosine"], denoiser_of(Mixture()), DATA.reshape(-1, 1)[::6]

    def nats(steps: int):
        solver = presets.solver(name)
        return log_likelihood(denoiser, process, _grid(process, steps, 3.0, -3.0), solver, data).nats

    counts = (40, 80, 160)
    results = {n: nats(n) for n in counts}
    changes = {n: (results[2 * n] - results[n]).abs().max().item() for n in counts[:-1]}
    assert slope_of(changes) > min(presets.SOLVERS[name].order, 2) - 0.3


def test_the_ends_without_signal_or_noise_do_not_count() -> None:
    process, denoiser = PROCESSES["flow"], denoiser_of(Gaussian())
    inner = TimeGrid(tuple(i / 20 for i in range(19, 0, -1)))
    solver = presets.solver("heun")
    short = log_likelihood(denoiser, process, inner, solver, DATA)
    whole = log_likelihood(denoiser, process, TimeGrid((1.0, *inner, 0.0)), solver, DATA)
    assert torch.equal(short.nats, whole.nats)
    assert short.nfe == 2 * 18


def _coupled(x, level, _, memory):
    """A Gaussian whose elements depend on each other: its derivative is a full matrix."""
    mixing = torch.eye(6, dtype=x.dtype) + 0.3 * torch.ones(6, 6, dtype=x.dtype)
    covariance = mixing @ mixing.T
    gain = (
        level.alpha
        * covariance
        @ torch.linalg.inv(level.alpha**2 * covariance + level.sigma**2 * torch.eye(6, dtype=x.dtype))
    )
    return Prediction((x.flatten(1) @ gain.T).view_as(x))


def test_elements_that_depend_on_each_other() -> None:
    process = PROCESSES["flow"]
    found = log_likelihood(_coupled, process, _grid(process, 250), presets.solver("dpmpp_2m"), DATA).nats
    mixing = torch.eye(6, dtype=torch.float64) + 0.3
    law = torch.distributions.MultivariateNormal(torch.zeros(6, dtype=torch.float64), mixing @ mixing.T)
    torch.testing.assert_close(found, law.log_prob(DATA.flatten(1)), rtol=0, atol=0.02)


def test_random_signs_estimate_it_without_bias() -> None:
    process, grid, solver = PROCESSES["flow"], _grid(PROCESSES["flow"], 40), presets.solver("heun")
    count = 400
    batch = DATA[1:2].expand(count, *SHAPE).contiguous()
    exact = log_likelihood(_coupled, process, grid, solver, DATA[1:2]).nats
    noise = NoiseSource(range(count))
    one = log_likelihood(_coupled, process, grid, solver, batch, noise=noise, probes=1).nats
    many = log_likelihood(_coupled, process, grid, solver, batch, noise=noise, probes=8).nats
    for estimates in (one, many):
        standard_error = estimates.std() / math.sqrt(count)
        assert standard_error > 0
        assert abs(estimates.mean() - exact) < 4 * standard_error
    assert many.std() == pytest.approx(one.std().item() / math.sqrt(8), rel=0.2)
    # An item's probes follow from its own seed.
    alone = log_likelihood(_coupled, process, grid, solver, batch[:1], noise=noise.select([7]), probes=1)
    torch.testing.assert_close(alone.nats, one[7:8])


def test_signs_are_exact_where_elements_do_not_depend_on_each_other() -> None:
    process, grid, solver = PROCESSES["cosine"], _grid(PROCESSES["cosine"], 30), presets.solver("ddim")
    denoiser, noise = denoiser_of(Mixture()), NoiseSource([1, 2, 3, 4])
    exact = log_likelihood(denoiser, process, grid, solver, DATA).nats
    torch.testing.assert_close(
        log_likelihood(denoiser, process, grid, solver, DATA, noise=noise, probes=1).nats, exact
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": TimeGrid.uniform(4).reverse()}, "falls from noise"),
        ({"grid": TimeGrid((1.0, 0.5, 0.0))}, "at least two levels"),
        ({"probes": 2}, "noise and at least one probe"),
        ({"noise": NoiseSource([0] * 4)}, "noise and at least one probe"),
        ({"noise": NoiseSource([0] * 4), "probes": 0}, "noise and at least one probe"),
        ({"solver": presets.solver("ddpm")}, "draws noise"),
        ({"x0": torch.zeros(4, 2, dtype=torch.complex64)}, "real numbers, not torch.complex64"),
        ({"x0": torch.zeros(4, 2, dtype=torch.int64)}, "real numbers, not torch.int64"),
    ],
)
def test_what_has_no_likelihood_is_refused(options: dict, message: str) -> None:
    x0 = options.pop("x0", DATA)
    grid, solver = options.pop("grid", TimeGrid.uniform(9)), options.pop("solver", presets.solver("ddim"))
    with pytest.raises(ValueError, match=message):
        log_likelihood(denoiser_of(Gaussian()), PROCESSES["flow"], grid, solver, x0, **options)


@pytest.mark.parametrize("shape", [(0, 2), (3,)])
def test_batches_may_be_empty_and_items_single_numbers(shape: tuple[int, ...]) -> None:
    x0, process, grid = torch.zeros(shape), PROCESSES["flow"], TimeGrid.uniform(4)
    found = log_likelihood(denoiser_of(Gaussian()), process, grid, presets.solver("ddim"), x0)
    noise = NoiseSource(range(len(x0)))
    bound = variational_bound(denoiser_of(Gaussian()), process, grid, x0, noise=noise, bits=None)
    assert found.nats.shape == bound.total.shape == shape[:1]
    assert found.latent.shape == shape
    with pytest.raises(ValueError, match="real numbers, not torch"):
        variational_bound(denoiser_of(Gaussian()), process, grid, x0.to(torch.complex64), noise=noise)
