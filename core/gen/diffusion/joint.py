"""Joint states: named tensors, each with its own process and solver, denoised together on one time grid.

Each part is continuous or of tokens: positions and types of atoms, sound and pictures, columns of a table.

    parts = {"place": Part(RectifiedFlow(), Heun()), "kind": Part(MASKED, PosteriorSample(MASKED))}
    x = joint.prior(parts, grid, noise, {"place": (20, 3), "kind": (20,)})
    end = joint.sample(denoiser, parts, grid, x=x, noise=noise)
    end.x["kind"]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from operator import itemgetter
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from gen.diffusion.categorical import CategoricalProcess, TokenDenoiser
from gen.diffusion.conditioning import Conditioning, concatenate
from gen.diffusion.denoiser import Denoiser, Memory, Prediction, cast_conditions
from gen.diffusion.denoiser import ModelDenoiser as OneModelDenoiser
from gen.diffusion.grid import TimeGrid
from gen.diffusion.guidance import Evaluation, Guidance
from gen.diffusion.level import Level, repeated, within
from gen.diffusion.noise import NoiseSource
from gen.diffusion.parameterization import Parameterization
from gen.diffusion.process import ForwardProcess, Process
from gen.diffusion.sampling import InPlaceCheck, Run, Step, autograd, check_items, counted
from gen.diffusion.sampling import prior as prior_of
from gen.diffusion.solvers.base import Solver, Update

__all__ = [
    "JointDenoiser", "JointNetwork", "JointState", "JointTrajectory", "ModelDenoiser", "Part", "guided",
    "iterate", "prior", "sample", "wrapped",
]  # fmt: skip

JointState: TypeAlias = Mapping[str, Tensor]
JointDenoiser: TypeAlias = Callable[
    [JointState, Mapping[str, Level[float]], Conditioning, Memory], Mapping[str, Prediction]
]
"""(each part's state (B, ...), each part's level, conditioning, memory) -> each part's prediction."""
JointNetwork: TypeAlias = Callable[
    [Mapping[str, Tensor], Mapping[str, Tensor], Conditioning], Mapping[str, Tensor]
]
"""(each part's c_in x (B, ...) or tokens, its c_noise (B,) float32, conditioning) -> each part's output
(B, ...) or logits (B, ..., K)."""


@dataclass(frozen=True)
class Part:
    """The forward process and the solver of one tensor of a joint state.

    Args:
        process: At a time of the grid each part has the level of its own process.
        solver: One of tokens for a ``CategoricalProcess``.
    """

    process: ForwardProcess
    solver: Solver


@dataclass(frozen=True, eq=False)
class ModelDenoiser:
    """A network of joint states as a denoiser; for each part as ``gen.diffusion.ModelDenoiser`` or
    ``TokenDenoiser``.

    Args:
        network: See ``JointNetwork``.
        processes: The process of each part that the network was trained on.
        parameterizations: The meaning of the outputs, for each part that is not of tokens.

    Raises:
        ValueError: The names differ.
    """

    network: JointNetwork
    processes: Mapping[str, Process | CategoricalProcess]
    parameterizations: Mapping[str, Parameterization]

    def __post_init__(self) -> None:
        numbers = {n: p for n, p in self.processes.items() if not isinstance(p, CategoricalProcess)}
        _check_names("the parameterizations", self.parameterizations, numbers)

    def __call__(
        self,
        x: JointState,
        levels: Mapping[str, Level[float]],
        conditioning: Conditioning,
        memory: Memory,  # noqa: ARG002
    ) -> dict[str, Prediction]:
        """The prediction for each part of x, from one evaluation of the network.

        Raises:
            ValueError: The network returned other parts or shapes, or changed a state in place.
        """
        inputs = {name: part.inputs(x[name], levels[name]) for name, part in self._parts.items()}
        conditions = conditioning.cond
        for name in self.parameterizations:
            conditions = cast_conditions(conditions, x[name], inputs[name].x)
        states = {name: part.x for name, part in inputs.items()}
        outputs = self.network(states, {name: part.c_noise for name, part in inputs.items()}, conditions)
        _check_names("the network's outputs", outputs, self.processes)
        return {name: part.prediction(outputs[name]) for name, part in inputs.items()}

    @cached_property
    def _parts(self) -> dict[str, OneModelDenoiser | TokenDenoiser]:
        """A denoiser for each part, which turns levels into inputs and outputs into predictions."""
        network = cast(Any, self.network)
        return {
            name: TokenDenoiser(network, process)
            if isinstance(process, CategoricalProcess)
            else OneModelDenoiser(network, process, self.parameterizations[name])
            for name, process in self.processes.items()
        }


@dataclass(frozen=True, eq=False)
class JointTrajectory:
    """The end of a joint run.

    Args:
        x: Each part's state (B, ...) at the grid's last level.
        nfe: Evaluations of the denoiser in all.
    """

    x: dict[str, Tensor]
    nfe: int


def prior(
    parts: Mapping[str, Part],
    grid: TimeGrid,
    noise: NoiseSource,
    shapes: Mapping[str, Sequence[int]],
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    """Pure noise at the grid's first level, each part (B, *shape); see ``gen.diffusion.prior``.

    Raises:
        ValueError: The names of parts and shapes differ.
    """
    _check_names("shapes", shapes, parts)
    return {
        name: prior_of(part.process, grid, noise.child(name), shapes[name], device)
        for name, part in parts.items()
    }


def iterate(
    denoiser: JointDenoiser,
    parts: Mapping[str, Part],
    grid: TimeGrid,
    *,
    x: JointState,
    noise: NoiseSource,
    conditioning: Conditioning | None = None,
    after: Mapping[str, Step] | None = None,
    gradients: bool = False,
) -> Iterator[dict[str, Step]]:
    """Every step of a joint run, as one ``Step`` per part; as ``gen.diffusion.iterate``.

    The k-th evaluations of all parts in a step are one evaluation of the denoiser. A part whose solver makes
    fewer of them is evaluated again at its last state and level.

    Args:
        denoiser: Predicts the data of all parts.
        parts: Name to process and solver.
        grid: The times of the run.
        x: Each part's state (B, ...) at the grid's first level, see ``prior``.
        noise: One seed per item; a part draws from ``noise.child(name)``.
        conditioning: Of the denoiser.
        after: The steps of an earlier run with the same arguments, to go on from.
        gradients: Whether a step can be differentiated.

    Raises:
        ValueError: The arguments do not fit each other.
        FloatingPointError: The denoiser returned NaN or infinity.
    """
    conditioning = Conditioning() if conditioning is None else conditioning
    if not parts:
        raise ValueError("a joint state needs at least one part")
    _check_names("the state", x, parts)
    for tensor in x.values():
        check_items(tensor, noise, conditioning)
    if after is not None:
        _check_names("the step to go on from", after, parts)
    if not torch.compiler.is_compiling():
        with autograd(gradients):
            x, conditioning = {name: counted(part) for name, part in x.items()}, conditioning.map(counted)
    runs = {
        name: Run(part.process, grid, part.solver, x[name], noise.child(name), (after or {}).get(name), name)
        for name, part in parts.items()
    }
    if len({run.first for run in runs.values()}) > 1:
        raise ValueError("the steps to go on from must be of one index")
    first = next(iter(runs.values())).first
    memory = next(iter(after.values())).memory.copy() if after else Memory()
    in_place, evaluations = InPlaceCheck(conditioning), 0
    del x, after  # the runs hold what they need of them

    def evaluate(places: Mapping[str, tuple[Tensor, Level[float]]]) -> Mapping[str, Prediction]:
        nonlocal evaluations
        evaluations += 1
        states = {name: state for name, (state, _) in places.items()}
        levels = {name: level for name, (_, level) in places.items()}
        watched, before = in_place.before(*states.values())
        predictions = denoiser(states, levels, conditioning, memory)
        _check_names("the predictions", predictions, parts)
        in_place.after(predictions.values(), watched, before)
        return predictions

    for index in range(first, grid.steps):
        evaluations = 0
        with autograd(gradients):
            updates = _together(parts, runs, index, evaluate)
        if index + 1 == grid.steps:
            updates = {
                name: update._replace(x=memory.child(f"wrapper of {name}").paste_known(update.x))
                if runs[name].levels[-1].sigma == 0
                else update
                for name, update in updates.items()
            }
        steps = {name: run.take(index, updates[name], evaluations, memory) for name, run in runs.items()}
        del updates
        yield steps
        del steps


def sample(
    denoiser: JointDenoiser,
    parts: Mapping[str, Part],
    grid: TimeGrid,
    *,
    noise: NoiseSource,
    x: JointState | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    conditioning: Conditioning | None = None,
    on_step: Callable[[dict[str, Step]], None] | None = None,
) -> JointTrajectory:
    """A whole joint run; arguments and errors are those of ``iterate``.

    Args:
        x: Each part's state (B, ...) at the grid's first level, or
        shapes: The shape of one item of each part, to start from pure noise on the CPU; one of the two.
        on_step: Called after every step.
    """
    if (x is None) == (shapes is None):
        raise ValueError("give either x, the states to start from, or shapes, those of one item")
    ends = dict(prior(parts, grid, noise, shapes or {}) if x is None else x)
    nfe = 0
    for steps in iterate(denoiser, parts, grid, x=ends, noise=noise, conditioning=conditioning):
        ends = {name: step.x for name, step in steps.items()}
        nfe += next(iter(steps.values())).nfe
        if on_step is not None:
            on_step(steps)
    return JointTrajectory(ends, nfe)


def guided(denoiser: JointDenoiser, guidance: Mapping[str, Guidance]) -> JointDenoiser:
    """``denoiser`` with guidance of some of its parts, each by itself; the others stay as they are.

    Conditionings that several guidances need are evaluated once. A gradient is that of the part's own state,
    with the other parts held.

    Args:
        denoiser: Predicts the data of all parts.
        guidance: Name to guidance; for tokens one that is linear in the prediction, that is in the logits.
    """

    def denoise(
        x: JointState, levels: Mapping[str, Level[float]], conditioning: Conditioning, memory: Memory
    ) -> dict[str, Prediction]:
        known: dict[tuple[str, ...], dict[str, Mapping[str, Prediction]]] = {}

        def evaluate(
            name: str, part: Tensor, level: Level[float], branches: Mapping[str, Conditioning]
        ) -> dict[str, Prediction]:
            names, child = tuple(branches), memory.child(" and ".join(branches))
            unmoved = part is x[name] and level == levels[name]
            found = known.get(names) if unmoved else None
            if found is None:
                states, places = {**x, name: part}, {**levels, name: level}
                found = _of_branches(denoiser, states, places, branches, child)
                if unmoved:
                    known[names] = found
            return {branch: found[branch][name] for branch in names}

        predictions: dict[str, Prediction] = {}
        for name, rule in guidance.items():
            if within(levels[name], rule.interval):
                own = memory.child(f"guidance of {name}")
                at = Evaluation(x[name], levels[name], conditioning, own, partial(evaluate, name))
                predictions[name] = rule.predict(at)
        if len(predictions) < len(x):
            plain = next((found["cond"] for found in known.values() if "cond" in found), None)
            if plain is None:
                plain = denoiser(x, levels, conditioning, memory.child("cond"))
            predictions = {**plain, **predictions}
        return predictions

    return denoise


def wrapped(denoiser: JointDenoiser, wrappers: Mapping[str, Callable[[Denoiser], Denoiser]]) -> JointDenoiser:
    """``denoiser`` with some of its parts clipped, constrained or otherwise wrapped, each by itself.

    A wrapper gets the denoiser of its part, with the other parts held. It must evaluate all items at once:
    guidance belongs in ``guided``.

    Args:
        denoiser: Predicts the data of all parts.
        wrappers: Name to wrapper, such as ``clipped`` or ``lambda one: given(one, tokens, known)``.

    Raises:
        ValueError: (in an evaluation) A wrapper evaluates a batch of another size.
    """
    for name, wrapper in wrappers.items():
        denoiser = _with_wrapped_part(denoiser, name, wrapper)
    return denoiser


def _with_wrapped_part(
    denoiser: JointDenoiser, name: str, wrapper: Callable[[Denoiser], Denoiser]
) -> JointDenoiser:
    def denoise(
        x: JointState, levels: Mapping[str, Level[float]], conditioning: Conditioning, memory: Memory
    ) -> dict[str, Prediction]:
        predictions: dict[str, Prediction] = {}

        def part(state: Tensor, level: Level[float], conditioning: Conditioning, _: Memory) -> Prediction:
            if state.shape != x[name].shape:
                raise ValueError(
                    f"a wrapper of the part {name!r} evaluated {tuple(state.shape)} in place of "
                    f"{tuple(x[name].shape)}: put guidance into joint.guided, and a cache around each network"
                )
            # The wrapper's memory is its own; that of the denoiser within is the joint one.
            predictions.update(denoiser({**x, name: state}, {**levels, name: level}, conditioning, memory))
            return predictions[name]

        own = memory.child(f"wrapper of {name}")
        predictions[name] = wrapper(part)(x[name], levels[name], conditioning, own)
        return predictions

    return denoise


def _of_branches(
    denoiser: JointDenoiser,
    x: JointState,
    levels: Mapping[str, Level[float]],
    branches: Mapping[str, Conditioning],
    memory: Memory,
) -> dict[str, Mapping[str, Prediction]]:
    """The predictions for each conditioning, all in one batch."""
    if len(branches) == 1:
        ((branch, conditioning),) = branches.items()
        return {branch: denoiser(x, levels, conditioning, memory)}
    count, rows = len(branches), next(iter(x.values())).shape[0]
    states = {name: repeated(part, count) for name, part in x.items()}
    joined = denoiser(states, levels, concatenate(list(branches.values())), memory)
    rows_of = (itemgetter(slice(i * rows, (i + 1) * rows)) for i in range(count))
    return {
        branch: {name: prediction.map(own) for name, prediction in joined.items()}
        for branch, own in zip(branches, rows_of, strict=True)
    }


def _together(
    parts: Mapping[str, Part],
    runs: Mapping[str, Run],
    index: int,
    evaluate: Callable[[Mapping[str, tuple[Tensor, Level[float]]]], Mapping[str, Prediction]],
) -> dict[str, Update]:
    """Step ``index`` of every part.

    The parts are evaluated together, but each solver makes its evaluations one after the other. A step is a
    pure function of its predictions, so it is computed anew after each evaluation: with the predictions known
    so far, and a placeholder for the next one, whose state and level are recorded. A step that needs no
    placeholder is the result.
    """
    places = {name: (run.x, run.levels[index]) for name, run in runs.items()}
    answers: dict[str, list[Prediction]] = {name: [] for name in runs}
    updates: dict[str, Update] = {}
    while len(updates) < len(runs):
        missing = []
        for name, run in runs.items():
            if name not in updates:
                replay = _Replay(answers[name], parts[name].process)
                update = run.update(index, replay)
                if replay.missing is None:
                    updates[name] = update
                else:
                    places[name] = replay.missing
                    missing.append(name)
        if missing:
            predictions = evaluate(places)
            for name in missing:
                answers[name].append(predictions[name])
    return updates


class _Replay:
    """Returns known predictions in turn, then placeholders; ``missing`` is (x, level) of the first one."""

    def __init__(self, answers: Sequence[Prediction], process: ForwardProcess) -> None:
        self._answers, self._process = iter(answers), process
        self.missing: tuple[Tensor, Level[float]] | None = None

    def __call__(self, x: Tensor, level: Level[float]) -> Prediction:
        answer = next(self._answers, None)
        if answer is not None:
            return answer
        self.missing = self.missing or (x, level)
        return Prediction(self._process.placeholder(x), variance=torch.zeros_like(x))


def _check_names(noun: str, found: Mapping[str, object], parts: Mapping[str, object]) -> None:
    if set(found) != set(parts):
        raise ValueError(
            f"{noun} must have the parts {', '.join(sorted(parts))}, not {', '.join(sorted(found))}"
        )
