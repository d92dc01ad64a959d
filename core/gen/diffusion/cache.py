"""Caches: EasyCache repeats predictions; the first-block cache, TeaCache and TaylorSeer skip most blocks.

For the caches of blocks a network declares its blocks in a ``BlockStack``. The residual of the stack is its
output minus its input.
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

from gen.diffusion.arguments import check_positive, whole_number
from gen.diffusion.attention import layer_names, perturbed
from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Memory, ModelDenoiser, Prediction
from gen.diffusion.level import EVERYWHERE, Interval, Level, check_interval, column, norm, per_item, within

REPORT = "cache report"
"""The key of a ``CacheReport`` in the values of a memory."""


@dataclass(frozen=True)
class CacheReport:
    """Counts and errors of a cache in a run, errors relative in the Euclidean norm of an item's x0.

    Args:
        evaluated: Predictions that were made, each item of a batch counted.
        skipped: Predictions that were repeated instead.
        estimated: The largest estimated error of a skip; of a cache of blocks, the largest accepted change.
        observed: The largest difference between a new prediction and the repeated one before it.
    """

    evaluated: int = 0
    skipped: int = 0
    estimated: float = 0.0
    observed: float = 0.0

    def __add__(self, other: CacheReport) -> CacheReport:
        """Both together."""
        return CacheReport(
            self.evaluated + other.evaluated,
            self.skipped + other.skipped,
            max(self.estimated, other.estimated),
            max(self.observed, other.observed),
        )


def cache_report(memory: Memory) -> CacheReport:
    """The sum over all caches in the memory of a run (``Step.memory``); zeros where there is none."""
    report: CacheReport = memory.values.get(REPORT, CacheReport())
    for child in memory.children.values():
        report += cache_report(child)
    return report


@dataclass(frozen=True, eq=False)
class _HeldPrediction:
    """The state of a cache between calls.

    Args:
        prediction: The last one.
        scaled: x / hypot(alpha, sigma) of the last call.
        angle: atan2(sigma, alpha) of the last call.
        drift: Movement of scaled and angle since the prediction was evaluated, (B,).
        rate: Relative change of x0 per drift between the last two evaluations, (B,); infinite before there
            are two.
        run: Calls since the evaluation, (B,).
    """

    prediction: Prediction
    scaled: Tensor
    angle: float
    drift: Tensor
    rate: Tensor
    run: Tensor


@dataclass(frozen=True, eq=False)
class _Cached:
    denoiser: Denoiser
    tolerance: float
    longest: int
    interval: Interval

    def __call__(
        self, x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
    ) -> Prediction:
        held: _HeldPrediction | None = memory.values.get("held prediction")
        scaled = x.detach() / math.hypot(level.alpha, level.sigma)
        angle = math.atan2(level.sigma, level.alpha)
        if held is None or held.scaled.shape != x.shape:
            prediction = self._evaluate(x, conditioning, level, memory)
            drift = torch.zeros(x.shape[0], dtype=torch.float64)
            rate, run = torch.full_like(drift, math.inf), torch.zeros_like(drift)
            add_report(memory, CacheReport(evaluated=x.shape[0]))
        else:
            prediction = held.prediction
            # On a flow, |d scaled| per d angle is about |scaled|: both parts of the movement count alike.
            moved = ratios(norm(scaled - held.scaled), norm(held.scaled))
            drift, rate, run = held.drift + moved + abs(angle - held.angle), held.rate, held.run + 1
            estimates = rate * drift
            # An infinite rate times no drift is NaN, which is not within the tolerance either.
            kept = (estimates <= self.tolerance) & (run <= self.longest) & may_skip(level, self.interval)
            rows, observed = (~kept).nonzero()[:, 0], 0.0
            if len(rows):
                prediction = self._evaluate(*items(x, conditioning, rows), level, memory)
                x0 = prediction.x0.detach()
                changes = ratios(norm(x0 - held.prediction.x0[rows]), norm(x0))
                observed = largest(changes[run[rows] > 1])
                rate = rate.index_copy(
                    0, rows, torch.where(drift[rows] > 0, changes / drift[rows], rate[rows])
                )
                prediction = merged(held.prediction, prediction, rows)
            add_report(memory, CacheReport(len(rows), len(x) - len(rows), largest(estimates[kept]), observed))
            drift, run = drift.where(kept, 0.0), run.where(kept, 0)
        memory.values["held prediction"] = _HeldPrediction(
            prediction.map(Tensor.detach), scaled, angle, drift, rate, run
        )
        return prediction

    def _evaluate(
        self, x: Tensor, conditioning: Conditioning, level: Level[float], memory: Memory
    ) -> Prediction:
        own = memory.children["denoiser"] = Memory()
        prediction = self.denoiser(x, level, conditioning, own)
        if not own.empty or prediction.eps is not None:
            why = "has an eps of its own (CFG++)" if own.empty else "remembers (momentum)"
            raise ValueError(f"a cache cannot repeat a denoiser that {why}: put cached() next to the model")
        return prediction


def cached(
    denoiser: Denoiser, tolerance: float, *, longest: int = 3, interval: Interval = EVERYWHERE
) -> Denoiser:
    """``denoiser`` that repeats its last x0 while the estimated relative error is within the tolerance.

        estimate = (relative change of x0 per movement between the last two evaluations) (movement since)

    Movement is the relative change of x / hypot(alpha, sigma) plus the change of atan2(sigma, alpha), summed
    over the calls. This is EasyCache (Zhou et al. 2025, arXiv 2507.02860) in x0, so that a skip with DDIM is
    the same as one longer step.

    Each item of a batch is decided for itself, and only the items that need it are evaluated. Skipped calls
    still count in ``Step.nfe``; ``cache_report(step.memory)`` gives their number. Where gradients are on,
    everything is evaluated.

    Args:
        denoiser: A model, with guidance and clipping if wanted; but momentum and CFG++ (an eps of its own)
            belong around the cache.
        tolerance: The largest estimated relative error of x0 to accept, > 0; 0.05 is modest.
        longest: The largest number of consecutive skips, >= 1.
        interval: (low, high) in log_snr, outside of which everything is evaluated.

    Raises:
        ValueError: A value is out of range, or (when evaluated) the denoiser remembers or gives an eps.
    """
    check_skips(tolerance, longest, interval)
    return _Cached(denoiser, tolerance, longest, interval)


def check_skips(tolerance: float, longest: int, interval: Interval) -> None:
    """Raises ValueError where a setting of a cache is out of range."""
    check_positive(tolerance=tolerance)
    whole_number(longest, "longest")
    check_interval(interval)


def may_skip(level: Level[float], interval: Interval) -> bool:
    """Whether a level lies in the interval, with gradients off: a repeated prediction has none."""
    return within(level, interval) and not torch.is_grad_enabled()


def ratios(above: Tensor, below: Tensor) -> Tensor:
    """above / below of each item, (B,) on the CPU; 0 / 0 is 0."""
    return (above / below.clamp(min=torch.finfo(below.dtype).tiny)).flatten().cpu()


def largest(values: Tensor) -> float:
    """The largest of the values, (N,); 0 where there are none."""
    return float(values.max()) if len(values) else 0.0


def items(x: Tensor, conditioning: Conditioning, rows: Tensor) -> tuple[Tensor, Conditioning]:
    """The items ``rows`` of a batch."""
    return (x, conditioning) if len(rows) == len(x) else (x[rows], conditioning.select(rows))


def merged(held: Prediction, fresh: Prediction, rows: Tensor) -> Prediction:
    """``held`` with ``fresh`` in the rows ``rows``."""
    if len(rows) == len(held.x0):
        return fresh
    index, variance = rows.to(held.x0.device), None
    if held.variance is not None and fresh.variance is not None:
        variance = held.variance.index_copy(0, index, fresh.variance)
    return Prediction(held.x0.index_copy(0, index, fresh.x0), None, variance, fresh.c_skip)


def add_report(memory: Memory, report: CacheReport) -> None:
    """Add to the report of a cache."""
    memory.values[REPORT] = memory.values.get(REPORT, CacheReport()) + report


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
    model: ModelDenoiser, stack: BlockStack, every: int, *, order: int = 1, interval: Interval = EVERYWHERE
) -> Denoiser:
    """TaylorSeer: all blocks are evaluated at every n-th call; between, their residual is extrapolated in t.

    The prediction is the polynomial of degree ``order`` through the last order + 1 evaluated residuals. For
    orders 0 and 1 this is the Taylor expansion of Liu et al. (2025, arXiv 2503.06923, sec. 3.2) with finite
    differences. From order 2 on they take backward differences for derivatives, which are exact to first
    order only, while the polynomial has an error of O(step**(order + 1)). As every block adds to the hidden
    state, the sum of its predicted residuals is the prediction of the sum, so one tensor per evaluation is
    kept. The first order + 1 calls are evaluated; so is each call that does not continue in one direction of
    t.

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
class _HeldResidual:
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
        held: _HeldResidual | None = memory.values.get("held blocks")
        if held is None or len(held.run) != len(x) or not may_skip(level, self.interval):
            prediction, recorded = _run(self.model, _Pass(), x, level, conditioning)
            zeros = torch.zeros(len(x), dtype=torch.float64)
            memory.values["held blocks"] = _HeldResidual(
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
            signal = torch.where(column(kept.to(x.device), signal), held.signal, signal)
        if len(rows):
            own, conditions = items(x, conditioning, rows)
            fresh, recorded = _run(self.model, _Pass(), own, level, conditions)
            errors = ratios(norm(fresh.x0 - prediction.x0[rows]), norm(fresh.x0))
            observed = largest(errors[held.run[rows] > 0])
            prediction, index = merged(prediction, fresh, rows), rows.to(x.device)
            residual = residual.index_copy(0, index, recorded["output"] - recorded[self.start])
            signal = signal.index_copy(0, index, self.signal(recorded))
        memory.values["held blocks"] = _HeldResidual(
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
