"""Caches within a network: most of its blocks are skipped where their residual can be predicted.

A network declares its blocks in a ``BlockStack``. The residual of the stack is its output minus its input.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gen.diffusion.arguments import whole_number
from gen.diffusion.attention import layer_names
from gen.diffusion.cache import (
    CacheReport,
    add_report,
    check_skips,
    items,
    largest,
    may_skip,
    merged,
    ratios,
)
from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Memory, ModelDenoiser, Prediction
from gen.diffusion.guidance.perturbation import perturbed
from gen.diffusion.items import norm, per_item
from gen.diffusion.level import EVERYWHERE, Interval, Level, check_interval


@dataclass(frozen=True)
class BlockStack:
    """The blocks of a network that run one after the other.

    Args:
        blocks: Dotted names in the order of evaluation, at least two. Each gets the hidden state (B, ...) as
            its first argument and returns the next one in the same shape.
        modulated: Dotted name of a layer of the first block whose first argument is the hidden state after
            the modulation by the timestep, for ``tea_cached``; None where there is none.

    Raises:
        ValueError: Fewer than two blocks.
    """

    blocks: tuple[str, ...]
    modulated: str | None = None

    def __post_init__(self) -> None:
        if len(self.blocks) < 2:
            raise ValueError(f"a stack to cache needs at least two blocks, not {self.blocks}")


def first_block_cached(
    model: ModelDenoiser,
    stack: BlockStack,
    tolerance: float,
    *,
    longest: int = 3,
    interval: Interval = EVERYWHERE,
) -> Denoiser:
    """First-block cache: the residual of the blocks after the first is repeated while

        mean |r - r_0| / mean |r_0| <= tolerance

    where r is the residual of the first block now, and r_0 at the last evaluation. Published as code
    (ParaAttention; diffusers' ``FirstBlockCacheConfig``). Each item of a batch is decided for itself. A skip
    costs the first block; an evaluation costs one block more than without a cache, as the first block of all
    items runs before the decision.

    Args:
        model: The model, whose network is an ``nn.Module``.
        stack: The blocks of its network.
        tolerance: The largest relative change, > 0; published values are 0.05 to 0.2.
        longest: The largest number of consecutive skips, >= 1.
        interval: (low, high) in log_snr, outside of which everything is evaluated.

    Raises:
        ValueError: A value is out of range, the network is no module or has no such block; or (when
            evaluated) a block changes the shape of its first argument or is not evaluated.
    """
    check_skips(tolerance, longest, interval)
    return _Residuals(_recording(model, stack), longest, interval, tolerance, "first", _residual_of_first)


def tea_cached(
    model: ModelDenoiser,
    stack: BlockStack,
    tolerance: float,
    *,
    polynomial: Sequence[float] = (1.0, 0.0),
    longest: int = 3,
    interval: Interval = EVERYWHERE,
) -> Denoiser:
    """TeaCache: the residual of all blocks is repeated while, summed over the calls since the evaluation,

        sum p(mean |m - m'| / mean |m'|) <= tolerance

    where m is the modulated input of the first block now, and m' at the call before (Liu et al. 2024, arXiv
    2411.19108, eq. 5 to 7). Their code evaluates the last step too: leave it out of the interval. Items and
    costs are as for ``first_block_cached``.

    Args:
        polynomial: Coefficients of p, the highest power first, as fitted for a network and published in their
            code; by default p is the identity.

    The other arguments are those of ``first_block_cached``, with a stack that has ``modulated``.

    Raises:
        ValueError: As ``first_block_cached``; or the stack has no ``modulated``.
    """
    check_skips(tolerance, longest, interval)
    if stack.modulated is None:
        raise ValueError("TeaCache needs a stack that names its modulated input")
    if not polynomial:
        raise ValueError("the polynomial needs at least one coefficient")
    return _Residuals(
        _recording(model, stack), longest, interval, tolerance, "input", _modulated_input, tuple(polynomial)
    )


def taylor_cached(
    model: ModelDenoiser,
    stack: BlockStack,
    every: int,
    *,
    order: int = 1,
    interval: Interval = EVERYWHERE,
) -> Denoiser:
    """TaylorSeer: all blocks are evaluated at every n-th call; between, their residual is extrapolated in t.

    The prediction is the polynomial of degree ``order`` through the last order + 1 evaluated residuals. For
    orders 0 and 1 this is the Taylor expansion of Liu et al. (2025, arXiv 2503.06923, sec. 3.2) with finite
    differences; from order 2 on theirs takes backward differences for derivatives, which are exact to first
    order only, while the error here is O(step**(order + 1)). As every block adds to the hidden state, the sum
    of its predicted residuals is the prediction of the sum, so one tensor per evaluation is kept. The first
    order + 1 calls are evaluated; so is each call that does not continue in one direction of t.

    Args:
        every: n, >= 2.
        order: Degree of the polynomial, >= 0; their code has 1 to 4.

    The other arguments and the errors are those of ``first_block_cached``.
    """
    whole_number(every, "every", least=2)
    whole_number(order, "order", least=0)
    check_interval(interval)
    return _Taylor(_recording(model, stack), every - 1, interval, order)


@dataclass
class _Pass:
    """One evaluation of a network whose blocks record their states and may be replaced by a residual.

    Args:
        residual: Replaces the blocks; None where they are evaluated.
        start: The recorded state that the residual is added to, "input" or "first".
        first: Whether the first block is evaluated beside the residual.
        recorded: Name to the input, the state after the first block, the output and the modulated input.
    """

    residual: Tensor | None = None
    start: str = "input"
    first: bool = True
    recorded: dict[str, Tensor] = field(default_factory=dict)


_PASS: ContextVar[_Pass] = ContextVar("the pass of the network that runs in this thread")


class _Block(nn.Module):
    """A block of the stack."""

    def __init__(self, layer: nn.Module, *, index: int, last: bool) -> None:
        super().__init__()
        self.layer, self.index, self.last = layer, index, last

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        run = _PASS.get()
        evaluated = run.residual is None or (self.index == 0 and run.first)
        output: Tensor = self.layer(x, *args, **kwargs) if evaluated else x
        if output.shape != x.shape:
            raise ValueError(
                f"block {self.index} must return the shape {tuple(x.shape)} of its first argument"
            )
        if self.index == 0:
            run.recorded |= {"input": x, "first": output}
        if self.last:
            if run.residual is not None:
                output = run.recorded[run.start] + run.residual
            run.recorded["output"] = output
        return output


class _Modulated(nn.Module):
    """The layer that gets the modulated input."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        _PASS.get().recorded.setdefault("modulated", x)
        return self.layer(x, *args, **kwargs)


def _recording(model: ModelDenoiser, stack: BlockStack) -> ModelDenoiser:
    """The model with a network whose blocks follow ``_PASS``."""
    network = model.network
    if not isinstance(network, nn.Module):
        raise ValueError("a cache of blocks needs a network that is an nn.Module")
    layer_names(network, stack.blocks)
    if stack.modulated is not None:
        network = perturbed(network, stack.modulated, _Modulated)
    count = len(stack.blocks)
    for index, name in enumerate(stack.blocks):
        network = perturbed(network, name, partial(_Block, index=index, last=index + 1 == count))
    return replace(model, network=network)


def _run(
    model: ModelDenoiser, run: _Pass, x: Tensor, level: Level[float], conditioning: Conditioning
) -> tuple[Prediction, dict[str, Tensor]]:
    """(prediction, the tensors that the blocks recorded)."""
    token = _PASS.set(run)
    try:
        prediction = model(x, level, conditioning, Memory())
    finally:
        _PASS.reset(token)
    if "output" not in run.recorded:
        raise ValueError("the network did not evaluate the last block of its stack")
    return prediction, {name: value.detach() for name, value in run.recorded.items()}


@dataclass(frozen=True, eq=False)
class _Held:
    """The state of a cache of residuals.

    Args:
        residual: Of the blocks that are skipped, (B, ...).
        signal: The one that new signals are compared with, (B, ...).
        change: The number that was compared with the tolerance, (B,).
        run: Skips since the evaluation, (B,).
    """

    residual: Tensor
    signal: Tensor
    change: Tensor
    run: Tensor


@dataclass(frozen=True, eq=False)
class _Residuals:
    """The first-block cache and TeaCache: the change of a signal decides for each item whether to skip.

    Args:
        start: The recorded state from which the residual leads to the output.
        signal: From what was recorded, the tensor (B, ...) whose relative change decides.
        polynomial: Of the change from call to call, to be summed since the evaluation; None to compare the
            change since the evaluation itself.
    """

    model: ModelDenoiser
    longest: int
    interval: Interval
    tolerance: float
    start: str
    signal: Callable[[dict[str, Tensor]], Tensor]
    polynomial: tuple[float, ...] | None = None

    def __call__(
        self, x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
    ) -> Prediction:
        held: _Held | None = memory.values.get("held blocks")
        if held is None or len(held.run) != len(x) or not may_skip(level, self.interval):
            prediction, recorded = _run(self.model, _Pass(), x, level, conditioning)
            zeros = torch.zeros(len(x), dtype=torch.float64)
            memory.values["held blocks"] = _Held(
                recorded["output"] - recorded[self.start], self.signal(recorded), zeros, zeros
            )
            add_report(memory, CacheReport(evaluated=len(x)))
            return prediction
        prediction, recorded = _run(self.model, _Pass(held.residual, self.start), x, level, conditioning)
        residual, signal, observed = held.residual, self.signal(recorded), 0.0
        change = self._change(ratios(_size(signal - held.signal), _size(held.signal)), held.change)
        kept = (change <= self.tolerance) & (held.run < self.longest)
        rows = (~kept).nonzero()[:, 0]
        if self.polynomial is None:
            signal = torch.where(kept.to(x.device).view(-1, *(1,) * (signal.ndim - 1)), held.signal, signal)
        if len(rows):
            own, conditions = items(x, conditioning, rows)
            fresh, recorded = _run(self.model, _Pass(), own, level, conditions)
            errors = ratios(norm(fresh.x0 - prediction.x0[rows]), norm(fresh.x0))
            observed = largest(errors[held.run[rows] > 0])
            prediction, index = merged(prediction, fresh, rows), rows.to(x.device)
            residual = residual.index_copy(0, index, recorded["output"] - recorded[self.start])
            signal = signal.index_copy(0, index, self.signal(recorded))
        memory.values["held blocks"] = _Held(
            residual, signal, change.where(kept, 0.0), (held.run + 1).where(kept, 0.0)
        )
        add_report(memory, CacheReport(len(rows), len(x) - len(rows), largest(change[kept]), observed))
        return prediction

    def _change(self, change: Tensor, before: Tensor) -> Tensor:
        """The numbers (B,) that are compared with the tolerance."""
        if self.polynomial is None:
            return change
        value = torch.zeros_like(change)
        for coefficient in self.polynomial:
            value = value * change + coefficient
        return before + value


def _residual_of_first(recorded: dict[str, Tensor]) -> Tensor:
    return recorded["first"] - recorded["input"]


def _modulated_input(recorded: dict[str, Tensor]) -> Tensor:
    if "modulated" not in recorded:
        raise ValueError("the layer with the modulated input must be evaluated before or in the first block")
    return recorded["modulated"]


@dataclass(frozen=True, eq=False)
class _Taylor:
    """See ``taylor_cached``."""

    model: ModelDenoiser
    longest: int
    interval: Interval
    order: int

    def __call__(
        self, x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
    ) -> Prediction:
        past: tuple[tuple[float, Tensor], ...] = memory.values.get("residuals", ())
        skips: int = memory.values.get("skips", 0)
        times = [*(t for t, _ in past), level.t]
        steps = [b - a for a, b in itertools.pairwise(times)]
        if past and (len(past[-1][1]) != len(x) or not all(step * steps[-1] > 0 for step in steps)):
            past = ()
        if may_skip(level, self.interval) and len(past) == self.order + 1 and skips < self.longest:
            residual = _extrapolated(past, level.t)
            prediction, _ = _run(self.model, _Pass(residual, first=False), x, level, conditioning)
            memory.values["skips"] = skips + 1
            add_report(memory, CacheReport(skipped=len(x)))
            return prediction
        prediction, recorded = _run(self.model, _Pass(), x, level, conditioning)
        past = (*past, (level.t, recorded["output"] - recorded["input"]))[-self.order - 1 :]
        memory.values |= {"residuals": past, "skips": 0}
        add_report(memory, CacheReport(evaluated=len(x)))
        return prediction


def _extrapolated(past: Sequence[tuple[float, Tensor]], t: float) -> Tensor:
    """The polynomial through the residuals ``past`` at t, in Lagrange's form."""
    terms = [
        residual * math.prod((t - other) / (own - other) for other, _ in past if other != own)
        for own, residual in past
    ]
    return sum(terms[1:], terms[0])


def _size(signal: Tensor) -> Tensor:
    """mean |signal| of each item in float64."""
    return per_item(lambda item: item.double().abs().mean(), signal)
