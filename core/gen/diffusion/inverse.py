"""Inverse problems: data that is known through a measurement, y = A(x0) + std n.

Operators A act on states (B, ...) item by item, in their dtype and on their device. Axes are counted from the
end, so that one operator fits audio (C, L), images (C, H, W), video (C, T, H, W) and points (N, 3).

A method turns a denoiser of x0 given x into one of x0 given x and y. It changes the prediction of x0 alone,
so that it works with every solver, process and guidance:
``constrained(guided(denoiser, ...), measurement, method)``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import ClassVar, Protocol, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from gen.diffusion.arguments import check_axes, check_not_negative, check_positive, whole_number
from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Known, Memory, Prediction
from gen.diffusion.level import Level, column, per_item
from gen.diffusion.solvers.base import Denoise

__all__ = [
    "DDNM", "DPS", "BlockAverage", "Blur", "Clipping", "CompressedSensing", "Decimation", "DiffPIR",
    "FourierMagnitude", "InverseMethod", "LinearOperator", "Mask", "MaskBlend", "Measurement", "Operator",
    "PiGDM", "SpectrogramMagnitude", "constrained", "extension",
]  # fmt: skip

SpectralFilter: TypeAlias = Callable[[Tensor], Tensor]
"""A function g of the eigenvalues of A A^T, element by element."""

LOST = 1e-10
"""Eigenvalues of A A^T up to this (singular values up to 1e-5) count as 0: float32 holds no more."""


def inverted(ridge: float) -> SpectralFilter:
    """1 / (v + ridge), and 0 where the eigenvalue v counts as 0."""
    return lambda v: torch.where(v > LOST, 1 / (v + ridge), 0)


class Operator(Protocol):
    """A differentiable function of the data, not necessarily linear."""

    def __call__(self, x: Tensor, /) -> Tensor:
        """A(x) for the data x (B, ...)."""


class LinearOperator(ABC):
    """An operator with an adjoint, for which the eigenvectors of A A^T are known."""

    @abstractmethod
    def __call__(self, x: Tensor, /) -> Tensor:
        """A x."""

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """A^T y, in the shape of the data; <A x, y> = <x, A^T y>."""

    @abstractmethod
    def filtered(self, y: Tensor, g: SpectralFilter) -> Tensor:
        """g(A A^T) y."""

    def inverse(self, y: Tensor, ridge: float = 0.0) -> Tensor:
        """A^T (A A^T + ridge)^-1 y, the minimum of |y - A x|**2 + ridge |x|**2.

        Args:
            y: The measured values (B, ...).
            ridge: >= 0; with 0 this is the pseudo-inverse A^+ y.
        """
        return self.adjoint(self.filtered(y, inverted(ridge)))


@dataclass(frozen=True, eq=False)
class Mask(LinearOperator):
    """A x = weight * x: inpainting.

    Args:
        weight: 1 or True where the data is known, 0 or False where not, between for soft edges; any shape
            that broadcasts to the state, such as (H, W), (L,) or (N, 1).

    Raises:
        ValueError: A weight is outside [0, 1].
    """

    weight: Tensor

    def __post_init__(self) -> None:
        if not bool(((self.weight >= 0) & (self.weight <= 1)).all()):
            raise ValueError("the weights of a mask must lie in [0, 1]")

    def __call__(self, x: Tensor, /) -> Tensor:
        return self.weight.to(x) * x

    def adjoint(self, y: Tensor) -> Tensor:
        return self.weight.to(y) * y

    def filtered(self, y: Tensor, g: SpectralFilter) -> Tensor:
        return g(self.weight.to(y) ** 2) * y


@dataclass(frozen=True)
class BlockAverage(LinearOperator):
    """The mean of every block of ``factor`` elements along each axis: super-resolution.

    Args:
        factor: Edge of a block, at least 1; the lengths of the axes must be multiples of it.
        axes: Which axes, counted from the end: (-1,), (-2, -1), (-3, -2, -1), or (-2,) for points (N, 3).

    Raises:
        ValueError: The factor is below 1, or an axis is not counted from the end.
    """

    factor: int
    axes: tuple[int, ...]

    def __post_init__(self) -> None:
        whole_number(self.factor, "factor")
        check_axes(self.axes)

    def __call__(self, x: Tensor, /) -> Tensor:
        """Raises ValueError where an axis is no multiple of the factor."""
        for axis in self.axes:
            if x.shape[axis] % self.factor:
                raise ValueError(
                    f"axis {axis} must be a multiple of the factor {self.factor}, not {x.shape[axis]}"
                )
            position = axis % x.ndim
            x = x.unflatten(position, (-1, self.factor)).mean(position + 1)
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        for axis in self.axes:
            y = y.repeat_interleave(self.factor, axis)
        return y / self.factor ** len(self.axes)

    def filtered(self, y: Tensor, g: SpectralFilter) -> Tensor:
        return g(y.new_tensor(self.factor ** -len(self.axes))) * y


@dataclass(frozen=True)
class Decimation(LinearOperator):
    """The last axis at a ``factor``-th of its rate, after an ideal low-pass: sound at a lower rate.

    With the unitary Fourier transforms U of n and m = n / factor values and the choice S of the frequencies
    below half the lower rate, A = sqrt(m / n) U_m^H S U_n, so that A A^T is m / n times the identity on them.

    Args:
        factor: At least 1; the length of the axis must be a multiple of it.

    Raises:
        ValueError: The factor is below 1.
    """

    factor: int

    def __post_init__(self) -> None:
        whole_number(self.factor, "factor")

    def __call__(self, x: Tensor, /) -> Tensor:
        """Raises ValueError where the length is no multiple of the factor."""
        length = x.shape[-1]
        if length % self.factor:
            raise ValueError(f"the last axis must be a multiple of the factor {self.factor}, not {length}")
        fewer = length // self.factor
        return torch.fft.irfft(self._kept(torch.fft.rfft(x), fewer), fewer) / self.factor

    def adjoint(self, y: Tensor) -> Tensor:
        fewer = y.shape[-1]
        length = fewer * self.factor
        spectrum = self._kept(torch.fft.rfft(y), fewer)
        wide = functional.pad(spectrum, (0, length // 2 + 1 - spectrum.shape[-1]))
        return torch.fft.irfft(wide, length)

    def filtered(self, y: Tensor, g: SpectralFilter) -> Tensor:
        spectrum = torch.fft.rfft(y)
        kept = self._kept(torch.ones_like(spectrum), y.shape[-1]).real
        return torch.fft.irfft(spectrum * g(kept / self.factor), y.shape[-1])

    @staticmethod
    def _kept(spectrum: Tensor, length: int) -> Tensor:
        """Frequencies below half the rate at which the axis has ``length`` values; the half itself is 0."""
        frequencies = torch.arange(length // 2 + 1, device=spectrum.device)
        return spectrum[..., : length // 2 + 1] * (2 * frequencies < length)


@dataclass(frozen=True, eq=False)
class Blur(LinearOperator):
    """Convolution with a kernel on a periodic state, computed in Fourier space: deblurring.

    Args:
        kernel: Real, one dimension per axis, centred at index size // 2 of each; not larger than the state.
        axes: The axes of the state that it runs along, counted from the end.

    Raises:
        ValueError: The kernel's dimensions are not as many as the axes, or an axis is not counted from the
            end.
    """

    kernel: Tensor
    axes: tuple[int, ...]

    def __post_init__(self) -> None:
        check_axes(self.axes)
        if self.kernel.ndim != len(self.axes):
            raise ValueError(
                f"the kernel must have as many dimensions as there are axes, {len(self.axes)}, "
                f"not {self.kernel.ndim}"
            )

    @classmethod
    def gaussian(cls, std: float, axes: tuple[int, ...]) -> Blur:
        """A Gaussian of sum 1, cut off at three standard deviations.

        Args:
            std: Standard deviation in elements, > 0.
            axes: Which axes, counted from the end.
        """
        check_positive(std=std)
        radius = math.ceil(3 * std)
        line = torch.exp(-((torch.arange(-radius, radius + 1) / std) ** 2) / 2)
        line /= line.sum()
        return cls(reduce(lambda kernel, _: kernel[..., None] * line, axes[1:], line), axes)

    def __call__(self, x: Tensor, /) -> Tensor:
        """Raises ValueError where the kernel is larger than the state."""
        return self._multiply(x, self._transfer(x))

    def adjoint(self, y: Tensor) -> Tensor:
        return self._multiply(y, self._transfer(y).conj())

    def filtered(self, y: Tensor, g: SpectralFilter) -> Tensor:
        return self._multiply(y, g(self._transfer(y).abs() ** 2))

    def _transfer(self, x: Tensor) -> Tensor:
        """The Fourier transform of the kernel, broadcast to that of x."""
        sizes = [x.shape[axis] for axis in self.axes]
        if any(length > size for length, size in zip(self.kernel.shape, sizes, strict=True)):
            raise ValueError(f"the kernel {tuple(self.kernel.shape)} is larger than the state {tuple(sizes)}")
        padded = x.new_zeros(sizes)
        padded[tuple(slice(length) for length in self.kernel.shape)] = self.kernel.to(x)
        dims = tuple(range(len(sizes)))
        centred = padded.roll([-(length // 2) for length in self.kernel.shape], dims)
        # Ascending axes, each at its own place in a tensor like x.
        order = sorted(dims, key=lambda dim: self.axes[dim])
        shape = [1] * x.ndim
        for axis, size in zip(self.axes, sizes, strict=True):
            shape[axis] = size
        return torch.fft.fftn(centred.permute(order)).reshape(shape)

    def _multiply(self, x: Tensor, transfer: Tensor) -> Tensor:
        return torch.fft.ifftn(torch.fft.fftn(x, dim=self.axes) * transfer, dim=self.axes).real


@dataclass(frozen=True)
class CompressedSensing(LinearOperator):
    """A random choice of random orthonormal projections of the whole item, y (B, rows).

    A = S H D: random signs D, the orthonormal Hartley transform H and a random choice S of rows, a
    structurally random matrix (Do et al. 2012, arXiv 1106.5037, sec. II). A A^T = 1; the matrix is never
    stored.

    Args:
        shape: Shape of one item.
        rows: Measured numbers per item, from 1 to its number of elements.
        seed: Of the signs and the choice; 0 to 2**63 - 1.

    Raises:
        ValueError: ``rows`` is out of range.
    """

    shape: tuple[int, ...]
    rows: int
    seed: int = 0

    def __post_init__(self) -> None:
        whole_number(self.rows, "rows", most=math.prod(self.shape))

    @cached_property
    def _choice(self) -> tuple[Tensor, Tensor]:
        """Signs (elements,) and the numbers of the rows (rows,)."""
        generator = torch.Generator().manual_seed(self.seed)
        elements = math.prod(self.shape)
        signs = torch.randint(2, (elements,), generator=generator) * 2 - 1
        return signs, torch.randperm(elements, generator=generator)[: self.rows]

    def __call__(self, x: Tensor, /) -> Tensor:
        """Raises ValueError where an item has another shape."""
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(f"an item must have the shape {self.shape}, not {tuple(x.shape[1:])}")
        signs, rows = self._choice
        return _hartley(x.flatten(1) * signs.to(x))[:, rows.to(x.device)]

    def adjoint(self, y: Tensor) -> Tensor:
        signs, rows = self._choice
        spectrum = y.new_zeros(y.shape[0], signs.numel()).index_copy(1, rows.to(y.device), y)
        return (_hartley(spectrum) * signs.to(y)).reshape(-1, *self.shape)

    def filtered(self, y: Tensor, g: SpectralFilter) -> Tensor:
        return g(y.new_tensor(1.0)) * y


@dataclass(frozen=True)
class Clipping:
    """Values beyond a level are cut off at it: overdriven sound. Not linear.

    Args:
        level: > 0.

    Raises:
        ValueError: The level is not a finite number above 0.
    """

    level: float

    TOLERANCE: ClassVar[float] = 0.01
    """Values so near the level, as a share of it, count as cut off: lossy files do not store it exactly."""

    def __post_init__(self) -> None:
        check_positive(level=self.level)

    def __call__(self, x: Tensor, /) -> Tensor:
        return x.clamp(-self.level, self.level)

    def reached(self, y: Tensor) -> Tensor:
        """Where measured values (B, ...) are cut off, True."""
        return y.abs() >= (1 - self.TOLERANCE) * self.level

    def projected(self, x: Tensor, y: Tensor) -> Tensor:
        """The nearest to x of all that gives y: y where it is not cut off, elsewhere at least as far from 0.

        Args:
            x: (B, ...).
            y: The measured values, of the same shape.
        """
        beyond = torch.where(y > 0, x.maximum(y), x.minimum(y))
        return torch.where(self.reached(y), beyond, y)


@dataclass(frozen=True)
class FourierMagnitude:
    """The magnitude of the Fourier transform, without its phase: phase retrieval. Not linear.

    Args:
        axes: Which axes, counted from the end.
        oversampling: The factor by which padding with zeros makes an axis longer, at least 1; from 2 on it
            determines the phase.

    Raises:
        ValueError: The oversampling is below 1, or an axis is not counted from the end.
    """

    axes: tuple[int, ...]
    oversampling: int = 2

    def __post_init__(self) -> None:
        whole_number(self.oversampling, "oversampling")
        check_axes(self.axes)

    def __call__(self, x: Tensor, /) -> Tensor:
        sizes = [x.shape[axis] * self.oversampling for axis in self.axes]
        return torch.fft.fftn(x, s=sizes, dim=self.axes, norm="ortho").abs()


@dataclass(frozen=True)
class SpectrogramMagnitude:
    """The magnitude of the short-time Fourier transform along the last axis: sound from a spectrogram.

    (B, ..., L) becomes (B, ..., window // 2 + 1, L // hop + 1); Hann window, frames centred. Not linear.

    Args:
        window: Length of a frame in samples, at least 2.
        hop: Samples from one frame to the next, at least 1.

    Raises:
        ValueError: A length is too small.
    """

    window: int
    hop: int

    def __post_init__(self) -> None:
        whole_number(self.window, "window", least=2)
        whole_number(self.hop, "hop")

    def __call__(self, x: Tensor, /) -> Tensor:
        # Item by item: the gradient of a batch may round differently with the batch's size.
        frames = torch.stack([self._frames(item.reshape(-1, x.shape[-1])) for item in x])
        return frames.reshape(*x.shape[:-1], *frames.shape[-2:])

    def _frames(self, x: Tensor) -> Tensor:
        """The magnitudes (rows, frequencies, frames) of x (rows, L)."""
        return torch.stft(
            x,
            self.window,
            self.hop,
            window=torch.hann_window(self.window, dtype=x.dtype, device=x.device),
            normalized=True,
            pad_mode="constant",
            return_complex=True,
        ).abs()


def _hartley(x: Tensor) -> Tensor:
    """The orthonormal Hartley transform of the rows of x, its own inverse."""
    spectrum = torch.fft.fft(x, norm="ortho")
    return spectrum.real - spectrum.imag


@dataclass(frozen=True, eq=False)
class Measurement:
    """y = A(x0) + std n, n standard normal.

    Args:
        operator: A.
        y: The measured values: (B, ...), or (1, ...) for all items.
        std: Standard deviation of the noise in y, in the units of y; 0 where y is exact.

    Raises:
        ValueError: ``std`` is negative or not finite.
    """

    operator: Operator
    y: Tensor
    std: float = 0.0

    def __post_init__(self) -> None:
        check_not_negative(std=self.std)

    def residual(self, expected: Tensor) -> Tensor:
        """y - expected, for expected = A(x0).

        Raises:
            ValueError: A(x0) has another shape than y.
        """
        if self.y.shape[0] not in (1, expected.shape[0]) or self.y.shape[1:] != expected.shape[1:]:
            raise ValueError(
                f"y has the shape {tuple(self.y.shape)}, but the operator gives {tuple(expected.shape)}"
            )
        return self.y.to(expected) - expected


def extension(part: Tensor, length: int, *, axis: int = -1, start: int = 0) -> Measurement:
    """The measurement that continues sound or video in time.

    Args:
        part: The known part, (B, ...) with at most ``length`` elements along ``axis``.
        length: Of the state along ``axis``.
        axis: That of time, counted from the end.
        start: Index of the known part: 0 to continue it, ``length - part.shape[axis]`` to lead up to it.

    Raises:
        ValueError: The known part does not lie within the state, or the axis is not counted from the end.
    """
    if not -part.ndim < axis < 0:
        raise ValueError(f"axis must be counted from the end, -1 to {1 - part.ndim}, not {axis}")
    size = part.shape[axis]
    if start < 0 or start + size > length:
        raise ValueError(f"{size} elements from {start} on do not fit into {length}")
    after_axis = -axis - 1
    padding = (*(0, 0) * after_axis, start, length - start - size)
    known = part.new_ones(size, *(1,) * after_axis, dtype=torch.bool)
    return Measurement(Mask(functional.pad(known, padding)), functional.pad(part, padding))


class InverseMethod(ABC):
    """A rule by which predictions follow a measurement."""

    def check(self, measurement: Measurement) -> None:
        """Raises ValueError where the method cannot use the measurement."""
        _linear(self, measurement)

    @abstractmethod
    def predict(self, x: Tensor, level: Level[float], denoise: Denoise, measured: Measurement) -> Prediction:
        """The prediction for the state x (B, ...) given the measurement, from one evaluation."""

    def known(self, measurement: Measurement) -> Known | None:  # noqa: ARG002
        """The part of the data that the method takes as exact; None where there is none."""
        return None


def constrained(denoiser: Denoiser, measurement: Measurement, method: InverseMethod) -> Denoiser:
    """``denoiser``, which predicts the data without it, with ``measurement`` by ``method``.

    Raises:
        ValueError: The method cannot use the measurement.
    """
    method.check(measurement)

    def denoise(x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory) -> Prediction:
        memory.known = method.known(measurement)
        within = memory.child("denoiser")  # which may know another part
        return method.predict(
            x, level, lambda x, level: denoiser(x, level, conditioning, within), measurement
        )

    return denoise


@dataclass(frozen=True)
class MaskBlend(InverseMethod):
    """x0 + (y - weight x0): the known part of x0 is replaced (inpainting).

    For a mask of 0 and 1 it is DDNM without the rounding: the known part of x0, and of the result with every
    solver and dtype, is y bit for bit; the loop pastes it (``Memory.known``).

    RePaint (Lugmayr et al. 2022, arXiv 2201.09865, algorithm 1) is this with DDIM(1) on a grid with
    restarts (``TimeGrid.restart``). A single run leaves a bias, as the unknown part depends on y through the
    noisy x alone; with short intervals it falls like 1 / repeats. As in RePaint the known part of x is
    distributed as alpha y + sigma n at every level if it is at the first one: in noisy data
    (``Process.diffuse``), or in pure noise at alpha = 0. RePaint draws n anew at every level; this class
    noises both parts by the same chain.
    """

    def check(self, measurement: Measurement) -> None:
        if not isinstance(measurement.operator, Mask):
            raise ValueError(
                f"MaskBlend needs a Mask, not {type(measurement.operator).__name__}; DDNM does the same for "
                "every linear operator"
            )
        if measurement.std > 0:
            raise ValueError("MaskBlend takes y as exact; for noisy y use DDNM, DiffPIR or PiGDM")

    def predict(self, x: Tensor, level: Level[float], denoise: Denoise, measured: Measurement) -> Prediction:
        prediction = denoise(x, level)
        residual = measured.residual(measured.operator(prediction.x0))
        x0 = self.known(measured).paste(prediction.x0 + residual)
        return _with_x0(prediction, x0, level)

    def known(self, measurement: Measurement) -> Known:
        """y where the mask is 1."""
        mask = measurement.operator
        assert isinstance(mask, Mask)
        return Known(mask.weight == 1, measurement.y)


class _Correction(InverseMethod):
    """x0 + A^T g(A A^T) (y - A x0)."""

    @abstractmethod
    def g(self, level: Level[float], std: float) -> SpectralFilter:
        """g, for noise of ``std`` in y."""

    def correction(
        self, operator: LinearOperator, residual: Tensor, level: Level[float], std: float
    ) -> Tensor:
        """A^T g(A A^T) residual."""
        return operator.adjoint(operator.filtered(residual, self.g(level, std)))

    def predict(self, x: Tensor, level: Level[float], denoise: Denoise, measured: Measurement) -> Prediction:
        operator, prediction = _linear(self, measured), denoise(x, level)
        residual = measured.residual(operator(prediction.x0))
        correction = self.correction(operator, residual, level, measured.std)
        return _with_x0(prediction, prediction.x0 + correction, level)


@dataclass(frozen=True)
class DDNM(_Correction):
    """x0 + A^+ (y - A x0): the range of A^T comes from y, the null space from the denoiser.

    Wang et al. 2023, arXiv 2212.00490, eq. 13. For noisy y as their DDNM+ (sec. 3.3): along a singular value
    s of A the correction brings noise of std / s into x0; where that is more than sigma / alpha, the noise of
    x / alpha, it is scaled down to it. They use the level at the end of the step; a denoiser knows only that
    at its start.
    """

    def g(self, level: Level[float], std: float) -> SpectralFilter:
        largest = _ratio(level.sigma, level.alpha * std)
        return lambda v: torch.where(v > LOST, (1 / v).clamp_max(largest / v.sqrt()), 0)


@dataclass(frozen=True)
class DiffPIR(_Correction):
    """The proximal step argmin over z of |y - A z|**2 / std**2 + strength |z - x0|**2 / (sigma / alpha)**2.

    Zhu et al. 2023, arXiv 2305.08995, algorithm 1, where strength is lambda; zeta, the share of new
    noise, is the eta of the solver. For exact y it is DDNM. With strength 1 it is PiGDM for data of infinite
    variance, without the Jacobian.

    Args:
        strength: > 0; the weight of the denoiser's x0 against y.

    Raises:
        ValueError: ``strength`` is not a finite number above 0.
    """

    strength: float = 1.0

    def __post_init__(self) -> None:
        check_positive(strength=self.strength)

    def g(self, level: Level[float], std: float) -> SpectralFilter:
        return inverted(self.strength * _ratio(level.alpha * std, level.sigma) ** 2 if std > 0 else 0.0)


@dataclass(frozen=True)
class DPS(InverseMethod):
    """Diffusion posterior sampling: follows the gradient of |y - A(x0(x))|**2 through the denoiser.

    Chung et al. 2023, arXiv 2209.14687, algorithm 1, for every operator, linear or not. By Tweedie's formula
    the gradient of a log-likelihood N(y; A(x0(x)), s**2) moves x0 by d / s**2, where d is sigma**2 / alpha
    times the gradient of -|y - A(x0(x))|**2 / 2 with respect to x. Their s**2 is a step size tuned by hand
    for each problem and for a thousand steps. This class takes the variance of y given x along d,

        s**2 = std**2 + |A' d|**2 / <A' d, y - A(x0)>,   A' the derivative of A at x0,

    For linear A and Gaussian data x0 + d / s**2 is then the most probable point on that line; if all singular
    values of A are equal, it is the mean of x0 given x and y. For exact y, A(x0) comes close to y but need
    not reach it. Costs the gradient of one evaluation. At alpha = 0 no gradient is computed and x0 stays as
    it is.
    """

    def check(self, measurement: Measurement) -> None:
        """Accepts every measurement."""

    def predict(self, x: Tensor, level: Level[float], denoise: Denoise, measured: Measurement) -> Prediction:
        def likelihood(x0: Tensor) -> tuple[Tensor, Tensor]:
            expected = measured.operator(x0)
            return expected, measured.residual(expected)

        def step(x0: Tensor, move: Tensor) -> Tensor:
            # Reverse mode twice: the first derivative in forward mode loads a second's worth of modules.
            expected, change = torch.autograd.functional.jvp(measured.operator, x0, move, create_graph=True)
            # Item by item: a reduction over the batch may round differently with the batch's size.
            gain = per_item(lambda a, b: (a * b).sum(), change, measured.residual(expected)).clamp_min(0)
            spread = per_item(lambda item: item.square().sum(), change)
            weight = gain / (spread + measured.std**2 * gain).clamp_min(torch.finfo(x.dtype).tiny)
            return column(weight, move) * move

        return _tweedie(x, level, denoise, likelihood, step)


@dataclass(frozen=True)
class PiGDM(InverseMethod):
    """Pseudo-inverse guidance: the gradient of log N(y; A x0(x), r**2 A A^T + std**2) through the denoiser.

    Song et al. 2023 (ICLR, "Pseudoinverse-guided diffusion models for inverse problems", sec. 3), with r**2 =
    v sigma**2 / (v alpha**2 + sigma**2), the variance of x0 given x for Gaussian data of variance v. For such
    data the result is the mean of x0 given x and y, and the samples are those of the posterior. x0 moves by
    (sigma**2 / alpha) times the gradient (Tweedie), without the further weights of their algorithm 1. Costs
    the gradient of one evaluation. At alpha = 0 no gradient is computed and x0 stays as it is.

    Args:
        data_std: sqrt(v), > 0.

    Raises:
        ValueError: ``data_std`` is not a finite number above 0.
    """

    data_std: float = 1.0

    def __post_init__(self) -> None:
        check_positive(data_std=self.data_std)

    def predict(self, x: Tensor, level: Level[float], denoise: Denoise, measured: Measurement) -> Prediction:
        operator = _linear(self, measured)
        spread = self.data_std * level.sigma / math.hypot(self.data_std * level.alpha, level.sigma)
        ridge = _ratio(measured.std, spread) ** 2 if measured.std > 0 else 0.0

        def likelihood(x0: Tensor) -> tuple[Tensor, Tensor]:
            residual = measured.residual(operator(x0))
            return x0, operator.inverse(residual, ridge) / spread**2

        return _tweedie(x, level, denoise, likelihood, lambda _, move: move)


def _linear(method: InverseMethod, measurement: Measurement) -> LinearOperator:
    if not isinstance(measurement.operator, LinearOperator):
        raise ValueError(
            f"{type(method).__name__} needs a linear operator, not {type(measurement.operator).__name__}; "
            "DPS works with any"
        )
    return measurement.operator


def _ratio(a: float, b: float) -> float:
    return a / b if b > 0 else math.inf


def _with_x0(prediction: Prediction, x0: Tensor, level: Level[float]) -> Prediction:
    """The prediction with another x0, and an explicit eps moved as x = alpha x0 + sigma eps demands."""
    if prediction.eps is None:
        return prediction.with_x0(x0)
    eps = prediction.eps - (level.alpha / level.sigma) * (x0 - prediction.x0)
    return Prediction(x0, eps, prediction.variance, prediction.c_skip)


def _tweedie(
    x: Tensor,
    level: Level[float],
    denoise: Denoise,
    likelihood: Callable[[Tensor], tuple[Tensor, Tensor]],
    step: Callable[[Tensor, Tensor], Tensor],
) -> Prediction:
    """x0 + step(x0, (sigma**2 / alpha) g), where g is the gradient of a log-likelihood with respect to x.

    Args:
        x: The state (B, ...).
        level: Its level.
        denoise: Predicts x0; must be differentiable.
        likelihood: x0 to (f, g_f): a function f of x0 and the gradient of the log-likelihood by f.
        step: How far to go along the gradient.

    Raises:
        ValueError: The denoiser passes no gradient on, or gradients are ruled out by inference mode.
    """
    if level.alpha == 0 or level.sigma == 0:
        return denoise(x, level)
    if torch.is_inference_mode_enabled():
        raise ValueError("there are no gradients in inference mode; use torch.no_grad, or DDNM or DiffPIR")
    nested = torch.is_grad_enabled() and x.requires_grad  # within another method that needs a gradient
    with torch.enable_grad():
        point = x if nested else x.detach().requires_grad_()
        prediction = denoise(point, level)
        output, weight = likelihood(prediction.x0)
        if not output.requires_grad:
            raise ValueError("the denoiser passes no gradient on; DDNM and DiffPIR need none")
        (gradient,) = torch.autograd.grad(output, point, weight, create_graph=nested)
        move = step(prediction.x0, gradient * (level.sigma**2 / level.alpha))
        guided = _with_x0(prediction, prediction.x0 + move, level)
    return guided if nested else guided.map(Tensor.detach)
