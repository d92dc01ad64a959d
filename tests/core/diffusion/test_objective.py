"""Times, weightings and the variational bound, against published formulas and closed forms."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from exact import PROCESSES, Gaussian, denoiser_of

from gen.diffusion import (
    EDM,
    Conditioning,
    Cosine,
    DiscreteBetas,
    EDMProcess,
    Epsilon,
    Level,
    LogitNormalTimes,
    LogNormalSigmas,
    Memory,
    MinSNRWeighting,
    ModelDenoiser,
    NoiseSource,
    Prediction,
    Process,
    RectifiedFlow,
    Sample,
    SigmoidWeighting,
    SNRWeighting,
    TimeGrid,
    Times,
    UniformTimes,
    VarianceExploding,
    VariancePreserving,
    Velocity,
    VPrediction,
    Weighting,
    posterior,
    variational_bound,
)
from gen.diffusion.likelihood import log_likelihood_of_bins, log_variances, step_divergence
from gen.diffusion.training import (
    ConstantWeighting,
    CosMapTimes,
    EDMWeighting,
    ModeTimes,
    P2Weighting,
    TruncatedSNRWeighting,
    VariationalWeighting,
)
from gen.train import DiffusionLoss, LearnedVarianceLoss

DATA = Gaussian(0.3, 0.6)
TIMES: list[Times] = [
    UniformTimes(), LogitNormalTimes(0.5, 0.8), LogNormalSigmas(VarianceExploding()), ModeTimes(1.29),
    ModeTimes(-0.8), CosMapTimes(),
]  # fmt: skip
WEIGHTINGS: list[Weighting] = [
    ConstantWeighting(), SNRWeighting(), MinSNRWeighting(), TruncatedSNRWeighting(), EDMWeighting(),
    P2Weighting(), VariationalWeighting(RectifiedFlow()), SigmoidWeighting(RectifiedFlow()),
]  # fmt: skip


@pytest.mark.parametrize("times", TIMES, ids=repr)
def test_a_batch_of_times_has_one_in_each_stratum(times: Times) -> None:
    drawn = times(64, torch.Generator().manual_seed(0))
    edges = times.quantile(torch.linspace(0, 1, 65, dtype=torch.float64)[1:-1])
    assert drawn.dtype == torch.float64
    assert ((drawn > 0) & (drawn < 1)).all()
    assert (edges.diff() > 0).all()
    assert torch.bucketize(drawn, edges).sort().values.tolist() == list(range(64))
    assert (drawn.diff() < 0).any()


def test_times_follow_the_published_densities() -> None:
    share = torch.linspace(0.02, 0.98, 49, dtype=torch.float64).requires_grad_()

    def density(times: Times) -> tuple[torch.Tensor, torch.Tensor]:
        t = times.quantile(share)
        return t.detach(), 1 / torch.autograd.grad(t.sum(), share)[0]

    t, p = density(CosMapTimes())  # Esser et al. 2024, eq. 21
    torch.testing.assert_close(p, 2 / (math.pi - 2 * math.pi * t + 2 * math.pi * t**2))
    t, p = density(LogitNormalTimes(0.4, 0.7))  # eq. 19
    logit = torch.logit(t)
    expected = torch.exp(-(((logit - 0.4) / 0.7) ** 2) / 2) / (0.7 * math.sqrt(2 * math.pi) * t * (1 - t))
    torch.testing.assert_close(p, expected)
    u = 1 - share.detach()  # eq. 20
    mode = 1 - u - 1.29 * (torch.cos(math.pi / 2 * u) ** 2 - 1 + u)
    torch.testing.assert_close(ModeTimes(1.29).quantile(share.detach()), mode)
    with pytest.raises(ValueError, match="scale"):
        ModeTimes(2.0)


def test_sigmas_are_log_normal_on_every_process() -> None:
    share = torch.linspace(0.01, 0.99, 33, dtype=torch.float64)
    for process in (VarianceExploding(), RectifiedFlow(), VariancePreserving()):
        level = process.level(LogNormalSigmas(process, -1.2, 1.2).quantile(share))
        torch.testing.assert_close((-level.log_snr + 1.2) / 1.2, torch.special.ndtri(share))


def test_a_sigma_that_a_process_lacks_is_trained_at_its_nearest() -> None:
    """One of 70,000 draws of EDM's times lies below sigma_min."""
    process = EDMProcess()
    level = process.level(LogNormalSigmas(process).quantile(torch.tensor([1e-6, 0.5], dtype=torch.float64)))
    assert float(level.sigma[0]) == pytest.approx(process.sigma_min)
    assert EDM().c_noise(level).tolist() == pytest.approx([math.log(0.002) / 4, -1.2 / 4])
    assert EDMWeighting().of_output(EDM(), level).isfinite().all()


def test_a_level_below_sigma_min_is_evaluated_at_sigma_min() -> None:
    seen: list[float] = []

    def network(x, c_noise, _):
        seen.append(float(c_noise[0]))
        return x

    denoiser = ModelDenoiser(network, EDMProcess(), EDM())
    x0 = denoiser(torch.randn(2, 3), RectifiedFlow().level(0.001), Conditioning(), Memory()).x0
    assert x0.isfinite().all()
    assert seen == pytest.approx([math.log(0.002) / 4])


@pytest.mark.parametrize("weighting", WEIGHTINGS, ids=repr)
def test_a_weighting_means_the_same_for_every_parameterization(weighting: Weighting) -> None:
    class Network(torch.nn.Module):
        """Returns the output that means x0 = x / 2, at every level."""

        def __init__(self, kind) -> None:
            super().__init__()
            self.kind = kind

        def forward(self, x, c_noise, conditioning):
            level = RectifiedFlow().level(c_noise.double())
            alpha, sigma = (v.to(x)[:, None] for v in (level.alpha, level.sigma))
            return self.kind.target(x / 2, (x - alpha * x / 2) / sigma, level)

    x0 = torch.randn(32, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    kinds = [Sample(), Epsilon(), VPrediction(), Velocity(1), Velocity(-1)]
    losses = [
        DiffusionLoss(RectifiedFlow(), kind, weighting=weighting)(
            Network(kind), x0, Conditioning(), torch.Generator().manual_seed(2)
        )
        for kind in kinds
    ]
    assert losses[0] > 1e-3
    for loss in losses[1:]:
        assert float(loss) == pytest.approx(float(losses[0]), rel=1e-4)


@pytest.mark.parametrize("t", [0.05, 0.3, 0.6, 0.95])
def test_weightings_are_the_published_ones(t: float) -> None:
    level = Cosine().level(t)
    snr = (level.alpha / level.sigma) ** 2
    assert SNRWeighting().of_output(Epsilon(), level) == pytest.approx(1)
    assert ConstantWeighting().of_output(Sample(), level) == 1
    assert MinSNRWeighting(5).of_output(Epsilon(), level) == pytest.approx(min(snr, 5) / snr)
    assert MinSNRWeighting(5).of_output(VPrediction(), level) == pytest.approx(min(snr, 5) / (snr + 1))
    # Salimans & Ho 2022: with v, errors of v count alike under SNR + 1.
    assert (SNRWeighting()(level) + 1) * VPrediction().coefficients(level).c_out ** 2 == pytest.approx(1)
    assert TruncatedSNRWeighting()(level) == pytest.approx(max(snr, 1))
    assert P2Weighting(1, 1).of_output(Epsilon(), level) == pytest.approx(1 / (1 + snr))
    assert EDMWeighting(0.5).of_output(EDM(0.5), level) == pytest.approx(1)
    h = 1e-6
    before, after = ((p.alpha / p.sigma) ** 2 for p in (Cosine().level(t - h), Cosine().level(t + h)))
    assert VariationalWeighting(Cosine())(level) == pytest.approx((before - after) / (4 * h), rel=1e-6)
    share = SigmoidWeighting(Cosine(), -1.0)(level) / VariationalWeighting(Cosine())(level)
    assert share == pytest.approx(1 / (1 + snr * math.e))


def test_weightings_work_per_item() -> None:
    t = torch.tensor([0.1, 0.7], dtype=torch.float64)
    for weighting in WEIGHTINGS:
        singles = [weighting(RectifiedFlow().level(value)) for value in t.tolist()]
        assert weighting(RectifiedFlow().level(t)).tolist() == pytest.approx(singles)


def test_without_a_weighting_the_loss_is_the_plain_mean_squared_error() -> None:
    network, generator = torch.nn.Linear(5, 5), torch.Generator().manual_seed(3)
    x0 = torch.randn(16, 5, generator=torch.Generator().manual_seed(4))
    loss = DiffusionLoss(RectifiedFlow(), Velocity(), LogitNormalTimes(0.8, 1.2))(
        lambda x, c_noise, conditioning: network(x), x0, Conditioning(), generator
    )
    generator.manual_seed(3)
    eps = torch.randn(x0.shape, generator=generator)
    offsets = torch.rand(16, generator=generator, dtype=torch.float64)
    shares = (torch.randperm(16, generator=generator) + offsets) / 16
    t = torch.sigmoid(0.8 + 1.2 * torch.special.ndtri(shares))[:, None]
    x = (1 - t).float() * x0 + t.float() * eps
    assert torch.equal(loss, torch.nn.functional.mse_loss(network(x), eps - x0))


def posterior_variance(level: Level[float]) -> float:
    """Of x0 given x_t, for the data of this file."""
    return (DATA.std * level.sigma) ** 2 / ((level.alpha * DATA.std) ** 2 + level.sigma**2)


def data(count: int, numbers: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return DATA.mean + DATA.std * torch.randn(count, numbers, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
def test_continuous_bound_of_a_gaussian_is_its_integral(process: Process) -> None:
    # int -SNR' / 2 Var(x0 | x_t) dt = [log(1 + SNR Var(x0))] / 2 from the last level to the first.
    low, high = process.t_of_log_snr(4.0), process.t_of_log_snr(-3.0)
    count, weighting = 4000, VariationalWeighting(process)
    times = [low + (high - low) * (i + 0.5) / count for i in range(count)]
    levels = [process.level(t) for t in times]
    integral = sum(weighting(level) * posterior_variance(level) for level in levels) * (high - low) / count
    exact = math.log((1 + math.exp(8) * DATA.std**2) / (1 + math.exp(-6) * DATA.std**2)) / 2
    assert integral == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("process", ["preserving", "cosine", "flow"])
def test_bound_of_a_gaussian_is_known_and_reaches_its_likelihood(process: str) -> None:
    chain, x0 = PROCESSES[process], data(2, 2000)
    likelihood = ((x0 - DATA.mean) ** 2 / DATA.std**2 + math.log(2 * math.pi * DATA.std**2)).sum(1) / 2
    gaps = []
    for steps in (60, 120, 240):
        grid = TimeGrid.uniform_log_snr(steps, chain)
        bound = variational_bound(denoiser_of(DATA), chain, grid, x0, noise=NoiseSource([1, 2]), bits=None)
        expected = []
        for t, s in itertools.pairwise(grid.levels(chain)[:-1]):
            law = posterior(t, s)
            expected.append((law.of_x0 / law.std) ** 2 * posterior_variance(t) / 2)
        # Five standard errors of a mean of squares of 4,000 normal numbers.
        measured = bound.steps.mean(0) / 2000
        assert measured.tolist() == pytest.approx(expected, rel=5 * math.sqrt(2 / 4000))
        gaps.append(float((bound.total - likelihood).mean()) / 2000)
        assert bound.bits_per_dim.tolist() == pytest.approx((bound.total / 2000 / math.log(2)).tolist())
    assert gaps[0] > gaps[1] > gaps[2] > 0
    # First order in the size of the steps; without its first two orders nothing is left.
    assert gaps[1] - gaps[2] == pytest.approx((gaps[0] - gaps[1]) / 2, rel=0.2)
    assert (8 * gaps[2] - 6 * gaps[1] + gaps[0]) / 3 == pytest.approx(0, abs=0.04)


def test_the_better_fixed_variance_depends_on_the_data() -> None:
    # Ho et al. 2020, sec. 3.2: the large variance is right for normal data, the small one for a single point.
    grid, chain = TimeGrid.uniform(10), VariancePreserving()
    for std, best in ((1.0, "large"), (1e-3, "small")):
        law = Gaussian(0.0, std)
        x0 = std * torch.randn(1, 2000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        terms = {
            variance: variational_bound(
                denoiser_of(law), chain, grid, x0, noise=NoiseSource([3]), variance=variance, bits=None
            ).steps.sum()
            for variance in ("small", "large")
        }
        assert min(terms, key=terms.__getitem__) == best


def test_another_variance_is_refused() -> None:
    with pytest.raises(ValueError, match="must be 'small', 'large' or 'learned', not 'smal'"):
        variational_bound(
            denoiser_of(DATA), VariancePreserving(), TimeGrid.uniform(2), data(1, 2),
            noise=NoiseSource([1]), variance="smal",
        )  # fmt: skip


def test_learned_variance_lies_between_the_fixed_ones() -> None:
    chain, grid, x0 = DiscreteBetas.linear(10, 0.01, 0.5), TimeGrid.uniform(10), data(1, 500)
    exact, noise = denoiser_of(DATA), NoiseSource([5])

    def bound(share: float | None, variance: str) -> torch.Tensor:
        def denoise(x, level, conditioning, memory) -> Prediction:
            shares = None if share is None else torch.full_like(x, share)
            return Prediction(exact(x, level, conditioning, memory).x0, variance=shares)

        result = variational_bound(denoise, chain, grid, x0, noise=noise, variance=variance, bits=None)
        return torch.cat([result.steps[0], result.reconstruction])

    torch.testing.assert_close(bound(0.0, "learned"), bound(None, "small"))
    torch.testing.assert_close(bound(1.0, "learned"), bound(None, "large"))
    assert (bound(0.6, "learned").sum() < bound(None, "small").sum()).item()
    with pytest.raises(ValueError, match="no learned variance"):
        bound(None, "learned")


def test_log_variances_are_those_of_the_chain() -> None:
    betas = (0.1, 0.2, 0.4)
    kept = [0.9, 0.9 * 0.8, 0.9 * 0.8 * 0.6]
    small = [(1 - kept[i - 1]) / (1 - kept[i]) * betas[i] for i in (1, 2)]
    chain = DiscreteBetas(betas)
    t, s = (torch.tensor(times, dtype=torch.float64) for times in ([1, 2 / 3, 1 / 3], [2 / 3, 1 / 3, 0]))
    low, high = log_variances(chain.level(t), chain.level(s))
    assert high.exp().tolist() == pytest.approx(betas[::-1])
    assert low.exp().tolist() == pytest.approx([small[1], small[0], betas[0]])
    single = log_variances(chain.level(1.0), chain.level(2 / 3))
    assert single == pytest.approx((float(low[0]), float(high[0])))


@pytest.mark.parametrize("mean", [-3.0, -0.4, 0.0, 0.9, 7.0])
@pytest.mark.parametrize("std", [1e-3, 0.05, 2.0])
def test_the_bins_share_all_of_the_mass(mean: float, std: float) -> None:
    for bits in (1, 3, 8):
        x0 = torch.linspace(-1, 1, 2**bits, dtype=torch.float64)
        mass = log_likelihood_of_bins(x0, torch.full_like(x0, mean), torch.full_like(x0, std), bits)
        assert float(mass.logsumexp(0)) == pytest.approx(0, abs=1e-9)
    # A narrow bin holds its width times the density, also far out in the tail.
    x0 = torch.linspace(-1, 1, 2**16, dtype=torch.float64)[1:-1:4096]
    mass = log_likelihood_of_bins(x0, torch.full_like(x0, 0.2), torch.full_like(x0, 0.05), 16)
    density = -(((x0 - 0.2) / 0.05) ** 2) / 2 - math.log(0.05 * math.sqrt(2 * math.pi))
    torch.testing.assert_close(mass, density + math.log(2 / (2**16 - 1)), rtol=1e-3, atol=1e-3)


def test_eight_bit_data_that_are_known_cost_little_and_guesses_eight_bits() -> None:
    chain, grid = DiscreteBetas.linear(50, 1e-3, 0.3), TimeGrid.uniform(50)
    generator = torch.Generator().manual_seed(2)
    x0 = torch.randint(256, (2, 500), generator=generator).double() / 127.5 - 1
    noise = NoiseSource([1, 2])
    oracle = variational_bound(lambda x, level, c, memory: Prediction(x0), chain, grid, x0, noise=noise)
    assert float(oracle.steps.abs().max()) == pytest.approx(0, abs=1e-6)
    guess = variational_bound(
        lambda x, level, c, memory: Prediction(x0.flip(1)), chain, grid, x0, noise=noise
    )
    # No model of uniform bytes needs fewer than 8 bits for each.
    assert (oracle.bits_per_dim < 8).all()
    assert (guess.bits_per_dim > 8).all()


@pytest.mark.parametrize(
    "grid", [TimeGrid.uniform(4).reverse(), TimeGrid.uniform(4).restart(2, 2), TimeGrid((1.0, 0.5))]
)
def test_the_bound_refuses_other_grids(grid: TimeGrid) -> None:
    with pytest.raises(ValueError, match=r"falls from noise|ends at t = 0"):
        variational_bound(denoiser_of(DATA), Cosine(), grid, data(1, 2), noise=NoiseSource([0]))


def test_the_bound_teaches_the_variance_and_not_the_mean() -> None:
    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.output, self.v = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))

        def forward(self, x, c_noise, conditioning):
            return torch.cat([self.output + 0 * x, self.v + 0 * x], 1)

    network, chain = Network(), DiscreteBetas.linear(20, 1e-3, 0.3)
    x0 = (torch.randint(256, (40, 2), generator=torch.Generator().manual_seed(2)) / 127.5 - 1).float()
    grads = {}
    for share in (0.0, 5.0):
        network.zero_grad()
        loss = LearnedVarianceLoss(chain, Epsilon(), TimeGrid.uniform(20), share)(
            network, x0, Conditioning(), torch.Generator().manual_seed(0)
        )
        loss.backward()
        grads[share] = (network.output.grad.clone(), network.v.grad.clone())
    assert torch.equal(grads[0.0][0], grads[5.0][0])
    assert grads[0.0][1] == 0
    assert grads[5.0][1].isfinite()
    assert grads[5.0][1] != 0


def test_the_loss_of_the_variance_estimates_the_bound() -> None:
    chain, grid = DiscreteBetas.linear(8, 0.01, 0.5), TimeGrid.uniform(8)
    x0 = data(1, 500)
    level_t, level_s = (
        chain.level(torch.tensor(t, dtype=torch.float64)) for t in (grid.times[:-1], grid.times[1:])
    )
    levels = [chain.level(t) for t in grid.times[:-1]]
    eps = torch.cat([NoiseSource([9]).normal((500,), "bound", i) for i in range(8)]).double()
    x = torch.stack([level.alpha * x0[0] + level.sigma * e for level, e in zip(levels, eps, strict=True)])
    predicted = torch.stack([DATA.x0(row, level) for row, level in zip(x, levels, strict=True)])
    terms = step_divergence(x0.expand(8, -1), predicted, 0.0, level_t, level_s, bits=None).sum(1)
    bound = variational_bound(denoiser_of(DATA), chain, grid, x0, noise=NoiseSource([9]), bits=None)
    torch.testing.assert_close(terms, torch.cat([bound.steps[0], bound.reconstruction]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: LogitNormalTimes(std=0.0),
        lambda: LogNormalSigmas(RectifiedFlow(), std=-1.0),
        lambda: ModeTimes(2.0),
        lambda: MinSNRWeighting(0.0),
        lambda: EDMWeighting(0.0),
        lambda: P2Weighting(k=0.0),
        lambda: P2Weighting(gamma=math.nan),
    ],
)
def test_settings_out_of_range_are_refused(make) -> None:
    with pytest.raises(ValueError, match=r"(std|scale|gamma|sigma_data|k) must"):
        make()
