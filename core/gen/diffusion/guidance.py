"""Guidance: changes of a denoiser within an interval of noise levels, chained with >>.

``cond`` is the prediction for the prompt, ``uncond`` the one for the empty or negative prompt or that of a
weaker model; both (B, ...). Scale 1 is no guidance and 0 is uncond; papers that write (1 + w) have
w = scale - 1. Each formula is a function of tensors, whose ``scale`` is a number or a tensor that broadcasts
to (B, ...). It holds in x0, in the velocity or in the network's output, as its paper has it.

An explicit eps and a learned variance stay those of the conditional prediction, except in ``CFGPlusPlus``.

Guidance by a gradient follows from Bayes' rule and Tweedie's formula,

    E[x0 | x, y] = E[x0 | x] + sigma**2 / alpha grad_x log p(y | x)

At pure noise (alpha = 0) x is independent of y, and no gradient is computed.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import itemgetter
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from gen.diffusion.arguments import check_axes, check_not_negative, check_real, check_within
from gen.diffusion.attention import nag, pag, perturbed, seg, slg
from gen.diffusion.conditioning import Conditioning, concatenate
from gen.diffusion.denoiser import Denoiser, Memory, Prediction
from gen.diffusion.level import (
    EVERYWHERE,
    Interval,
    Level,
    check_interval,
    column,
    divisor,
    inner_product,
    norm,
    per_item,
    repeated,
    within,
)

__all__ = [
    "AdaptiveProjected", "CFGPlusPlus", "CFGZeroStar", "Chain", "ClassifierFree", "ClassifierGuidance",
    "Evaluate", "Evaluation", "Extrapolation", "FrequencyDecoupled", "Guidance", "LossGuidance", "Mahiro",
    "Perturbed", "Scale", "Tangential", "WeightedPrompts", "guided", "nag", "pag", "perturbed", "seg", "slg",
]  # fmt: skip

Strength: TypeAlias = float | Sequence[float] | Tensor
Scale: TypeAlias = Strength | Callable[[Level[float]], Strength]
"""A guidance scale, or a function of the level that returns one.

A number for all items; a sequence or tensor (B,) with one number per item; or a tensor that broadcasts to the
state (B, ...) with as many dimensions, such as (1, 1, T, 1, 1) with one number per frame of a video. Negative
numbers are allowed. A guidance within a cache, or in a chain before one that evaluates several prompts at
once, gets other batches than the run's: its scale must be one number.
"""

Evaluate: TypeAlias = Callable[[Tensor, Level[float], Mapping[str, Conditioning]], dict[str, Prediction]]
"""(x, level, name to conditioning) -> name to prediction of the unguided denoiser, in one batch where the
conditionings can be concatenated."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One evaluation of a guided denoiser.

    Args:
        x: State (B, ...).
        level: Its level, in the interval of the guidance.
        conditioning: The conditions, with uncond and other prompts where there are any.
        memory: The guidance's own, to read and write.
        evaluate: Evaluates the unguided denoiser.
    """

    x: Tensor
    level: Level[float]
    conditioning: Conditioning
    memory: Memory
    evaluate: Evaluate

    def conditional(self) -> Prediction:
        """The prediction for the conditioning, without guidance."""
        return self.evaluate(self.x, self.level, {"cond": self.conditioning})["cond"]

    def number(self, scale: Scale) -> float | Tensor:
        """The scale at this level: a number, or a tensor in the dtype of x that broadcasts to x.

        Raises:
            ValueError: The scale has not one number per item and does not broadcast to x.
        """
        strength = scale(self.level) if callable(scale) else scale
        if isinstance(strength, int | float):
            return strength
        values, x = torch.as_tensor(strength), self.x
        if values.shape == x.shape[:1]:
            return column(values.to(x), x)
        fits = values.ndim == x.ndim and all(
            size in (1, full) for size, full in zip(values.shape, x.shape, strict=True)
        )
        if values.ndim and not fits:
            raise ValueError(
                f"a scale must be one number, ({x.shape[0]},) with one per item, or broadcast to the state "
                f"{tuple(x.shape)} with as many dimensions, not {tuple(values.shape)}; within a cache, or "
                "before a guidance that evaluates several prompts at once, only one number fits"
            )
        return values.to(x)


@dataclass(frozen=True)
class Guidance(ABC):
    """A change of the prediction of a denoiser.

    Args:
        interval: (low, high) in log_snr, both included; outside of it only the conditional prediction is
            evaluated (Kynkäänniemi et al. 2024, arXiv 2404.07724).

    Raises:
        ValueError: The interval is not (low, high).
    """

    interval: Interval = field(default=EVERYWHERE, kw_only=True)

    def __post_init__(self) -> None:
        check_interval(self.interval)

    @property
    def parts(self) -> tuple[Guidance, ...]:
        """This guidance alone, as the parts of a ``Chain``."""
        return (self,)

    def __rshift__(self, other: Guidance | Chain) -> Chain:
        """This guidance, then ``other``; see ``Chain``."""
        return Chain((self, *other.parts))

    @abstractmethod
    def predict(self, at: Evaluation) -> Prediction:
        """The guided prediction."""


@dataclass(frozen=True)
class Chain:
    """Guidances applied in turn: guided(denoiser, a >> b) = guided(guided(denoiser, a), b).

    Where b evaluates a prompt and its uncond, both predictions are guided by a. ``Chain()`` is no guidance.

    Args:
        parts: The first is applied to the denoiser itself.
    """

    parts: tuple[Guidance, ...] = ()

    def __rshift__(self, other: Guidance | Chain) -> Chain:
        """These guidances, then ``other``."""
        return Chain((*self.parts, *other.parts))


def guided(denoiser: Denoiser, guidance: Guidance | Chain) -> Denoiser:
    """``denoiser`` with ``guidance``, whose memory is the one that it is evaluated with."""
    for part in guidance.parts:
        denoiser = _guided(denoiser, part)
    return denoiser


def _guided(denoiser: Denoiser, guidance: Guidance) -> Denoiser:
    def denoise(x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory) -> Prediction:
        at = Evaluation(x, level, conditioning, memory, partial(_evaluate, denoiser, memory))
        return guidance.predict(at) if within(level, guidance.interval) else at.conditional()

    return denoise


def _evaluate(
    denoiser: Denoiser, memory: Memory, x: Tensor, level: Level[float], prompts: Mapping[str, Conditioning]
) -> dict[str, Prediction]:
    """See ``Evaluate``. Each batch has a child memory, so that the rows of two batches are never mixed."""
    predictions: dict[str, Prediction] = {}
    for names in _batches(prompts):
        count, rows, child = len(names), x.shape[0], memory.child(" and ".join(names))
        if count == 1:
            predictions[names[0]] = prediction = denoiser(x, level, prompts[names[0]], child)
            if len(prompts) > 1:
                _ = prediction.x0  # made now, as a network may overwrite its output in its next evaluation
        else:
            joined = concatenate([prompts[name] for name in names])
            prediction = denoiser(repeated(x, count), level, joined, child)
            for i, name in enumerate(names):
                predictions[name] = prediction.map(itemgetter(slice(i * rows, (i + 1) * rows)))
    return predictions


def check_scale(scale: Scale) -> None:
    """Raises ValueError where a constant scale is not finite."""
    if not callable(scale) and not bool(torch.as_tensor(scale).isfinite().all()):
        raise ValueError(f"a guidance scale must be finite, not {scale}")


def _batches(prompts: Mapping[str, Conditioning]) -> list[tuple[str, ...]]:
    """The names in groups whose conditionings can be concatenated."""
    kinds: dict[object, list[str]] = {}
    for name, conditioning in prompts.items():
        shapes = frozenset(
            (name, condition.route, condition.value.shape[2 if condition.has_tokens else 1 :])
            for name, condition in conditioning.items()
        )
        kind = (shapes, conditioning.uncond is None, len(conditioning.others))
        kinds.setdefault(kind, []).append(name)
    return [tuple(names) for names in kinds.values()]


@dataclass(frozen=True)
class Extrapolation(Guidance):
    """The base of rules that lead from uncond through cond and beyond; all have its arguments and errors.

    Args:
        scale: A ``Scale``; the number 1 is no guidance (uncond is not evaluated), 0 is uncond.
        weak: A weaker denoiser, evaluated with the same conditioning, whose prediction replaces uncond:
            autoguidance (Karras et al. 2024, arXiv 2406.02507, eq. 3). By default uncond is the prediction of
            the same denoiser for ``conditioning.uncond``.

    Raises:
        ValueError: A value is out of range; or (when evaluated) there is neither an uncond nor a weak
            denoiser.
    """

    neutral: ClassVar[float | None] = 1.0
    """The scale at which uncond has no effect and is not evaluated; None where it is always evaluated."""

    scale: Scale
    weak: Denoiser | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_scale(self.scale)

    def predict(self, at: Evaluation) -> Prediction:
        scale = at.number(self.scale)
        if isinstance(scale, int | float) and scale == self.neutral:
            return at.conditional()
        if self.weak is None:
            cond, uncond = _cond_and_uncond(at)
        else:
            cond = at.conditional()
            uncond = _weak_prediction(self.weak, at, cond)
        return self.combine(at, cond, uncond, scale)

    @abstractmethod
    def combine(self, at: Evaluation, cond: Prediction, uncond: Prediction, w: float | Tensor) -> Prediction:
        """The guided prediction of scale w."""


def _cond_and_uncond(at: Evaluation) -> tuple[Prediction, Prediction]:
    """The predictions for the conditioning and its uncond, in one batch."""
    if at.conditioning.uncond is None:
        raise ValueError(
            "guidance needs a conditioning with uncond, a weak denoiser, or scale 1; in a chain guidance "
            "by uncond must be the last"
        )
    prompts = {"cond": at.conditioning.cond, "uncond": at.conditioning.uncond.cond}
    found = at.evaluate(at.x, at.level, prompts)
    return found["cond"], found["uncond"]


def _weak_prediction(weak: Denoiser, at: Evaluation, cond: Prediction) -> Prediction:
    """The prediction of the weak denoiser, after that of the other one, ``cond``."""
    _ = cond.x0  # computed now, as both may have one network, which overwrites its output
    return weak(at.x, at.level, at.conditioning, at.memory.child("weak"))


def cfg(cond: Tensor, uncond: Tensor, scale: float | Tensor) -> Tensor:
    """uncond + scale (cond - uncond), in any space (Ho & Salimans 2022, arXiv 2207.12598, eq. 6)."""
    return torch.lerp(uncond, cond, scale)


def rescaled(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    """guided (phi std(cond) / std(guided) + 1 - phi) (Lin et al. 2023, arXiv 2305.08891, eq. 15 and 16).

    In the network's output, with the std of each item. Where guided is constant it stays as it is.
    """
    ratio = per_item(lambda a, b: (a.std() / b.std()).nan_to_num(1.0, 1.0), cond, guided)
    return guided * ratio.mul(phi).add(1 - phi).to(guided)


def renormed(guided: Tensor, cond: Tensor, axis: int) -> Tensor:
    """guided |cond| / |guided|, in the network's output, with norms along ``axis``.

    Published as code (diffusers' pipeline of Qwen-Image), where the axis is that of a token's channels.
    """
    norms = [torch.linalg.vector_norm(value, dim=axis, keepdim=True) for value in (cond, guided)]
    return guided * (norms[0] / norms[1]).nan_to_num(1.0, 1.0)


@dataclass(frozen=True)
class ClassifierFree(Extrapolation):
    """``cfg`` of x0, then ``rescaled`` or ``renormed``; with a weak denoiser, autoguidance.

    Args:
        rescale: phi of ``rescaled``, in [0, 1]; 0 for none.
        renorm: Axis of ``renormed``, counted from the end; None for none.

    Raises:
        ValueError: There is both rescale and renorm; or (when evaluated) one of them, and the denoiser gives
            no ``Prediction.c_skip``.
    """

    rescale: float = 0.0
    renorm: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_within(0, 1, rescale=self.rescale)
        if self.renorm is not None and (self.renorm >= 0 or self.rescale > 0):
            raise ValueError("renorm is an axis counted from the end, and excludes rescale")

    def combine(self, at: Evaluation, cond: Prediction, uncond: Prediction, w: float | Tensor) -> Prediction:
        x0 = cfg(cond.x0, uncond.x0, w)
        if self.rescale == 0 and self.renorm is None:
            return cond.with_x0(x0)
        if cond.c_skip is None:
            raise ValueError(
                "rescale and renorm work on the network's output, which this denoiser does not give: use "
                "ModelDenoiser or set Prediction.c_skip"
            )
        # Of c_out F: both rules have the same factor for every multiple of F.
        known = cond.c_skip * at.x
        output, plain = x0 - known, cond.x0 - known
        if self.renorm is None:
            output = rescaled(output, plain, self.rescale)
        else:
            output = renormed(output, plain, self.renorm)
        return cond.with_x0(known + output)


@dataclass(frozen=True)
class CFGPlusPlus(Extrapolation):
    """``cfg`` of x0, and the noise of uncond (Chung et al. 2024, arXiv 2406.08070, alg. 2).

    A solver that follows eps adds back the noise of uncond; in a DDIM step that changes log_snr by h it
    equals classifier-free guidance of scale / (1 - e**-h). Solvers that read x0 alone see classifier-free
    guidance.

    Args:
        scale: lambda in [0, 1], a ``Scale``; uncond is always evaluated.
    """

    neutral: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.scale):
            values = torch.as_tensor(self.scale)
            if not bool(((values >= 0) & (values <= 1)).all()):
                raise ValueError(f"the scale of CFG++ must lie in [0, 1], not {self.scale}")

    def combine(self, at: Evaluation, cond: Prediction, uncond: Prediction, w: float | Tensor) -> Prediction:
        x0, eps = cfg(cond.x0, uncond.x0, w), uncond.noise(at.x, at.level)
        return Prediction(x0, eps, cond.variance, cond.c_skip)


def apg(
    cond: Tensor, difference: Tensor, scale: float | Tensor, eta: float = 0.0, radius: float = math.inf
) -> Tensor:
    """cond + (scale - 1) (d_orthogonal + eta d_parallel), in x0 (Sadat et al. 2024, 2410.02416, alg. 1).

    d = difference min(1, radius / |difference|) of each item; parallel and orthogonal to cond. The difference
    is cond - uncond, plus the momentum.
    """
    if radius < math.inf:
        difference = difference * (radius / norm(difference)).clamp(max=1.0).to(cond)
    if eta != 1:
        difference = difference + cond * ((eta - 1) * _share(difference, cond)).to(cond)
    return cond + (scale - 1) * difference


@dataclass(frozen=True)
class AdaptiveProjected(Extrapolation):
    """Adaptive projected guidance, ``apg`` of x0, which does not saturate at high scales.

    Args:
        eta: Share of the parallel part, >= 0; 1 keeps all of it, as classifier-free guidance does.
        radius: The largest Euclidean norm of an item's difference, > 0; infinite for no limit.
        momentum: beta in (-1, 1): d = cond - uncond + beta d_before, over the evaluations of a run. The paper
            advises values below 0.
    """

    eta: float = 0.0
    radius: float = math.inf
    momentum: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_not_negative(eta=self.eta)
        if not self.radius > 0:
            raise ValueError(f"radius must be above 0, not {self.radius}")
        check_within(-1, 1, without=(-1, 1), momentum=self.momentum)

    def combine(self, at: Evaluation, cond: Prediction, uncond: Prediction, w: float | Tensor) -> Prediction:
        difference = cond.x0 - uncond.x0
        if self.momentum != 0:
            if "momentum" in at.memory.values:
                difference = difference + self.momentum * at.memory.values["momentum"]
            at.memory.values["momentum"] = difference.detach()
        return cond.with_x0(apg(cond.x0, difference, w, self.eta, self.radius))


def cfg_zero_star(cond: Tensor, uncond: Tensor, scale: float | Tensor) -> Tensor:
    """s uncond + scale (cond - s uncond), s = <cond, uncond> / |uncond|**2 of each item.

    In the velocity of a rectified flow (Fan et al. 2025, arXiv 2503.18886, alg. 1).
    """
    return torch.lerp(uncond * _share(cond, uncond).to(cond), cond, scale)


def _share(a: Tensor, b: Tensor) -> Tensor:
    """<a, b> / |b|**2 of each item in float64, (B, 1, ..., 1); 0 where b is 0."""
    square = inner_product(b, b)
    return inner_product(a, b) / torch.where(square > 0, square, 1.0)


@dataclass(frozen=True)
class CFGZeroStar(Extrapolation):
    """``cfg_zero_star``, and velocity 0 at the first levels, where a network's velocity is worse.

    The velocity is that of the rectified flow with the same log_snr, whatever the process.

    Args:
        zero_until: The log_snr up to which, within the interval, the velocity is 0 and nothing is evaluated
            (zero-init); by default at pure noise alone, the first step of a grid that starts there; None for
            never.
    """

    zero_until: float | None = -math.inf

    def predict(self, at: Evaluation) -> Prediction:
        if self.zero_until is not None and at.level.log_snr <= self.zero_until:
            return Prediction(at.x / (at.level.alpha + at.level.sigma))
        return super().predict(at)

    def combine(self, at: Evaluation, cond: Prediction, uncond: Prediction, w: float | Tensor) -> Prediction:
        # The state of the rectified flow is x / (alpha + sigma) = (1 - t) x0 + t eps, hence t v = x - x0; the
        # rule is linear in v, so t drops out.
        x = at.x / (at.level.alpha + at.level.sigma)
        return cond.with_x0(x - cfg_zero_star(x - cond.x0, x - uncond.x0, w))


@dataclass(frozen=True)
class Tangential(Extrapolation):
    """TCFG: ``cfg`` with the noise of uncond projected (Kwon et al. 2025, arXiv 2503.18137).

    eps_uncond is replaced by its projection on the first right singular vector of the matrix with the rows
    (eps_uncond, eps_cond), for each item. In closed form the projection is

        ((1 - sin f) eps_uncond + cos f eps_cond) / 2,
        f = atan2(|eps_cond|**2 - |eps_uncond|**2, 2 <eps_cond, eps_uncond>).
    """

    def combine(self, at: Evaluation, cond: Prediction, uncond: Prediction, w: float | Tensor) -> Prediction:
        # eps_cond = m + r d and eps_uncond = m - r d. In x0 the projection gains (1 - weights) x / alpha,
        # which has a limit at alpha = 0.
        x, level = at.x, at.level
        r, d = level.alpha / level.sigma, (uncond.x0 - cond.x0) / 2
        m = (x - level.alpha * (cond.x0 + uncond.x0) / 2) / level.sigma
        mm, md, dd = inner_product(m, m), inner_product(m, d), inner_product(d, d)
        f = torch.atan2(2 * r * md, mm - r**2 * dd)
        half, alpha = f / 2, level.alpha
        limit = md / (level.sigma * torch.where(mm > 0, mm, 1.0))
        signal = torch.as_tensor(alpha, device=x.device) > 0
        rest = torch.where(signal, half.sin() * (half.sin() + half.cos()) / divisor(alpha), limit)
        of_uncond, of_cond = (1 - f.sin()) / 2, f.cos() / 2
        projected = of_uncond.to(x) * uncond.x0 + of_cond.to(x) * cond.x0 + rest.to(x) * x
        return cond.with_x0(cfg(cond.x0, projected, w))


def fdg(cond: Tensor, uncond: Tensor, scales: Sequence[float | Tensor], axes: tuple[int, ...]) -> Tensor:
    """Sum over the bands of a Laplacian pyramid of uncond_band + scale_band (cond_band - uncond_band).

    Frequency-decoupled guidance (Sadat et al. 2025, arXiv 2506.19713, alg. 1), in any space. The bands' sum
    is the identity, and equal scales make ``cfg``.

    Args:
        cond, uncond: (B, ...), real.
        scales: One per band, the finest first.
        axes: Those of space or time, counted from the end.

    Raises:
        ValueError: An axis is too short for so many bands.
    """
    scale, *coarser = scales
    if not coarser:
        return cfg(cond, uncond, scale)
    difference = cond - uncond
    low = _halved(difference, axes)
    fine = difference - _doubled(low, difference, axes)
    zero = torch.zeros_like(low)
    return uncond + scale * fine + _doubled(fdg(low, zero, coarser, axes), difference, axes)


_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def _blurred(rows: Tensor) -> Tensor:
    """Rows (N, 1, L) convolved with the binomial kernel, reflected at the ends."""
    if rows.shape[-1] < 3:
        raise ValueError("an axis is too short for so many bands: each halves it, and 3 elements are needed")
    return functional.conv1d(
        functional.pad(rows, (2, 2), "reflect"), rows.new_tensor(_BINOMIAL).view(1, 1, 5)
    )


def _halved(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """x blurred, with half as many elements along each axis (Burt & Adelson 1983)."""
    for axis in axes:
        rows, size = x.movedim(axis, -1), x.shape[axis] // 2
        half = functional.interpolate(_blurred(rows.reshape(-1, 1, x.shape[axis])), size=size, mode="linear")
        x = half.reshape(*rows.shape[:-1], size).movedim(-1, axis)
    return x


def _doubled(x: Tensor, like: Tensor, axes: tuple[int, ...]) -> Tensor:
    """x interpolated to the size of ``like`` and blurred."""
    for axis in axes:
        rows, size = x.movedim(axis, -1), like.shape[axis]
        full = functional.interpolate(rows.reshape(-1, 1, x.shape[axis]), size=size, mode="linear")
        x = _blurred(full).reshape(*rows.shape[:-1], size).movedim(-1, axis)
    return x


@dataclass(frozen=True)
class FrequencyDecoupled(Extrapolation):
    """``fdg`` of x0: one scale per band of frequencies.

    Args:
        scale: That of the finest band, a ``Scale``.
        coarser: Those of the coarser bands, at least one; the paper advises lower ones.
        axes: The axes of space or time, counted from the end: (-2, -1) for images, (-1,) for sound.

    Raises:
        ValueError: (when evaluated) An axis is too short for so many bands, or is no axis of an item; the
            scale of a coarser band varies along the axes; or the state is complex.
    """

    neutral: ClassVar[float | None] = None

    coarser: Sequence[Scale] = field(kw_only=True)
    axes: tuple[int, ...] = field(default=(-2, -1), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "coarser", tuple(self.coarser))
        if not self.coarser:
            raise ValueError("FDG needs the scale of at least one coarser band")
        for scale in self.coarser:
            check_scale(scale)
        check_axes(self.axes)

    def combine(self, at: Evaluation, cond: Prediction, uncond: Prediction, w: float | Tensor) -> Prediction:
        check_real(at.x, "FDG")
        if -min(self.axes) >= at.x.ndim:
            raise ValueError(f"the axes {self.axes} reach beyond an item of a state {tuple(at.x.shape)}")
        coarser = [at.number(coarse) for coarse in self.coarser]
        for value in coarser:
            if isinstance(value, Tensor) and any(value.shape[axis] > 1 for axis in self.axes):
                raise ValueError("the scale of a coarser band must not vary along the axes of the bands")
        return cond.with_x0(fdg(cond.x0, uncond.x0, [w, *coarser], self.axes))


def mahiro(cond: Tensor, uncond: Tensor, scale: float | Tensor) -> Tensor:
    """(1 + c) / 2 g + (1 - c) / 2 scale cond, in x0, where g is ``cfg``.

    c is the cosine over the channels, averaged over each item, between the signed square roots of
    scale uncond and of (g + scale cond) / 2. Published as code: the node Mahiro of ComfyUI, which averages c
    over the batch too.
    """
    g, leap = cfg(cond, uncond, scale), scale * cond
    roots = [value.sign() * value.abs().sqrt() for value in (scale * uncond, (leap + g) / 2)]
    c = per_item(lambda a, b: functional.cosine_similarity(a, b, dim=0).mean(), *roots)
    return torch.lerp(leap, g, (1 + c) / 2)


@dataclass(frozen=True)
class Mahiro(Extrapolation):
    """``mahiro`` of a real x0: guidance along cond itself where cond and uncond differ."""

    def combine(self, at: Evaluation, cond: Prediction, uncond: Prediction, w: float | Tensor) -> Prediction:
        check_real(at.x, "Mahiro")
        return cond.with_x0(mahiro(cond.x0, uncond.x0, w))


@dataclass(frozen=True)
class Perturbed(Guidance):
    """cfg(cond, uncond) + scale (cond - weak), for a weak denoiser with a perturbed network.

    Its network is made by ``pag`` for perturbed-attention guidance, ``seg`` for smoothed energy guidance,
    ``slg`` for skip-layer guidance.

    Args:
        scale: A ``Scale``; 0 is no perturbation guidance (the weak denoiser is not evaluated).
        weak: The denoiser with the perturbed network, evaluated with the same conditioning.
        cfg: Scale of classifier-free guidance beside it; 1 is none (uncond is not evaluated).
        interval: (low, high) in log_snr, outside of which there is no guidance of either kind.

    Raises:
        ValueError: A value is out of range; or (when evaluated) cfg is not 1 and there is no uncond.
    """

    scale: Scale
    weak: Denoiser
    cfg: Scale = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_scale(self.scale)
        check_scale(self.cfg)

    def predict(self, at: Evaluation) -> Prediction:
        scale, strength = at.number(self.scale), at.number(self.cfg)
        if isinstance(strength, int | float) and strength == 1:
            cond = guided = at.conditional()
        else:
            cond, uncond = _cond_and_uncond(at)
            guided = cond.with_x0(cfg(cond.x0, uncond.x0, strength))
        if isinstance(scale, int | float) and scale == 0:
            return guided
        weak = _weak_prediction(self.weak, at, cond)
        return guided.with_x0(guided.x0 + scale * (cond.x0 - weak.x0))


@dataclass(frozen=True)
class WeightedPrompts(Guidance):
    """uncond + sum of w_i (cond_i - uncond) (Liu et al. 2022, arXiv 2206.01714, eq. 11, in x0).

    A negative weight is a prompt to avoid; a weight that depends on the level fades a prompt in or out. One
    weight is classifier-free guidance of that scale. Prompts of weight 0 are not evaluated, nor is uncond
    where the weights are numbers of sum 1.

    Args:
        weights: A ``Scale`` for the conditioning itself, then for each of its ``others``.
        interval: (low, high) in log_snr, outside of which only the conditioning itself counts.

    Raises:
        ValueError: No weights, one is not finite; or (when evaluated) there are not as many as prompts, or
            uncond is needed and missing.
    """

    weights: Sequence[Scale]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "weights", tuple(self.weights))
        if not self.weights:
            raise ValueError("there must be at least one weight")
        for weight in self.weights:
            check_scale(weight)

    def predict(self, at: Evaluation) -> Prediction:
        prompts = (at.conditioning, *at.conditioning.others)
        if len(prompts) != len(self.weights):
            raise ValueError(
                f"there must be one weight for each prompt: {len(self.weights)} for {len(prompts)}"
            )
        factors = {f"prompt {i}": at.number(weight) for i, weight in enumerate(self.weights, 1)}
        batch = {name: prompt.cond for name, prompt in zip(factors, prompts, strict=True)}
        numbers = [factor for factor in factors.values() if not isinstance(factor, Tensor)]
        tensors = [factor for factor in factors.values() if isinstance(factor, Tensor)]
        factors["uncond"] = 1 - (math.fsum(numbers) + sum(tensors))
        if at.conditioning.uncond is not None:
            batch["uncond"] = at.conditioning.uncond.cond
        elif _counts(factors["uncond"]):
            raise ValueError("weights that do not sum to 1 need a conditioning with uncond")
        batch = {name: prompt for name, prompt in batch.items() if _counts(factors[name])}
        found = at.evaluate(at.x, at.level, batch)
        x0, *others = (found[name].x0 * factors[name] for name in batch)
        return next(iter(found.values())).with_x0(sum(others, x0))


def _counts(factor: float | Tensor) -> bool:
    """Whether a prompt of this weight is evaluated; a tensor's numbers are not read."""
    return isinstance(factor, Tensor) or factor != 0


Objective: TypeAlias = Callable[[Tensor, Level[float], Conditioning], Tensor]
"""(tensor (B, ...), level, conditioning) -> one number for each item (B,), differentiable in the tensor."""


@dataclass(frozen=True)
class ClassifierGuidance(Guidance):
    """x0 + scale sigma**2 / alpha grad_x log p(y | x) (Dhariwal & Nichol 2021, arXiv 2105.05233, alg. 2).

    Args:
        log_probability: (x (B, ...), level, conditioning) -> log p(y | x) (B,), of a classifier of noisy
            states.
        scale: A ``Scale``; 1 samples from p(x0 | y), 0 is no guidance.

    Raises:
        ValueError: A value is out of range, or (when evaluated) the log-probabilities are not (B,).
    """

    log_probability: Objective
    scale: Scale = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_scale(self.scale)

    def predict(self, at: Evaluation) -> Prediction:
        prediction, factor = at.conditional(), _tweedie(at, self.scale)
        if factor is None:
            return prediction
        differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            point = at.x if at.x.requires_grad else at.x.detach().requires_grad_()
            values = self.log_probability(point, at.level, at.conditioning)
            gradient = _gradient(values, point, create_graph=differentiable)
        return prediction.with_x0(prediction.x0 + factor * gradient)


@dataclass(frozen=True)
class LossGuidance(Guidance):
    """x0 - scale sigma**2 / alpha grad_x loss(x0(x)).

    Universal guidance (Bansal et al. 2023, arXiv 2302.07121, eq. 6) and diffusion posterior sampling (Chung
    et al. 2023, arXiv 2209.14687, eq. 16), with the step size in the loss. Where exp(-loss) is p(y | x) up
    to a factor, scale 1 gives E[x0 | x, y]. The gradient goes through the denoiser and every earlier guidance
    of a chain. Where gradients are on, the result can be differentiated.

    Args:
        loss: (x0 (B, ...), level, conditioning) -> (B,). A Euclidean norm in place of its square normalises
            the gradient.
        scale: A ``Scale``; 0 is no guidance.

    Raises:
        ValueError: A value is out of range, or (when evaluated) the losses are not (B,).
    """

    loss: Objective
    scale: Scale = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_scale(self.scale)

    def predict(self, at: Evaluation) -> Prediction:
        factor = _tweedie(at, self.scale)
        if factor is None:
            return at.conditional()
        differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            point = at.x if at.x.requires_grad else at.x.detach().requires_grad_()
            prediction = replace(at, x=point).conditional()
            losses = self.loss(prediction.x0, at.level, at.conditioning)
            gradient = _gradient(losses, point, create_graph=differentiable)
        if not differentiable:
            prediction = prediction.map(Tensor.detach)
        return prediction.with_x0(prediction.x0 - factor * gradient)


def _tweedie(at: Evaluation, scale: Scale) -> float | Tensor | None:
    """scale sigma**2 / alpha; None where there is no guidance."""
    number, level = at.number(scale), at.level
    if level.alpha == 0 or level.sigma == 0 or not torch.as_tensor(number).any():
        return None
    return number * (level.sigma**2 / level.alpha)


def _gradient(values: Tensor, point: Tensor, *, create_graph: bool) -> Tensor:
    if values.shape != point.shape[:1]:
        raise ValueError(
            f"there must be one number for each item, ({point.shape[0]},), not {tuple(values.shape)}"
        )
    # Items are independent: the gradient of the sum holds the gradient of each.
    return torch.autograd.grad(values.sum(), point, create_graph=create_graph)[0]
