"""Noise: a function of the item's own seed, the stream and the index, and nothing else."""

import pytest
import torch

from gen.diffusion import NoiseSource, RectifiedFlow


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
