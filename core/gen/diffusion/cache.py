"""EasyCache for any denoiser: predictions are repeated while their estimated change is small."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gen.diffusion.arguments import check_positive, whole_number
from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Memory, Prediction
from gen.diffusion.items import norm
from gen.diffusion.level import EVERYWHERE, Interval, Level, check_interval

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
class _Held:
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
        held: _Held | None = memory.values.get("held prediction")
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
        memory.values["held prediction"] = _Held(
            prediction.map(Tensor.detach), scaled, angle, drift, rate, run
        )
        return prediction

    def _evaluate(
        self, x: Tensor, conditioning: Conditioning, level: Level[float], memory: Memory
    ) -> Prediction:
        own = memory.children["denoiser"] = Memory()
        prediction = self.denoiser(x, level, conditioning, own)
        if not own.empty or prediction.eps is not None:
            what = "has an eps of its own (CFG++)" if own.empty else "remembers (momentum)"
            raise ValueError(f"a cache cannot repeat a denoiser that {what}: put cached() next to the model")
        return prediction


def cached(
    denoiser: Denoiser,
    tolerance: float,
    *,
    longest: int = 3,
    interval: Interval = EVERYWHERE,
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
    return level.within(interval) and not torch.is_grad_enabled()


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
    return Prediction(held.x0.index_copy(0, index, fresh.x0), None, variance, fresh.output)


def add_report(memory: Memory, report: CacheReport) -> None:
    """Add to the report of a cache."""
    memory.values[REPORT] = memory.values.get(REPORT, CacheReport()) + report
