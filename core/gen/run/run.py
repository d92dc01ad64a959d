"""The road that every generation takes: encode, sample, decode, artifact with recipe."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

from gen.model import CompositingCodec, Model, State, Task
from gen.model.parts import Parts
from gen.model.task import row_of
from gen.plan import Plan
from gen.plan.kinds import check_made
from gen.plugin.boundary import calling
from gen.run.batches import Batch, batches
from gen.run.edits import edits_of, ways_of_editing
from gen.run.failures import failures
from gen.run.hooks import after, around
from gen.run.load import threads_of
from gen.run.progress import Progress, StageReport
from gen.run.watching import Watch, Watching

if TYPE_CHECKING:
    from torch import Tensor

    from gen.artifact import Artifact
    from gen.diffusion import Step
    from gen.run.restoring import Restoration


def generate(
    plan: Plan,
    model: Model,
    *,
    batch_size: int = 1,
    on_step: Callable[[Progress], None] | None = None,
    watch: Watch | None = None,
) -> Generator[Artifact, None, None]:
    """Make the items of a plan one after another.

    Args:
        plan: What to make.
        model: The plan's model.
        batch_size: At most so many items go through the network at once, where the model leaves that open
            (``Model.batch`` is 1). The noise of an item never depends on it. With 1 the artifact is, bit for
            bit, the one that its recipe makes alone; with more, a matrix product may round differently.
        on_step: Called after each step; what it raises ends the generation and comes out as it is.
        watch: Where the first item is shown meanwhile; no bit of the result depends on it.

    Yields:
        Artifacts with their recipes, in the order of the items.

    Raises:
        UsageError: The model cannot make what the parameters ask for, or shows nothing to watch.
        DeviceError: The memory does not suffice.
        PluginError: The model failed, or returned something else than its protocol says.
    """
    with around(plan):
        yield from _generated(plan, model, batch_size, on_step, watch)


def _generated(
    plan: Plan,
    model: Model,
    batch_size: int,
    on_step: Callable[[Progress], None] | None,
    watch: Watch | None,
) -> Iterator[Artifact]:
    from gen.process_state import fresh_process_state

    if watch is not None:
        watch.check(plan, model)
    raised: list[BaseException] = []
    threads = threads_of(plan)
    what = f"{plan.spec.name} failed"
    # A parameter may be decided by a network, too.
    with fresh_process_state(seed=0, threads=threads):
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
            *,
            looped: tuple[int, int] = (0, 1),
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
                        stages=len(model.path) or 1,
                        looped=looped,
                    )
                )
            except BaseException as error:
                raised.append(error)
                raise

        with (
            failures(what, raised),
            fresh_process_state(seed=batch.items[0].seed, threads=threads),
        ):
            watched = watch if plan.items[0] in batch.items else None
            artifacts = _made(decided, model, batch, report, raised, watched)
        for item, artifact in zip(batch.items, artifacts, strict=True):
            check_made(decided.kind, artifact, decided.plugin, "codec")
            recipe = replace(decided.recipe(item), provenance=ways_of_editing(plan, model))
            made[item.index] = after(decided, replace(artifact, recipe=recipe))
        done += len(batch.items)
        # In the order of the items, however they were batched.
        while waiting and waiting[0].index in made:
            yield made.pop(waiting.popleft().index)


def _made(
    plan: Plan,
    model: Model,
    batch: Batch,
    report: StageReport,
    raised: Sequence[BaseException],
    watch: Watch | None,
) -> list[Artifact]:
    """The artifacts of a batch, with what is kept of the inputs as it was."""
    import torch

    from gen.run.noise import noise_of
    from gen.run.stages import run_stages

    if plan.editing.tiled:
        from gen.run.upscaling import upscaled

        with torch.inference_mode():
            return [upscaled(plan, model, item, report, raised) for item in batch.items]
    rows = [*batch.items, *[batch.items[-1]] * (batch.rows - len(batch.items))]
    task = Task(
        prompts=tuple(item.prompt for item in rows),
        negatives=(plan.negative,) * len(rows) if plan.negative else None,
        params=plan.values,
        guidance=plan.guidance,
        steps=plan.steps,
        noise=noise_of(plan, rows),
        device=plan.device,
        init=plan.init,
        mask=None if plan.editing.restore is not None else plan.mask,
        upscale=plan.editing.upscale if plan.editing.restore is None else 1,
        tile=plan.editing.tile,
        style=plan.editing.style,
    )
    parts = Parts(model, plan.plugin)
    with torch.inference_mode():
        task = replace(task, shape=parts.shape(task))
        shares = [item.share for item in rows]
        restoration = _restoration(plan, parts, task)
        edits = edits_of(plan, parts, task)
        if watch is not None:
            report = Watching(watch, report, partial(_artifact, parts), task)
        if model.loop is None:
            state = run_stages(plan, model, task, edits, shares, report, raised, restoration)
        else:
            with calling(plan.plugin, "loop", exempt=raised):
                state = model.loop(task, lambda done, total: report(0, 0, 1, {}, looped=(done, total)))
        made = [_artifact(parts, row_of(state, index), task.row(index)) for index in range(len(batch.items))]
        if restoration is None:
            return made
        return [
            restoration.exact(one, cast("Tensor", row_of(state, index)), task.row(index))
            for index, one in enumerate(made)
        ]


def _restoration(plan: Plan, parts: Parts, task: Task) -> Restoration | None:
    """How the input is restored; None where it is not."""
    if plan.editing.restore is None:
        return None
    from gen.run.restoring import Restoration

    return Restoration.of(plan, parts, task)


def _artifact(parts: Parts, state: State, task: Task) -> Artifact:
    """The artifact of a clean state (1, *shape)."""
    from gen.run.compositing import keep_outside

    made = parts.decode(state, task)
    if isinstance(parts.model.codec, CompositingCodec):
        return parts.composite(made, task)
    if task.init is None or task.mask is None:
        return made
    return keep_outside(made, task.init, task.mask)
