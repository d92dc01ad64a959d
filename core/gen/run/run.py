"""The road that every generation takes: encode, sample, decode, artifact with recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from gen import presets
from gen.errors import GenError, UsageError
from gen.model import Codec, CompositingCodec, Model
from gen.plan import Item, Plan
from gen.run.batches import batches
from gen.run.edits import given_parts
from gen.run.failures import failures, user_values
from gen.run.load import threads_of
from gen.run.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from gen.artifact import Artifact
    from gen.diffusion import Step

Params: TypeAlias = Mapping[str, object]


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
        batch_size: How many items go through the network at once. The noise of an item never depends on it.
            With 1 the artifact is, bit for bit, the one that its recipe makes alone; with more, a matrix
            product may round differently.
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
    # A text may be decided upon by a network, too.
    with failures(what, GenError), fresh_process_state(seed=0, threads=threads):
        groups = batches(plan, model, batch_size)
    for settled, items in groups:
        decided = replace(plan, params={**plan.params, **settled}, threads=threads)

        def report(step: Step, part: int, parts: int, first: int = items[0].index) -> None:
            if on_step is None:
                return
            try:
                on_step(Progress(first, len(plan.items), part, parts, step))
            except Exception as error:
                raised.append(error)
                raise

        with (
            failures(what, GenError, raised),
            fresh_process_state(seed=items[0].seed, threads=threads),
        ):
            artifacts = _batch(decided, model, items, report)
        for item, artifact in zip(items, artifacts, strict=True):
            yield replace(artifact, recipe=decided.recipe(item))


def _batch(
    plan: Plan, model: Model, items: Sequence[Item], report: Callable[[Step, int, int], None]
) -> list[Artifact]:
    import torch

    from gen import diffusion
    from gen.run import windows

    codec, process = model.codec, model.process
    params: Params = {**plan.params, **plan.artifacts}
    prompts, negatives = [item.prompt for item in items], [plan.negative] * len(items)
    noise = diffusion.NoiseSource([item.seed for item in items])
    with torch.inference_mode():
        with user_values():
            shape = codec.shape(params)
            solver = presets.solver(plan.solver)
            grid = presets.grid(plan.grid, plan.steps, process)
            conditioning = model.encoder(prompts, params).with_uncond(model.encoder(negatives, params))
            conditioning = conditioning.to(plan.device)
            start, keep, known = given_parts(plan, codec, params, shape)
        if start is not None and plan.strength is not None:
            grid = grid.truncate(plan.strength)
        denoiser = diffusion.guided(
            diffusion.ModelDenoiser(model.network, process, model.parameterization),
            presets.guidance(plan.solver, plan.guidance),
        )
        axis = model.window.axis if model.window else 0
        loop = model.window is not None and bool(params.get("loop"))
        runs = windows.cuts(shape[axis], model.window, loop=loop)

        def draw(run: windows.Cut, keep: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
            own = noise.child(f"window/{run.index}") if run.index else noise
            conditions = run.conditioning(conditioning) if len(runs) > 1 else conditioning
            constrained = denoiser
            if bool(keep.any()):
                given = keep * known
                conditions = conditions.with_conditions(
                    known=diffusion.Condition(torch.cat([keep, given], 1), "channels")
                )
                # The network only comes near the given part, or has no channels for it: here it is exact.
                measurement = diffusion.Measurement(diffusion.inverse.Mask(keep), given)
                constrained = diffusion.constrained(denoiser, measurement, diffusion.inverse.MaskBlend())
            x = diffusion.prior(process, grid, own, known.shape[1:], plan.device)
            if start is not None and plan.strength is not None:
                eps = own.prior(known.shape[1:]).to(start)
                x = process.diffuse(run.of(start).expand_as(eps), eps, process.level(grid.times[0]))
            made = diffusion.sample(
                constrained,
                process,
                grid,
                solver,
                x=x,
                conditioning=conditions,
                noise=own,
                on_step=lambda step: report(step, run.index, len(runs)),
            ).x
            # Also where the grid ends above the data.
            return torch.where(keep == 1, known, made)

        rows = len(items)
        x0 = windows.assemble(
            draw,
            runs,
            model.window,
            keep.expand(rows, -1, *shape[1:]),
            known.expand(rows, *shape),
        )
        return _artifacts(plan, codec, x0, params)


def _artifacts(plan: Plan, codec: Codec, x0: Tensor, params: Params) -> list[Artifact]:
    """Artifacts of clean states (B, *shape), with what is kept of the inputs as it was.

    Raises:
        GenError: The codec gave something else, or arrays that no artifact may hold: with NaN, for instance.
    """
    from gen.artifact import Artifact

    try:
        made = codec.decode(x0, params)
    except UsageError as error:
        raise GenError(f"{plan.spec.name} failed: {error.message}", error.hint) from error
    if len(made) != len(x0) or not all(isinstance(artifact, Artifact) for artifact in made):
        raise GenError(f"{plan.spec.name} failed: its codec did not return {len(x0)} artifacts")
    init = None if plan.mask is None else plan.init
    if isinstance(codec, CompositingCodec):
        with user_values():
            return [codec.composite(artifact, init, plan.mask, params) for artifact in made]
    if init is None or plan.mask is None:
        return made
    from gen.run.compositing import keep_outside

    return [keep_outside(artifact, init, plan.mask) for artifact in made]
