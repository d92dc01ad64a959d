"""A checkpoint of other programs: a folder in the layout of diffusers, read without torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gen.checkpoints.digests import file_digests, joint_digest
from gen.checkpoints.weights import Tensors, find_weights, numbers_of
from gen.errors import ModelError

if TYPE_CHECKING:
    from gen.checkpoints.additions import Addition

INDEX = "model_index.json"
TEXTS = (".json", ".txt", ".model", ".jinja")
"""Endings of configurations, vocabularies and the templates of chats."""
SCREENS = ("safety_checker",)
"""Parts that judge what was made, and that no family uses."""


@dataclass(frozen=True)
class Component:
    """One part of a checkpoint: a network, a tokenizer, a scheduler.

    Args:
        name: Name of the part and its folder: ``"unet"``.
        module: ``"diffusers"``, ``"transformers"``, or a module of ``diffusers.pipelines``.
        class_name: Its class in that module.
        folder: Where its files are.
        variant: The variant of the weights that is wanted; None takes what is there.
        allow_pickle: Whether weights in pickles are read.
        given_config, given_weights: In place of what the folder holds; None reads it.
    """

    name: str
    module: str
    class_name: str
    folder: Path
    variant: str | None = None
    allow_pickle: bool = False
    given_config: Mapping[str, object] | None = field(default=None, hash=False)
    given_weights: Tensors | None = field(default=None, hash=False)

    @cached_property
    def config(self) -> Mapping[str, object]:
        """Its configuration.

        Raises:
            ModelError: It is missing or unreadable.
        """
        if self.given_config is not None:
            return self.given_config
        file = "scheduler_config.json" if self.class_name.endswith("Scheduler") else "config.json"
        config = read_json(self.folder / file)
        if "auto_map" in config:
            raise ModelError(
                f"{self.name} needs code that comes with the checkpoint, which gen does not run",
                "use a checkpoint of classes that diffusers or transformers have",
            )
        return config

    @cached_property
    def weights(self) -> Tensors:
        """Its weights; no tensor is read yet.

        Raises:
            ModelError: There are none that can be read.
        """
        if self.given_weights is not None:
            return self.given_weights
        return find_weights(self.folder, self.name, variant=self.variant, allow_pickle=self.allow_pickle)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that decides what it makes: configurations, vocabularies, weights.

        Raises:
            ModelError: The weights are missing.
        """
        texts = (path for path in self.folder.iterdir() if path.suffix in TEXTS)
        files = sorted(path for path in texts if ".index." not in path.name)
        return (*files, *(self.weights.files if (self.folder / "config.json").is_file() else ()))

    @property
    def is_network(self) -> bool:
        """Whether it has weights, as tokenizers and schedulers have none."""
        return self.given_weights is not None or (self.folder / "config.json").is_file()

    @cached_property
    def sha256(self) -> str:
        """One digest for all its files, see ``joint_digest``.

        Raises:
            ModelError: A file is missing or cannot be read.
        """
        return joint_digest({path.name: digest for path, digest in file_digests(list(self.files)).items()})


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a folder would say of a pipeline that is in a single file.

    Args:
        index: What ``model_index.json`` would hold.
        configs: The configurations of its parts, by name.
        weights: Their tensors, by name.
        folders: Where vocabularies are, by name.
        files: All that decides what it makes: the file, and what stands beside it.
    """

    index: Mapping[str, object]
    configs: Mapping[str, Mapping[str, object]]
    weights: Mapping[str, Tensors]
    folders: Mapping[str, Path]
    files: tuple[Path, ...]


class Checkpoint:
    """A pipeline in a folder: ``model_index.json``, and a folder for each part; or in a single file.

    Args:
        path: The folder, or the file.
        name: What it is called; by default the folder's name, or the file's without its ending.
        variant: The variant of the weights: ``"fp16"``; None takes what is there.
        allow_pickle: Whether weights in pickles are read, by torch and as weights only.
        layout: Of a single file; None for a folder.
        additions: Files that change it when it is loaded.

    Raises:
        ModelError: It is no such folder, or its index cannot be read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        name: str = "",
        *,
        variant: str | None = None,
        allow_pickle: bool = False,
        layout: Layout | None = None,
        additions: Sequence[Addition] = (),
    ) -> None:
        self.path = Path(path).expanduser()
        self.layout = layout
        self.additions = tuple(additions)
        self.name = name or (self.path.stem if layout else self.path.resolve().name)
        index = read_index(self.path) if layout is None else layout.index
        self.pipeline = pipeline_of(index)
        self.settings: Mapping[str, object] = {
            key: value for key, value in index.items() if not isinstance(value, list) and key[0] != "_"
        }
        """Values of the index that are no parts, such as ``force_zeros_for_empty_prompt``."""
        self.components: Mapping[str, Component] = {
            key: self._component(key, value, variant, allow_pickle)
            for key, value in listed_parts(index).items()
        }
        """The parts by name; those that the index leaves empty are absent."""

    def __contains__(self, name: str) -> bool:
        """Whether there is a part of this name."""
        return name in self.components

    def __getitem__(self, name: str) -> Component:
        """The part of this name.

        Raises:
            ModelError: There is none, or its folder is missing.
        """
        if name not in self.components:
            raise ModelError(
                f"the checkpoint {self.name} ({self.pipeline}) has no part {name!r}",
                f"its {INDEX} names: {', '.join(sorted(self.components)) or 'none'}",
            )
        component = self.components[name]
        if component.given_config is None and not component.folder.is_dir():
            raise ModelError(
                f"the checkpoint {self.name} lacks the folder {name!r} that its {INDEX} names",
                "download it again, whole",
            )
        return component

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that decides what the checkpoint makes: configurations, vocabularies, weights.

        Raises:
            ModelError: The weights of a part are missing.
        """
        if self.layout is not None:
            return self.layout.files
        files = [self.path / INDEX]
        for component in self.components.values():
            if component.name in SCREENS or not component.folder.is_dir():
                continue
            files += component.files
        return tuple(files)

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """sha256 of each of ``files``, by its path within the folder.

        Raises:
            ModelError: A file cannot be read.
        """
        found = file_digests(list(self.files))
        folder = self.path if self.layout is None else self.path.parent
        return {path.relative_to(folder).as_posix(): digest for path, digest in found.items()}

    @cached_property
    def sha256(self) -> str:
        """That of a single file; one digest for all where there are several, see ``joint_digest``."""
        return joint_digest(self.digests) if len(self.digests) > 1 else next(iter(self.digests.values()))

    @property
    def size(self) -> int:
        """Bytes of the files that decide what it makes.

        Raises:
            ModelError: The weights of a part are missing.
        """
        return sum(path.stat().st_size for path in self.files)

    @property
    def parameters(self) -> int:
        """How many numbers its largest network has.

        Raises:
            ModelError: A file cannot be read.
        """
        parts = (part for part in self.components.values() if part.name not in SCREENS and part.is_network)
        return max((numbers_of(part.weights) for part in parts), default=0)

    def check(self, sha256: str) -> None:
        """Refuse the checkpoint if its files are not the expected ones.

        Raises:
            ModelError: The digests differ.
        """
        if self.sha256 != sha256.lower():
            raise ModelError(
                f"checkpoint {self.name} is not the one that was used: "
                f"sha256 {self.sha256[:12]}…, not {sha256[:12].lower()}…",
                "name the folder of that one",
            )

    def _component(
        self, name: str, entry: list[object], variant: str | None, allow_pickle: bool
    ) -> Component:
        library, class_name = map(str, entry)
        if self.layout is not None:
            folder = self.layout.folders.get(name, self.path.parent)
            given = self.layout.configs.get(name, {}), self.layout.weights.get(name)
            return Component(name, library, class_name, folder, variant, allow_pickle, *given)
        own_code = (self.path / name / f"{library}.py", self.path / f"{library}.py")
        if any(file.exists() for file in own_code):
            raise ModelError(
                f"the part {name} of {self.name} needs {library}.py, code that gen does not run",
                "use a checkpoint of classes that diffusers or transformers have",
            )
        return Component(name, library, class_name, self.path / name, variant, allow_pickle)


def read_index(folder: Path) -> Mapping[str, object]:
    """The index of a folder.

    Raises:
        ModelError: There is no such folder, or it has none that can be read.
    """
    if not folder.is_dir():
        raise ModelError(f"there is no folder {folder}", "name the folder of a checkpoint")
    if not (folder / INDEX).is_file():
        raise ModelError(
            f"the folder {folder} is no checkpoint: it has no {INDEX}",
            "name a folder in the layout of diffusers, or a model file",
        )
    return read_json(folder / INDEX)


def open_folder(
    path: str | os.PathLike[str], role: str, *, allow_pickle: bool = False
) -> Checkpoint | Component:
    """A checkpoint that is used beside a model: a pipeline, or a single part such as a ControlNet.

    Args:
        path: The folder: with a ``model_index.json``, or of a single part with a ``config.json``.
        role: What it is used as, for messages: ``"control"``.
        allow_pickle: Whether weights in pickles are read, as weights only.

    Raises:
        ModelError: It is no such folder.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise ModelError(f"there is no folder {folder} for {role}", "name the folder of a checkpoint")
    if (folder / INDEX).is_file():
        return Checkpoint(folder, allow_pickle=allow_pickle)
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"the folder {folder} for {role} is no checkpoint: it has neither {INDEX} nor config.json",
            "name a folder in the layout of diffusers",
        )
    class_name = read_json(folder / "config.json").get("_class_name")
    if not isinstance(class_name, str):
        raise ModelError(f"{folder / 'config.json'} does not say its class", "download it again")
    return Component(role, "diffusers", class_name, folder, allow_pickle=allow_pickle)


def listed_parts(index: Mapping[str, object]) -> dict[str, list[object]]:
    """The parts that an index names, each with its library and class; those that it leaves empty are absent.

    Raises:
        ModelError: A name leads out of the folder.
    """
    found = {
        name: value
        for name, value in index.items()
        if isinstance(value, list) and len(value) == 2 and None not in value
    }
    for name in found:
        if name in ("", ".", "..") or Path(name).name != name:
            raise ModelError(f"{INDEX} names a part {name[:60]!r} outside the folder")
    return found


def read_json(path: Path) -> dict[str, object]:
    """The object in a JSON file.

    Raises:
        ModelError: It is missing, unreadable or no object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"there is no file {path}", "download the checkpoint again, whole") from None
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read: {error.strerror}", "check the file and its rights"
        ) from None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds no JSON object", "download it again")
    return value


def whole(config: Mapping[str, object], key: str, default: int) -> int:
    """A whole number in a configuration; the default where it is absent or null.

    Raises:
        ModelError: It is something else.
    """
    value = config.get(key)
    if value is None:
        return default
    if type(value) is not int:
        raise ModelError(f"{key} must be a whole number, not {value!r}", "the configuration may be damaged")
    return value


def pipeline_of(index: Mapping[str, object]) -> str:
    """The class of pipeline that an index names.

    Raises:
        ModelError: It names none, or one in code that comes with the checkpoint.
    """
    found = index.get("_class_name")
    if isinstance(found, list):
        raise ModelError(
            f"the checkpoint needs the code of {' '.join(map(str, found))}, which gen does not run",
            "use a checkpoint of a pipeline of diffusers",
        )
    if not isinstance(found, str) or not found:
        raise ModelError(f"{INDEX} does not say which pipeline it is", "download it again")
    return found
