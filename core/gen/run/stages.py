"""The stages of a model, one after another, each asked for how it is sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from gen import presets
from gen.diffusion import Conditioning, Denoiser, Process, RectifiedFlow, Solver, TimeGrid, guided
from gen.diffusion.categorical import CategoricalProcess
from gen.diffusion.joint import Part
from gen.model import Defaults, Edits, Model, Stage, State, Task
from gen.model.stage import AnyGuidance, AnyProcess
from gen.plan import Plan
from gen.plan.choice import choose
from gen.run.failures import user_values
from gen.run.joint_run import sample_parts
from gen.run.progress import Report, StageReport
from gen.run.tensor_run import sample_tensor


def run_stages(plan: Plan, model: Model, task: Task, edits: Edits, report: StageReport) -> State:
    """The end of the last stage, (B, *shape).

    Args:
        plan: Names the solver and the grid, and says how far an input may change.
        model: Whose stages they are.
        task: With the shape of the codec's state.
        edits: What the user gave, as the codec encoded it.
        report: Called after each step with the number of the stage.

    Raises:
        UsageError: A stage cannot make what the parameters ask for.
        ValueError: All stages pass the task over.
    """
    ways = Defaults(
        solver=plan.solver,
        grid=plan.grid,
        steps=plan.steps,
        guidance=plan.guidance,
        token_solver=model.defaults.token_solver,
    )
    state: State | None = None
    entered = False
    for index, stage in enumerate(model.path):
        before = replace(task, previous=state)
        run = _prepared(stage, before, edits, stage.defaults or ways, plan.strength)
        if run is None:
            continue
        if entered:
            run = replace(run, edits=replace(run.edits, start=None))
        entered = entered or run.edits.start is not None
        state = run.end(partial(report, index))
    if state is None:
        raise ValueError("all its stages pass the task over")
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


def _prepared(stage: Stage, task: Task, edits: Edits, ways: Defaults, strength: float | None) -> _Run | None:
    """A stage with its answers; None where it passes the task over."""
    task = replace(task, guidance=ways.guidance, steps=ways.steps)
    with user_values():
        task = replace(task, shape=stage.shape(task))
        given = (stage.edits(task, edits) if edits else None) or Edits()

        def named() -> TimeGrid:
            grid = presets.grid(ways.grid, ways.steps, _gaussian(stage))
            return grid if given.start is None or strength is None else grid.truncate(strength)

        grid = stage.grid(task, named)
        if grid is None:
            return None
        chosen = presets.guidance(ways.solver, ways.guidance)
        return _Run(
            stage=stage,
            task=task,
            edits=given,
            grid=grid,
            solver=presets.solver(ways.solver),
            token_solver=ways.token_solver,
            conditioning=stage.encode(task).to(task.device),
            guidance=stage.guidance(task, chosen),
        )


def _gaussian(stage: Stage) -> Process:
    """The process whose levels a grid spaces: the first that is not of tokens, else that of a flow."""
    processes = stage.process.values() if isinstance(stage.process, Mapping) else [stage.process]
    return next((one for one in processes if not isinstance(one, CategoricalProcess)), RectifiedFlow())
