"""Evaluations that are skipped because the prediction would hardly change, with an estimate of the error."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Memory, Prediction
from gen.diffusion.items import norm
from gen.diffusion.level import Level

_HELD = "held prediction"
REPORT = "cache report"
"""The key of a ``CacheReport`` in the values of a memory."""


@dataclass(frozen=True)
class CacheReport:
    """Counts and errors of a cache in a run, errors relative in the Euclidean norm of an item's x0.

    Args:
        evaluated: Predictions that were made, each item of a batch counted.
        skipped: Predictions that were repeated instead.
        estimated: The largest estimated error of a skip; of a cache of blocks, the largest accepted change.
        observed: The largest difference between a new prediction and the repeated one before it. Earlier
            skips of the same run of skips have smaller errors where errors grow with the distance.
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
    """The state of a cache between calls; the tuples have one number for each item.

    Args:
        prediction: The last one.
        scaled: x / hypot(alpha, sigma) of the last call.
        angle: atan2(sigma, alpha) of the last call.
        drift: Movement of scaled and angle since the prediction was evaluated.
        rate: Relative change of x0 per drift between the last two evaluations; infinite before there are two.
        run: Calls since the evaluation.
        report: The counts so far.
    """

    prediction: Prediction
    scaled: Tensor
    angle: float
    drift: tuple[float, ...]
    rate: tuple[float, ...]
    run: tuple[int, ...]
    report: CacheReport = field(default_factory=CacheReport)


@dataclass(frozen=True, eq=False)
class _Cached:
    denoiser: Denoiser
    tolerance: float
    longest: int
    interval: tuple[float, float]

    def __call__(
        self, x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
    ) -> Prediction:
        held: _Held | None = memory.values.get(_HELD)
        scaled = x.detach() / math.hypot(level.alpha, level.sigma)
        angle = math.atan2(level.sigma, level.alpha)
        if held is None or held.scaled.shape != x.shape:
            report = CacheReport() if held is None else held.report
            held = self._first(x, level, conditioning, memory, scaled, angle, report)
        else:
            held = self._next(held, x, level, conditioning, memory, scaled, angle)
        memory.values[_HELD] = replace(held, prediction=held.prediction.map(Tensor.detach))
        memory.values[REPORT] = held.report
        return held.prediction

    def _first(
        self,
        x: Tensor,
        level: Level[float],
        conditioning: Conditioning,
        memory: Memory,
        scaled: Tensor,
        angle: float,
        report: CacheReport,
    ) -> _Held:
        count = x.shape[0]
        prediction = self._evaluate(x, level, conditioning, memory)
        drift, rate, run = (0.0,) * count, (math.inf,) * count, (0,) * count
        return _Held(prediction, scaled, angle, drift, rate, run, report + CacheReport(evaluated=count))

    def _next(
        self,
        held: _Held,
        x: Tensor,
        level: Level[float],
        conditioning: Conditioning,
        memory: Memory,
        scaled: Tensor,
        angle: float,
    ) -> _Held:
        # On a flow, |d scaled| per d angle is about |scaled|: both parts of the movement count alike.
        moved = ratios(norm(scaled - held.scaled), norm(held.scaled))
        drift = [
            before + step + abs(angle - held.angle) for before, step in zip(held.drift, moved, strict=True)
        ]
        rate, run = list(held.rate), [number + 1 for number in held.run]
        estimates = [change * path for change, path in zip(rate, drift, strict=True)]
        # A repeated prediction has no gradient.
        allowed = self.interval[0] <= level.log_snr <= self.interval[1] and not torch.is_grad_enabled()
        # An infinite rate times no drift is NaN, which is not within the tolerance either.
        kept = [
            allowed and estimate <= self.tolerance and number <= self.longest
            for estimate, number in zip(estimates, run, strict=True)
        ]
        rows = [row for row, keep in enumerate(kept) if not keep]
        fresh = None
        if len(rows) == len(kept):
            fresh = prediction = self._evaluate(x, level, conditioning, memory)
        elif rows:
            fresh = self._evaluate(x[rows], level, conditioning.select(rows), memory)
            prediction = merged(held.prediction, fresh, rows)
        else:
            prediction = held.prediction
        observed = 0.0
        if fresh is not None:
            x0 = fresh.x0.detach()
            changes = ratios(norm(x0 - held.prediction.x0[rows]), norm(x0))
            for row, change in zip(rows, changes, strict=True):
                if run[row] > 1:
                    observed = max(observed, change)
                if drift[row] > 0:
                    rate[row] = change / drift[row]
                drift[row], run[row] = 0.0, 0
        estimated = max(
            (estimate for estimate, keep in zip(estimates, kept, strict=True) if keep), default=0.0
        )
        report = held.report + CacheReport(len(rows), len(kept) - len(rows), estimated, observed)
        return _Held(prediction, scaled, angle, tuple(drift), tuple(rate), tuple(run), report)

    def _evaluate(
        self, x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
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
    interval: tuple[float, float] = (-math.inf, math.inf),
) -> Denoiser:
    """``denoiser`` that repeats its last x0 while the estimated relative error is within the tolerance.

    estimate = (movement since the last evaluation) (relative change of x0 per movement between the last two)

    Movement is the relative change of x / hypot(alpha, sigma) plus the change of atan2(sigma, alpha), summed
    over the calls. This is EasyCache (Zhou et al. 2025, arXiv 2507.02860) for any denoiser: x0 is repeated,
    so that a skip with DDIM is the same as one longer step.

    Each item of a batch is decided for itself, and only the items that need it are evaluated. Skipped calls
    still count in ``Step.nfe``; ``cache_report(step.memory)`` gives their number. With a new memory, and
    where gradients are on, everything is evaluated. A cache saves where the steps are given; where they can
    be chosen, fewer steps of a multistep solver are more accurate for as many evaluations.

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


def check_skips(tolerance: float, longest: int, interval: tuple[float, float]) -> None:
    """Raises ValueError where a setting of a cache is out of range."""
    if not 0 < tolerance < math.inf:
        raise ValueError(f"tolerance must be a finite number above 0, not {tolerance}")
    if longest < 1:
        raise ValueError(f"longest must be at least 1, not {longest}")
    check_interval(interval)


def check_interval(interval: tuple[float, float]) -> None:
    """Raises ValueError where an interval is not (low, high)."""
    if not interval[0] <= interval[1]:
        raise ValueError(f"interval must be (low, high) in log_snr, not {interval}")


def ratios(above: Tensor, below: Tensor) -> list[float]:
    """above / below of each item; 0 / 0 is 0."""
    return (above / below.clamp(min=torch.finfo(below.dtype).tiny)).flatten().tolist()


def merged(held: Prediction, fresh: Prediction, rows: list[int]) -> Prediction:
    """``held`` with ``fresh`` in the rows ``rows``."""
    index = torch.tensor(rows, device=held.x0.device)
    x0, variance = held.x0.index_copy(0, index, fresh.x0), None
    if held.variance is not None and fresh.variance is not None:
        variance = held.variance.index_copy(0, index, fresh.variance)
    return Prediction(x0, None, variance, fresh.output)
