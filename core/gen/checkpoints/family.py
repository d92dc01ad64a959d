"""Checkpoints whose family is known: what a plan needs of them, read without torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import cast

from gen.checkpoints.additions import Addition
from gen.checkpoints.checkpoint import Checkpoint, Component, Layout
from gen.checkpoints.converted import Target
from gen.checkpoints.lora import Lora, merged
from gen.checkpoints.weights import PICKLED, Weights
from gen.errors import ModelError
from gen.model import Defaults
from gen.plugin.boundary import calling
from gen.plugin.specs import FamilySpec


class FamilyCheckpoint(Checkpoint):
    """A checkpoint that a modality can drive.

    Args:
        path: The folder, or a single file.
        families: Those that are known.
        load: Imports what an import string of a family names.
        name, variant, allow_pickle, additions: As of ``Checkpoint``.
        card: Data, licence and metrics, as far as they are known.

    Raises:
        ModelError: It is no checkpoint, or of no family that is known.
    """

    params: Mapping[str, object] = {}
    names: Sequence[str] = ()

    def __init__(
        self,
        path: str | os.PathLike[str],
        families: Sequence[FamilySpec],
        load: Callable[[str], object],
        *,
        name: str = "",
        variant: str | None = None,
        allow_pickle: bool = False,
        additions: Sequence[Addition] = (),
        card: Mapping[str, object] | None = None,
    ) -> None:
        layout = _layout(Path(path).expanduser(), families, load, allow_pickle=allow_pickle)
        if layout is not None and variant is not None:
            raise ModelError(f"{Path(path).name} is a single file, which has no variants", "leave it out")
        super().__init__(
            path, name, variant=variant, allow_pickle=allow_pickle, layout=layout, additions=additions
        )
        self.card: Mapping[str, object] = card or {}
        self._load = load
        found = next((family for family in families if self.pipeline in family.pipelines), None)
        if found is None:
            known = sorted({family.name for family in families})
            raise ModelError(
                f"{self.name} is a checkpoint of {self.pipeline}, which no family here drives",
                f"-m diffusers:{path} runs it with diffusers' own loop; known families: {', '.join(known)}"
                if known
                else "install a plugin that brings one",
            )
        self.family = found
        loras = [Lora(one.path, float(one.value or 0)) for one in self.additions if one.kind == "lora"]
        if loras and "lora" in found.additions:
            self.components = {**self.components, **merged(self, loras, self._spelling)}

    def _spelling(self, part: Component) -> Mapping[str, tuple[Target, ...]]:
        """Names of layers that the family knows beside those in the files."""
        if not self.family.lora_names:
            return {}
        names = cast(Callable[[Component], object], self._load(self.family.lora_names))
        with calling(self.plugin, f"names of LoRAs of family {self.family.name}") as call:
            found = names(part)
            if not isinstance(found, Mapping):
                raise call.returned(found, "a mapping")
        return found

    @property
    def modality(self) -> str:
        """Name of the modality that drives it."""
        return self.family.modality

    @property
    def loader(self) -> str:
        """Import string of what makes a model of it."""
        return self.family.adapter

    @property
    def plugin(self) -> str:
        """Label of the plugin that declares its family."""
        return self.family.plugin

    @cached_property
    def defaults(self) -> Defaults:
        """How it is sampled.

        Raises:
            ModelError: A configuration is missing or damaged.
        """
        defaults = cast(Callable[[Checkpoint], object], self._load(self.family.defaults))
        with calling(self.plugin, f"defaults of family {self.family.name}") as call:
            found = defaults(self)
            if not isinstance(found, Defaults):
                raise call.returned(found, "Defaults")
        return found


def _layout(
    path: Path, families: Sequence[FamilySpec], load: Callable[[str], object], *, allow_pickle: bool
) -> Layout | None:
    """How a single file is read; None for a folder.

    Raises:
        ModelError: It is a pickle that may not be read, or in the layout of no family that is known.
    """
    if not path.is_file():
        return None
    if path.suffix in PICKLED and not allow_pickle:
        raise ModelError(
            f"{path.name} is a pickle, which can run code and is not read",
            "convert it to safetensors; or `allow_pickle=True`, which reads it as weights only",
        )
    weights = Weights((path,), path.name)
    readers = {family.single_file: family.plugin for family in families if family.single_file}
    for reader, plugin in readers.items():
        tell = cast(Callable[[Weights], object], load(reader))
        with calling(plugin, "layout of single files") as call:
            found = tell(weights)
            if not isinstance(found, Layout | None):
                raise call.returned(found, "a gen.checkpoints.checkpoint.Layout or None")
        if found is not None:
            return found
    raise ModelError(
        f"{path.name} holds tensors, but neither a model of gen nor a checkpoint that a family here can read",
        "a checkpoint in a folder, in the layout of diffusers, may be one; a LoRA is given as `lora=FILE`",
    )
