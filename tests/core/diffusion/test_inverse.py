"""For Gaussian data all that the methods claim is known in closed form; the rest holds for every denoiser."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace

import pytest
import torch
from exact import PROCESSES, Gaussian, Mixture, denoiser_of, level_at, no_noise, slope_of
from exponential_oracle import ExponentialMultistep
from inverse_problems import AUDIO, IMAGE, LINEAR, POINTS, VIDEO, matrix, normal
from torch import Tensor, nn

from gen.diffusion import (
    DDIM,
    ClassifierFree,
    Condition,
    Conditioning,
    Heun,
    Level,
    Measurement,
    Memory,
    ModelDenoiser,
    NoiseSource,
    Prediction,
    RectifiedFlow,
    Solver,
    TimeGrid,
    VariancePreserving,
    VPrediction,
    cached,
    clipped,
    constrained,
    guided,
    iterate,
    prior,
    sample,
    solvers,
)
from gen.diffusion.guidance import LossGuidance
from gen.diffusion.inverse import (
    DDNM,
    DPS,
    BlockAverage,
    Blur,
    CompressedSensing,
    DiffPIR,
    FourierMagnitude,
    InverseMethod,
    Mask,
    MaskBlend,
    PiGDM,
    SpectrogramMagnitude,
    extension,
)
from thinning import striped

NOTHING = Conditioning()
PRIOR = Gaussian(0.4, 0.7)
LEVEL = level_at(VariancePreserving(), 0.3)
LINEAR_PROBLEMS = pytest.mark.parametrize(("operator", "shape"), LINEAR.values(), ids=LINEAR)


def _ready_solvers() -> dict[str, Solver]:
    """Every solver of the package that needs no arguments, and stochastic forms."""
    ready: dict[str, Solver] = {
        "DDIM(1)": DDIM(1.0),
        "SDE multistep": ExponentialMultistep(eta=1.0),
        "third order": ExponentialMultistep(3),
    }
    for name in solvers.__all__:
        kind = getattr(solvers, name)
        if inspect.isclass(kind) and issubclass(kind, Solver) and not inspect.isabstract(kind):
            needed = list(inspect.signature(kind).parameters.values())
            if all(parameter.default is not inspect.Parameter.empty for parameter in needed):
                ready[name] = kind()
    return ready


SOLVERS = _ready_solvers()
# The others extrapolate to the data from predictions at every level, pure noise included.
ENDING_IN_X0 = {name: solver for name, solver in SOLVERS.items() if name not in ("PLMS", "LMS", "FlowAdams")}


def _run(denoiser, solver=None, *, shape, process=None, steps=4) -> Tensor:
    process, grid = process or RectifiedFlow(), TimeGrid.uniform(steps)
    return sample(denoiser, process, grid, solver or DDIM(), noise=NoiseSource((1, 2)), shape=shape).x


def _seen(operator, shape, *, std=0.0, batch=2) -> Measurement:
    y = operator(normal(batch, *shape, seed=7))
    return Measurement(operator, y + std * normal(*y.shape, seed=8), std)


def _posterior(a: Tensor, measurement: Measurement, gaussian: Gaussian) -> tuple[Tensor, Tensor]:
    """Mean (B, n) and covariance (n, n) of N(mean, std**2) data given y."""
    gram = gaussian.std**2 * a @ a.T + measurement.std**2 * torch.eye(len(a))
    gain = gaussian.std**2 * a.T @ torch.linalg.pinv(gram, rtol=1e-10, hermitian=True)
    mean = gaussian.mean + (measurement.y.flatten(1) - gaussian.mean * a.sum(1)) @ gain.T
    return mean, gaussian.std**2 * (torch.eye(a.shape[1]) - gain @ a)


@LINEAR_PROBLEMS
@pytest.mark.parametrize("std", [0.0, 0.3])
def test_pigdm_is_exact_for_gaussian_data(operator, shape, std) -> None:
    """E[x0 | x, y], from the joint Gaussian of x0, x and y."""
    measurement = _seen(operator, shape, std=std)
    a = matrix(operator, shape)
    guide = constrained(denoiser_of(PRIOR), measurement, PiGDM(PRIOR.std))
    for process in PROCESSES.values():
        for log_snr in (-2.0, 0.3, 3.0):
            level = level_at(process, log_snr)
            x = level.alpha * normal(2, *shape, seed=7) + level.sigma * normal(2, *shape, seed=9)
            left = math.sqrt(1 / (1 / PRIOR.std**2 + (level.alpha / level.sigma) ** 2))
            # Given x alone the data are N(x0, left**2): a Gaussian of another mean, moved to PRIOR's.
            x0 = PRIOR.x0(x, level)
            shifted = replace(measurement, y=measurement.y - operator(x0))
            expected, _ = _posterior(a, shifted, Gaussian(0.0, left))
            found = guide(x, level, NOTHING, Memory()).x0 - x0
            torch.testing.assert_close(found.flatten(1), expected, rtol=1e-6, atol=1e-8)


EVEN = ("mask audio", "average audio", "projections points")
"""Problems in which all singular values of A are equal."""


@pytest.mark.parametrize("std", [0.0, 0.5])
@pytest.mark.parametrize(
    ("name", "method"),
    [*((name, PiGDM(PRIOR.std)) for name in (*EVEN, "blur audio")), *((name, DPS()) for name in EVEN)],
)
def test_samples_of_gaussian_data_are_those_of_the_posterior(name, method, std) -> None:
    """The flow is affine: its values at 0 and at the unit vectors give mean and covariance of all samples."""
    operator, shape = LINEAR[name]
    a, size = matrix(operator, shape), math.prod(shape)
    measurement = _seen(operator, shape, std=std, batch=1)
    mean, covariance = _posterior(a, measurement, PRIOR)
    process, grid = VariancePreserving(), TimeGrid.uniform_log_snr(60, VariancePreserving())
    start = process.level(1.0)
    x = torch.cat([torch.zeros(1, size), torch.eye(size)]).double()
    guide = constrained(denoiser_of(PRIOR), measurement, method)
    end = sample(
        guide,
        process,
        grid,
        ExponentialMultistep(3),
        x=x.reshape(-1, *shape),
        noise=NoiseSource(range(size + 1)),
    ).x.flatten(1)
    linear = (end[1:] - end[:1]).T
    noisy = start.alpha**2 * covariance + start.sigma**2 * torch.eye(size)
    torch.testing.assert_close(end[:1] + start.alpha * mean @ linear.T, mean, rtol=0, atol=2e-3)
    torch.testing.assert_close(linear @ noisy @ linear.T, covariance, rtol=0, atol=2e-3)


@LINEAR_PROBLEMS
@pytest.mark.parametrize("std", [0.0, 0.3])
def test_dps_goes_to_the_most_probable_point_on_its_line(operator, shape, std) -> None:
    """For Gaussian data: along d the slope of |y - A z|**2 / std**2 + |z - x0|**2 / spread is 0."""
    measurement, x = _seen(operator, shape, std=std), normal(2, *shape)
    for log_snr in (-2.0, 0.3, 3.0):
        level = level_at(VariancePreserving(), log_snr)
        x0 = PRIOR.x0(x, level)
        spread = 1 / (1 / PRIOR.std**2 + (level.alpha / level.sigma) ** 2)
        d = spread * operator.adjoint(measurement.residual(operator(x0)))
        z = constrained(denoiser_of(PRIOR), measurement, DPS())(x, level, NOTHING, Memory()).x0
        weight = ((z - x0).flatten(1).norm(dim=1) / d.flatten(1).norm(dim=1)).reshape(-1, *(1,) * len(shape))
        torch.testing.assert_close(z - x0, weight * d)
        slope = operator(d) * measurement.residual(operator(z))
        back = std**2 * d * (z - x0) / spread
        torch.testing.assert_close(slope.flatten(1).sum(1), back.flatten(1).sum(1), rtol=1e-6, atol=1e-8)


def test_dps_is_exact_for_gaussian_data_and_equal_singular_values() -> None:
    for name in EVEN:
        operator, shape = LINEAR[name]
        for std in (0.0, 0.3):
            measurement, x = _seen(operator, shape, std=std), normal(2, *shape)
            exact, found = (
                constrained(denoiser_of(PRIOR), measurement, method)(x, LEVEL, NOTHING, Memory()).x0
                for method in (PiGDM(PRIOR.std), DPS())
            )
            torch.testing.assert_close(found, exact)


NON_LINEAR = {
    "image": (FourierMagnitude((-2, -1)), IMAGE),
    "spectrogram": (SpectrogramMagnitude(8, 4), AUDIO),
    "video": (FourierMagnitude((-3, -2, -1), 1), VIDEO),
    "points": (FourierMagnitude((-2,)), POINTS),
}


@pytest.mark.parametrize(("operator", "shape"), NON_LINEAR.values(), ids=NON_LINEAR)
@pytest.mark.parametrize("std", [0.0, 0.5])
def test_dps_follows_the_gradient_of_any_operator(operator, shape, std) -> None:
    """Against finite differences, for data that are not Gaussian."""
    data, measurement = Mixture(), _seen(operator, shape, std=std, batch=1)
    x, h = normal(1, *shape), 1e-5

    def loss(x: Tensor) -> Tensor:
        return (measurement.residual(operator(data.x0(x, LEVEL))) ** 2).sum() / 2

    x0 = data.x0(x, LEVEL)
    moved = constrained(denoiser_of(data), measurement, DPS())(x, LEVEL, NOTHING, Memory()).x0 - x0
    weights = []
    for seed in range(3):
        direction = normal(1, *shape, seed=seed + 20)
        slope = (loss(x - h * direction) - loss(x + h * direction)) / (2 * h)
        weights.append((moved * direction).sum() / slope * LEVEL.alpha / LEVEL.sigma**2)
    for weight in weights[1:]:
        torch.testing.assert_close(weight, weights[0], rtol=1e-5, atol=0)
    change = (operator(x0 + h * moved) - operator(x0 - h * moved)) / (2 * h)  # of A along the whole move
    spread = (change**2).sum() / (change * measurement.residual(operator(x0))).sum() / weights[0]
    torch.testing.assert_close(1 / weights[0], std**2 + spread, rtol=1e-5, atol=0)


@pytest.mark.parametrize("within", [DPS(), PiGDM()], ids=lambda method: type(method).__name__)
def test_measurements_nest(within) -> None:
    """The gradient for the outer measurement goes through the method of the inner one."""
    known = Mask(torch.arange(24) < 5)
    inner, outer = _seen(BlockAverage(2, (-1,)), AUDIO), _seen(known, AUDIO, std=0.5)
    once = constrained(denoiser_of(Mixture()), inner, within)
    x, direction, h = normal(2, *AUDIO), normal(2, *AUDIO, seed=2), 1e-5
    plain = once(x, LEVEL, NOTHING, Memory()).x0
    spread = (LEVEL.sigma / math.hypot(LEVEL.alpha, LEVEL.sigma)) ** 2
    pull = known.weight * outer.residual(known(plain)) / (spread + outer.std**2)

    def log_likelihood(x: Tensor) -> Tensor:
        return (pull * once(x, LEVEL, NOTHING, Memory()).x0).sum()

    slope = (log_likelihood(x + h * direction) - log_likelihood(x - h * direction)) / (2 * h)
    moved = constrained(once, outer, PiGDM())(x, LEVEL, NOTHING, Memory()).x0
    gradient = (moved - plain) * LEVEL.alpha / LEVEL.sigma**2
    torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-6, atol=1e-6)
    assert not moved.requires_grad


@LINEAR_PROBLEMS
def test_diffpir_solves_its_proximal_problem(operator, shape) -> None:
    measurement, x = _seen(operator, shape, std=0.4), normal(2, *shape)
    x0 = Mixture().x0(x, LEVEL)
    z = constrained(denoiser_of(Mixture()), measurement, DiffPIR(3.0))(x, LEVEL, NOTHING, Memory()).x0
    pull = operator.adjoint(measurement.residual(operator(z))) / measurement.std**2
    torch.testing.assert_close(pull, 3.0 * (z - x0) * (LEVEL.alpha / LEVEL.sigma) ** 2)


@LINEAR_PROBLEMS
def test_ddnm_brings_in_no_more_noise_than_x_has(operator, shape) -> None:
    """x0 depends on y through a matrix with the singular values min(1 / s, sigma / (alpha std))."""
    a, std = matrix(operator, shape), 0.8
    values = torch.linalg.svdvals(a)
    values = values[values > 1e-5]
    for log_snr in (-1.0, 0.3, 2.0):
        level = level_at(VariancePreserving(), log_snr)
        units = torch.eye(len(a), dtype=torch.float64).reshape(
            -1, *operator(torch.zeros(1, *shape)).shape[1:]
        )
        guide = constrained(denoiser_of(PRIOR), Measurement(operator, units, std), DDNM())
        base = constrained(denoiser_of(PRIOR), Measurement(operator, 0 * units, std), DDNM())
        x = torch.zeros(len(a), *shape, dtype=torch.float64)
        response = (guide(x, level, NOTHING, Memory()).x0 - base(x, level, NOTHING, Memory()).x0).flatten(1)
        expected = (1 / values).clamp(max=level.sigma / (level.alpha * std)).sort(descending=True).values
        torch.testing.assert_close(torch.linalg.svdvals(response)[: len(values)], expected)


@LINEAR_PROBLEMS
def test_methods_agree_where_they_must(operator, shape) -> None:
    measurement, x = _seen(operator, shape), normal(2, *shape)

    def x0(method: InverseMethod, measurement=measurement) -> Tensor:
        return constrained(denoiser_of(Mixture()), measurement, method)(x, LEVEL, NOTHING, Memory()).x0

    torch.testing.assert_close(x0(DiffPIR()), x0(DDNM()))
    almost = replace(measurement, std=1e-7)
    torch.testing.assert_close(x0(DDNM(), almost), x0(DDNM()))
    torch.testing.assert_close(x0(DiffPIR(), almost), x0(DDNM()), rtol=1e-5, atol=1e-5)
    if isinstance(operator, Mask) and operator.weight.dtype == torch.bool:
        torch.testing.assert_close(x0(MaskBlend()), x0(DDNM()))


@pytest.mark.parametrize(
    ("solver", "name"),
    striped(ENDING_IN_X0, ["mask image", "average video", "blur audio", "projections points"], 2),
)
def test_exact_methods_end_where_y_says(solver: str, name: str) -> None:
    """In float32. PiGDM needs Gaussian data for it: its last x0 is then the mean given y."""
    operator, shape = LINEAR[name]
    measurement = _seen(operator, shape)
    for data, method in ((Mixture(), DDNM()), (Mixture(), DiffPIR()), (PRIOR, PiGDM(PRIOR.std))):
        x = _run(constrained(denoiser_of(data), measurement, method), SOLVERS[solver], shape=shape)
        torch.testing.assert_close(operator(x), measurement.y.float(), rtol=1e-5, atol=1e-5)


KNOWN = {
    "audio": (torch.arange(24) >= 10, AUDIO),
    "image": (torch.rand(8, 8, generator=torch.Generator().manual_seed(3)) < 0.5, IMAGE),
    "video": (torch.tensor([True, True, False, False])[:, None, None], VIDEO),
    "points": ((torch.arange(10) % 3 == 0)[:, None], POINTS),
}


@LINEAR_PROBLEMS
def test_exact_methods_end_where_y_says_on_every_process(operator, shape) -> None:
    measurement = _seen(operator, shape)
    methods = (DDNM(), MaskBlend()) if isinstance(operator, Mask) else (DDNM(),)
    for process in PROCESSES.values():
        # A soft edge is blended where DDNM divides by it.
        for method in methods[: 1 if operator is LINEAR["soft mask"][0] else 2]:
            x = _run(constrained(denoiser_of(Mixture()), measurement, method), shape=shape, process=process)
            torch.testing.assert_close(operator(x), measurement.y.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("solver", "name"), striped(SOLVERS, list(KNOWN), 2))
def test_mask_blend_keeps_the_known_part_bit_for_bit(solver: str, name: str) -> None:
    known, shape = KNOWN[name]
    measurement = _seen(Mask(known), shape)
    guide = constrained(denoiser_of(Mixture()), measurement, MaskBlend())
    for dtype in (torch.float32, torch.bfloat16):
        start = normal(2, *shape).to(dtype)
        grid, noise = TimeGrid.uniform(4), NoiseSource((1, 2))
        x = sample(guide, RectifiedFlow(), grid, SOLVERS[solver], noise=noise, x=start).x
        kept = known.expand_as(x)
        assert x.dtype == dtype
        assert torch.equal(x[kept], measurement.y.to(dtype)[kept])
        assert (x[~kept] != 0).float().mean() > 0.9


@pytest.mark.parametrize(
    "wrap",
    [
        lambda d: lambda x, level, conditioning, memory: d(1 * x, level, conditioning, memory),
        lambda d: lambda x, level, conditioning, memory: d(x, level, conditioning, memory.child("inner")),
        lambda d: cached(d, 0.05),
        lambda d: clipped(d, -9.0, 9.0),
        lambda d: constrained(d, Measurement(BlockAverage(2, (-1,)), torch.zeros(1, 3), 9.0), DDNM()),
        lambda d: guided(d, LossGuidance(lambda x0, level, c: x0.square().flatten(1).sum(1), 0.01)),
    ],
    ids=["function", "child", "cached", "clipped", "constrained", "guided"],
)
def test_no_wrapper_loses_the_known_part(wrap) -> None:
    """In bfloat16, where a combination of predictions misses it."""
    mask = Mask(torch.arange(6) < 3)
    y = mask(normal(1, 6).bfloat16())

    def half(x, level, conditioning, memory):
        return Prediction(x / 3)

    denoiser = wrap(constrained(half, Measurement(mask, y), MaskBlend()))
    noise = NoiseSource([0, 1])
    x = noise.prior((6,)).bfloat16()
    result = sample(denoiser, RectifiedFlow(), TimeGrid.uniform(5), Heun(), noise=noise, x=x).x
    assert torch.equal(mask(result), y.expand(2, 6))


def test_a_run_that_ends_above_the_data_keeps_its_noise() -> None:
    known, shape = KNOWN["audio"]
    guide = constrained(denoiser_of(Mixture()), _seen(Mask(known), shape), MaskBlend())
    grid = TimeGrid((1.0, 0.5))
    x = sample(guide, RectifiedFlow(), grid, DDIM(), noise=NoiseSource((1, 2)), shape=shape).x
    assert not torch.equal(x[known.expand_as(x)], _seen(Mask(known), shape).y.float()[known.expand_as(x)])


def test_mask_blend_has_soft_edges() -> None:
    weight = torch.tensor([1.0, 0.75, 0.25, 0.0], dtype=torch.float64)
    x, data = normal(2, 4), normal(2, 4, seed=1)
    measurement = Measurement(Mask(weight), weight * data)
    found = constrained(denoiser_of(Mixture()), measurement, MaskBlend())(x, LEVEL, NOTHING, Memory()).x0
    torch.testing.assert_close(found, torch.lerp(Mixture().x0(x, LEVEL), data, weight))


def test_an_extension_continues_what_is_given() -> None:
    given = normal(2, 2, 10).float()
    x = _run(constrained(denoiser_of(Mixture()), extension(given, 24), MaskBlend()), shape=AUDIO)
    assert torch.equal(x[..., :10], given)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_the_known_part_keeps_the_marginal_that_repaint_needs(eta) -> None:
    """From alpha y + sigma n, mean and variance of the next known part are those of that level."""
    y, known = torch.full((1, 1), 1.7, dtype=torch.float64), torch.ones(1, dtype=torch.bool)
    guide = constrained(denoiser_of(Mixture()), Measurement(Mask(known), y), MaskBlend())
    for process in PROCESSES.values():
        t, s = level_at(process, -0.7), level_at(process, 0.4)

        def step(n: float, z: float, t=t, s=s) -> float:
            x = t.alpha * y + t.sigma * n
            update = DDIM(eta).step(
                (),
                x,
                lambda x, level: guide(x, level, NOTHING, Memory()),
                t,
                s,
                noise=lambda x, _: x * 0 + z,
            )
            return update.x.item()

        mean = step(0.0, 0.0)
        variance = (step(1.0, 0.0) - mean) ** 2 + (step(0.0, 1.0) - mean) ** 2
        assert mean == pytest.approx(s.alpha * 1.7)
        assert variance == pytest.approx(s.sigma**2)


class Silent(NoiseSource):
    """Draws zeros: what comes out of a linear run is then the mean over all draws."""

    def normal(self, shape, stream, index=0):
        return torch.zeros(len(self.seeds), *shape)


def test_repaint_makes_the_unknown_part_fit_the_known_one() -> None:
    """Of two correlated normal elements one is known, E[other | known] = rho y: the bias of the blend falls
    like 1 / repeats on grids with restarts."""
    rho, y = 0.9, 1.5
    covariance = torch.tensor([[1.0, rho], [rho, 1.0]])

    def denoise(x: Tensor, level: Level[float], _: Conditioning, memory: Memory) -> Prediction:
        noisy = level.alpha**2 * covariance + level.sigma**2 * torch.eye(2)
        return Prediction(x @ (level.alpha * covariance @ torch.linalg.inv(noisy)).T)

    measurement = Measurement(Mask(torch.tensor([True, False])), torch.tensor([[y, 0.0]]))
    guide = constrained(denoise, measurement, MaskBlend())
    bias = {}
    for repeats in (1, 2, 4, 8):
        grid = TimeGrid.uniform(20).restart(1, repeats)
        x = sample(guide, RectifiedFlow(), grid, DDIM(1.0), x=torch.zeros(1, 2), noise=Silent([0])).x[0]
        assert x[0] == y
        bias[repeats] = abs(x[1].item() - rho * y)
    assert slope_of(bias) == pytest.approx(1, abs=0.15)


SOFT = {
    "dps blur": (*LINEAR["blur audio"], DPS()),
    "dps fourier": (FourierMagnitude((-2, -1)), IMAGE, DPS()),
    "dps spectrogram": (SpectrogramMagnitude(8, 4), AUDIO, DPS()),
    "pigdm video": (*LINEAR["average video"], PiGDM()),
}


@pytest.mark.parametrize(("solver", "name"), striped(ENDING_IN_X0, list(SOFT), 2))
def test_gradients_lead_towards_y(solver: str, name: str) -> None:
    operator, shape, method = SOFT[name]
    measurement = _seen(operator, shape)
    apart = []
    for denoiser in (denoiser_of(Mixture()), constrained(denoiser_of(Mixture()), measurement, method)):
        x = _run(denoiser, SOLVERS[solver], shape=shape, steps=10)
        apart.append(measurement.residual(operator(x)).norm())
    assert apart[1] < apart[0] / 2


METHODS = {
    "blend": (Mask(torch.arange(24) < 9), MaskBlend(), 0.0),
    "ddnm": (CompressedSensing(AUDIO, 20), DDNM(), 0.0),
    "ddnm noisy": (Blur.gaussian(0.7, (-1,)), DDNM(), 0.2),
    "diffpir": (BlockAverage(2, (-1,)), DiffPIR(2.0), 0.2),
    "dps": (SpectrogramMagnitude(8, 4), DPS(), 0.1),
    "pigdm": (Blur.gaussian(0.7, (-1,)), PiGDM(), 0.1),
}
ALL = pytest.mark.parametrize(("operator", "method", "std"), METHODS.values(), ids=METHODS)


class Network(nn.Module):
    """A small network with a conditioning, that depends on every element of an item."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv1d(2, 2, 5, padding=2)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.mix.reset_parameters()

    def forward(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        # Item by item, as a convolution may round differently with the batch's size.
        mixed = torch.cat([self.mix(item[None]) for item in x])
        return torch.tanh(mixed + c_noise[:, None, None] + conditioning["bias"].value[..., None])


def _guided() -> tuple[ModelDenoiser, Conditioning]:
    uncond = Conditioning({"bias": Condition(torch.zeros(3, 2), "global")})
    conditioning = Conditioning({"bias": Condition(normal(3, 2).float(), "global")}).with_uncond(uncond)
    return ModelDenoiser(Network(), VariancePreserving(), VPrediction()), conditioning


@ALL
@pytest.mark.parametrize("solver", [DDIM(1.0), Heun(), ExponentialMultistep()], ids=["DDIM", "Heun", "EM"])
def test_batches_equal_singles_under_guidance(operator, method, std, solver) -> None:
    model, conditioning = _guided()
    measurement = _seen(operator, AUDIO, std=std, batch=3)
    process, grid = VariancePreserving(), TimeGrid.uniform(5)

    def run(rows: list[int]) -> Tensor:
        guide = constrained(
            guided(model, ClassifierFree(2.0)), replace(measurement, y=measurement.y[rows]), method
        )
        selected = conditioning.map(lambda value: value[rows])
        noise = NoiseSource(rows)
        return sample(guide, process, grid, solver, noise=noise, shape=AUDIO, conditioning=selected).x

    together = run([0, 1, 2])
    assert not together.requires_grad
    for row in range(3):
        assert torch.equal(run([row]), together[row : row + 1])
    parameters = list(model.network.parameters())
    assert all(parameter.grad is None for parameter in parameters)


@ALL
def test_predictions_depend_on_the_log_snr_alone(operator, method, std) -> None:
    measurement, x = _seen(operator, AUDIO, std=std), normal(2, *AUDIO)
    guide = constrained(denoiser_of(Mixture()), measurement, method)
    found = []
    for process in PROCESSES.values():
        level = level_at(process, 0.2)
        found.append(guide(x * math.hypot(level.alpha, level.sigma), level, NOTHING, Memory()).x0)
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-6, atol=1e-6)


@ALL
def test_what_else_a_prediction_says_is_kept(operator, method, std) -> None:
    """A noise of its own (CFG++) moves as the implied one does: x = alpha x0 + sigma eps keeps its offset."""
    measurement, x = _seen(operator, AUDIO, std=std), normal(2, *AUDIO)
    own, variance = normal(2, *AUDIO, seed=5), normal(2, *AUDIO, seed=6)
    plain = Mixture().x0(x, LEVEL)
    guide = constrained(
        lambda x, level, _, memory: Prediction(Mixture().x0(x, level), own, variance), measurement, method
    )
    found = guide(x, LEVEL, NOTHING, Memory())
    assert found.eps is not None
    assert (found.x0 - plain).abs().max() > 1e-3
    torch.testing.assert_close(
        LEVEL.alpha * found.x0 + LEVEL.sigma * found.eps, LEVEL.alpha * plain + LEVEL.sigma * own
    )
    assert torch.equal(found.variance, variance)


@ALL
def test_the_ends_of_a_process_are_finite(operator, method, std) -> None:
    measurement, x = _seen(operator, AUDIO, std=std), normal(2, *AUDIO)
    guide = constrained(denoiser_of(Mixture(), VPrediction()), measurement, method)
    assert guide(x, Level(1.0, 0.0, 1.0), NOTHING, Memory()).x0.isfinite().all()
    clean = constrained(lambda x, level, _, memory: Prediction(x), measurement, method)
    assert clean(x, Level(0.0, 1.0, 0.0), NOTHING, Memory()).x0.isfinite().all()


def _exact(x: Tensor, level: Level[float], _: Conditioning, memory: Memory) -> Prediction:
    return Prediction(Mixture().x0(x, level))


def test_at_a_perfect_match_dps_moves_nothing() -> None:
    x = normal(1, *IMAGE)
    operator = BlockAverage(2, (-2, -1))
    x0 = Mixture().x0(x, LEVEL)
    guide = constrained(_exact, Measurement(operator, operator(x0)), DPS())
    assert torch.equal(guide(x, LEVEL, NOTHING, Memory()).x0, x0)


def _counting(x, level, _, memory):
    """Remembers how often it was evaluated in a run."""
    memory.values["count"] = memory.values.get("count", 0) + 1
    return Prediction(Mixture().x0(x, level))


def test_the_denoiser_within_keeps_its_memory() -> None:
    guide = constrained(_counting, _seen(Mask(torch.arange(24) < 9), AUDIO), MaskBlend())
    process, grid, noise = RectifiedFlow(), TimeGrid.uniform(4), NoiseSource((1, 2))
    x = prior(process, grid, noise, AUDIO)
    steps = list(iterate(guide, process, grid, DDIM(), x=x, noise=noise))
    assert [step.memory.child("denoiser").values["count"] for step in steps] == [1, 2, 3, 4]


LINEAR_ONLY = (DDNM(), DiffPIR(), PiGDM())


@pytest.mark.parametrize("method", LINEAR_ONLY, ids=lambda method: type(method).__name__)
def test_methods_for_linear_operators_refuse_others(method) -> None:
    with pytest.raises(ValueError, match="linear operator, not FourierMagnitude; DPS"):
        constrained(denoiser_of(Mixture()), _seen(FourierMagnitude((-1,)), AUDIO), method)


def _in_inference_mode() -> None:
    with torch.inference_mode():
        _dps(denoiser_of(Mixture()))


def _dps(denoiser) -> None:
    measurement = _seen(FourierMagnitude((-1,)), AUDIO)
    constrained(denoiser, measurement, DPS())(normal(2, *AUDIO), LEVEL, NOTHING, Memory())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: constrained(no_noise, _seen(BlockAverage(2, (-1,)), AUDIO), MaskBlend()), "needs a Mask"),
        (lambda: constrained(no_noise, _seen(LINEAR["soft mask"][0], AUDIO, std=0.1), MaskBlend()), "exact"),
        (lambda: DiffPIR(-1.0), "strength"),
        (lambda: PiGDM(math.inf), "data_std"),
        (_in_inference_mode, "inference mode"),
        (lambda: _dps(lambda x, level, _, memory: Prediction(x.detach())), "passes no gradient"),
    ],
)
def test_errors(wrong, message) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()
