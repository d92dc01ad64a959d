"""The road that every generation takes: encode, sample, decode, artifact with recipe."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from gen.errors import GenError, UsageError
from gen.model import Codec, CompositingCodec, Model, State, Task
from gen.model.task import row_of
from gen.plan import Plan
from gen.run.batches import Batch, batches
from gen.run.edits import edits_of
from gen.run.failures import failures, user_values
from gen.run.load import threads_of
from gen.run.progress import Progress, StageReport

if TYPE_CHECKING:
    from gen.artifact import Artifact
    from gen.diffusion import Step


def generate(
    plan: Plan,
    model: Model,
    *,
    batch_size: int = 1,
    on_step: Callable[[Progress], None] | None = None,
) -> Iterator[Artifact]:
    """Make the items of a plan one after another.

    Args:
        plan: What to make.
        model: The plan's model.
        batch_size: At most so many items go through the network at once, where the model leaves that open
            (``Model.batch`` is 1). The noise of an item never depends on it. With 1 the artifact is, bit for
            bit, the one that its recipe makes alone; with more, a matrix product may round differently.
        on_step: Called after each step; what it raises ends the generation and comes out as it is.

    Yields:
        Artifacts with their recipes, in the order of the items.

    Raises:
        UsageError: The model cannot make what the parameters ask for.
        DeviceError: The memory does not suffice.
        GenError: The model failed.
    """
    from gen.process_state import fresh_process_state

    raised: list[Exception] = []
    threads = threads_of(plan)
    what = f"{plan.spec.name} failed"
    # A parameter may be decided by a network, too.
    with failures(what, GenError), fresh_process_state(seed=0, threads=threads):
        groups = batches(plan, model, batch_size)
    made: dict[int, Artifact] = {}
    done, waiting = 0, deque(plan.items)
    for batch in groups:
        decided = replace(plan, params={**plan.params, **batch.settled}, threads=threads)

        def report(
            stage: int,
            part: int,
            parts: int,
            steps: Mapping[str, Step],
            done: int = done,
            size: int = len(batch.items),
        ) -> None:
            if on_step is None:
                return
            try:
                on_step(
                    Progress(
                        item=done,
                        items=len(plan.items),
                        part=part,
                        parts=parts,
                        steps=steps,
                        batch=size,
                        stage=stage,
                        stages=len(model.path),
                    )
                )
            except Exception as error:
                raised.append(error)
                raise

        with (
            failures(what, GenError, raised),
            fresh_process_state(seed=batch.items[0].seed, threads=threads),
        ):
            artifacts = _made(decided, model, batch, report)
        for item, artifact in zip(batch.items, artifacts, strict=True):
            made[item.index] = replace(artifact, recipe=decided.recipe(item))
        done += len(batch.items)
        # In the order of the items, however they were batched.
        while waiting and waiting[0].index in made:
            yield made.pop(waiting.popleft().index)


def _made(plan: Plan, model: Model, batch: Batch, report: StageReport) -> list[Artifact]:
    """The artifacts of a batch, with what is kept of the inputs as it was."""
    import torch

    from gen.diffusion import NoiseSource
    from gen.run.stages import run_stages

    rows = [*batch.items, *[batch.items[-1]] * (batch.rows - len(batch.items))]
    task = Task(
        prompts=tuple(item.prompt for item in rows),
        negatives=(plan.negative,) * len(rows) if plan.negative else None,
        params={**plan.params, **plan.artifacts},
        guidance=plan.guidance,
        steps=plan.steps,
        noise=NoiseSource([item.seed for item in rows]),
        device=plan.device,
        init=plan.init,
        mask=plan.mask,
    )
    with torch.inference_mode():
        with user_values():
            task = replace(task, shape=model.codec.shape(task))
            edits = edits_of(plan, model, task)
        state = run_stages(plan, model, task, edits, report)
        return [
            _artifact(plan, model.codec, row_of(state, index), task.row(index))
            for index in range(len(batch.items))
        ]


def _artifact(plan: Plan, codec: Codec, state: State, task: Task) -> Artifact:
    """The artifact of a clean state (1, *shape).

    Raises:
        GenError: The codec gave something else, or arrays that no artifact may hold: with NaN, for instance.
    """
    from gen.artifact import Artifact
    from gen.run.compositing import keep_outside

    try:
        made = codec.decode(state, task)
    except UsageError as error:
        raise GenError(f"{plan.spec.name} failed: {error.message}", error.hint) from error
    if len(made) != 1 or not isinstance(made[0], Artifact):
        raise GenError(f"{plan.spec.name} failed: its codec did not return one artifact for one state")
    if isinstance(codec, CompositingCodec):
        with user_values():
            return codec.composite(made[0], task)
    if task.init is None or task.mask is None:
        return made[0]
    return keep_outside(made[0], task.init, task.mask)
