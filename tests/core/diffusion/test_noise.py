"""Noise: a function of the item's own seed, the stream and the index, and nothing else."""

import time

import pytest
import torch

from gen.diffusion import NoiseSource, RectifiedFlow
from gen.diffusion.noise import SMALL, _seed


def test_an_item_does_not_know_its_neighbours() -> None:
    batch = NoiseSource([4, 9, 2]).prior((3, 5))
    assert torch.equal(batch[1:2], NoiseSource([9]).prior((3, 5)))
    assert torch.equal(NoiseSource([4, 9, 2]).select([2, 0]).prior((3, 5)), batch[[2, 0]])


def test_draws_do_not_depend_on_their_order_or_on_torch() -> None:
    source, like = NoiseSource([4]), torch.zeros(1, 6)
    torch.manual_seed(0)
    first, second = source.at(0)(like, "step"), source.at(1)(like, "step")
    torch.manual_seed(1)
    assert torch.equal(source.at(1)(like, "step"), second)
    assert torch.equal(source.at(0)(like, "step"), first)


def test_draws_do_not_depend_on_torchs_defaults() -> None:
    like = torch.zeros(1, 6)
    level = (RectifiedFlow().level(0.6), RectifiedFlow().level(0.4))
    sources = NoiseSource([4]), NoiseSource([4], brownian=True)
    expected = [source.at(0, *level)(like, "step") for source in sources]
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            found = [source.at(0, *level)(like, "step") for source in sources]
    finally:
        torch.set_default_dtype(torch.float32)
    for one, other in zip(expected, found, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


def test_seeds_streams_and_steps_are_independent() -> None:
    n = 40_000
    draws = [NoiseSource([seed]).normal((n,), stream, index)[0]
             for seed in (0, 1, 2**63 - 1) for stream in ("prior", "step") for index in (0, 1)]  # fmt: skip
    correlations = torch.corrcoef(torch.stack(draws)) - torch.eye(len(draws))
    assert correlations.abs().max() < 5 / n**0.5
    assert torch.stack(draws).std() == pytest.approx(1, abs=0.01)


def test_small_items_are_standard_normal_and_independent() -> None:
    """By position, seed, stream and index; the distribution by its distance from the normal one."""
    n = 40_000
    draws = [NoiseSource(range(first, first + n)).normal((3,), stream, index)
             for first in (0, 1, 2**62) for stream in ("prior", "step") for index in (0, 1)]  # fmt: skip
    columns = torch.cat(draws, 1).T
    assert (torch.corrcoef(columns) - torch.eye(len(columns)))[3:, :3].abs().max() < 5 / n**0.5
    neighbours = torch.corrcoef(torch.stack([columns[0, :-1], columns[0, 1:], columns[1, :-1]]))
    assert (neighbours - torch.eye(3)).abs().max() < 5 / n**0.5
    found = torch.special.ndtr(columns.double()).sort().values
    distance = (found - torch.arange(n) / n).abs().amax(1)
    assert distance.max() < 2.2 / n**0.5  # Kolmogorov–Smirnov: once in 16,000


@pytest.mark.parametrize("size", [1, 2, 3, 17, SMALL - 1, SMALL, SMALL + 1])
def test_items_of_any_size_equal_their_single_draws(size: int) -> None:
    seeds = [*range(70), 2**63 - 1]
    batch = NoiseSource(seeds).normal((size,), "step", 3)
    assert torch.equal(batch, torch.cat([NoiseSource([seed]).normal((size,), "step", 3) for seed in seeds]))


def test_a_seed_of_large_items_gives_what_it_always_gave() -> None:
    """What files hold of the first version: torch's generator, seeded by a hash of seed, stream and index."""
    expected = [
        torch.empty(4, SMALL).normal_(generator=torch.Generator().manual_seed(_seed(f"{seed}/step/7")))
        for seed in (5, 9)
    ]
    assert torch.equal(NoiseSource([5, 9]).normal((4, SMALL), "step", 7), torch.stack(expected))
    first = NoiseSource([7]).prior((SMALL,))[0, :3]
    torch.testing.assert_close(first, torch.tensor([-0.97341496, 2.56397772, -0.30439776]))


def test_many_small_items_cost_little_more_than_torchs_own_noise() -> None:
    source = NoiseSource(range(4096))

    def fastest(draw) -> float:
        times = []
        for _ in range(20):
            start = time.perf_counter()
            draw()
            times.append(time.perf_counter() - start)
        return min(times)

    assert fastest(lambda: source.normal((8,), "step")) < 20 * fastest(lambda: torch.randn(4096, 8))


def test_step_noise_takes_the_dtype_of_the_state() -> None:
    like = torch.zeros(2, 3, dtype=torch.float64)
    noise = NoiseSource([1, 2]).at(0)(like, "step")
    assert (noise.dtype, noise.shape) == (torch.float64, like.shape)


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, True, "1"])
def test_impossible_seeds_are_refused(seed) -> None:
    with pytest.raises(ValueError, match="a seed must be"):
        NoiseSource([seed])


def test_an_empty_batch_is_empty() -> None:
    assert NoiseSource([]).prior((2, 3)).shape == (0, 2, 3)
