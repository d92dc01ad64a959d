"""Denoisers: (x, level, conditioning, memory) -> Prediction, all that a solver knows of a model.

Guidance, clipping, caches and constraints are functions Denoiser -> Denoiser.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeAlias, cast, runtime_checkable

import torch
from torch import Tensor, nn

from gen.diffusion.arguments import check_positive, check_within
from gen.diffusion.conditioning import Condition, Conditioning
from gen.diffusion.level import Level, Real, broadcast, combine, per_item
from gen.diffusion.parameterization import Coefficients, Parameterization
from gen.diffusion.process import Process

TABLE_SIZE = 1024
"""Levels whose coefficients a ``ModelDenoiser`` keeps."""


@dataclass(eq=False)
class Output:
    """The output F of a network for the state x, with x0 = c_skip x + c_out F.

    A first-order step needs no x0: it goes from x and F to the next state in one pass over memory.

    Args:
        x: The state (B, ...).
        F: The output (B, ...), in the dtype of x.
        c_skip: Factor of x.
        c_out: Factor of F.
    """

    x: Tensor
    F: Tensor
    c_skip: float
    c_out: float
    _x0: Tensor | None = field(default=None, init=False, repr=False)

    @property
    def x0(self) -> Tensor:
        """c_skip x + c_out F, (B, ...), computed when it is first read."""
        if self._x0 is None:  # not a cached_property, which no graph of torch.compile can hold
            kept = self.x if self.c_skip == 1 else self.x * self.c_skip
            self._x0 = torch.add(kept, self.F, alpha=self.c_out)
        return self._x0


class Prediction(NamedTuple):
    """The prediction for a noisy state.

    Args:
        data: x0, the expected data (B, ...); or the network's output, which gives it.
        eps: The noise, where it is not the one that x and x0 imply (as in CFG++); else None.
        variance: Of a learned variance of the Markov posterior: the place v of its logarithm between the
            smallest (0) and the largest (1) admissible one (Nichol & Dhariwal 2021, arXiv 2102.09672,
            eq. 15), (B, ...); else None.
        c_skip: Of x0 = c_skip x + c_out F, for guidance of the network's output F; None where no network is
            known.
    """

    data: Tensor | Output
    eps: Tensor | None = None
    variance: Tensor | None = None
    c_skip: float | Tensor | None = None

    @property
    def x0(self) -> Tensor:
        """The expected data (B, ...)."""
        return self.data if isinstance(self.data, Tensor) else self.data.x0

    def with_x0(self, x0: Tensor) -> Prediction:
        """With another x0."""
        return Prediction(x0, self.eps, self.variance, self.c_skip)

    def noise(self, x: Tensor, level: Level[float]) -> Tensor:
        """eps, or (x - alpha x0) / sigma; for sigma > 0."""
        return (x - level.alpha * self.x0) / level.sigma if self.eps is None else self.eps

    def map(self, change: Callable[[Tensor], Tensor]) -> Prediction:
        """``change`` applied to each tensor."""
        return Prediction(
            change(self.x0),
            None if self.eps is None else change(self.eps),
            None if self.variance is None else change(self.variance),
            self.c_skip,
        )


@dataclass(frozen=True, eq=False)
class Known:
    """A known part of the data: ``data`` where ``mask`` is True, exactly; both broadcast to (B, ...)."""

    mask: Tensor
    data: Tensor

    def paste(self, x: Tensor) -> Tensor:
        """x (B, ...) with the known data, bit for bit."""
        return torch.where(self.mask.to(x.device), self.data.to(x), x)


@dataclass(eq=False)
class Memory:
    """The memory of denoisers within one run.

    A denoiser reads and writes the memory that it is given. A wrapper passes its memory on; where it keeps
    values of its own or evaluates several denoisers, it gives each a child. Values are replaced, never
    changed in place, so that the copy of an earlier step stays as it was.

    Args:
        values: Name to value; each can be pickled.
        children: Name to the memory of a denoiser within.
        known: Set by a denoiser that knows a part of the data exactly; the loop pastes it into the data at
            the end of a run, since a solver or a wrapper may have changed it.
    """

    values: dict[str, Any] = field(default_factory=dict)
    children: dict[str, Memory] = field(default_factory=dict)
    known: Known | None = None

    def child(self, name: str) -> Memory:
        """The memory ``name`` within this one; empty at first."""
        return self.children.setdefault(name, Memory())

    def copy(self) -> Memory:
        """A copy that later evaluations do not change; the values themselves are shared."""
        children = {name: child.copy() for name, child in self.children.items()} if self.children else {}
        return Memory(dict(self.values), children, self.known)

    def paste_known(self, x: Tensor) -> Tensor:
        """x (B, ...) with the known data of this memory and its children."""
        for child in self.children.values():
            x = child.paste_known(x)
        return x if self.known is None else self.known.paste(x)

    @property
    def empty(self) -> bool:
        """Whether no value is remembered, here or in a child."""
        return not self.values and all(child.empty for child in self.children.values())


Denoiser: TypeAlias = Callable[[Tensor, Level[float], Conditioning, Memory], Prediction]
"""(x (B, ...), level, conditioning, memory) -> prediction.

``Memory()`` is that of a first evaluation. There is no default, so that a wrapper that does not pass the
memory on raises a TypeError in place of losing momentum or a cache.
"""
Network: TypeAlias = Callable[[Tensor, Tensor, Conditioning], Tensor]


@runtime_checkable
class HasDtype(Protocol):
    """A network that declares the dtype of its inputs; None for that of its parameters, or of the state."""

    @property
    def dtype(self) -> torch.dtype | None: ...


class Inputs(NamedTuple):
    """The inputs of a network for one state, and the meaning of its output.

    Args:
        x: c_in x (B, ...) in the network's dtype, or tokens.
        c_noise: (B,) float32.
        prediction: Network's output -> prediction; raises ValueError where the network returned another
            shape, or changed the state in place.
    """

    x: Tensor
    c_noise: Tensor
    prediction: Callable[[Tensor], Prediction]


@dataclass(frozen=True, eq=False)
class ModelDenoiser:
    """A network as a denoiser.

    A level of another process is mapped to the one of equal log_snr, and x is rescaled; this is exact, since
    x / alpha depends on the log_snr alone. A level beyond those of its process is mapped to the nearest.

    Args:
        network: (c_in x (B, ...), c_noise (B,) float32, conditioning) -> F (B, ...). x and floating-point
            conditions are cast to the network's dtype: that which it declares, see ``HasDtype``, or that of
            its first parameter, if it has any; F is cast back to the dtype of the state. c_noise stays
            float32. The network must not change x or a condition in place; it may overwrite its earlier
            outputs. Its conditioning is without uncond and other prompts.
        process: The process that the network was trained on.
        parameterization: What F means.
        learned_variance: Whether the network returns twice the channels (dimension 1): F, then w in [-1, 1]
            for ``Prediction.variance`` = (w + 1) / 2 (Nichol & Dhariwal 2021, arXiv 2102.09672, sec. 3.1).
    """

    network: Network
    process: Process
    parameterization: Parameterization
    learned_variance: bool = False
    _table: dict[tuple[float, float, float], Coefficients[float]] = field(
        default_factory=dict, init=False, repr=False
    )
    _has_dtype: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_has_dtype", isinstance(self.network, HasDtype))

    def __call__(
        self,
        x: Tensor,
        level: Level[float],
        conditioning: Conditioning,
        memory: Memory,  # noqa: ARG002
    ) -> Prediction:
        """The prediction for x (B, ...); nothing is remembered.

        Raises:
            TypeError: The network returned something else than floating-point numbers.
            ValueError: The network changed its input in place, or returned another shape.
        """
        model_input, c_noise, prediction = self.inputs(x, level)
        output = self.network(model_input, c_noise, cast_conditions(conditioning, x, model_input))
        del model_input  # its memory serves the conversion of the output
        return prediction(output)

    def inputs(self, x: Tensor, level: Level[Real]) -> Inputs:
        """The network's inputs for x (B, ...), at the level of its own process with the same log_snr.

        The level may hold tensors (), so that torch.compile makes one graph for all levels.
        """
        c, version = self.coefficients(level), _version(x)
        shape: torch.Size = x.shape
        returned = torch.Size((shape[0], 2 * shape[1], *shape[2:])) if self.learned_variance else shape
        if isinstance(c.c_in, Tensor):
            c_noise = torch.as_tensor(c.c_noise).to(x.device, torch.float32).expand(shape[0])
            scaled = broadcast(c.c_in, x) * x
        else:
            c_noise = x.new_full((shape[0],), c.c_noise, dtype=torch.float32)
            # A copy where changes in place are not counted.
            scaled = x * c.c_in if version is None or c.c_in != 1 else x

        def prediction(output: Tensor) -> Prediction:
            if version is not None and x._version != version:
                raise ValueError(
                    "the network changes its input in place, the state of the run: use x.clone() in it"
                )
            if not isinstance(output, Tensor) or not (
                output.is_floating_point() or (output.is_complex() and x.is_complex())
            ):
                found = output.dtype if isinstance(output, Tensor) else type(output).__name__
                raise TypeError(f"the network must return floating-point numbers, not {found}")
            if output.shape != returned:
                raise ValueError(f"the network must return {tuple(returned)}, not {tuple(output.shape)}")
            variance = None
            if self.learned_variance:
                output, w = output.chunk(2, 1)
                variance = w.to(x.dtype).add(1).div_(2)
            return Prediction(_data(x, output, c), None, variance, c.c_skip)

        wanted = self._dtype or x.dtype
        return Inputs(_cast(scaled, wanted.to_complex() if x.is_complex() else wanted), c_noise, prediction)

    @property
    def _dtype(self) -> torch.dtype | None:
        """The dtype of the network's real inputs; None for that of the state."""
        if self._has_dtype and (declared := cast(HasDtype, self.network).dtype) is not None:
            return declared
        parameter = next(self.network.parameters(), None) if isinstance(self.network, nn.Module) else None
        return None if parameter is None or not parameter.is_floating_point() else parameter.dtype

    def coefficients(self, level: Level[Real]) -> Coefficients[Real]:
        """(c_in, c_skip, c_out, c_noise) for a state at ``level`` of any process; floats are kept in a table.

        Raises:
            ValueError: The network's output does not determine x0 at this level.
        """
        if isinstance(level.t, Tensor):
            own = self.process.level(self.process.t_of_log_snr(level.log_snr))
            ratio = torch.hypot(own.alpha, own.sigma) / torch.hypot(level.alpha, level.sigma)
            c = self.parameterization.coefficients(own)
            return Coefficients(c.c_in * ratio, c.c_skip * ratio, c.c_out, c.c_noise)
        key = (level.t, level.alpha, level.sigma)
        c = None if torch.compiler.is_compiling() else self._table.get(key)
        if c is None:
            own, ratio = self.process.level(level.t), 1.0
            if own.alpha != level.alpha or own.sigma != level.sigma:
                own = self.process.level(self.process.t_of_log_snr(level.log_snr))
                ratio = math.hypot(own.alpha, own.sigma) / math.hypot(level.alpha, level.sigma)
            c = self.parameterization.coefficients(own)
            c = Coefficients(c.c_in * ratio, c.c_skip * ratio, c.c_out, c.c_noise)
            if torch.compiler.is_compiling():
                return c
            if len(self._table) == TABLE_SIZE:
                self._table.clear()
            self._table[key] = c
        return c


def cast_conditions(conditioning: Conditioning, x: Tensor, model_input: Tensor) -> Conditioning:
    """The conditions without uncond, in the dtype of the model input where that is not the one of x."""
    conditions, dtype = conditioning.cond, model_input.real.dtype
    if model_input.dtype == x.dtype:
        return conditions
    return conditions.map(lambda value: value.to(dtype) if value.is_floating_point() else value)


def _data(x: Tensor, output: Tensor, c: Coefficients[Real]) -> Tensor | Output:
    """x0, or the output that it is computed from later."""
    if isinstance(c.c_skip, Tensor):
        return combine(c.c_skip, x, c.c_out, output)
    data = Output(x, _cast(output, x.dtype), c.c_skip, c.c_out)
    # With gradients x0 is computed at once, as they may be off where it is first read.
    return data.x0 if x.requires_grad or output.requires_grad else data


def _cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    """x.to(dtype), at no cost where x has it already."""
    return x if x.dtype == dtype else x.to(dtype)


def _version(x: Tensor) -> int | None:
    """The number of changes of x in place; None in inference mode and in graphs of torch.compile, where torch
    does not count them."""
    return None if torch.compiler.is_compiling() or x.is_inference() else x._version


@dataclass(frozen=True, eq=False)
class FlowMapDenoiser:
    """Gives a network the target of the step, as a condition.

    Where a level has no target, its target is the level itself, at which a flow map is the velocity: so every
    solver can use the network. Guidance belongs around this.

    Args:
        denoiser: A ``ModelDenoiser`` whose network reads the condition.
        process: The process of that network.
        parameterization: Its parameterization, whose c_noise stands for the target, too.
        name: Of the condition: (B, 1) float32 with the c_noise of the target, route "global".
    """

    denoiser: Denoiser
    process: Process
    parameterization: Parameterization
    name: str = "target"

    def __call__(
        self, x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
    ) -> Prediction:
        plain = level._replace(target=None)
        target = level.target or plain
        own = self.process.level(target.t)
        if own != target:
            own = self.process.level(self.process.t_of_log_snr(target.log_snr))
        c_noise = torch.full(
            (x.shape[0], 1), self.parameterization.c_noise(own), dtype=torch.float32, device=x.device
        )
        with_target = Conditioning({**conditioning, self.name: Condition(c_noise, "global")})
        return self.denoiser(x, plain, with_target, memory)


def _bounded(denoiser: Denoiser, bound: Callable[[Tensor], Tensor]) -> Denoiser:
    def denoise(x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory) -> Prediction:
        prediction = denoiser(x, level, conditioning, memory)
        return prediction.with_x0(bound(prediction.x0))

    return denoise


def clipped(denoiser: Denoiser, low: float = -1.0, high: float = 1.0) -> Denoiser:
    """``denoiser`` with every element of x0 between ``low`` and ``high``.

    Raises:
        ValueError: Not low < high.
    """
    if not low < high:
        raise ValueError(f"clipping needs low < high, not {low}, {high}")
    return _bounded(denoiser, partial(torch.clamp, min=low, max=high))


def thresholded(
    denoiser: Denoiser, quantile: float = 0.995, bound: float = 1.0, cap: float = math.inf
) -> Denoiser:
    """``denoiser`` with dynamic thresholding (Saharia et al. 2022, arXiv 2205.11487, sec. 2.3).

    x0 of each item is clipped to [-s, s] and scaled back to [-bound, bound], where s is the smallest number
    of at least ``bound`` that the share ``quantile`` of its elements does not exceed in magnitude, but at
    most ``cap``.

    Args:
        denoiser: Predicts the data.
        quantile: A share in (0, 1].
        bound: The largest magnitude of the data, > 0.
        cap: The largest s, >= bound; DeepFloyd IF has 1.5.

    Raises:
        ValueError: A value is out of range.
    """
    check_within(0, 1, without=(0,), quantile=quantile)
    check_positive(bound=bound)
    if not cap >= bound:
        raise ValueError(f"cap must be at least bound, {bound}, not {cap}")

    def rank(item: Tensor) -> Tensor:
        # Not torch.quantile, which refuses more than 2**24 elements.
        return item.flatten().abs().kthvalue(math.ceil(quantile * item.numel())).values

    def threshold(x0: Tensor) -> Tensor:
        largest = per_item(rank, x0).clamp(min=bound, max=cap)
        return x0.clamp(-largest, largest) * (bound / largest)

    return _bounded(denoiser, threshold)
