"""Solvers on tokens: which law they draw from, what they lift when, and that the loop is the same."""

from __future__ import annotations

import itertools
import math
import pickle

import pytest
import torch
from scipy.stats import chi2
from tokens import MASK, PROCESSES, SEQUENCES, TABLE, K, L, exact, law, logits_of

from gen.diffusion import (
    ClassifierFree,
    Condition,
    Conditioning,
    Level,
    Memory,
    NoiseSource,
    Prediction,
    TimeGrid,
    guided,
    iterate,
    prior,
    sample,
)
from gen.diffusion.categorical import (
    CosineSchedule,
    EntropyBound,
    Masked,
    PosteriorSample,
    TokenDenoiser,
    Uniform,
    Unmask,
    given,
)

MASKED = Masked(K, MASK)
SAMPLES = 40_000
ORDERS = ["random", "confidence", "margin", "entropy"]


def _endpoints(solver, process, steps: int, start=None, denoiser=None) -> torch.Tensor:
    """The loop in short, on a large batch with one generator instead of a seed per item; counts of the 27."""
    generator = torch.Generator().manual_seed(1)
    denoiser = denoiser or exact(process)
    if start is None:
        start = torch.full((L,), MASK)
        x = start.repeat(SAMPLES, 1)
        if isinstance(process, Uniform):
            x = torch.randint(K, (SAMPLES, L), generator=generator)
    else:
        x = start.repeat(SAMPLES, 1)
    state, levels = (), TimeGrid.uniform(steps).levels(process)
    for t, s in itertools.pairwise(levels):
        update = solver.step(
            state,
            x,
            lambda x, level: denoiser(x, level, Conditioning(), Memory()),
            t,
            s,
            noise=lambda like, _: torch.randn(like.shape, generator=generator, dtype=like.dtype),
        )
        x, state = update.x, update.state
    assert ((x >= 0) & (x < K)).all()
    return (x * torch.tensor([K * K, K, 1])).sum(1).bincount(minlength=K**L).double()


def _surprise(counts: torch.Tensor, table: torch.Tensor) -> float:
    """Pearson's statistic over its quantile at 1 - 1e-4: above 1, the samples are not from the table."""
    expected = table * counts.sum()
    return ((counts - expected) ** 2 / expected).sum().item() / chi2.ppf(1 - 1e-4, len(table) - 1)


def _law_of_ancestral(process, steps: int) -> torch.Tensor:
    """What ``PosteriorSample`` draws from with the exact denoiser, by multiplying out its steps."""
    one = law(process, process.level(1.0))
    states = torch.cartesian_prod(*[torch.arange(one.shape[0])] * L)
    chances = one[0][states].prod(1)
    levels = TimeGrid.uniform(steps).levels(process)
    for t, s in itertools.pairwise(levels):
        p = process.probabilities(logits_of(process, states, t))
        each = process.posterior(states, p, t, s)  # (from, L, tokens)
        move = torch.ones(len(states), len(states), dtype=torch.float64)
        for i in range(L):
            move *= each[:, i][:, states[:, i]]
        chances = chances @ move
    wanted = (states < K).all(1)
    assert chances[~wanted].sum() == 0
    return chances[wanted]


@pytest.mark.parametrize("process", [*PROCESSES, Masked(K, MASK, schedule=CosineSchedule())], ids=str)
def test_ancestral_sampling_converges_to_the_joint_with_order_one(process) -> None:
    errors = [
        (_law_of_ancestral(process, steps) - TABLE).abs().sum().item() / 2 for steps in (16, 32, 64, 128)
    ]
    assert errors[-1] < 0.02
    ratios = [a / b for a, b in itertools.pairwise(errors)]
    assert ratios[-1] == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
@pytest.mark.parametrize("steps", [1, 4])
def test_ancestral_samples_follow_their_law(process, steps: int) -> None:
    counts = _endpoints(PosteriorSample(process), process, steps)
    assert _surprise(counts, _law_of_ancestral(process, steps)) < 1
    assert _surprise(counts, TABLE) > 1  # few steps are visibly wrong: the test can tell


@pytest.mark.parametrize("steps", [3, 7])
@pytest.mark.parametrize("order", ["random", "margin", "entropy"])
def test_one_mask_at_a_time_is_exact_in_any_order(order: str, steps: int) -> None:
    assert _surprise(_endpoints(Unmask(MASKED, order), MASKED, steps), TABLE) < 1


def test_the_order_by_default_is_exact_too() -> None:
    assert _surprise(_endpoints(Unmask(MASKED), MASKED, 5), TABLE) < 1


def test_confidence_is_biased_even_one_at_a_time() -> None:
    """The order of MaskGIT looks at the tokens that were drawn."""
    assert _surprise(_endpoints(Unmask(MASKED, "confidence"), MASKED, 3), TABLE) > 2


def test_an_entropy_bound_of_nothing_is_exact_in_one_step() -> None:
    assert _surprise(_endpoints(EntropyBound(MASKED, 0.0), MASKED, 1), TABLE) < 1


@pytest.mark.parametrize("solver", [EntropyBound(MASKED, math.inf), Unmask(MASKED), PosteriorSample(MASKED)])
def test_all_at_once_draws_from_the_marginals(solver) -> None:
    table = TABLE.reshape(K, K, K)
    product = torch.einsum("a,b,c->abc", table.sum((1, 2)), table.sum((0, 2)), table.sum((0, 1)))
    assert _surprise(_endpoints(solver, MASKED, 1), product.flatten()) < 1


def test_temperature_sharpens_and_ends_in_the_likeliest() -> None:
    def marginal(x, level, _, memory):
        return Prediction(torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64).log().expand(*x.shape, K))

    def table(one):
        return torch.einsum("a,b,c->abc", one, one, one).flatten()

    for solver in (Unmask(MASKED, temperature=0.5), EntropyBound(MASKED, temperature=0.5)):
        sharp = torch.tensor([0.36, 0.09, 0.01], dtype=torch.float64) / 0.46
        assert _surprise(_endpoints(solver, MASKED, 1, denoiser=marginal), table(sharp)) < 1
    cold = _endpoints(Unmask(MASKED, temperature=0.0), MASKED, 1, denoiser=marginal)
    assert cold[0] == SAMPLES


def test_infilling_with_the_prompt_in_place_is_exact() -> None:
    prompt = torch.tensor([MASK, 1, MASK])
    wanted = TABLE * (SEQUENCES[:, 1] == 1)
    kept = wanted > 0
    for solver in (Unmask(MASKED, "margin"), EntropyBound(MASKED, 0.0)):
        counts = _endpoints(solver, MASKED, 2, start=prompt)
        assert counts[~kept].sum() == 0
        assert _surprise(counts[kept], wanted[kept] / wanted.sum()) < 1


@pytest.mark.parametrize("process", PROCESSES, ids=str)
@pytest.mark.parametrize("steps", [1, 5])
def test_given_tokens_stand_at_the_end(process, steps: int) -> None:
    known = torch.tensor([False, True, True])
    denoiser = given(exact(process), torch.tensor([MASK, 2, 0]), known)
    counts = _endpoints(PosteriorSample(process), process, steps, denoiser=denoiser)
    assert counts[(SEQUENCES[:, 1] != 2) | (SEQUENCES[:, 2] != 0)].sum() == 0
    assert (counts > 0).sum() == K


def test_going_back_and_forth_corrects() -> None:
    """Noised to t = 0.5 and drawn again, samples that were drawn all at once come closer to the joint."""
    for process in PROCESSES:
        solver, generator = PosteriorSample(process), torch.Generator().manual_seed(2)
        start = _law_of_ancestral(process, 1)
        x = SEQUENCES[torch.multinomial(start, SAMPLES, replacement=True, generator=generator)]

        def noise(like, _, generator=generator):
            return torch.randn(like.shape, generator=generator, dtype=like.dtype)

        def denoise(x, level, process=process):
            return exact(process)(x, level, Conditioning(), Memory())

        clean, noisy, between = (process.level(t) for t in (0.0, 0.5, 0.25))
        for _ in range(4):
            x, std, z = process.renoise(x, clean, noisy, noise=noise)
            assert (std, z) == (0.0, None)
            x = solver.step((), x, denoise, noisy, between, noise=noise).x
            x = solver.step((), x, denoise, between, clean, noise=noise).x
        counts = (x * torch.tensor([K * K, K, 1])).sum(1).bincount(minlength=K**L) / SAMPLES
        assert (counts - TABLE).abs().sum() < (start - TABLE).abs().sum() / 2


# A larger problem, in the loop of all solvers.

WORDS, SHAPE = 50, (4, 9)
BIG = {"masked": Masked(WORDS, WORDS), "inside": Masked(WORDS, 7), "uniform": Uniform(WORDS)}
EMBEDDING = torch.randn(WORDS + 1, WORDS, generator=torch.Generator().manual_seed(0)) * 2


def _network(x, c_noise, conditioning):
    """Every token depends on its neighbours, its item's condition and the share of noise."""
    embedded = EMBEDDING[x]
    shift = conditioning["prompt"].value[:, None, None, :1] if conditioning else 0.0
    return (
        torch.tanh(embedded + embedded.roll(1, 2) * 0.7 - embedded.roll(1, 1) + shift)
        * 3
        * (1.2 - c_noise[:, None, None, None])
    )


def _prompts(count: int) -> Conditioning:
    uncond = Conditioning({"prompt": Condition(torch.zeros(count, 2), "global")})
    return Conditioning(
        {"prompt": Condition(torch.linspace(-1, 1, count * 2).reshape(count, 2), "global")}, uncond
    )


def _solvers():
    for name, process in BIG.items():
        yield pytest.param(PosteriorSample(process), id=f"posterior-{name}")
    for order in ORDERS:
        extra = {} if order == "random" else {"order_noise": 2.0, "temperature": 0.8}
        yield pytest.param(Unmask(BIG["inside"], order, block=5, **extra), id=f"unmask-{order}")
    yield pytest.param(EntropyBound(BIG["masked"], 2.0), id="entropy_bound")


def _run(solver, seeds, conditioning=None, steps=6, **options):
    process, noise, grid = solver.process, NoiseSource(seeds), TimeGrid.uniform(steps)
    denoiser = guided(TokenDenoiser(_network, process), ClassifierFree(2.0 if conditioning else 1.0))
    return list(
        iterate(
            denoiser, process, grid, solver,
            x=prior(process, grid, noise, SHAPE), noise=noise, conditioning=conditioning, **options,
        )
    )  # fmt: skip


@pytest.mark.parametrize("solver", [*_solvers()])
def test_a_batch_equals_its_single_runs_bit_for_bit(solver) -> None:
    seeds, prompts = [3, 2**63 - 1, 0, 17, 3], _prompts(5)
    batch = _run(solver, seeds, prompts)
    for i, seed in enumerate(seeds):
        single = _run(solver, [seed], prompts.select([i]))
        for together, alone in zip(batch, single, strict=True):
            assert torch.equal(together.x[i], alone.x[0])
            assert torch.equal(together.x0[i], alone.x0[0])
    assert not torch.equal(batch[-1].x[0], batch[-1].x[4])  # same seed, other prompt


@pytest.mark.parametrize("solver", [*_solvers()])
def test_a_pickled_step_resumes_to_the_same_bits(solver) -> None:
    steps = _run(solver, [5, 6])
    for step in steps[:-1]:
        *_, last = _run(solver, [5, 6], after=pickle.loads(pickle.dumps(step)))
        assert torch.equal(last.x, steps[-1].x)


@pytest.mark.parametrize("steps", [1, 2, 5, 60])
@pytest.mark.parametrize("solver", [*_solvers()])
def test_runs_end_in_tokens(solver, steps: int) -> None:
    x = _run(solver, [1, 2], steps=steps)[-1].x
    assert x.dtype == torch.int64
    assert x.shape == (2, *SHAPE)
    assert ((x >= 0) & (x < WORDS)).all()
    assert not isinstance(solver.process, Masked) or (x != solver.process.mask_token).all()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("schedule", [CosineSchedule(), BIG["masked"].schedule], ids=str)
def test_the_schedule_says_how_many_masks_are_left(order: str, schedule) -> None:
    process = Masked(WORDS, WORDS, schedule=schedule)
    for step in _run(Unmask(process, order), [4, 5], steps=9):
        assert ((step.x == WORDS).flatten(1).sum(1) == round(36 * step.level.sigma)).all()
        assert (step.x0 != WORDS).all()


def test_more_steps_than_masks_evaluate_once_per_mask() -> None:
    steps = _run(Unmask(BIG["masked"]), [4], steps=100)
    assert sum(step.nfe for step in steps) == 36
    assert sum(step.nfe for step in _run(EntropyBound(BIG["masked"], 0.0), [4], steps=3)) == 36


def test_items_with_prompts_of_different_length_share_a_batch() -> None:
    process = BIG["masked"]
    x = torch.full((3, 8), WORDS)
    x[1, 2:5], x[2] = 9, 4
    denoiser = TokenDenoiser(lambda x, c, k: EMBEDDING[x], process)
    for solver in (Unmask(process), EntropyBound(process, 3.0), PosteriorSample(process)):
        result = sample(denoiser, process, TimeGrid.uniform(4), solver, noise=NoiseSource([0, 1, 2]), x=x).x
        assert (result < WORDS).all()
        assert (result[1, 2:5] == 9).all()
        assert (result[2] == 4).all()


def test_blocks_are_finished_from_left_to_right() -> None:
    for step in _run(Unmask(BIG["masked"], "confidence", block=4), [4, 5], steps=18):
        masks = (step.x == WORDS).reshape(2, 9, 4).sum(2)
        for item in masks:
            begun = ((item > 0) & (item < 4)).nonzero().flatten()
            assert len(begun) <= 1
            assert (item.sort().values == item).all()


def test_the_order_is_by_certainty() -> None:
    """Position i is the more certain the smaller i is."""
    sharpness = torch.linspace(5, 1, 8)[:, None]

    def network(x, _c, _k):
        return sharpness * torch.tensor([2.0, 1.0, 0.0]) * torch.ones(*x.shape, 3)

    denoiser, noise = TokenDenoiser(network, MASKED), NoiseSource([0])
    for solver in (Unmask(MASKED, "margin"), Unmask(MASKED, "entropy"), EntropyBound(MASKED, 0.0),
                   Unmask(MASKED, "confidence", temperature=0.0)):  # fmt: skip
        x = torch.full((1, 8), MASK)
        for left, step in enumerate(
            iterate(denoiser, MASKED, TimeGrid.uniform(8), solver, x=x, noise=noise), start=1
        ):
            assert (step.x[0] != MASK).nonzero().flatten().tolist() == list(range(left))


def test_the_entropy_bound_admits_what_it_says() -> None:
    """Five fair coins of entropy log 2: those beside the first may sum to the bound."""
    coin = Masked(2, 2)
    denoiser = TokenDenoiser(lambda x, _c, _k: torch.zeros(*x.shape, 2), coin)
    for bound, expected in ((0.0, 5), (0.6, 5), (0.7, 3), (1.4, 2), (2.7, 2), (2.8, 1)):
        result = sample(
            denoiser, coin, TimeGrid.uniform(1), EntropyBound(coin, bound),
            noise=NoiseSource([0, 1]), x=torch.full((2, 5), 2),
        )  # fmt: skip
        assert result.nfe == expected


def test_guidance_is_a_power_of_the_probabilities() -> None:
    process, prompts = BIG["uniform"], _prompts(2)
    model, x = TokenDenoiser(_network, process), torch.randint(WORDS, (2, *SHAPE))
    level = process.level(0.5)
    p, q = (process.probabilities(model(x, level, c, Memory()).x0) for c in (prompts, prompts.uncond))
    power = p**3 / q**2
    result = process.probabilities(guided(model, ClassifierFree(3.0))(x, level, prompts, Memory()).x0)
    torch.testing.assert_close(result, power / power.sum(-1, keepdim=True), rtol=1e-4, atol=1e-7)


def test_a_network_sees_tokens_and_the_share_of_noise() -> None:
    seen = {}

    def network(x, c_noise, _):
        seen.update(x=x.dtype, c_noise=c_noise)
        return torch.zeros(*x.shape, WORDS, dtype=torch.bfloat16)

    level = Masked(WORDS, WORDS, schedule=CosineSchedule()).level(0.5)
    x0 = TokenDenoiser(network, BIG["masked"])(
        torch.zeros(2, 3, dtype=torch.int64), level, Conditioning(), Memory()
    ).x0
    assert (seen["x"], x0.dtype, x0.shape) == (torch.int64, torch.float32, (2, 3, WORDS))
    assert torch.equal(seen["c_noise"], torch.full((2,), level.sigma))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Unmask(MASKED, "best"),
        lambda: Unmask(MASKED, temperature=-1.0),
        lambda: Unmask(MASKED, order_noise=math.nan),
        lambda: Unmask(MASKED, "random", order_noise=1.0),
        lambda: Unmask(MASKED, block=0),
        lambda: EntropyBound(MASKED, -0.1),
        lambda: EntropyBound(MASKED, math.nan),
        lambda: EntropyBound(MASKED, temperature=math.inf),
        lambda: TokenDenoiser(lambda x, c, k: torch.zeros(*x.shape, 2), MASKED)(
            torch.zeros(1, 3, dtype=torch.int64), Level(0.5, 0.5, 0.5), Conditioning(), Memory()
        ),
    ],
)
def test_impossible_settings_are_refused(make) -> None:
    with pytest.raises(ValueError, match="must"):
        make()


@pytest.mark.parametrize("solver", [PosteriorSample(MASKED), Unmask(MASKED), EntropyBound(MASKED)], ids=repr)
def test_an_item_may_be_a_single_token(solver) -> None:
    certain = TokenDenoiser(lambda x, c, k: torch.eye(MASKED.tokens)[torch.ones_like(x)] * 50.0, MASKED)
    x = sample(certain, MASKED, TimeGrid.uniform(3), solver, noise=NoiseSource([1, 2]), shape=()).x
    assert x.tolist() == [1, 1]


@pytest.mark.parametrize("solver", [PosteriorSample(MASKED), Unmask(MASKED), EntropyBound(MASKED)], ids=repr)
def test_logits_that_are_not_numbers_stop_the_step(solver) -> None:
    """The tokens drawn by them would be finite, so the states do not show it."""

    def network(x, c_noise, _):
        return torch.full((*x.shape, K), math.nan if c_noise[0] < 0.7 else 0.0)

    with pytest.raises(FloatingPointError, match=r"step 3 of 6 \(t = 0\.66"):
        sample(
            TokenDenoiser(network, MASKED), MASKED, TimeGrid.uniform(6), solver, noise=NoiseSource([0]),
            shape=(30,),
        )  # fmt: skip
