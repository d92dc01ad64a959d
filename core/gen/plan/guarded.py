"""What factories of plugins made, with every later call of it inside the boundary of plugins.

Each function returns an instance of a subclass of what it gets, so that it can be inspected, changed with
``dataclasses.replace`` and chained as before.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import new_class
from typing import Any, TypeVar

from torch import Tensor

from gen.diffusion import (
    Conditioning,
    Denoiser,
    Guidance,
    Level,
    ModelDenoiser,
    NoiseSource,
    Prediction,
    Solver,
)
from gen.diffusion.denoiser import Memory
from gen.diffusion.guidance import Evaluation
from gen.diffusion.noise import BrownianPath, StepNoise
from gen.diffusion.solvers.base import Denoise, State, Update
from gen.plugin.boundary import Call, calling

T = TypeVar("T")


@dataclass(eq=False)
class _Outside:
    """The denoiser that plugin code calls: what it raises is not the plugin's.

    Args:
        raised: What it raised.
        predictions: What it returned.
    """

    raised: list[BaseException] = field(default_factory=list)
    predictions: list[Prediction] = field(default_factory=list)

    def of(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, whose results and exceptions are noted."""

        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                found = function(*args, **kwargs)
            except BaseException as error:
                self.raised.append(error)
                raise
            self.predictions.extend(found.values() if isinstance(found, Mapping) else [found])
            return found

        return call

    def check(self, call: Call, tensor: object, like: Tensor, noun: str) -> None:
        """Refuse a result of another shape, or one that is not finite while the predictions are.

        Raises:
            PluginError: It is none.
        """
        if (
            not isinstance(tensor, Tensor)
            or tensor.shape != like.shape
            or not tensor.is_floating_point()
            or tensor.device != like.device
        ):
            raise call.returned(tensor, f"{noun}, numbers of shape {tuple(like.shape)} on {like.device}")
        if not tensor.isfinite().all() and all(one.x0.isfinite().all() for one in self.predictions):
            raise call.fault(f"returned values of {noun} that are not finite")


def guarded_solver(made: Solver, plugin: str, name: str) -> Solver:
    """A solver of a plugin.

    Args:
        made: By its factory.
        plugin: Label of the plugin.
        name: Of the solver.
    """
    base, part = type(made), f"solver {name}"

    def step(
        self: Solver,
        state: State,
        x: Tensor,
        denoise: Denoise,
        t: Level[float],
        s: Level[float],
        *,
        noise: StepNoise,
    ) -> Update:
        outside = _Outside()
        with calling(plugin, part, exempt=outside.raised) as call:
            update: object = base.step(self, state, x, outside.of(denoise), t, s, noise=noise)
            if not isinstance(update, Update):
                raise call.returned(update, "an Update")
            outside.check(call, update.x, x, "x")
            outside.check(call, update.x0, x, "x0")
        return update

    def on(self: Solver, levels: Sequence[Level[float]]) -> Solver:
        with calling(plugin, part) as call:
            found: object = base.on(self, levels)
            if not isinstance(found, Solver):
                raise call.returned(found, "a Solver")
        return found if type(found) is type(self) else guarded_solver(found, plugin, name)

    def flag(self: Solver, which: str) -> bool:
        with calling(plugin, part) as call:
            found: object = getattr(base, which).__get__(self)
            if not isinstance(found, bool):
                raise call.returned(found, f"True or False as {which}")
        return found

    flags = {which: property(partial(flag, which=which)) for which in ("stochastic", "corrects")}
    return _changed(made, {"step": step, "on": on, **flags})


def guarded_guidance(made: Guidance, plugin: str, name: str) -> Guidance:
    """A guidance of a plugin; arguments as for ``guarded_solver``."""
    base = type(made)

    def predict(self: Guidance, at: Evaluation) -> Prediction:
        outside = _Outside()
        with calling(plugin, f"guidance {name}", exempt=outside.raised) as call:
            found: object = base.predict(self, replace(at, evaluate=outside.of(at.evaluate)))
            return _checked(outside, call, found, at.x)

    return _changed(made, {"predict": predict})


def guarded_cache(
    build: Callable[[Denoiser], Denoiser], denoiser: Denoiser, plugin: str, name: str
) -> Denoiser:
    """The denoiser with a cache of a plugin.

    Args:
        build: Puts the cache around a denoiser.
        denoiser: That of the model.
        plugin: Label of the plugin.
        name: Of the cache.
    """
    outside = _Outside()
    inner = outside.of(denoiser)
    if isinstance(denoiser, ModelDenoiser):
        inner = _changed(denoiser, {"__call__": staticmethod(inner)})
    made = build(inner)

    def denoise(x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory) -> Prediction:
        outside.predictions.clear()
        with calling(plugin, f"cache {name}", exempt=outside.raised) as call:
            return _checked(outside, call, made(x, level, conditioning, memory), x)

    return denoise


@dataclass(frozen=True)
class _GuardedStep:
    """The noise of one step of a plugin's rule, and of the parts of the step."""

    found: StepNoise
    plugin: str
    name: str

    def __call__(self, like: Tensor, stream: str, /) -> Tensor:
        with calling(self.plugin, self.name) as call:
            return _drawn(call, self.found(like, stream), like.shape)

    def part(self, name: str, t: Level[float], s: Level[float]) -> _GuardedStep:
        """See ``StepNoise``."""
        with calling(self.plugin, self.name):
            return replace(self, found=self.found.part(name, t, s))


def _drawn(call: Call, found: object, shape: Sequence[int]) -> Tensor:
    if not isinstance(found, Tensor) or tuple(found.shape) != tuple(shape):
        raise call.returned(found, f"numbers of shape {tuple(shape)}")
    if not found.isfinite().all():
        raise call.fault("returned values that are not finite")
    return found


def guarded_noise(made: NoiseSource, plugin: str, name: str) -> NoiseSource:
    """A noise rule of a plugin; arguments as for ``guarded_solver``. One of the core's class is as it was."""
    base, part = type(made), f"noise {name}"
    if base is NoiseSource:
        return made

    def normal(self: NoiseSource, shape: Sequence[int], stream: str, index: int = 0) -> Tensor:
        with calling(plugin, part) as call:
            return _drawn(call, base.normal(self, shape, stream, index), (len(self.seeds), *shape))

    def prior(self: NoiseSource, shape: Sequence[int]) -> Tensor:
        with calling(plugin, part) as call:
            return _drawn(call, base.prior(self, shape), (len(self.seeds), *shape))

    def at(
        self: NoiseSource,
        index: int,
        t: Level[float] | None = None,
        s: Level[float] | None = None,
        *,
        path: BrownianPath | None = None,
    ) -> StepNoise:
        if base.at is NoiseSource.at:
            return base.at(self, index, t, s, path=path)
        with calling(plugin, part) as call:
            found = base.at(self, index, t, s, path=path)
            if not callable(found):
                raise call.returned(found, "a function")
        return _GuardedStep(found, plugin, part)

    def source(self: NoiseSource, argument: object, which: str) -> NoiseSource:
        with calling(plugin, part) as call:
            found: object = getattr(base, which)(self, argument)
            if not isinstance(found, NoiseSource):
                raise call.returned(found, "a NoiseSource")
        return found if type(found) is type(self) else guarded_noise(found, plugin, name)

    def child(self: NoiseSource, name: str) -> NoiseSource:
        return source(self, name, "child")

    def select(self: NoiseSource, rows: Sequence[int]) -> NoiseSource:
        return source(self, rows, "select")

    return _changed(made, {"normal": normal, "prior": prior, "at": at, "child": child, "select": select})


def _checked(outside: _Outside, call: Call, found: object, x: Tensor) -> Prediction:
    if not isinstance(found, Prediction):
        raise call.returned(found, "a Prediction")
    outside.check(call, found.x0, x, "x0")
    return found


def _changed(made: T, members: Mapping[str, object]) -> T:
    """A copy of an object with other methods."""
    base: type = type(made)
    own = {**members, "__module__": base.__module__, "__qualname__": base.__qualname__, "__slots__": ()}
    other = copy.copy(made)
    kind = new_class(base.__name__, (base,), exec_body=lambda body: body.update(own))
    object.__setattr__(other, "__class__", kind)
    return other
