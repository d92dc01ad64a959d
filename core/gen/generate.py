"""The road that every generation takes: plan, model, encode, sample, decode, artifact with recipe.

``load`` reads a plan's model and ``generate`` walks the rest of the way; only these two import torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, cast

from gen import presets
from gen.errors import DeviceError, GenError, ModelError, UsageError, line_of
from gen.model import (
    Codec,
    CompletingCodec,
    CompositingCodec,
    CroppingCodec,
    LimitedEncoder,
    Model,
    ModelFile,
    RemarkingEncoder,
    SettlingEncoder,
)
from gen.plan import Item, Plan

if TYPE_CHECKING:
    from torch import Tensor

    from gen.artifact import Artifact
    from gen.diffusion import Step
    from gen.plugin.host import Host

Params: TypeAlias = Mapping[str, object]


def load(plan: Plan, host: Host) -> Model:
    """Load the model of a plan.

    Raises:
        ModelError: The plugin cannot make a model of the file.
        DeviceError: The memory does not suffice.
        PluginError: The plugin's loader cannot be imported.
    """
    from gen.process_state import fresh_process_state

    state = fresh_process_state(seed=0, threads=_threads(plan))
    with _failures(f"model {plan.file.name} cannot be loaded", ModelError), state:
        loader = cast(Callable[[ModelFile, str, str], object], host.resolve(plan.spec.loader))
        model = loader(plan.file, plan.device, plan.dtype)
    if not isinstance(model, Model):
        raise ModelError(f"the loader of {plan.spec.name} gave {type(model).__name__}, not a gen.model.Model")
    return model


@dataclass(frozen=True)
class Progress:
    """Where a generation is.

    Args:
        item: Index of the first item of the batch that is being made.
        items: How many items there are in all.
        part: Which run of the sampler for this item it is, from 0.
        parts: How many runs the item takes: more than one for what is longer than the model makes at once.
        step: What the sampler has just done: ``step.index`` of ``step.total``, with the state so far.
    """

    item: int
    items: int
    part: int
    parts: int
    step: Step


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
    threads = _threads(plan)
    what = f"{plan.spec.name} failed"
    # A text may be decided upon by a network, too.
    with _failures(what, GenError), fresh_process_state(seed=0, threads=threads):
        batches = _batches(plan, model, batch_size)
    for settled, items in batches:
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
            _failures(what, GenError, raised),
            fresh_process_state(seed=items[0].seed, threads=threads),
        ):
            artifacts = _batch(decided, model, items, report)
        for item, artifact in zip(items, artifacts, strict=True):
            yield replace(artifact, recipe=decided.recipe(item))


def notices(plan: Plan, model: Model) -> Iterator[str]:
    """A line about each thing that goes unheeded: unknown words, the end of a prompt, a negative prompt."""
    encoder, params = model.encoder, {**plan.params, **plan.artifacts}
    prompts = tuple(dict.fromkeys(item.prompt for item in plan.items))
    for prompt in prompts:
        start = f"prompt {_shown(prompt)}: " if len(prompts) > 1 else ""
        if unknown := _unknown_words(prompt, plan, model):
            yield start + unknown
        if isinstance(encoder, RemarkingEncoder):
            yield from (start + remark for remark in encoder.remarks(prompt, params))
        if isinstance(encoder, LimitedEncoder) and (unread := encoder.unread(prompt, params)):
            shown = _shown(unread)
            yield f"{start}the prompt is too long for the model {model.name}, which does not read {shown}"
    if isinstance(model.codec, CroppingCodec):
        for role, artifact in (("init", plan.init), *plan.artifacts.items()):
            if artifact is not None and (cropped := model.codec.cropped(artifact, params)):
                yield f"{role}: {cropped}"
    if plan.negative and plan.guidance == 1:
        yield "the negative prompt has no effect at guidance 1; raise the guidance"


def _unknown_words(prompt: str, plan: Plan, model: Model) -> str:
    """One line about words that the model does not know; empty when it knows them all."""
    words = model.encoder.unknown_words(prompt)
    if not words:
        return ""
    line = f"the model {model.name} does not know {', '.join(map(repr, words))}"
    near = ", ".join(model.encoder.suggestions(prompt, 5))
    names = f"`gen models show {model.name} --names` lists what it knows" if plan.file.names else ""
    return "; ".join(filter(None, (line, near and f"nearest are {near}", names)))


def _threads(plan: Plan) -> int:
    """Threads of torch's kernels: those of the plan, as far as the machine has them, or of the process."""
    import torch

    current = torch.get_num_threads()
    return current if plan.threads is None else min(plan.threads, max(current, os.cpu_count() or 1))


def _batches(
    plan: Plan, model: Model, batch_size: int
) -> list[tuple[Mapping[str, int | float | bool | str], Sequence[Item]]]:
    """Items that can be made together, with the parameters that their texts decide.

    Raises:
        UsageError: A text cannot be made; where there are several, it says which.
    """
    encoder, params = model.encoder, {**plan.params, **plan.artifacts}
    if not isinstance(encoder, SettlingEncoder):
        return [
            ({}, plan.items[first : first + batch_size]) for first in range(0, len(plan.items), batch_size)
        ]
    settled: dict[str, Mapping[str, int | float | bool | str]] = {}
    several = len({item.prompt for item in plan.items}) > 1
    for item in plan.items:
        if item.prompt not in settled:
            what = f"prompt {item.index + 1} of {len(plan.items)}, {_shown(item.prompt)}: " if several else ""
            with _user_values(what):
                settled[item.prompt] = encoder.settle(item.prompt, params)
    return [(settled[item.prompt], (item,)) for item in plan.items]


def _shown(text: str) -> str:
    """A text in quotes on one line, of at most about 60 characters."""
    return repr(text if len(text) <= 60 else f"{text[:60]}…")


def _batch(
    plan: Plan, model: Model, items: Sequence[Item], report: Callable[[Step, int, int], None]
) -> list[Artifact]:
    import torch

    from gen import diffusion, windows

    codec, process = model.codec, model.process
    params: Params = {**plan.params, **plan.artifacts}
    prompts, negatives = [item.prompt for item in items], [plan.negative] * len(items)
    noise = diffusion.NoiseSource([item.seed for item in items])
    with torch.inference_mode():
        with _user_values():
            shape = codec.shape(params)
            solver = presets.solver(plan.solver)
            grid = presets.grid(plan.grid, plan.steps, process)
            conditioning = model.encoder(prompts, params).with_uncond(model.encoder(negatives, params))
            conditioning = conditioning.to(plan.device)
            start, keep, known = _given(plan, codec, params, shape)
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
        with _user_values():
            return [codec.composite(artifact, init, plan.mask, params) for artifact in made]
    if init is None or plan.mask is None:
        return made
    from gen.compositing import keep_outside

    return [keep_outside(artifact, init, plan.mask) for artifact in made]


def _given(
    plan: Plan, codec: Codec, params: Params, shape: tuple[int, ...]
) -> tuple[Tensor | None, Tensor, Tensor]:
    """What is started from (1, *shape), where the state is given (1, 1, *spatial), and the state there."""
    import torch

    keep, known = torch.zeros(1, 1, *shape[1:]), torch.zeros(1, *shape)
    start: Tensor | None = None
    if plan.init is not None:
        with _user_values(_file_of(plan, "init")):
            start = codec.encode([plan.init], params).cpu()
        _fits("the input", start.shape, (1, *shape))
        if plan.mask is not None:
            with _user_values(_file_of(plan, "mask")):
                keep, known = codec.mask(plan.mask, params).to(start), start
            _fits("the mask", keep.shape, (1, 1, *shape[1:]))
    parts = codec.given(params) if isinstance(codec, CompletingCodec) else None
    if parts is not None:
        where, state = parts[0].to(keep), parts[1].to(known)
        _fits("what is given", state.shape, (1, *shape))
        known = torch.where(where > 0, state, known)
        keep = torch.maximum(keep, where)
    to = plan.device
    return None if start is None else start.to(to), keep.to(to), known.to(to)


def _fits(what: str, shape: Sequence[int], expected: Sequence[int]) -> None:
    if tuple(shape) != tuple(expected):
        raise ValueError(f"{what} became a state of {tuple(shape)}, not {tuple(expected)}")


def _file_of(plan: Plan, role: str) -> str:
    """The start of a message about an input: the name of its file; empty for one from memory."""
    return next((f"{one.name}: " for one in plan.inputs if one.role == role and one.name != "memory"), "")


@contextmanager
def _user_values(what: str = "") -> Iterator[None]:
    """Turn what the mathematics, an encoder or a codec says about values of the user into a usage error.

    Args:
        what: What the message starts with.
    """
    try:
        yield
    except ValueError as error:
        raise UsageError(f"{what}{line_of(error)}") from error
    except UsageError as error:
        raise UsageError(f"{what}{error.message}", error.hint) from error


@contextmanager
def _failures(what: str, otherwise: type[GenError], callers: Sequence[Exception] = ()) -> Iterator[None]:
    """Turn every failure of a plugin or of the machine, none of `callers`, into one that says what failed."""
    try:
        yield
    except GenError:
        raise
    except Exception as error:
        if error in callers:
            raise
        if isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate" in str(error):
            raise DeviceError(
                "the memory does not suffice", "ask for something smaller, or use another `device=…`"
            ) from error
        raise otherwise(f"{what}: {line_of(error)}") from error
