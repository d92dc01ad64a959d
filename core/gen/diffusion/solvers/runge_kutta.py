"""Exponential Runge-Kutta methods: the single-step DPM-Solver family, midpoint and Heun."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from gen.diffusion.denoiser import Prediction
from gen.diffusion.level import Level
from gen.diffusion.noise import StepNoise, part
from gen.diffusion.solvers.base import Denoise, Solver, State, Update, affine, between, decay, implied


@dataclass(frozen=True)
class ExponentialRungeKutta(Solver):
    """Order 1 to 3 with as many evaluations per step, and no memory.

    The exact solution is that of ``ExponentialMultistep``. Here the prediction within the step is a line
    through the one made at its start and the last one made on the way, at the nodes c (fractions of the step
    in log_snr):

        order 2: c; in the last stage the line is replaced by its value at 1/2
        order 3: c = 1/3, then 2/3; all lines are integrated exactly

    The published methods, by target, order and node:

        DPM-Solver++ 2S (Lu et al. 2022, 2211.01095, algorithm 1) and 3S: x0, 2 or 3
        DPM-Solver-1, -2 and -3 (Lu et al. 2022, 2206.00927, algorithms 1 and 2): eps, 1, 2 or 3
        DPM2 of k-diffusion, the midpoint in log sigma: eps, 2, 1/2
        Heun on sigma / alpha (Karras et al. 2022, algorithm 1): eps, 2, 1
        DPM-Solver++ SDE of k-diffusion: x0, 2, 1/2 with eta = 1

    With ``Ancestral`` around it: 2S ancestral and DPM2 ancestral. A step with infinite h (from or to pure
    noise, to clean data) is of first order.

    Args:
        order: Number of evaluations per step, 1 to 3.
        target: What the lines are of.
        node: c of order 2, in (0, 1]; order 3 has nodes of its own.
        eta: Strength of the noise, >= 0, as in ``ExponentialMultistep``; above 0 for x0 and order 1 or 2. The
            noise of the stage is a part of that of the step.

    Raises:
        ValueError: An argument is out of range, or noise is asked for where it is not offered.
    """

    order: int = 2
    target: Literal["x0", "eps"] = "x0"
    node: float = 0.5
    eta: float = 0.0

    def __post_init__(self) -> None:
        if self.order not in (1, 2, 3):
            raise ValueError(f"order must be 1, 2 or 3, not {self.order}")
        if self.target not in ("x0", "eps"):
            raise ValueError(f"target must be 'x0' or 'eps', not {self.target!r}")
        if not 0 < self.node <= 1:
            raise ValueError(f"node must lie in (0, 1], not {self.node}")
        if not 0 <= self.eta < math.inf:
            raise ValueError(f"eta must be a finite number of at least 0, not {self.eta}")
        if self.eta > 0 and (self.target == "eps" or self.order == 3):
            raise ValueError("eta must be 0 for target 'eps' and for order 3")
        if self.eta > 0 and self.order == 2 and self.node == 1:
            raise ValueError("node must be below 1 where eta is above 0")

    @property
    def stochastic(self) -> bool:
        return self.eta > 0

    def step(
        self,
        state: State,
        x: Tensor,
        denoise: Denoise,
        t: Level[float],
        s: Level[float],
        *,
        noise: StepNoise,
    ) -> Update:
        prediction = denoise(x, t)
        x = implied(prediction, x, t)
        finite = min(t.alpha, s.alpha, s.sigma) > 0
        if self.order == 1 or not finite:
            std = self._std(t, s)
            z = noise(x, "step") if std > 0 else None
            moved = self._move(x, t, s, prediction.x0, "x0")
            return Update(moved if z is None else moved.add_(z, alpha=std), state, prediction.x0, std, z)
        first = self._value(prediction, x, t)
        if self.order == 3:
            near, far = between(t, s, 1 / 3), between(t, s, 2 / 3)
            at_near = self._move(x, t, near, first, self.target)
            second = self._value(denoise(at_near, near), at_near, near)
            at_far = self._move(x, t, far, first, self.target, second, 1 / 2)
            third = self._value(denoise(at_far, far), at_far, far)
            return Update(self._move(x, t, s, first, self.target, third, 2 / 3), state, prediction.x0)
        middle = s if self.node == 1 else between(t, s, self.node)
        stage = self._move(x, t, middle, first, self.target)
        fresh = None
        if self.stochastic:
            std, rest = self._std(t, middle), self._std(middle, s)
            z = part(noise, "stage", t, middle)(x, "step")
            stage.add_(z, alpha=std)
            # What the noise of the stage has become at the end, and the noise that came after it.
            carried = std * s.sigma / middle.sigma * decay(middle, s) ** self.eta
            fresh = affine(z, carried, (rest, part(noise, "rest", middle, s)(x, "step")))
        second = self._value(denoise(stage, middle), stage, middle)
        line = affine(first, 1 - 1 / (2 * self.node), (1 / (2 * self.node), second))
        moved = self._move(x, t, s, line, self.target)
        return Update(moved if fresh is None else moved.add_(fresh), state, prediction.x0)

    def _value(self, prediction: Prediction, x: Tensor, level: Level[float]) -> Tensor:
        return prediction.x0 if self.target == "x0" else prediction.noise(x, level)

    def _std(self, t: Level[float], s: Level[float]) -> float:
        return s.sigma * math.sqrt(1 - decay(t, s) ** (2 * self.eta)) if self.stochastic else 0.0

    def _move(
        self,
        x: Tensor,
        t: Level[float],
        s: Level[float],
        value: Tensor,
        target: Literal["x0", "eps"],
        later: Tensor | None = None,
        node: float = 1.0,
    ) -> Tensor:
        """The solution for a constant prediction, or a line through it and, at ``node``, ``later``."""
        if target == "x0":
            scale = s.sigma / t.sigma
            if self.stochastic:
                scale *= decay(t, s) ** self.eta
            total = s.alpha - t.alpha * scale
        else:
            scale = s.alpha / t.alpha
            total = s.sigma - t.sigma * scale
        if later is None:
            return affine(x, scale, (total, value))
        # The integral of the kernel times the fraction of the step, from that of the kernel by parts.
        h = s.log_snr - t.log_snr
        slope = (s.alpha - total / h if target == "x0" else s.sigma + total / h) / node
        return affine(x, scale, (total - slope, value), (slope, later))
