"""A pipeline of diffusers as a model that makes its states by a loop of its own."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.checkpoints.checkpoint import SCREENS
from gen.checkpoints.libraries import check_whole, without_broken_libraries
from gen.checkpoints.pipeline import OUTPUTS, PipelineCheckpoint
from gen.errors import ModelError, UsageError, line_of
from gen.model import Model, Task

FPS = "8"
"""Frames per second of clips for which nobody says it."""


@dataclass(frozen=True, eq=False)
class PipelineLoop:
    """Calls a pipeline for one item, with a generator of the item's seed.

    Args:
        pipeline: Of diffusers.
        checkpoint: What it was loaded from.
    """

    pipeline: Any
    checkpoint: PipelineCheckpoint

    def __call__(self, task: Task, tick: Callable[[int, int], object]) -> Tensor:
        """What the pipeline makes: (1, H, W, C) or (1, T, H, W, C) in [0, 1], or (1, C, T) in [-1, 1].

        Args:
            task: Of one item.
            tick: Called after each step with the number of steps that are done, and of all.

        Raises:
            UsageError: The pipeline refuses what it is given.
            ModelError: It makes something else than its source says.
        """
        call = self.checkpoint.call
        given: dict[str, object] = {
            "prompt": task.prompts[0],
            "negative_prompt": task.negatives and task.negatives[0],
            "num_inference_steps": task.steps,
            "guidance_scale": task.guidance,
            "generator": torch.Generator().manual_seed(task.noise.seeds[0]),
            "output_type": "np",
        }
        given |= {call.argument(name): value for name, value in task.params.items()}
        with _watched(self.pipeline, self.checkpoint.pipeline, tick):
            output = self.pipeline(**{name: value for name, value in given.items() if name in call.defaults})
        made = getattr(output, call.output, None)
        if made is None:
            raise ModelError(f"{self.checkpoint.pipeline} made no {call.output}", "use another checkpoint")
        return _tensor(made)


@dataclass(frozen=True, eq=False)
class OutputCodec:
    """What a pipeline has made, as artifacts of a kind.

    Args:
        kind: ``"image"``, ``"video"`` or ``"audio"``.
        sample_rate: Of sounds, in Hz.
    """

    kind: str
    sample_rate: int

    def shape(self, task: Task) -> tuple[int, ...]:  # noqa: ARG002
        """(): the pipeline decides it."""
        return ()

    def decode(self, state: Tensor, task: Task) -> Sequence[Artifact]:
        """Artifacts of what ``PipelineLoop`` returns."""
        return [self._artifact(one, task) for one in state]

    def _artifact(self, made: Tensor, task: Task) -> Artifact:
        if self.kind == "audio":
            waves = made.clamp(-1, 1).reshape(-1, made.shape[-1])
            wanted = {"mono": 1, "stereo": 2}.get(str(task.params.get("channels")), min(2, len(waves)))
            if len(waves) != wanted:
                waves = waves.mean(0, keepdim=True).expand(wanted, -1)
            samples = waves.contiguous().numpy()
            return Artifact("audio", {"samples": samples}, {"sample_rate": self.sample_rate})
        pixels = made.clamp(0, 1).contiguous().numpy()
        if self.kind == "image":
            return Artifact("image", {"pixels": pixels})
        return Artifact("video", {"frames": pixels}, {"fps": str(task.params.get("fps", FPS))})


def load(checkpoint: PipelineCheckpoint, device: str, dtype: str) -> Model:
    """The model of a folder that diffusers runs.

    Raises:
        ModelError: diffusers cannot load it, or it does not say the sample rate of its sounds.
        UsageError: Parts are to have precisions of their own.
    """
    kind, rate = OUTPUTS[checkpoint.call.output], checkpoint.sample_rate
    if kind == "audio" and rate is None:
        raise ModelError(f"{checkpoint.name} does not say the sample rate of its sounds", "use another")
    if "," in dtype:
        raise UsageError("diffusers' own loop runs in one precision", "leave out those of parts")
    check_whole("diffusers")
    # They judge what was made; no family uses them either.
    options: dict[str, object] = {name: None for name in SCREENS if name in checkpoint}
    try:
        with without_broken_libraries(), _quietly():
            import diffusers

            pipeline = getattr(diffusers, checkpoint.pipeline).from_pretrained(
                str(checkpoint.path),
                torch_dtype=getattr(torch, dtype),
                variant=checkpoint.variant,
                use_safetensors=None if checkpoint.allow_pickle else True,
                local_files_only=True,
                **options,
            )
            pipeline.to(device)
    except (OSError, ValueError, ImportError, RuntimeError, TypeError, AttributeError, KeyError) as error:
        raise ModelError(
            f"diffusers cannot load {checkpoint.name}: {line_of(error)}", "download it again, whole"
        ) from error
    # Of pipelines inside of it; its own bars are replaced.
    pipeline.set_progress_bar_config(disable=True)
    return Model(
        name=checkpoint.name,
        modality=checkpoint.modality,
        sha256=checkpoint.sha256,
        codec=OutputCodec(kind, rate or 0),
        defaults=checkpoint.defaults,
        loop=PipelineLoop(pipeline, checkpoint),
    )


@contextmanager
def _quietly() -> Iterator[None]:
    """What the libraries have to say about a folder while they load it is not shown, nor are their bars."""
    from diffusers.utils import logging as ours
    from transformers.utils import logging as theirs

    libraries: tuple[Any, ...] = (ours, theirs)
    before = [(one.get_verbosity(), one.is_progress_bar_enabled()) for one in libraries]
    for one in libraries:
        one.set_verbosity_error()
        one.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, (verbosity, bars) in zip(libraries, before, strict=True):
            one.set_verbosity(verbosity)
            if bars:
                one.enable_progress_bar()


@contextmanager
def _watched(pipeline: Any, name: str, tick: Callable[[int, int], object]) -> Iterator[None]:
    """The bars of a pipeline tell ``tick`` how far they are, and show nothing.

    Raises:
        UsageError: The pipeline raised something about its arguments.
    """
    from tqdm import tqdm  # type: ignore[import-untyped]

    raised: list[BaseException] = []

    class Silent(tqdm):  # type: ignore[misc]
        monitor_interval = 0

        def display(self, *_: object, **__: object) -> None:
            pass

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            try:
                if self.total:
                    tick(int(self.n), int(self.total))
            except BaseException as error:
                raised.append(error)
                raise
            return shown

    def bar(iterable: Any = None, total: int | None = None) -> Any:
        return Silent(iterable, total=total, miniters=1, mininterval=0, file=io.StringIO())

    pipeline.progress_bar = bar
    try:
        yield
    except (ValueError, TypeError, NotImplementedError) as error:
        if error in raised:
            raise
        raise UsageError(f"{name} of diffusers refuses: {line_of(error)}", "change the options") from error
    finally:
        del pipeline.progress_bar


def _tensor(made: Any) -> Tensor:
    """An output as float32, whichever form the pipeline returns."""
    if isinstance(made, Tensor):
        return made.float().cpu()
    if isinstance(made, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(made)).float()
    if isinstance(made, list | tuple):
        return torch.stack([_tensor(one) for one in made])
    return torch.from_numpy(np.asarray(made.convert("RGB"), np.float32) / 255)
