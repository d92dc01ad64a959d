"""Tokens: marginals, the chain, Bayes' rule and the bounds, against enumeration of all that can happen."""

from __future__ import annotations

import math

import pytest
import torch
from tokens import MASK, PROCESSES, SEQUENCES, TABLE, K, L, law, logits_of
from torch.nn import functional as F

from gen.diffusion import Cosine, Level, NoiseSource, RectifiedFlow, VariancePreserving
from gen.diffusion.categorical import (
    CosineSchedule,
    Masked,
    Uniform,
    bits_per_token,
    draw,
    of_normal,
    uniform,
)

SCHEDULES = [RectifiedFlow(), CosineSchedule(), Cosine(), VariancePreserving()]
GRID = torch.arange(0.5, 2**16, dtype=torch.float64) / 2**16
"""An even cover of [0, 1): what uniform noise amounts to on average."""


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_schedules_fall_from_one(schedule) -> None:
    alphas = schedule.alpha(torch.linspace(0, 1, 50, dtype=torch.float64))
    assert (alphas.diff() < 0).all()
    assert schedule.alpha(0.0) == 1
    assert 0 <= schedule.alpha(1.0) < 0.01
    level = Masked(K, MASK, schedule=schedule).level(0.3)
    assert level.alpha + level.sigma == 1


@pytest.mark.parametrize("process", PROCESSES, ids=str)
@pytest.mark.parametrize("t", [0.0, 0.2, 0.7, 1.0])
def test_marginals(process, t: float) -> None:
    """alpha of the tokens stay, and the others are spread as the noise is."""
    level = process.level(t)
    for token in range(K):
        x = process.diffuse(torch.full_like(GRID, token, dtype=torch.int64), GRID, level)
        shares = x.bincount(minlength=K + 1) / len(GRID)
        expected = law(process, level)[token]
        torch.testing.assert_close(shares[: len(expected)].double(), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_one_level_per_item_is_the_same(process) -> None:
    x0, u = torch.randint(K, (5, 7)), torch.rand(5, 7, dtype=torch.float64)
    t = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0], dtype=torch.float64)
    together = process.diffuse(x0, u, process.level(t))
    for i in range(5):
        alone = process.diffuse(x0[i : i + 1], u[i : i + 1], process.level(t[i].item()))
        assert torch.equal(together[i : i + 1], alone)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_two_steps_of_the_chain_are_one(process) -> None:
    """Chapman-Kolmogorov: q(x_t | x0) = sum over x_s of q(x_t | x_s) q(x_s | x0)."""
    near, far = process.level(0.3), process.level(0.8)
    step = law(process, process.transition(near, far))
    torch.testing.assert_close(law(process, near) @ step, law(process, far))
    clean = process.level(0.0)
    assert process.transition(clean, far) == Level(0.8, far.alpha, far.sigma)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
@pytest.mark.parametrize("times", [(0.9, 0.6), (1.0, 0.4), (0.3, 0.0), (1.0, 0.0)])
def test_posterior_is_bayes_rule(process, times) -> None:
    t, s = process.level(times[0]), process.level(times[1])
    p = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    from_x0, step = law(process, s), law(process, process.transition(s, t))
    for x in range(step.shape[0]):
        joint = from_x0[:K] * step[:, x]  # q(x_s, x_t | x0), (x0, x_s), for this x_t
        likelihood = joint.sum(1)
        likely = p * (likelihood > 0)  # a denoiser does not believe in what cannot have become x_t
        if likely.sum() == 0:
            continue
        likely = likely / likely.sum()
        expected = (likely[:, None] * joint / likelihood.clamp(min=1e-300)[:, None]).sum(0)
        result = process.posterior(torch.tensor([x]), likely[None], t, s)[0]
        torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("process", [*PROCESSES, Masked(K, MASK, schedule=CosineSchedule())], ids=str)
def test_bound_is_the_negative_log_likelihood_for_the_exact_denoiser(process) -> None:
    """Integrated over t by Gauss-Legendre (t = y**2 evens out the ends), and summed over all x_t."""
    nodes, weights = torch.as_tensor(_legendre(80))
    tokens = SEQUENCES
    nats = torch.zeros(len(tokens), dtype=torch.float64)
    for y, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        level = process.level(y**2)
        one = law(process, level)
        states = torch.cartesian_prod(*[torch.arange(one.shape[1])] * L)
        logits = logits_of(process, states, level)
        for i, x0 in enumerate(tokens):
            chance = one[x0[:, None], states.T].prod(0)
            terms = process.bound(logits, x0.expand(len(states), L), states, level)
            nats[i] += 2 * y * weight * (chance * terms.sum(1)).sum()
    torch.testing.assert_close(nats, -TABLE.log(), rtol=2e-5, atol=0)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_bound_is_above_for_any_other_denoiser(process) -> None:
    """Its excess, averaged over the data, is a divergence: positive term by term."""
    level = process.level(0.4)
    one = law(process, level)
    states = torch.cartesian_prod(*[torch.arange(one.shape[1])] * L)
    exact = logits_of(process, states, level)
    wrong = exact + torch.randn(exact.shape, generator=torch.Generator().manual_seed(0))

    def mean(logits):
        chances = [one[x0[:, None], states.T].prod(0) for x0 in SEQUENCES]
        return sum(
            p * (chance * process.bound(logits, x0.expand(len(states), L), states, level).sum(1)).sum()
            for p, chance, x0 in zip(TABLE, chances, SEQUENCES, strict=True)
        )

    assert mean(wrong) > mean(exact) + 0.01


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_bound_of_a_batch_with_its_own_levels_has_gradients(process) -> None:
    t = torch.tensor([0.1, 0.6, 0.999], dtype=torch.float64)
    x0, level = SEQUENCES[[0, 13, 26]], process.level(t)
    x = process.diffuse(x0, torch.rand(3, L, dtype=torch.float64), level)
    logits = torch.randn(3, L, K, requires_grad=True)
    together = process.bound(logits, x0, x, level)
    together.sum().backward()
    assert together.dtype == torch.float32
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    for i in range(3):
        alone = process.bound(logits[i : i + 1], x0[i : i + 1], x[i : i + 1], process.level(t[i].item()))
        torch.testing.assert_close(alone[0], together[i])


def test_near_pure_noise_the_uniform_bound_keeps_its_digits() -> None:
    """In float32 as in float64, although the rate grows like 1 / alpha."""
    process, logits = Uniform(50), torch.randn(4, 9, 50, dtype=torch.float64)
    x0, x = torch.randint(50, (4, 9)), torch.randint(50, (4, 9))
    level = process.level(1 - 1e-5)
    single, double = (process.bound(values, x0, x, level) for values in (logits.float(), logits))
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-4)


def test_the_masks_own_logit_does_not_count() -> None:
    inside, outside = Masked(K + 1, 1), Masked(K, K)
    logits = torch.randn(2, L, K)
    with_mask = torch.cat([logits[..., :1], torch.full((2, L, 1), 9.0), logits[..., 1:]], -1)
    p = inside.probabilities(with_mask)
    assert (p[..., 1] == 0).all()
    torch.testing.assert_close(p[..., [0, 2, 3]], outside.probabilities(logits))
    level = inside.level(0.5)
    x0 = torch.tensor([[0, 2, 3], [3, 0, 2]])
    bound = inside.bound(with_mask, x0, torch.full_like(x0, 1), level)
    same = outside.bound(logits, (x0 - 1).clamp(min=0), torch.full_like(x0, K), level)
    torch.testing.assert_close(bound, same)
    assert inside.posterior(torch.full_like(x0, 1), p, level, inside.level(0.0))[..., 1].max() == 0


def test_bits_of_a_uniform_guess() -> None:
    """A network that knows nothing about masks needs log2(K) bits for a token."""
    process, x0 = Masked(8, 8), torch.randint(8, (3, 5))
    t = torch.as_tensor(_legendre(20)[0])
    # Each token is masked with probability sigma, and the integrand is then log(8) / sigma.
    terms = [
        process.level(y).sigma
        * process.bound(torch.zeros(3, 5, 8), x0, torch.full_like(x0, 8), process.level(y))
        for y in t.tolist()
    ]
    torch.testing.assert_close(bits_per_token(torch.stack(terms).mean(0)), torch.full((3,), 3.0))


def test_uniform_noise_is_uniform_and_fine() -> None:
    u = of_normal(NoiseSource([3]).normal((200_000, 2), "test"))[0]
    assert u.min() >= 0
    assert u.max() < 1
    counts = (u * 100).long().bincount(minlength=100)
    assert ((counts - 2000) ** 2 / 2000).sum() < 100 + 4 * math.sqrt(200)
    # In a sliver 2**-12 wide the numbers still differ, and are uniform.
    sliver = u[(u > 0.5) & (u < 0.5 + 2**-12)]
    assert len(sliver.unique()) == len(sliver)
    assert len(sliver) > 20


def test_draws_follow_their_probabilities_and_never_hit_a_zero() -> None:
    p = torch.tensor([0.0, 0.25, 0.0, 0.75, 0.0])
    ends = torch.tensor([0.0, 1 - 2**-40], dtype=torch.float64)
    tokens = draw(p.expand(len(GRID) + 2, 5), torch.cat([GRID, ends]))
    assert tokens.bincount(minlength=5).tolist() == [0, 2**14 + 1, 0, 3 * 2**14 + 1, 0]


def test_priors_are_pure_noise_by_seed() -> None:
    noise, level = NoiseSource(range(5)), Level(1.0, 0.0, 1.0)
    assert (Masked(K, MASK).prior(noise, (2, 3), level) == MASK).all()
    x = Uniform(7).prior(noise, (40, 50), level)
    counts = x.flatten().bincount(minlength=7)
    assert len(counts) == 7
    assert ((counts - 10_000 / 7) ** 2 / (10_000 / 7)).sum() < 6 + 4 * math.sqrt(12)
    assert torch.equal(x[2:3], Uniform(7).prior(NoiseSource([2]), (40, 50), level))


def test_step_noise_serves_tokens() -> None:
    u = uniform(NoiseSource([1, 2]).at(4), torch.zeros(2, 3, 5, dtype=torch.int64), "step")
    assert u.shape == (2, 3, 5)
    assert u.dtype == torch.float64


@pytest.mark.parametrize("make", [lambda: Uniform(1), lambda: Masked(4, 5), lambda: Masked(4, -1)])
def test_impossible_processes_are_refused(make) -> None:
    with pytest.raises(ValueError, match=r"at least 2|mask_token must be at (least 0|most 4)"):
        make()


def _legendre(n: int):
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(n)
    return np.stack([(nodes + 1) / 2, weights / 2])


def test_the_joint_is_not_a_product() -> None:
    """Else nothing would show that dependent tokens are drawn right."""
    table = TABLE.reshape(K, K, K)
    product = torch.einsum("a,b,c->abc", table.sum((1, 2)), table.sum((0, 2)), table.sum((0, 1)))
    assert (table - product).abs().sum() / 2 > 0.3
    assert F.one_hot(SEQUENCES, K).shape == (K**L, L, K)
