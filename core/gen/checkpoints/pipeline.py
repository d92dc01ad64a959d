"""Checkpoints that diffusers' own pipeline runs, with its own loop: a way out where no family drives them.

Nothing here imports diffusers: what its pipelines take is read in their source.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from gen.checkpoints.checkpoint import INDEX, SCREENS, Checkpoint
from gen.checkpoints.libraries import LIBRARIES
from gen.errors import ModelError
from gen.model import Defaults
from gen.plugin.specs import FamilySpec, ModalitySpec, SolverSpec

SCHEME = "diffusers:"
"""What the reference of such a checkpoint starts with."""
OUTPUTS = {"images": "image", "frames": "video", "audios": "audio"}
"""Fields of what pipelines return, and the kinds of artifacts that are made of them."""
ARGUMENTS = {
    "width": ("width",),
    "height": ("height",),
    "frames": ("num_frames", "video_length"),
    "duration": ("audio_length_in_s", "audio_end_in_s", "audio_duration"),
}
"""Parameters of modalities, and the arguments of pipelines that mean them."""
DECODED = ("fps", "channels")
"""Parameters of modalities that count when an artifact is made of an output."""
LOOP = SolverSpec(
    name="diffusers",
    summary="The loop of diffusers' own pipeline, with the checkpoint's scheduler.",
    factory="",
    order=1,
)
"""Stands in plans and recipes for the solver; no other checkpoint takes it."""


@dataclass(frozen=True)
class PipelineCall:
    """What the call of a pipeline takes and returns.

    Args:
        defaults: Its arguments with their defaults; None where they are no plain values.
        needed: Arguments without a default.
        output: The field of what it returns, out of ``OUTPUTS``.
    """

    defaults: Mapping[str, object]
    needed: tuple[str, ...]
    output: str

    def argument(self, parameter: str) -> str:
        """Its argument for a parameter of a modality; empty where it has none."""
        return next((name for name in ARGUMENTS.get(parameter, ()) if name in self.defaults), "")

    def number(self, name: str, fallback: float) -> float:
        """The default of an argument; ``fallback`` where it is no number."""
        value = self.defaults.get(name)
        return value if isinstance(value, int | float) else fallback


class PipelineCheckpoint(Checkpoint):
    """A folder that diffusers' own pipeline runs.

    Args:
        path: The folder.
        specs: The modalities that are known.
        variant, allow_pickle: As of ``Checkpoint``.

    Raises:
        ModelError: It is no such folder, diffusers has no such pipeline, or it needs what gen does not give.
    """

    loader = "gen.checkpoints.pipeline_model:load"
    plugin = SCHEME.rstrip(":")
    card: Mapping[str, object] = {}
    names: Sequence[str] = ()

    def __init__(
        self,
        path: str | os.PathLike[str],
        specs: Sequence[ModalitySpec],
        *,
        variant: str | None = None,
        allow_pickle: bool = False,
    ) -> None:
        folder = Path(path).expanduser()
        name = f"{SCHEME}{folder.resolve().name}"
        super().__init__(folder, name, variant=variant, allow_pickle=allow_pickle)
        self.variant, self.allow_pickle = variant, allow_pickle
        self.call = read_call(self.pipeline)
        kind = OUTPUTS[self.call.output]
        found = next((spec for spec in specs if spec.kind == kind), None)
        if found is None:
            raise ModelError(
                f"{self.name} makes {kind}, for which no plugin is installed", "see `gen plugins`"
            )
        self.spec = found
        if others := sorted(set(self.call.needed) - {"prompt"}):
            raise ModelError(
                f"{self.pipeline} needs {', '.join(others)}, which gen does not give it",
                "use a checkpoint of a family: see docs/checkpoints.md",
            )
        self._check_parts()
        takes = self.call.defaults.keys()
        guided = (("guidance", "guidance_scale"), ("negative", "negative_prompt"))
        self.family = FamilySpec(
            name=self.plugin,
            modality=found.name,
            summary="A checkpoint that diffusers' own pipeline runs.",
            pipelines=(self.pipeline,),
            adapter=self.loader,
            defaults="",
            prompt="required" if "prompt" in takes else "none",
            abilities=tuple(ability for ability, argument in guided if argument in takes),
        )

    @property
    def modality(self) -> str:
        """Name of the modality of what it makes."""
        return self.spec.name

    def takes(self, name: str) -> bool:
        """Whether a parameter of the modality counts."""
        return name in DECODED or bool(self.call.argument(name))

    @property
    def params(self) -> Mapping[str, object]:
        """The defaults of the modality's parameters: None for those that the pipeline does not take."""
        arguments = {param.name: self.call.argument(param.name) for param in self.spec.params}
        return {name: self.call.defaults.get(argument) for name, argument in arguments.items()}

    @property
    def sample_rate(self) -> int | None:
        """Of its sounds, in Hz; None where no part says it."""
        configs = [part.config for part in self.components.values() if part.is_network]
        rates = (config.get(name) for name in ("sampling_rate", "sample_rate") for config in configs)
        return next((rate for rate in rates if isinstance(rate, int)), None)

    @property
    def defaults(self) -> Defaults:
        """How its pipeline is called when nobody says otherwise."""
        return Defaults(
            solver=LOOP.name,
            grid="model",
            steps=int(self.call.number("num_inference_steps", 50)),
            guidance=float(self.call.number("guidance_scale", 1.0)),
        )

    def _check_parts(self) -> None:
        """Refuse parts that are missing, and classes and code that gen does not import.

        Raises:
            ModelError: A part cannot be used.
        """
        for name, part in self.components.items():
            if name in SCREENS:
                continue
            if part.module not in LIBRARIES and not (_pipelines() / part.module).is_dir():
                raise ModelError(
                    f"the part {name} is of {part.module}.{part.class_name}, which gen does not import",
                    "use a checkpoint of classes that diffusers or transformers have",
                )
            if self[name].is_network:
                # Raises where it needs code that comes with it, or pickles.
                _ = part.config, part.weights


@cache
def read_call(pipeline: str) -> PipelineCall:
    """What the call of a pipeline takes and returns, as the source of diffusers says.

    Args:
        pipeline: Name of its class.

    Raises:
        ModelError: diffusers is not installed, or has no such pipeline.
    """
    begins = re.compile(rf"^class {re.escape(pipeline)}\(", re.MULTILINE)
    for path in sorted(_pipelines().rglob("pipeline_*.py")):
        source = path.read_text(encoding="utf-8")
        if not begins.search(source):
            continue
        of_class = (node for node in ast.parse(source).body if getattr(node, "name", "") == pipeline)
        for node in (node for found in of_class for node in ast.walk(found)):
            if isinstance(node, ast.FunctionDef) and node.name == "__call__":
                return _call(node)
    raise ModelError(
        f"diffusers {version('diffusers')} has no pipeline {pipeline}",
        f"check {INDEX}; a newer one may have it",
    )


def _call(method: ast.FunctionDef) -> PipelineCall:
    given = method.args
    plain = [one.arg for one in (*given.posonlyargs, *given.args)]
    named = [one.arg for one in given.kwonlyargs]
    # Those without a default come first.
    values = (*[None] * (len(plain) - len(given.defaults)), *given.defaults, *given.kw_defaults)
    nodes = dict(zip((*plain, *named), values, strict=True))
    del nodes["self"]
    fields = {
        keyword.arg
        for node in ast.walk(method)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Output")
        for keyword in node.keywords
    }
    return PipelineCall(
        defaults={name: _literal(node) for name, node in nodes.items()},
        needed=tuple(name for name, node in nodes.items() if node is None),
        # Most give it by name; the others are all of pictures.
        output=next((field for field in ("audios", "frames") if field in fields), "images"),
    )


def _literal(node: ast.expr | None) -> object:
    try:
        return None if node is None else ast.literal_eval(node)
    except ValueError:
        return None


def _pipelines() -> Path:
    """The folder of diffusers' pipelines.

    Raises:
        ModelError: diffusers is not installed.
    """
    found = importlib.util.find_spec("diffusers")
    if found is None or found.origin is None:
        raise ModelError("diffusers is not installed", "pip install 'gen-toolkit[hub]'")
    return Path(found.origin).parent / "pipelines"
