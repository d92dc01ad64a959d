"""The stages of a model, one after another, each asked for how it is sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, cast

from gen import presets
from gen.diffusion import Conditioning, Denoiser, Process, RectifiedFlow, Solver, TimeGrid, guided
from gen.diffusion.categorical import CategoricalProcess
from gen.diffusion.joint import JointDenoiser, Part
from gen.errors import UsageError
from gen.model import Defaults, Edits, Model, Stage, State, Task
from gen.model.parts import checked_conditioning, checked_shape
from gen.model.stage import AnyGuidance, AnyProcess
from gen.plan import Plan
from gen.plan.choice import choose
from gen.plan.choices import Choices, core_choices
from gen.plan.editing import Editing
from gen.plugin.boundary import calling
from gen.run.inversion import Inversion
from gen.run.joint_run import sample_parts
from gen.run.progress import Report, StageReport
from gen.run.tensor_run import sample_tensor
from gen.run.ways import between_prompts


class Following(Protocol):
    """What predictions follow beside the prompt."""

    def following(self, denoiser: Denoiser, task: Task) -> Denoiser:
        """``denoiser`` with predictions that follow it."""


def run_stages(
    plan: Plan,
    model: Model,
    task: Task,
    edits: Edits,
    shares: Sequence[float],
    report: StageReport,
    raised: Sequence[BaseException] = (),
    restoration: Following | None = None,
) -> State:
    """The end of the last stage, (B, *shape).

    Args:
        plan: Names the solver and the grid, and says how far an input may change.
        model: Whose stages they are.
        task: With the shape of the codec's state.
        edits: What the user gave, as the codec encoded it.
        shares: Where each row lies between two ends.
        report: Called after each step with the number of the stage.
        raised: What ``report`` has raised, which comes out as it is.
        restoration: What the predictions of the last stage follow.

    Raises:
        UsageError: A stage cannot make what the parameters ask for.
        PluginError: A stage fails or returns something else than it should, or all pass the task over.
    """
    ways = _Ways(plan.choices, plan.steps, plan.guidance, model.defaults.token_solver)
    plugin = plan.plugin
    state: State | None = None
    entered = False
    stages = model.path
    for index, stage in enumerate(stages):
        before = replace(task, previous=state)
        own = stage.defaults and _ways_of(stage.defaults, plan)
        run = _prepared(plugin, stage, before, edits, own or ways, plan, shares)
        if run is None:
            continue
        if restoration is not None and index + 1 == len(stages):
            _check_restorable(stage, run.task)
            run = replace(run, restoration=restoration)
        if entered:
            run = replace(run, edits=replace(run.edits, start=None, end=None))
        entered = entered or run.edits.start is not None
        with calling(plugin, f"network {stage.name}".strip(), exempt=raised):
            state = run.end(partial(report, index))
    if state is None:
        with calling(plugin, "model") as call:
            raise call.fault("has no stage that does not pass the task over")
    return state


@dataclass(frozen=True)
class _Ways:
    """How a stage is sampled.

    Args:
        choices: Solver, grid, guidance, cache and noise rule.
        steps: Of the grid.
        guidance: The scale.
        token_solver: Name of the solver of tokens.
    """

    choices: Choices
    steps: int
    guidance: float
    token_solver: str


def _ways_of(defaults: Defaults, plan: Plan) -> _Ways:
    """How a stage is sampled that says so itself, with the plan's noise rule."""
    choices = core_choices(defaults.solver, defaults.grid).settled(defaults.steps, defaults.guidance)
    choices = replace(choices, noise=plan.choices.noise)
    return _Ways(choices, defaults.steps, defaults.guidance, defaults.token_solver)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Run:
    """A stage that is ready to be sampled."""

    stage: Stage
    task: Task
    edits: Edits
    grid: TimeGrid
    solver: Solver
    token_solver: str
    conditioning: Conditioning
    denoiser: Denoiser | JointDenoiser
    guidance: AnyGuidance | Mapping[str, AnyGuidance]
    editing: Editing
    shares: Sequence[float]
    plain: Denoiser | JointDenoiser
    source: Conditioning | None
    restoration: Following | None = None

    def end(self, report: Report) -> State:
        """The state at the end of its grid."""
        process, guidance = self.stage.process, self.guidance
        if isinstance(process, Mapping):
            assert isinstance(guidance, Mapping)
            parts = {name: Part(one, self._solver(one)) for name, one in process.items()}
            return sample_parts(
                self.stage,
                cast(JointDenoiser, self.denoiser),
                parts,
                self.task,
                self.edits,
                self.conditioning,
                guidance,
                self.grid,
                report,
            )
        assert not isinstance(guidance, Mapping)
        denoiser = guided(cast(Denoiser, self.denoiser), guidance)
        if self.stage.clipping is not None:
            denoiser = self.stage.clipping(denoiser)
        inversion = self._inversion(denoiser)
        if self.editing.to_prompt is not None:
            denoiser = between_prompts(denoiser, self.shares)
        if self.restoration is not None:
            denoiser = self.restoration.following(denoiser, self.task)
        return sample_tensor(
            self.stage,
            process,
            self.task,
            self.edits,
            denoiser,
            self.conditioning,
            self.grid,
            self._solver(process),
            report,
            inversion,
        )

    def _inversion(self, denoiser: Denoiser) -> Inversion | None:
        """How the noise of a file is found, where it begins a way, a variation or another picture.

        With another prompt to follow, guidance would lead away from the file: it is left out, as in prompt
        editing by DDIM inversion (Hertz et al. 2022, arXiv 2208.01626, sec. 4).

        Args:
            denoiser: What is sampled with.
        """
        if not self.editing.inverts or self.edits.start is None:
            return None
        amount = self.editing.amount
        if self.source is None:
            return Inversion(
                denoiser=denoiser, conditioning=self.conditioning, amount=amount, shares=self.shares
            )
        plain = cast(Denoiser, self.plain)
        return Inversion(denoiser=plain, conditioning=self.source, amount=amount, shares=self.shares)

    def _solver(self, process: AnyProcess) -> Solver:
        if isinstance(process, CategoricalProcess):
            chosen = choose(
                presets.TOKEN_SOLVERS.values(), self.token_solver or "posterior", "solver of tokens"
            )
            solver: Solver = chosen.build(process=process)
            return solver
        return self.solver


def _prepared(
    plugin: str, stage: Stage, task: Task, edits: Edits, ways: _Ways, plan: Plan, shares: Sequence[float]
) -> _Run | None:
    """A stage with its answers; None where it passes the task over."""
    process, choices = _gaussian(stage), ways.choices
    editing, strength = plan.editing, plan.strength
    _refuse_unheeded(stage, choices)
    if editing.inverts or editing.to_prompt is not None:
        _check_one_state(stage)
    task = replace(task, guidance=ways.guidance, steps=ways.steps)
    with calling(plugin, "stage.shape") as call:
        task = replace(task, shape=checked_shape(call, stage.shape(task)))
    given = Edits()
    if edits:
        with calling(plugin, "stage.edits") as call:
            answer = stage.edits(task, edits)
            if not isinstance(answer, Edits | None):
                raise call.returned(answer, "Edits or None")
            given = answer or given

    def own_grid() -> TimeGrid:
        with calling(plugin, "stage.own_grid") as call:
            own: object = stage.own_grid(task)
            if not isinstance(own, TimeGrid):
                raise call.returned(own, "a TimeGrid")
        return own

    def named() -> TimeGrid:
        grid = choices.make_grid(ways.steps, process, own_grid)
        return grid if given.start is None or strength is None else grid.truncate(strength)

    with calling(plugin, "stage.grid") as call:
        grid = stage.grid(task, named)
        if not isinstance(grid, TimeGrid | None):
            raise call.returned(grid, "a TimeGrid or None")
    if grid is None:
        return None
    with calling(plugin, "encoder") as call:
        rows = len(task.prompts)
        conditioning = checked_conditioning(call, stage.encode(task), rows)
        source: Conditioning | None = None
        if editing.to_prompt is not None:
            there = replace(task, prompts=(editing.to_prompt,) * rows)
            other = checked_conditioning(call, stage.encode(there), rows)
            conditioning = conditioning.with_others(*conditioning.others, other)
        if editing.source is not None:
            here = replace(task, prompts=(editing.source,) * rows)
            source = checked_conditioning(call, stage.encode(here), rows).cond.to(task.device)
    with calling(plugin, "stage.denoiser"):
        denoiser = stage.denoiser(task)
    shape = _piece(stage, task)
    chosen = choices.make_guidance(ways.guidance, process, denoiser, shape)
    with calling(plugin, "stage.guidance"):
        guidance = stage.guidance(task, chosen)
    return _Run(
        stage=stage,
        task=task,
        edits=given,
        grid=grid,
        solver=choices.make_solver(process),
        token_solver=ways.token_solver,
        conditioning=conditioning.to(task.device),
        denoiser=choices.cached(denoiser, process, shape),
        guidance=guidance,
        editing=editing,
        shares=shares,
        plain=denoiser,
        source=source,
    )


def _check_restorable(stage: Stage, task: Task) -> None:
    """Refuse states that cannot be decoded in the middle of a run.

    Raises:
        UsageError: The state has several parts, is made of tokens, or is made piece by piece.
    """
    if isinstance(stage.process, Mapping | CategoricalProcess):
        raise UsageError("this model samples no single state that can be decoded", "leave out restore")
    window = stage.window
    if window is None or not isinstance(task.shape, tuple):
        return
    cells = task.shape[window.axis] - window.head
    if cells > window.size or task.params.get("loop"):
        raise UsageError(
            f"this model makes {cells / window.size:.2g} times of what it can restore at once",
            "restore it piece by piece, and no loop",
        )


def _check_one_state(stage: Stage) -> None:
    """Refuse inversion, and ways between prompts, where the state is not one of numbers.

    Raises:
        UsageError: It has several parts, or is made of tokens.
    """
    if isinstance(stage.process, Mapping | CategoricalProcess):
        raise UsageError(
            "this model samples no single state of numbers, so that it has no inversion and no way between",
            "leave out edit, vary and interpolate",
        )


def _refuse_unheeded(stage: Stage, choices: Choices) -> None:
    """Refuse what a stage of tokens, or of a joint state, would not heed.

    Raises:
        UsageError: Something was chosen that works on a single state of numbers alone.
    """
    tokens = isinstance(stage.process, CategoricalProcess)
    if choices.cache is not None and (tokens or isinstance(stage.process, Mapping)):
        raise UsageError(
            "a cache works on one state of numbers, and this model has another", "leave out `cache=…`"
        )
    if tokens and [str(guide) for guide in choices.guides] != ["cfg"]:
        raise UsageError("a model of tokens has classifier-free guidance alone", "leave out `guide=…`")


def _piece(stage: Stage, task: Task) -> tuple[int, ...]:
    """The shape of what the network gets at once, of one item; empty for a joint state."""
    if not isinstance(task.shape, tuple):
        return ()
    if stage.window is None:
        return task.shape
    axis, longest = stage.window.axis, stage.window.head + stage.window.size
    return (*task.shape[:axis], min(task.shape[axis], longest), *task.shape[axis + 1 :])


def _gaussian(stage: Stage) -> Process:
    """The process whose levels a grid spaces: the first that is not of tokens, else that of a flow."""
    processes = stage.process.values() if isinstance(stage.process, Mapping) else [stage.process]
    return next((one for one in processes if not isinstance(one, CategoricalProcess)), RectifiedFlow())
