"""Guidance: closed forms for Gaussians, what the papers promise, and what all rules have in common."""

from __future__ import annotations

import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from exact import PROCESSES
from torch import nn

from gen import presets
from gen.diffusion import (
    DDIM,
    EDM,
    AdaptiveProjected,
    CFGPlusPlus,
    ClassifierFree,
    Condition,
    Conditioning,
    Cosine,
    Epsilon,
    Heun,
    Level,
    Memory,
    ModelDenoiser,
    NoiseSource,
    Prediction,
    RectifiedFlow,
    Sample,
    TimeGrid,
    Velocity,
    VPrediction,
    guided,
    iterate,
    prior,
    sample,
)
from gen.diffusion.guidance import (
    CFGZeroStar,
    Chain,
    ClassifierGuidance,
    FrequencyDecoupled,
    LossGuidance,
    Mahiro,
    Perturbed,
    Tangential,
    WeightedPrompts,
    cfg,
    fdg,
    mahiro,
    perturbed,
)

FLOW = RectifiedFlow()
LEVEL = FLOW.level(0.4)
SHAPE = (2, 4)
STD = 0.7


def _means(*values: float, name: str = "mean") -> Conditioning:
    return Conditioning({name: Condition(torch.tensor(values, dtype=torch.float64)[:, None], "global")})


def _gaussian(x, level, conditioning, memory):
    """The exact denoiser of N(mean, STD**2), the mean being the condition."""
    (condition,) = conditioning.values()
    mean = condition.value.to(x)[..., None] if x.ndim > 2 else condition.value.to(x)
    variance = (level.alpha * STD) ** 2 + level.sigma**2
    return Prediction((mean * level.sigma**2 + level.alpha * STD**2 * x) / variance)


def _network(x, c_noise, conditioning):
    """Not linear; each element depends on itself, its item's level and its item's condition alone."""
    return (
        torch.tanh(x * 1.3 + conditioning["mean"].value[:, :, None].to(x)) - 0.4 * x * c_noise[:, None, None]
    )


MODEL = ModelDenoiser(_network, FLOW, Velocity())
WEAK = ModelDenoiser(lambda x, c, k: 0.5 * _network(x, c, k), FLOW, Velocity())
X = torch.randn(3, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
PROMPTS = _means(0.5, -1.0, 2.0).with_uncond(_means(0.0, 0.1, 0.2))


def _square(x0, level, conditioning):
    return (x0 - conditioning["mean"].value[..., None].to(x0)).square().flatten(1).sum(1)


ALL = {
    "free": ClassifierFree(3.0, 0.5),
    "plus": CFGPlusPlus(0.6),
    "projected": AdaptiveProjected(4.0, 0.2, 1.5, -0.5),
    "zero": CFGZeroStar(3.0),
    "tangential": Tangential(3.0),
    "weak": ClassifierFree(2.0, weak=WEAK),
    "negative": ClassifierFree(-1.5),
    "perturbed": Perturbed(2.0, WEAK, cfg=3.0),
    "frequencies": FrequencyDecoupled(4.0, coarser=[2.0], axes=(-1,)),
    "mahiro": Mahiro(3.0),
    "classifier": ClassifierGuidance(lambda x, level, c: -_square(x, level, c), 0.1),
    "loss": LossGuidance(_square, 0.1),
    "weights": WeightedPrompts((2.5,)),
    "chain": ClassifierFree(3.0) >> AdaptiveProjected(2.0, momentum=0.5, weak=WEAK),
    "loss on momentum": AdaptiveProjected(3.0, momentum=-0.4) >> LossGuidance(_square, 0.05),
}
EVERY = pytest.mark.parametrize("guidance", ALL.values(), ids=list(ALL))


def _counted(denoiser):
    rows = []

    def count(x, level, conditioning, memory):
        rows.append(x.shape[0])
        return denoiser(x, level, conditioning, memory)

    return count, rows


def _close(a, b, **tolerance) -> None:
    torch.testing.assert_close(a, b, **tolerance)


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("process", PROCESSES.values(), ids=str)
def test_between_gaussians_guidance_moves_the_mean(process, scale) -> None:
    """Of equal spread: the guided denoiser is that of mean_uncond + scale (mean - mean_uncond)."""
    level = process.level(0.5)
    result = guided(_gaussian, ClassifierFree(scale))(X, level, PROMPTS, Memory())
    moved = [0.0 + scale * 0.5, 0.1 - scale * 1.1, 0.2 + scale * 1.8]
    _close(result.x0, _gaussian(X, level, _means(*moved), Memory()).x0)


@pytest.mark.parametrize("scale", [0.0, 0.3, 1.0])
def test_cfg_plus_plus_is_guidance_scaled_to_the_step(scale) -> None:
    """alpha' x0 + sigma' eps with the uncond's eps is a DDIM step guided by scale / (1 - e**-h)."""
    t, s = FLOW.level(0.6), FLOW.level(0.45)
    strong = scale / (1 - math.exp(t.log_snr - s.log_snr))
    steps = [
        DDIM().step((), X, lambda x, at, g=g: guided(MODEL, g)(x, at, PROMPTS, Memory()), t, s, noise=None).x
        for g in (CFGPlusPlus(scale), ClassifierFree(strong))
    ]
    _close(*steps)
    prediction = guided(MODEL, CFGPlusPlus(scale))(X, t, PROMPTS, Memory())
    uncond = MODEL(X, t, PROMPTS.uncond, Memory())
    _close(prediction.eps, uncond.noise(X, t))
    _close(prediction.x0, uncond.x0 + scale * (MODEL(X, t, PROMPTS, Memory()).x0 - uncond.x0))


def test_projected_guidance_with_everything_kept_is_classifier_free() -> None:
    free = guided(MODEL, ClassifierFree(5.0))(X, LEVEL, PROMPTS, Memory()).x0
    _close(guided(MODEL, AdaptiveProjected(5.0, eta=1.0))(X, LEVEL, PROMPTS, Memory()).x0, free)


def test_projected_guidance_changes_direction_not_length() -> None:
    x0 = MODEL(X, LEVEL, PROMPTS, Memory()).x0
    change = guided(MODEL, AdaptiveProjected(5.0))(X, LEVEL, PROMPTS, Memory()).x0 - x0
    _close((change * x0).flatten(1).sum(1), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-12)
    assert (change.flatten(1).norm(dim=1) > 0.1).all()


def test_projected_guidance_stays_within_its_radius() -> None:
    x0 = MODEL(X, LEVEL, PROMPTS, Memory()).x0
    differences = (x0 - MODEL(X, LEVEL, PROMPTS.uncond, Memory()).x0).flatten(1).norm(dim=1)
    radius = float(differences.median())
    change = guided(MODEL, AdaptiveProjected(3.0, 1.0, radius))(X, LEVEL, PROMPTS, Memory()).x0 - x0
    _close(change.flatten(1).norm(dim=1), 2 * differences.clamp(max=radius))


def test_momentum_adds_what_was_before() -> None:
    run, memory = guided(MODEL, AdaptiveProjected(3.0, 1.0, momentum=-0.5)), Memory()
    late = FLOW.level(0.3)
    first, second = (
        MODEL(X, level, PROMPTS, Memory()).x0 - MODEL(X, level, PROMPTS.uncond, Memory()).x0
        for level in (LEVEL, late)
    )
    run(X, LEVEL, PROMPTS, memory)
    _close(
        run(X, late, PROMPTS, memory).x0, MODEL(X, late, PROMPTS, Memory()).x0 + 2 * (second - 0.5 * first)
    )


def test_cfg_zero_star_of_equal_predictions_is_either() -> None:
    same = PROMPTS.with_uncond(PROMPTS)
    _close(
        guided(MODEL, CFGZeroStar(7.0))(X, LEVEL, same, Memory()).x0, MODEL(X, LEVEL, PROMPTS, Memory()).x0
    )


def test_cfg_zero_star_fits_uncond_by_least_squares() -> None:
    """At scale 0 the velocity is s v', and v - s v' is orthogonal to v'."""
    cond, uncond, fitted = (
        ((X - prediction.x0) / LEVEL.sigma).flatten(1)
        for prediction in (
            MODEL(X, LEVEL, PROMPTS, Memory()),
            MODEL(X, LEVEL, PROMPTS.uncond, Memory()),
            guided(MODEL, CFGZeroStar(0.0))(X, LEVEL, PROMPTS, Memory()),
        )
    )
    _close(((cond - fitted) * uncond).sum(1), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-12)
    _close(fitted * uncond.norm(dim=1, keepdim=True) ** 2, uncond * (fitted * uncond).sum(1, keepdim=True))


@EVERY
def test_guidance_is_the_same_on_every_process(guidance) -> None:
    """x / alpha and log_snr say all; a gradient is part of it."""
    other = Cosine().level(Cosine().t_of_log_snr(LEVEL.log_snr))
    ratio = other.alpha / LEVEL.alpha
    if guidance is ALL["classifier"]:
        guidance = ClassifierGuidance(lambda x, at, c: -_square(x / at.alpha, at, c), 0.1)
    a = guided(MODEL, guidance)(X, LEVEL, PROMPTS, Memory())
    b = guided(MODEL, guidance)(X * ratio, other, PROMPTS, Memory())
    _close(a.x0, b.x0)
    _close(a.noise(X, LEVEL), b.noise(X * ratio, other))


def test_zero_velocity_at_pure_noise_moves_nothing_and_evaluates_nothing() -> None:
    count, rows = _counted(MODEL)
    x = X.float()
    steps = list(
        iterate(
            guided(count, CFGZeroStar(2.0)),
            FLOW,
            TimeGrid.uniform(4),
            DDIM(),
            x=x,
            noise=NoiseSource([0, 1, 2]),
            conditioning=PROMPTS,
        )
    )
    _close(steps[0].x, x)
    assert rows == [6] * 3
    rows.clear()
    guided(count, CFGZeroStar(2.0, zero_until=None))(X, FLOW.level(1.0), PROMPTS, Memory())
    guided(count, CFGZeroStar(2.0, zero_until=0.0))(X, FLOW.level(0.6), PROMPTS, Memory())
    assert rows == [6]


def test_tangential_guidance_projects_on_the_first_singular_vector() -> None:
    cond, uncond = (
        MODEL(X, LEVEL, prompts, Memory()).noise(X, LEVEL) for prompts in (PROMPTS, PROMPTS.uncond)
    )
    pairs = torch.stack([uncond.flatten(1), cond.flatten(1)], 1)
    direction = torch.linalg.svd(pairs, full_matrices=False).Vh[:, :1]
    damped = (pairs[:, :1] * direction).sum(-1, keepdim=True) * direction
    expected = torch.lerp(damped.reshape_as(X), cond, 2.5)
    _close(guided(MODEL, Tangential(2.5))(X, LEVEL, PROMPTS, Memory()).noise(X, LEVEL), expected)


def test_tangential_guidance_is_continuous_at_pure_noise() -> None:
    x0, uncond = torch.randn(2, *X.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    predicted = {0.5: x0, 0.0: uncond}

    def denoiser(x, level, conditioning, memory):
        return Prediction(torch.cat([predicted[float(v)][:1] for v in conditioning["mean"].value]))

    prompts = _means(0.5).with_uncond(_means(0.0))
    ends = [
        guided(denoiser, Tangential(3.0))(X[:1], Level(1.0, alpha, 1.0), prompts, Memory()).x0
        for alpha in (0.0, 1e-7)
    ]
    _close(*ends, rtol=1e-5, atol=1e-5)


def test_a_weak_denoiser_with_uncond_as_its_prompt_makes_classifier_free_guidance() -> None:
    def weak(x, level, conditioning, memory):
        return MODEL(x, level, conditioning.uncond, memory)

    for rule in (ClassifierFree, AdaptiveProjected, Tangential, CFGZeroStar, CFGPlusPlus):
        a, b = (
            guided(MODEL, rule(0.8, **options))(X, LEVEL, PROMPTS, Memory())
            for options in ({}, {"weak": weak})
        )
        _close(a.x0, b.x0)


def test_a_perturbed_network_shares_its_weights_and_leaves_the_original() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.out = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x, c_noise, conditioning):
            return self.out(x + self.attention(x))

    torch.manual_seed(0)
    net = Net()
    twin = perturbed(net, ["attention"], lambda module: nn.Identity())
    x = X.float()
    _close(twin(x, None, None), net.out(2 * x))
    _close(net(x, None, None), net.out(x + net.attention(x)))
    assert twin.out.weight is net.out.weight
    plain, damaged = (ModelDenoiser(n, FLOW, Velocity()) for n in (net, twin))
    result = guided(plain, ClassifierFree(3.0, weak=damaged))(x, LEVEL, Conditioning(), Memory()).x0
    cond = plain(x, LEVEL, Conditioning(), Memory()).x0
    _close(result, cond + 2 * (cond - damaged(x, LEVEL, Conditioning(), Memory()).x0))
    with pytest.raises(ValueError, match="nowhere"):
        perturbed(net, ["nowhere"], lambda module: nn.Identity())


def _variance(level, *observed: float) -> float:
    """Of x0 given x and observations with these variances."""
    return 1 / (STD**-2 + (level.alpha / level.sigma) ** 2 + sum(1 / noise for noise in observed))


def _observation(y: float, noise: float, *before: float) -> LossGuidance:
    """-log p(y | x, what was observed before) for y = x0 + N(0, noise)."""

    def loss(x0, level, conditioning):
        return (x0 - y).square().flatten(1).sum(1) / (2 * (_variance(level, *before) + noise))

    return LossGuidance(loss)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=str)
def test_gradients_give_the_exact_posterior_of_gaussians(process) -> None:
    level, prior_mean = process.level(0.5), _means(0.5, -1.0, 2.0)

    def exact(*observations: tuple[float, float]):
        precision = 1 / _variance(level, *(noise for _, noise in observations))
        mean = prior_mean["mean"].value[..., None]
        pulls = sum(y / noise for y, noise in observations)
        return (mean / STD**2 + level.alpha * X / level.sigma**2 + pulls) / precision

    with torch.no_grad():
        one = guided(_gaussian, _observation(1.5, 0.3))(X, level, prior_mean, Memory()).x0
        _close(one, exact((1.5, 0.3)))

        def log_probability(x, at, conditioning):
            return -_observation(1.5, 0.3).loss(_gaussian(x, at, conditioning, Memory()).x0, at, conditioning)

        _close(guided(_gaussian, ClassifierGuidance(log_probability))(X, level, prior_mean, Memory()).x0, one)
        # The second gradient goes through the first.
        both = _observation(1.5, 0.3) >> _observation(-0.4, 0.8, 0.3)
        two = guided(_gaussian, both)(X, level, prior_mean, Memory()).x0
    _close(two, exact((1.5, 0.3), (-0.4, 0.8)))
    assert not two.requires_grad


def test_pure_noise_has_no_gradient() -> None:
    for guidance in (ALL["classifier"], ALL["loss"]):
        assert torch.equal(
            guided(MODEL, guidance)(X, FLOW.level(1.0), PROMPTS, Memory()).x0,
            MODEL(X, FLOW.level(1.0), PROMPTS, Memory()).x0,
        )


def test_a_loss_on_top_of_guidance_differentiates_the_guided_denoiser() -> None:
    free = guided(MODEL, ClassifierFree(3.0))
    x = X.clone().requires_grad_()
    x0 = free(x, LEVEL, PROMPTS, Memory()).x0
    gradient = torch.autograd.grad(_square(x0, LEVEL, PROMPTS).sum(), x)[0]
    with torch.no_grad():
        result = guided(MODEL, ClassifierFree(3.0) >> LossGuidance(_square, 0.2))(
            X, LEVEL, PROMPTS, Memory()
        ).x0
    _close(result, x0.detach() - 0.2 * LEVEL.sigma**2 / LEVEL.alpha * gradient)


def test_weights() -> None:
    count, rows = _counted(MODEL)
    others = _means(1.0, 1.0, 1.0), _means(-2.0, 0.0, 2.0)
    several = PROMPTS.with_others(*others)
    x0, uncond, *rest = (
        MODEL(X, LEVEL, prompts, Memory()).x0 for prompts in (PROMPTS, PROMPTS.uncond, *others)
    )
    assert torch.equal(guided(count, WeightedPrompts([1.0]))(X, LEVEL, PROMPTS, Memory()).x0, x0)
    assert rows == [3]
    _close(
        guided(MODEL, WeightedPrompts([4.0]))(X, LEVEL, PROMPTS, Memory()).x0,
        guided(MODEL, ClassifierFree(4.0))(X, LEVEL, PROMPTS, Memory()).x0,
    )
    result = guided(MODEL, WeightedPrompts([2.0, 0.5, -0.7]))(X, LEVEL, several, Memory()).x0
    _close(result, uncond + 2 * (x0 - uncond) + 0.5 * (rest[0] - uncond) - 0.7 * (rest[1] - uncond))
    rows.clear()
    fading = WeightedPrompts([lambda level: float(level.t > 0.5), lambda level: float(level.t <= 0.5), 0.0])
    assert torch.equal(guided(count, fading)(X, LEVEL, several, Memory()).x0, rest[0])
    assert rows == [3]


def test_an_uncond_of_another_kind_is_evaluated_alone() -> None:
    count, rows = _counted(_gaussian)
    other = _means(0.5, -1.0, 2.0).with_uncond(_means(0.0, 0.1, 0.2, name="other"))
    _close(
        guided(count, ClassifierFree(3.0))(X, LEVEL, other, Memory()).x0,
        guided(_gaussian, ClassifierFree(3.0))(X, LEVEL, PROMPTS, Memory()).x0,
    )
    assert rows == [3, 3]


def test_scales_may_follow_the_level() -> None:
    count, rows = _counted(MODEL)
    schedule = ClassifierFree(lambda level: 3.0 if level.log_snr < 0 else 1.0)
    for t, expected, size in ((0.7, ClassifierFree(3.0), 6), (0.4, ClassifierFree(1.0), 3)):
        result = guided(count, schedule)(X, FLOW.level(t), PROMPTS, Memory()).x0
        assert torch.equal(result, guided(MODEL, expected)(X, FLOW.level(t), PROMPTS, Memory()).x0)
        assert rows.pop() == size


def test_what_a_guidance_lacks_before_another_is_said() -> None:
    """The later one evaluates prompts without uncond, and several in one batch."""
    for first, message in (
        (ClassifierFree(2.0), "guidance by uncond must be the last"),
        (LossGuidance(_square, [1.0, 2.0, 3.0]), "before a guidance that evaluates several prompts"),
    ):
        denoiser = guided(MODEL, first >> ClassifierFree(3.0))
        with pytest.raises(ValueError, match=message):
            denoiser(X, LEVEL, PROMPTS, Memory())


def test_a_chain_is_guidance_of_the_guided() -> None:
    a, b = ClassifierFree(3.0, 0.5), ClassifierFree(1.5, weak=WEAK)
    c = LossGuidance(_square, 0.1)
    assert (a >> b) >> c == a >> (b >> c) == Chain((a, b, c))
    assert Chain() >> a == a >> Chain() == Chain((a,))
    stepwise = guided(guided(guided(MODEL, a), b), c)
    assert torch.equal(
        guided(MODEL, a >> b >> c)(X, LEVEL, PROMPTS, Memory()).x0, stepwise(X, LEVEL, PROMPTS, Memory()).x0
    )
    assert torch.equal(
        guided(MODEL, Chain())(X, LEVEL, PROMPTS, Memory()).x0, MODEL(X, LEVEL, PROMPTS, Memory()).x0
    )


def test_guidances_with_intervals_take_turns() -> None:
    early, late = ClassifierFree(4.0, interval=(-math.inf, -0.5)), Tangential(2.0, interval=(0.5, math.inf))
    count, rows = _counted(MODEL)
    for t, alone, size in ((0.7, early, 6), (0.5, Chain(), 3), (0.2, late, 6)):
        expected = guided(MODEL, alone)(X, FLOW.level(t), PROMPTS, Memory()).x0
        assert torch.equal(guided(count, early >> late)(X, FLOW.level(t), PROMPTS, Memory()).x0, expected)
        assert rows.pop() == size
    assert rows == []


def test_a_run_keeps_predictions_with_and_without_uncond_apart() -> None:
    turns = ClassifierFree(3.0, interval=(0.0, 9.0)) >> WeightedPrompts([1.0], interval=(-9.0, -0.1))
    run, memory = guided(MODEL, turns), Memory()
    for t, expected in ((0.7, Chain()), (0.3, ClassifierFree(3.0))):
        level = FLOW.level(t)
        assert torch.equal(
            run(X, level, PROMPTS, memory).x0, guided(MODEL, expected)(X, level, PROMPTS, Memory()).x0
        )


def test_one_run_may_have_several_conditionings() -> None:
    run, memory = guided(MODEL, ClassifierFree(3.0)), Memory()
    other = PROMPTS.select([2, 0, 1])
    for prompts in (PROMPTS, other, PROMPTS):
        expected = guided(MODEL, ClassifierFree(3.0))(X, LEVEL, prompts, Memory()).x0
        assert torch.equal(run(X, LEVEL, prompts, memory).x0, expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: ClassifierFree(3.0, **o),
        lambda **o: CFGPlusPlus(0.5, **o),
        lambda **o: AdaptiveProjected(3.0, **o),
        lambda **o: CFGZeroStar(3.0, zero_until=2.0, **o),
        lambda **o: Tangential(3.0, **o),
        lambda **o: ClassifierFree(3.0, weak=_forbidden, **o),
        lambda **o: ClassifierGuidance(_forbidden, **o),
        lambda **o: LossGuidance(_forbidden, **o),
        lambda **o: WeightedPrompts([3.0], **o),
    ],
)
def test_outside_its_interval_guidance_is_one_evaluation(make) -> None:
    count, rows = _counted(MODEL)
    result = guided(count, make(interval=(1.0, 2.0)))(X, LEVEL, PROMPTS, Memory())
    assert rows == [3]
    assert torch.equal(result.x0, MODEL(X, LEVEL, PROMPTS, Memory()).x0)
    assert result.eps is None


def _forbidden(*_):
    raise AssertionError("evaluated where guidance is off")


def _run(guidance, seeds, prompts, solver="ddim", **options):
    return sample(
        guided(MODEL, guidance), FLOW, TimeGrid.uniform(5), presets.solver(solver),
        noise=NoiseSource(seeds), shape=SHAPE, conditioning=prompts, **options,
    ).x  # fmt: skip


@EVERY
@pytest.mark.parametrize("solver", ["ddim", "heun"])
def test_a_batch_equals_its_single_runs_bit_for_bit(guidance, solver) -> None:
    batch = _run(guidance, [3, 1, 4], PROMPTS, solver)
    assert batch.isfinite().all()
    for row, seed in enumerate([3, 1, 4]):
        assert torch.equal(batch[row : row + 1], _run(guidance, [seed], PROMPTS.select([row]), solver))


@EVERY
def test_guidance_does_something(guidance) -> None:
    assert (_run(guidance, [3, 1, 4], PROMPTS) - _run(Chain(), [3, 1, 4], PROMPTS)).abs().max() > 0.01


@EVERY
def test_threads_share_one_guidance(guidance) -> None:
    serial = [_run(guidance, [seed, 1, 2], PROMPTS) for seed in range(8)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda seed: _run(guidance, [seed, 1, 2], PROMPTS), range(8)))
    assert all(torch.equal(a, b) for a, b in zip(serial, together, strict=True))


MOMENTUM = AdaptiveProjected(4.0, 0.3, momentum=-0.5, interval=(-2.0, 2.0))


@pytest.mark.parametrize(
    "guidance",
    [MOMENTUM, MOMENTUM >> LossGuidance(_square, 0.05), ALL["chain"]],
    ids=["momentum", "inner", "outer"],
)
@pytest.mark.parametrize("solver", [DDIM(), DDIM(1.0), Heun()], ids=str)
def test_momentum_is_resumed_to_the_same_bits(guidance, solver) -> None:
    noise, grid = NoiseSource([5, 6, 7]), TimeGrid.uniform(6)
    x = prior(FLOW, grid, noise, SHAPE)
    settings = {"noise": noise, "conditioning": PROMPTS}
    denoiser = guided(MODEL, guidance)
    steps = list(iterate(denoiser, FLOW, grid, solver, x=x, **settings))
    for step in steps[:-1]:
        for copy in (pickle.loads(pickle.dumps(step)), step):
            *_, last = iterate(denoiser, FLOW, grid, solver, x=torch.zeros_like(x), after=copy, **settings)
            assert torch.equal(last.x, steps[-1].x)
    forgotten = pickle.loads(pickle.dumps(steps[2]))
    forgotten = replace(forgotten, memory=Memory())
    *_, other = iterate(denoiser, FLOW, grid, solver, x=x, after=forgotten, **settings)
    assert not torch.equal(other.x, steps[-1].x)


def test_a_learned_variance_is_kept() -> None:
    def learned(x, level, conditioning, memory):
        return Prediction(
            MODEL(x, level, conditioning, memory).x0,
            None,
            conditioning["mean"].value[..., None] + x,
            1.0,
        )

    for guidance in ALL.values():
        result = guided(learned, guidance)(X, LEVEL, PROMPTS, Memory())
        _close(result.variance, learned(X, LEVEL, PROMPTS, Memory()).variance)


def test_an_empty_batch_is_guided() -> None:
    none = slice(0, 0)
    for guidance in ALL.values():
        result = guided(MODEL, guidance)(X[none], LEVEL, PROMPTS.select(none), Memory()).x0
        assert result.shape == (0, *SHAPE)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClassifierFree(math.nan), "finite"),
        (lambda: ClassifierFree([1.0, math.inf]), "finite"),
        (lambda: ClassifierFree(2.0, interval=(1.0, math.nan)), "low, high"),
        (lambda: ClassifierFree(2.0, renorm=1), "from the end"),
        (lambda: ClassifierFree(2.0, rescale=0.5, renorm=-1), "excludes"),
        (lambda: CFGPlusPlus(1.5), r"\[0, 1\]"),
        (lambda: AdaptiveProjected(2.0, eta=-1.0), "eta"),
        (lambda: AdaptiveProjected(2.0, radius=0.0), "radius"),
        (lambda: AdaptiveProjected(2.0, momentum=1.0), "momentum"),
        (lambda: LossGuidance(_square, math.inf), "finite"),
        (lambda: ClassifierGuidance(_square, math.inf), "finite"),
        (lambda: FrequencyDecoupled(2.0, coarser=[]), "coarser"),
        (lambda: FrequencyDecoupled(2.0, coarser=[1.0], axes=(1,)), "from the end"),
        (lambda: FrequencyDecoupled(2.0, coarser=[1.0], axes=(-1, -1)), "different"),
        (lambda: CFGPlusPlus([0.5, -0.1]), r"\[0, 1\]"),
        (lambda: WeightedPrompts([]), "at least one"),
        (lambda: WeightedPrompts([math.nan]), "finite"),
    ],
)
def test_impossible_settings_are_refused(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("guidance", "message"),
    [
        (ClassifierFree(2.0), "uncond"),
        (WeightedPrompts([2.0]), "uncond"),
        (WeightedPrompts([2.0, 3.0]), "one weight for each prompt"),
        (LossGuidance(lambda x0, level, c: x0.square().sum()), "one number for each item"),
    ],
)
def test_what_does_not_fit_is_refused(guidance, message) -> None:
    with pytest.raises(ValueError, match=message):
        guided(MODEL, guidance)(X, LEVEL, PROMPTS.cond, Memory())


def test_uncond_can_be_used_only_once() -> None:
    with pytest.raises(ValueError, match="uncond"):
        guided(MODEL, ClassifierFree(2.0) >> ClassifierFree(3.0))(X, LEVEL, PROMPTS, Memory())


def _sd_rescale(guided, cond, share):
    """As in the published code, on the network's outputs (B, ...)."""
    axes = tuple(range(1, guided.ndim))
    factor = cond.std(axes, keepdim=True) / guided.std(axes, keepdim=True)
    return share * guided * factor + (1 - share) * guided


@pytest.mark.parametrize("kind", [Velocity(), VPrediction(), Epsilon(), Sample(), EDM()], ids=str)
@pytest.mark.parametrize("name", ["own", "exploding"])
def test_rescale_is_the_published_one_on_the_output_of_the_network(kind, name) -> None:
    """For states of the network's own process and of another one."""
    own = Cosine()
    level = own.level(0.3) if name == "own" else PROCESSES[name].level(0.4)
    at = level if name == "own" else own.level(own.t_of_log_snr(level.log_snr))
    x = X * level.sigma / at.sigma
    outputs = {}

    def network(x, c_noise, conditioning):
        outputs["F"] = torch.sin(2 * x + conditioning["mean"].value[..., None].to(x)) + 0.3
        return outputs["F"]

    model = ModelDenoiser(network, own, kind)
    found = guided(model, ClassifierFree(7.5, rescale=0.7))(x, level, PROMPTS, Memory()).x0
    cond, uncond = outputs["F"].chunk(2)
    strong = uncond + 7.5 * (cond - uncond)
    _close(found, kind.to_x0(_sd_rescale(strong, cond, 0.7), X, at))
    # Qwen-Image's: the norm of each token.
    found = guided(model, ClassifierFree(7.5, renorm=-1))(x, level, PROMPTS, Memory()).x0
    token = strong * cond.norm(dim=-1, keepdim=True) / strong.norm(dim=-1, keepdim=True)
    _close(found, kind.to_x0(token, X, at))


def test_rescale_leaves_a_constant_output_as_it_is() -> None:
    def denoiser(x, _level, conditioning, memory):
        return Prediction(torch.ones_like(x) * conditioning["mean"].value[..., None], c_skip=0.0)

    guide = guided(denoiser, ClassifierFree(2.0, rescale=0.5))
    conditioning = _means(2.0).with_uncond(_means(1.0))
    found = guide(torch.zeros(1, 3, 4), LEVEL, conditioning, Memory()).x0
    assert found.unique().item() == 3.0


def test_rescale_needs_the_output_of_a_network() -> None:
    with pytest.raises(ValueError, match="output"):
        guided(_gaussian, ClassifierFree(2.0, rescale=0.5))(X, LEVEL, PROMPTS, Memory())


VIDEO = torch.randn(3, 2, 5, 4, generator=torch.Generator().manual_seed(2))
PROMPTS_OF_VIDEOS = PROMPTS.map(lambda tensor: tensor[..., None, None].float())
SCALED = {
    "free": ClassifierFree,
    "plus": CFGPlusPlus,
    "projected": lambda scale: AdaptiveProjected(scale, 0.2, 1.5, -0.5),
    "zero": CFGZeroStar,
    "tangential": Tangential,
    "perturbed": lambda scale: Perturbed(scale, _weak_video, cfg=scale),
    "mahiro": Mahiro,
    "frequencies": lambda scale: FrequencyDecoupled(scale, coarser=[scale], axes=(-1,)),
    "loss": lambda scale: LossGuidance(lambda x0, level, c: x0.square().flatten(1).sum(1), scale),
    "classifier": lambda scale: ClassifierGuidance(lambda x, level, c: x.sin().flatten(1).sum(1), scale),
    "weights": lambda scale: WeightedPrompts([scale]),
}


def _video(x, level, conditioning, memory):
    return Prediction(torch.tanh(1.3 * x + conditioning["mean"].value.to(x)), c_skip=0.0)


def _weak_video(x, level, conditioning, memory):
    return Prediction(torch.tanh(0.7 * x))


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("kind", [list, tuple, torch.tensor, lambda numbers: lambda level: numbers])
def test_each_item_may_have_its_own_scale(name, kind) -> None:
    numbers = [0.25, 1.0, 0.75] if name == "plus" else [-2.0, 1.0, 3.5]
    batch = guided(_video, SCALED[name](kind(numbers)))(VIDEO, LEVEL, PROMPTS_OF_VIDEOS, Memory())
    for row, number in enumerate(numbers):
        prompts = PROMPTS_OF_VIDEOS.select([row])
        single = guided(_video, SCALED[name](number))(VIDEO[row : row + 1], LEVEL, prompts, Memory())
        _close(batch.x0[row : row + 1], single.x0)


@pytest.mark.parametrize("name", sorted(SCALED.keys() - {"mahiro", "zero", "plus", "projected"}))
def test_each_frame_may_have_its_own_scale(name) -> None:
    """Rules that are linear in the scale: each frame is that of a run with its scale."""
    numbers = [0.0, 1.0, 1.5, 2.0, -1.0]
    scale = torch.tensor(numbers).view(1, 1, 5, 1)
    whole = guided(_video, SCALED[name](scale))(VIDEO, LEVEL, PROMPTS_OF_VIDEOS, Memory()).x0
    for frame, number in enumerate(numbers):
        one = guided(_video, SCALED[name](number))(VIDEO, LEVEL, PROMPTS_OF_VIDEOS, Memory()).x0
        _close(whole[:, :, frame], one[:, :, frame])


def test_a_negative_scale_leads_away_from_the_prompt() -> None:
    cond, uncond = MODEL(X, LEVEL, PROMPTS, Memory()).x0, MODEL(X, LEVEL, PROMPTS.uncond, Memory()).x0
    _close(guided(MODEL, ClassifierFree(-2.0))(X, LEVEL, PROMPTS, Memory()).x0, uncond - 2 * (cond - uncond))


def test_scales_that_do_not_fit_are_refused() -> None:
    for scale in ([1.0, 2.0], torch.ones(3, 1, 5), torch.ones(1, 1, 3, 1)):
        with pytest.raises(ValueError, match="one per item"):
            guided(_video, ClassifierFree(scale))(VIDEO, LEVEL, PROMPTS_OF_VIDEOS, Memory())
    beyond = FrequencyDecoupled(2.0, coarser=[1.0], axes=(-4, -1))
    with pytest.raises(ValueError, match="beyond an item"):
        guided(_video, beyond)(VIDEO, LEVEL, PROMPTS_OF_VIDEOS, Memory())
    varying = FrequencyDecoupled(2.0, coarser=[torch.ones(1, 1, 1, 4)], axes=(-1,))
    with pytest.raises(ValueError, match="coarser"):
        guided(_video, varying)(VIDEO, LEVEL, PROMPTS_OF_VIDEOS, Memory())


def _wave(length: int, period: int) -> torch.Tensor:
    return torch.cos(2 * math.pi * torch.arange(length, dtype=torch.float64) / period)


def test_frequency_decoupled_guidance_scales_each_band_by_its_own() -> None:
    """Of a slow wave and the fastest one, each is scaled by the scale of its band."""
    slow, fast, uncond = _wave(256, 128), _wave(256, 2), torch.zeros(256, dtype=torch.float64)
    for scales in ((10.0, 5.0), (2.0, 7.0), (4.0, 3.0, 3.0)):
        result = fdg((slow + fast)[None, None], uncond[None, None], scales, (-1,))[0, 0]
        inside = slice(16, -16)
        _close(result[inside], (scales[-1] * slow + scales[0] * fast)[inside], rtol=0, atol=0.05)


@pytest.mark.parametrize("axes", [(-1,), (-2, -1), (-3, -2, -1)])
def test_frequency_decoupled_guidance_of_equal_scales_is_classifier_free(axes) -> None:
    cond, uncond = torch.randn(2, 2, 3, 13, 12, 11, dtype=torch.float64)
    _close(fdg(cond, uncond, [3.0, 3.0, 3.0], axes), cfg(cond, uncond, 3.0))
    with pytest.raises(ValueError, match="too short"):
        fdg(cond, uncond, [3.0] * 5, axes)


def test_mahiro_is_comfyuis_and_leads_along_the_prompt() -> None:
    cond, uncond = torch.randn(2, 1, 4, 6, 6, generator=torch.Generator().manual_seed(4))
    scale = 4.0
    leap, free = cond * scale, uncond + scale * (cond - uncond)
    roots = [torch.sqrt(v.abs()) * v.sign() for v in (uncond * scale, (leap + free) / 2)]
    weight = 2 * (torch.nn.functional.cosine_similarity(*roots).mean() + 1)
    _close(mahiro(cond, uncond, scale), (weight * free + (4 - weight) * leap) / 4)
    _close(mahiro(cond, uncond, 1.0), cond)
    # Where uncond says the opposite, the difference is left out.
    _close(mahiro(cond, -0.5 * cond, scale), scale * cond)


@pytest.mark.parametrize("cfg", [1.0, 3.0])
def test_perturbed_guidance_adds_the_difference_to_the_weak_network(cfg) -> None:
    count, rows = _counted(WEAK)
    found = guided(MODEL, Perturbed(2.5, count, cfg=cfg))(X, LEVEL, PROMPTS, Memory()).x0
    cond, weak = (model(X, LEVEL, PROMPTS, Memory()).x0 for model in (MODEL, WEAK))
    _close(found, guided(MODEL, ClassifierFree(cfg))(X, LEVEL, PROMPTS, Memory()).x0 + 2.5 * (cond - weak))
    assert rows == [3]
    guided(MODEL, Perturbed(0.0, _forbidden, cfg=cfg))(X, LEVEL, PROMPTS, Memory())


@pytest.mark.parametrize("name", [name for name in SCALED if name not in ("loss", "classifier", "mahiro")])
def test_complex_states_are_guided_as_their_real_and_imaginary_parts(name) -> None:
    """Norms and projections of an item are those of its 2 n real numbers."""
    z = torch.randn(3, 4, 6, dtype=torch.complex128, generator=torch.Generator().manual_seed(5))

    def both(x, level, conditioning, memory):
        wanted = conditioning["mean"].value[:, :, None]
        moved = z * 0.4 + wanted * z.flip(0) if len(x) == 3 else torch.cat([z, z]) * 0.4
        return Prediction((x * 0.3 + moved[: len(x)] * (1 + wanted)).to(torch.complex128))

    def parts(x, level, conditioning, memory):
        return Prediction(torch.view_as_real(both(torch.view_as_complex(x), level, conditioning, memory).x0))

    make = SCALED[name] if name != "perturbed" else ClassifierFree
    x = z.flip(2).contiguous()
    guidance = make(0.7) if name != "frequencies" else AdaptiveProjected(3.0, radius=0.5)
    found = guided(both, guidance)(x, LEVEL, PROMPTS, Memory()).x0
    expected = guided(parts, guidance)(torch.view_as_real(x), LEVEL, PROMPTS, Memory()).x0
    _close(torch.view_as_real(found), expected)


@pytest.mark.parametrize("guidance", [Mahiro(2.0), FrequencyDecoupled(2.0, coarser=[1.0], axes=(-1,))])
def test_rules_for_real_states_refuse_complex_ones(guidance) -> None:
    with pytest.raises(ValueError, match="real numbers"):
        guided(_video, guidance)(VIDEO.to(torch.complex64), LEVEL, PROMPTS_OF_VIDEOS, Memory())
