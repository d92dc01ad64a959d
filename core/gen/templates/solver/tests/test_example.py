"""The solver has the order that it declares, and drives models of every modality."""

import math

import pytest
import torch
from gen_example.solver import Ralston
from torch import Tensor

import gen
from gen.diffusion import (
    Conditioning,
    Level,
    Memory,
    NoiseSource,
    Prediction,
    RectifiedFlow,
    TimeGrid,
    sample,
)
from gen.testing import assert_light_import


def test_the_declaration_is_light() -> None:
    assert_light_import("gen_example.plugin")


def denoise(x: Tensor, level: Level[float], _conditioning: Conditioning, _memory: Memory) -> Prediction:
    """The exact denoiser of data x0 ~ N(0, 0.5**2)."""
    return Prediction(x * level.alpha * 0.25 / (level.alpha**2 * 0.25 + level.sigma**2))


@pytest.mark.parametrize("place", [0.5, 2 / 3, 1.0])
def test_halving_the_step_at_least_quarters_the_error(place: float) -> None:
    process, noise = RectifiedFlow(), NoiseSource([0])
    x = noise.prior((4,)).double()
    exact = x * math.hypot(0.9 * 0.5, 0.1)  # of this flow: x_t / std_t stays the same
    errors = []
    for steps in (20, 40):
        grid = TimeGrid(torch.linspace(1, 0.1, steps + 1, dtype=torch.float64).tolist())
        end = sample(denoise, process, grid, Ralston(place), x=x, noise=noise).x
        errors.append(float((end - exact).abs().max()))
    assert errors[0] / errors[1] > 3.5


def test_it_makes_a_picture() -> None:
    picture = gen.image("a red apple", solver="example", steps=4, seed=1)
    assert picture.recipe is not None
    assert picture.recipe.solver == "example"
