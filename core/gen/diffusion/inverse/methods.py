"""Methods for inverse problems: a denoiser of x0 given x becomes one of x0 given x and a measurement.

They change the prediction of x0 alone, so that each works with every solver, process and guidance:
``constrained(guided(denoiser, ...), measurement, method)``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gen.diffusion.arguments import check_positive
from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Known, Memory, Prediction
from gen.diffusion.inverse.measurement import LOST, LinearOperator, Mask, Measurement
from gen.diffusion.level import Level, broadcast
from gen.diffusion.solvers.base import Denoise


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
    (``Process.diffuse``), or in pure noise at alpha = 0. RePaint draws n anew at every level; here it follows
    the chain of the unknown part.
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
    """x0 + correction of the residual y - A x0."""

    @abstractmethod
    def correction(
        self, operator: LinearOperator, residual: Tensor, level: Level[float], std: float
    ) -> Tensor:
        """The correction of x0, for noise of ``std`` in y."""

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
    x / alpha, it is scaled down to it. They take the level at the end of the step, a denoiser that at its
    start.
    """

    def correction(
        self, operator: LinearOperator, residual: Tensor, level: Level[float], std: float
    ) -> Tensor:
        largest = _ratio(level.sigma, level.alpha * std)

        def g(v: Tensor) -> Tensor:
            return torch.where(v > LOST, (1 / v).clamp_max(largest / v.sqrt()), 0)

        return operator.adjoint(operator.filtered(residual, g))


@dataclass(frozen=True)
class DiffPIR(_Correction):
    """The proximal step argmin over z of |y - A z|**2 / std**2 + strength |z - x0|**2 / (sigma / alpha)**2.

    Zhu et al. 2023, arXiv 2305.08995, algorithm 1, where strength is lambda; the share of fresh noise, their
    zeta, is left to the solver's eta. For exact y it is DDNM; with strength 1 it is PiGDM for data of
    unbounded variance, without the Jacobian.

    Args:
        strength: > 0; the weight of the denoiser's x0 against y.

    Raises:
        ValueError: ``strength`` is not a finite number above 0.
    """

    strength: float = 1.0

    def __post_init__(self) -> None:
        check_positive(strength=self.strength)

    def correction(
        self, operator: LinearOperator, residual: Tensor, level: Level[float], std: float
    ) -> Tensor:
        ridge = self.strength * _ratio(level.alpha * std, level.sigma) ** 2 if std > 0 else 0.0
        return operator.inverse(residual, ridge)


@dataclass(frozen=True)
class DPS(InverseMethod):
    """Diffusion posterior sampling: follows the gradient of |y - A(x0(x))|**2 through the denoiser.

    Chung et al. 2023, arXiv 2209.14687, algorithm 1, for every operator, linear or not. By Tweedie's formula
    the gradient of a log-likelihood N(y; A(x0(x)), s**2) moves x0 by d / s**2, where d is sigma**2 / alpha
    times the gradient of -|y - A(x0(x))|**2 / 2 with respect to x. Their s**2 is a step size tuned by hand
    for each problem and for a thousand steps. Here it is the variance of y given x along d,

        s**2 = std**2 + |A' d|**2 / <A' d, y - A(x0)>,   A' the derivative of A at x0,

    which makes x0 + d / s**2 the most probable point on that line for linear A and Gaussian data, and the
    mean of x0 given x and y where all singular values of A are equal besides. Where y is exact, A(x0) comes
    close to y but need not reach it. Costs the gradient of one evaluation. At alpha = 0 there is none and x0
    stays as it is.
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
            pairs = list(zip(change, measured.residual(expected), strict=True))
            gain = torch.stack([(item * residual).sum() for item, residual in pairs]).clamp_min(0)
            spread = torch.stack([item.square().sum() for item, _ in pairs])
            weight = gain / (spread + measured.std**2 * gain).clamp_min(torch.finfo(x.dtype).tiny)
            return broadcast(weight, move) * move

        return _tweedie(x, level, denoise, likelihood, step)


@dataclass(frozen=True)
class PiGDM(InverseMethod):
    """Pseudo-inverse guidance: the gradient of log N(y; A x0(x), r**2 A A^T + std**2) through the denoiser.

    Song et al. 2023 (ICLR, "Pseudoinverse-guided diffusion models for inverse problems", sec. 3), with r**2 =
    v sigma**2 / (v alpha**2 + sigma**2), the variance of x0 given x for Gaussian data of variance v. For such
    data the result is the mean of x0 given x and y, and the samples are those of the posterior. x0 moves by
    (sigma**2 / alpha) times the gradient (Tweedie), without the further weights of their algorithm 1. Costs
    the gradient of one evaluation. At alpha = 0 there is no gradient and x0 stays as it is.

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
    return Prediction(x0, eps, prediction.variance, prediction.output)


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
