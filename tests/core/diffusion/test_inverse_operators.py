"""Each operator is compared with its matrix, which is what it makes of the unit vectors."""

from __future__ import annotations

import math

import pytest
import torch
from inverse_problems import IMAGE, LINEAR, matrix, normal

from gen.diffusion import Measurement
from gen.diffusion.inverse import (
    BlockAverage,
    Blur,
    CompressedSensing,
    FourierMagnitude,
    Mask,
    SpectrogramMagnitude,
    extension,
)

PROBLEMS = pytest.mark.parametrize(("operator", "shape"), LINEAR.values(), ids=LINEAR)


@PROBLEMS
def test_adjoint(operator, shape) -> None:
    a, x = matrix(operator, shape), normal(3, *shape)
    seen = operator(x)
    y = normal(*seen.shape, seed=1)
    torch.testing.assert_close(seen.flatten(1), x.flatten(1) @ a.T)
    torch.testing.assert_close(operator.adjoint(y).flatten(1), y.flatten(1) @ a)
    torch.testing.assert_close((seen * y).sum(), (x * operator.adjoint(y)).sum())


@PROBLEMS
def test_functions_of_the_gram_matrix(operator, shape) -> None:
    a = matrix(operator, shape)
    y = operator(normal(2, *shape))
    values, vectors = torch.linalg.eigh(a @ a.T)
    expected = y.flatten(1) @ (vectors * torch.cos(3 * values)) @ vectors.T
    torch.testing.assert_close(operator.filtered(y, lambda v: torch.cos(3 * v)).flatten(1), expected)


@PROBLEMS
def test_pseudo_inverse(operator, shape) -> None:
    a, x = matrix(operator, shape), normal(2, *shape)
    y = operator(x)
    noisy = y + normal(*y.shape, seed=1)
    torch.testing.assert_close(operator(operator.inverse(y)), y)
    torch.testing.assert_close(
        operator.inverse(noisy).flatten(1), noisy.flatten(1) @ torch.linalg.pinv(a, rtol=1e-5).T
    )
    ridge = a.T @ torch.linalg.inv(a @ a.T + 0.3 * torch.eye(len(a)))
    torch.testing.assert_close(operator.inverse(noisy, 0.3).flatten(1), noisy.flatten(1) @ ridge.T)


@PROBLEMS
def test_batches_equal_singles(operator, shape) -> None:
    x = normal(5, *shape).float()
    y = operator(x)
    back = operator.inverse(y, 0.1)
    for i in range(5):
        single = operator(x[i : i + 1])
        assert torch.equal(single, y[i : i + 1])
        assert torch.equal(operator.inverse(single, 0.1), back[i : i + 1])


def test_blur_is_a_periodic_convolution() -> None:
    x, kernel = normal(1, 7, 6), normal(3, 4, seed=1)
    expected = torch.zeros_like(x)
    for i in range(3):
        for j in range(4):
            expected += kernel[i, j] * x.roll((i - 1, j - 2), (-2, -1))
    torch.testing.assert_close(Blur(kernel, (-2, -1))(x), expected)


def test_a_gaussian_blur_keeps_the_mean_and_has_its_variance() -> None:
    kernel = Blur.gaussian(4.0, (-2, -1)).kernel.double()
    place = torch.arange(kernel.shape[0]) - kernel.shape[0] // 2
    assert kernel.sum().item() == pytest.approx(1, abs=1e-6)
    # The variance of a normal variable that stays within three standard deviations.
    cut = 6 * math.exp(-4.5) / math.sqrt(2 * math.pi) / math.erf(3 / math.sqrt(2))
    assert (kernel.sum(1) * place**2).sum().item() == pytest.approx(16 * (1 - cut), rel=1e-2)


def test_projections_are_orthonormal_and_follow_the_seed() -> None:
    first, again, other = (matrix(CompressedSensing(IMAGE, 50, seed), IMAGE) for seed in (1, 1, 2))
    torch.testing.assert_close(first @ first.T, torch.eye(50, dtype=torch.float64))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    # Spread over the whole item: no projection sees single elements.
    assert first.abs().max() < 3 / math.sqrt(first.shape[1])


def test_fourier_magnitudes_forget_the_phase() -> None:
    x = normal(2, 3, 8, 8)
    see = FourierMagnitude((-2, -1), oversampling=1)
    for same in (-x, x.roll((3, 5), (-2, -1)), x.flip(-2, -1)):
        torch.testing.assert_close(see(same), see(x))
    padded = FourierMagnitude((-2, -1))(x)
    assert padded.shape == (2, 3, 16, 16)
    torch.testing.assert_close((padded**2).sum(), (x**2).sum())


def test_a_spectrogram_shows_the_frequency() -> None:
    time = torch.arange(512, dtype=torch.float64)
    x = torch.stack([torch.cos(2 * math.pi * k / 64 * time + k) for k in (5, 20)])[None]
    seen = SpectrogramMagnitude(64, 16)(x)
    assert seen.shape == (1, 2, 33, 33)
    assert seen[0, :, :, 16].argmax(-1).tolist() == [5, 20]
    torch.testing.assert_close(SpectrogramMagnitude(64, 16)(-x), seen)
    torch.testing.assert_close(SpectrogramMagnitude(64, 16)(x[0]), seen[0])


@pytest.mark.parametrize(
    ("shape", "axis", "start"), [((2, 1, 9), -1, 0), ((1, 3, 4, 5, 5), -3, 6), ((2, 4, 3), -2, 2)]
)
def test_an_extension_keeps_the_part_in_its_place(shape, axis, start) -> None:
    part = normal(*shape)
    measurement = extension(part, 12, axis=axis, start=start)
    size = shape[axis]
    assert measurement.y.shape[axis] == 12
    assert torch.equal(measurement.y.narrow(axis, start, size), part)
    state = normal(*measurement.y.shape, seed=1)
    state.narrow(axis, start, size).copy_(part)
    assert not measurement.residual(measurement.operator(state)).any()
    assert measurement.operator(torch.ones_like(state)).sum() == part.numel()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Mask(torch.tensor([0.5, 1.5])), "weights"),
        (lambda: BlockAverage(0, (-1,)), "factor"),
        (lambda: BlockAverage(2, (1,)), "counted from the end"),
        (lambda: BlockAverage(2, (-1, -1)), "different"),
        (lambda: BlockAverage(3, (-1,))(torch.zeros(1, 8)), "multiple of the factor 3, not 8"),
        (lambda: Blur(torch.ones(3), (-2, -1)), "as many dimensions"),
        (lambda: Blur(torch.ones(9), (-1,))(torch.zeros(1, 8)), "larger than the state"),
        (lambda: Blur.gaussian(0.0, (-1,)), "std"),
        (lambda: CompressedSensing((4,), 5), "rows"),
        (lambda: CompressedSensing((4,), 2)(torch.zeros(1, 5)), "shape"),
        (lambda: FourierMagnitude((-1,), 0), "oversampling"),
        (lambda: SpectrogramMagnitude(1, 1), "window"),
        (lambda: Measurement(Mask(torch.ones(3)), torch.zeros(1, 3), -1.0), "std"),
        (lambda: Measurement(Mask(torch.ones(3)), torch.zeros(2, 3)).residual(torch.zeros(4, 3)), "shape"),
        (lambda: extension(torch.zeros(1, 5), 8, start=4), "do not fit"),
        (lambda: extension(torch.zeros(1, 5), 8, axis=-2), "axis"),
    ],
)
def test_errors(wrong, message) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()
