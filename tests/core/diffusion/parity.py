"""One step of diffusers after the other beside ours: the same levels, the same denoiser, the same noise.

Their schedulers compute in float32 by name (``torch.float32``, ``np.float32``). These tests give each module
a torch and a numpy whose float32 is float64, and a ``randn_tensor`` that returns the draws of the test, so
that both can be compared to many digits and a difference is one of method.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import diffusers.schedulers
import numpy as np
import pytest
import torch
from exact import Mixture
from torch import Tensor

from gen.diffusion import Level, Prediction, Solver
from gen.diffusion.noise import NamedNoise

diffusers.utils.logging.set_verbosity_error()

SHAPE = (1, 3, 4, 4)
START = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
MODEL = Mixture()
STEPS = 16


def draw(index: int) -> Tensor:
    """Draw number ``index`` of the test's noise."""
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(100 + index), dtype=torch.float64)


class Doubled:
    """A module whose float32 is float64."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, "float64" if name == "float32" else name)


@contextlib.contextmanager
def in_double(*modules: str, draws: Iterator[Tensor] | None = None) -> Iterator[None]:
    """Let these modules of diffusers' compute in float64 and draw from ``draws``."""
    with pytest.MonkeyPatch.context() as patch:
        for name in modules:
            module = importlib.import_module(name)
            patch.setattr(module, "torch", Doubled(torch))
            if hasattr(module, "np"):
                patch.setattr(module, "np", Doubled(np))
            if draws is not None and hasattr(module, "randn_tensor"):
                patch.setattr(module, "randn_tensor", lambda *_, **__: next(draws))
        patch.setattr(Tensor, "float", Tensor.double)
        yield


def level_of(alpha: Any, sigma: Any) -> Level[float]:
    """A level that only its alpha and sigma matter of."""
    return Level(0.5, float(alpha), float(sigma))


def scheduler(name: str, **options: Any) -> Any:
    """A scheduler of diffusers, built in float64."""
    made = getattr(diffusers.schedulers, name)
    with in_double(made.__module__):
        return made(**options)


def theirs(
    made: Any,
    steps: int | None,
    level: Callable[[Any, int], Level[float]],
    output: Callable[[Tensor, Tensor, Level[float]], Tensor],
    x: Tensor,
    *,
    draws: Sequence[Tensor] = (),
    stepping: dict[str, Any] | None = None,
    setting: dict[str, Any] | None = None,
) -> list[Tensor]:
    """Every state of a run of diffusers.

    Args:
        made: The scheduler.
        steps: Their ``num_inference_steps``; None where ``set_timesteps`` has been called.
        level: (scheduler, index of the call) -> the level at which their network is evaluated.
        output: (x0, x, level) -> what their network would return.
        x: The state that they start from, as they scale it.
        draws: What ``randn_tensor`` returns, in this order.
        stepping: Further arguments of ``step``.
        setting: Further arguments of ``set_timesteps``.
    """
    states = [x]
    with in_double(type(made).__module__, draws=itertools.chain(draws)):
        if steps is not None:
            made.set_timesteps(steps, **(setting or {}))
        for index, t in enumerate(made.timesteps):
            if hasattr(made, "_init_step_index") and made.step_index is None:
                made._init_step_index(t)
            at = level(made, index)
            x0 = MODEL.x0(x, at)
            x = made.step(output(x0, x, at), t, x, **(stepping or {}), return_dict=False)[0]
            states.append(x)
    return states


def ours(
    solver: Solver,
    levels: Sequence[Level[float]],
    x: Tensor,
    draws: Sequence[Tensor] = (),
    variance: Callable[[Tensor], Tensor | None] = lambda _: None,
) -> list[Tensor]:
    """Every state of a run of ours over these levels.

    Args:
        solver: Ours.
        levels: Where the run stops.
        x: The state that it starts from.
        draws: What a solver draws, in this order.
        variance: x -> the variance that the network predicts.
    """
    states, state, given = [x], (), iter(draws)
    solver = solver.on(levels)

    def denoise(x: Tensor, level: Level[float]) -> Prediction:
        return Prediction(MODEL.x0(x, level), variance=variance(x))

    for t, s in itertools.pairwise(levels):
        update = solver.step(state, x, denoise, t, s, noise=NamedNoise(lambda *_: next(given)))
        x, state = update.x, update.state
        states.append(x)
    return states


def eps_of(x0: Tensor, x: Tensor, level: Level[float]) -> Tensor:
    return (x - level.alpha * x0) / level.sigma


def velocity_of(x0: Tensor, x: Tensor, level: Level[float]) -> Tensor:
    return eps_of(x0, x, level) - x0


def v_of(x0: Tensor, x: Tensor, level: Level[float]) -> Tensor:
    return level.alpha * eps_of(x0, x, level) - level.sigma * x0


def on_sigma(made: Any, index: int) -> Level[float]:
    """Schedulers whose state is x0 + sigma eps."""
    return level_of(1.0, made.sigmas[index])


def on_flow(made: Any, index: int) -> Level[float]:
    return level_of(1 - made.sigmas[index], made.sigmas[index])


def on_solver_sigma(made: Any, index: int) -> Level[float]:
    """Schedulers that split a sigma into (alpha, sigma) themselves."""
    return level_of(*made._sigma_to_alpha_sigma_t(made.sigmas[index]))


def on_chain(made: Any, index: int) -> Level[float]:
    """Schedulers whose state is that of the chain at an integer step."""
    alpha_bar = made.alphas_cumprod[made.timesteps[index]]
    return level_of(alpha_bar**0.5, (1 - alpha_bar) ** 0.5)


DATA = level_of(1.0, 0.0)


def chain_levels(made: Any) -> list[Level[float]]:
    return [*(on_chain(made, i) for i in range(len(made.timesteps))), DATA]


def sigma_levels(made: Any, level: Callable[[Any, int], Level[float]]) -> list[Level[float]]:
    return [level(made, i) for i in range(len(made.sigmas))]


def difference(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    """The largest relative difference of two trajectories, in the norm of each state."""
    assert len(a) == len(b), (len(a), len(b))
    return max(float((p - q).norm() / q.norm()) for p, q in zip(a, b, strict=True))


def edm_of(x0: Tensor, x: Tensor, level: Level[float]) -> Tensor:
    norm = math.hypot(level.sigma, 0.5)
    return (x0 - x * (0.5 / norm) ** 2) / (level.sigma * 0.5 / norm)


def edm_v_of(x0: Tensor, x: Tensor, level: Level[float]) -> Tensor:
    norm = math.hypot(level.sigma, 1.0)
    return (x0 - x / norm**2) / (-level.sigma / norm)


def on_interpolated(made: Any, index: int) -> Level[float]:
    """Every second call of theirs is made within a step."""
    if index % 2 == 0:
        return on_sigma(made, index)
    return level_of(1.0, made.sigmas_interpol[index - ("Ancestral" in type(made).__name__)])


@dataclass(frozen=True)
class Case:
    """One scheduler and the solver that it is.

    Args:
        name: Class of diffusers.
        solver: Ours.
        level: Where theirs evaluate the network.
        output: What theirs want from the network.
        options: Of their class.
        stepping: Of their ``step``.
        draws: How many draws of noise are needed at most.
        calls: Calls of theirs per step.
        steps: Of the run.
        tolerance: Largest relative difference.
    """

    name: str
    solver: Solver
    level: Callable[[Any, int], Level[float]] = on_solver_sigma
    output: Callable[..., Tensor] = eps_of
    options: dict[str, Any] = field(default_factory=dict)
    stepping: dict[str, Any] = field(default_factory=dict)
    draws: int = 0
    calls: int = 1
    steps: int = STEPS
    tolerance: float = 1e-10

    def __str__(self) -> str:
        settings = [f"{key}={value}" for key, value in {**self.options, **self.stepping}.items()]
        return " ".join([self.name, *settings, str(self.steps)])


def run(case: Case) -> tuple[list[Tensor], list[Tensor]]:
    """Every state of ours and of theirs, at the levels of theirs."""
    made = scheduler(case.name, **case.options)
    draws = [draw(i) for i in range(case.draws)]
    with in_double(type(made).__module__):
        made.set_timesteps(case.steps)
    if hasattr(made, "is_scale_input_called"):
        made.is_scale_input_called = True
    if case.level is on_chain:
        levels = chain_levels(made)
    elif case.calls == 2:
        # Their list has every sigma but the first twice.
        level = on_flow if case.level is on_flow else on_sigma
        levels = [level(made, i) for i in (0, *range(1, 2 * case.steps, 2))]
    else:
        levels = sigma_levels(made, case.level)
    x = START * math.hypot(levels[0].alpha, levels[0].sigma)
    stepping = {"order": 4} if case.name.startswith("LMS") and not case.stepping else case.stepping
    expected = theirs(made, case.steps, case.level, case.output, x, draws=draws, stepping=stepping)
    if case.calls == 2:
        expected = [expected[0], *expected[2::2], expected[-1]]
    return ours(case.solver, levels, x, draws), expected
