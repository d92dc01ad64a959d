"""The stages of a model, one after another, each asked for how it is sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from gen import presets
from gen.diffusion import Conditioning, Denoiser, Process, RectifiedFlow, Solver, TimeGrid, guided
from gen.diffusion.categorical import CategoricalProcess
from gen.diffusion.joint import Part
from gen.model import Defaults, Edits, Model, Stage, State, Task
from gen.model.parts import checked_conditioning, checked_shape
from gen.model.stage import AnyGuidance, AnyProcess
from gen.plan import Plan
from gen.plan.choice import choose
from gen.plugin.boundary import calling
from gen.run.joint_run import sample_parts
from gen.run.progress import Report, StageReport
from gen.run.tensor_run import sample_tensor


def run_stages(
    plan: Plan,
    model: Model,
    task: Task,
    edits: Edits,
    report: StageReport,
    raised: Sequence[BaseException] = (),
) -> State:
    """The end of the last stage, (B, *shape).

    Args:
        plan: Names the solver and the grid, and says how far an input may change.
        model: Whose stages they are.
        task: With the shape of the codec's state.
        edits: What the user gave, as the codec encoded it.
        report: Called after each step with the number of the stage.
        raised: What ``report`` has raised, which comes out as it is.

    Raises:
        UsageError: A stage cannot make what the parameters ask for.
        PluginError: A stage fails or returns something else than it should, or all pass the task over.
    """
    ways = Defaults(
        solver=plan.solver,
        grid=plan.grid,
        steps=plan.steps,
        guidance=plan.guidance,
        token_solver=model.defaults.token_solver,
    )
    plugin = plan.spec.plugin
    state: State | None = None
    entered = False
    for index, stage in enumerate(model.path):
        before = replace(task, previous=state)
        run = _prepared(plugin, stage, before, edits, stage.defaults or ways, plan.strength)
        if run is None:
            continue
        if entered:
            run = replace(run, edits=replace(run.edits, start=None))
        entered = entered or run.edits.start is not None
        with calling(plugin, f"network {stage.name}".strip(), exempt=raised):
            state = run.end(partial(report, index))
    if state is None:
        with calling(plugin, "model") as call:
            raise call.fault("has no stage that does not pass the task over")
    return state


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
    guidance: AnyGuidance | Mapping[str, AnyGuidance]

    def end(self, report: Report) -> State:
        """The state at the end of its grid."""
        process, guidance = self.stage.process, self.guidance
        if isinstance(process, Mapping):
            assert isinstance(guidance, Mapping)
            parts = {name: Part(one, self._solver(one)) for name, one in process.items()}
            return sample_parts(
                self.stage, parts, self.task, self.edits, self.conditioning, guidance, self.grid, report
            )
        assert not isinstance(guidance, Mapping)
        denoiser = guided(cast(Denoiser, self.stage.denoiser(self.task)), guidance)
        if self.stage.clipping is not None:
            denoiser = self.stage.clipping(denoiser)
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
        )

    def _solver(self, process: AnyProcess) -> Solver:
        if isinstance(process, CategoricalProcess):
            chosen = choose(presets.TOKEN_SOLVERS.values(), self.token_solver, "solver of tokens")
            solver: Solver = chosen.build(process=process)
            return solver
        return self.solver


def _prepared(
    plugin: str, stage: Stage, task: Task, edits: Edits, ways: Defaults, strength: float | None
) -> _Run | None:
    """A stage with its answers; None where it passes the task over."""
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

    def named() -> TimeGrid:
        own = ways.grid == presets.OWN_GRID
        grid = stage.own_grid(task) if own else presets.grid(ways.grid, ways.steps, _gaussian(stage))
        return grid if given.start is None or strength is None else grid.truncate(strength)

    with calling(plugin, "stage.grid") as call:
        grid = stage.grid(task, named)
        if not isinstance(grid, TimeGrid | None):
            raise call.returned(grid, "a TimeGrid or None")
    if grid is None:
        return None
    with calling(plugin, "encoder") as call:
        conditioning = checked_conditioning(call, stage.encode(task), len(task.prompts))
    chosen = presets.guidance(ways.solver, ways.guidance)
    with calling(plugin, "stage.guidance"):
        guidance = stage.guidance(task, chosen)
    return _Run(
        stage=stage,
        task=task,
        edits=given,
        grid=grid,
        solver=presets.solver(ways.solver),
        token_solver=ways.token_solver,
        conditioning=conditioning.to(task.device),
        guidance=guidance,
    )


def _gaussian(stage: Stage) -> Process:
    """The process whose levels a grid spaces: the first that is not of tokens, else that of a flow."""
    processes = stage.process.values() if isinstance(stage.process, Mapping) else [stage.process]
    return next((one for one in processes if not isinstance(one, CategoricalProcess)), RectifiedFlow())
