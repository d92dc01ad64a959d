"""Files that change a checkpoint when it is loaded: LoRAs, embeddings of words, decoders."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from gen.checkpoints.digests import file_digests
from gen.checkpoints.located import WEB, located
from gen.checkpoints.pulled import SCHEME
from gen.checkpoints.weights import PICKLED
from gen.errors import ModelError, UsageError
from gen.plugin.specs import ADDITIONS

MOST = 16
"""How many of each may be given."""

LARGEST = 100
"""Absolute value of the largest weight of a LoRA: far more than any picture survives."""

Given: TypeAlias = "str | os.PathLike[str] | tuple[str | os.PathLike[str], float | str]"
"""A path or ``hf:OWNER/NAME[/FILE]``, a text such as ``"style.safetensors:0.8"`` or ``"fox.pt=<fox>"``, or
path and value."""

_ROLE = re.compile(rf"({'|'.join(ADDITIONS)})(?:_[0-9]+)?")


@dataclass(frozen=True)
class Addition:
    """A file that changes a checkpoint.

    Args:
        kind: Out of ``ADDITIONS``.
        path: The file; a decoder may be a folder.
        value: Of a LoRA how much it counts; of an embedding the word that stands for it, empty for the one
            that the file says; None of a decoder.
        name: In recipes.
    """

    kind: str
    path: Path
    value: float | str | None = None
    name: str = field(default="", compare=False)

    @property
    def sha256(self) -> str:
        """Hex digest of the file, or one for all files of a folder.

        Raises:
            ModelError: It cannot be read.
        """
        if not self.path.is_dir():
            return file_digests([self.path])[self.path]
        # Here, since a checkpoint has additions.
        from gen.checkpoints.checkpoint import open_folder

        return open_folder(self.path, self.kind, allow_pickle=True).sha256


def read_additions(kind: str, given: Given | Sequence[Given] | None, *, allow_pickle: bool) -> list[Addition]:
    """The files that somebody gives.

    Args:
        kind: Out of ``ADDITIONS``.
        given: One or several.
        allow_pickle: Whether pickles are read, as weights only.

    Raises:
        UsageError: It is no path, or its value is none.
        ModelError: A file is not there, or is a pickle that may not be read.
    """
    each = [given] if isinstance(given, str | os.PathLike | tuple) else list(given or ())
    most = 1 if kind == "decoder" else MOST
    if len(each) > most:
        raise UsageError(f"{kind} is given {len(each)} times", f"at most {most}")
    found = [_addition(kind, one, allow_pickle=allow_pickle) for one in each]
    for addition in found:
        if addition.path.is_dir() and kind != "decoder":
            raise ModelError(f"{addition.path} is a folder, and {kind} takes a file", "name the file in it")
        if not addition.path.exists():
            raise ModelError(f"there is no file {addition.path} for {kind}", "check the path")
        if addition.path.suffix in PICKLED and not allow_pickle:
            raise ModelError(
                f"{addition.path.name} is a pickle, which can run code and is not read",
                "convert it to safetensors; or `allow_pickle=True`, which reads it as weights only",
            )
    return found


def roles(additions: Iterable[Addition]) -> Iterator[tuple[str, Addition]]:
    """Names in a recipe: ``lora``, ``lora_2``, ``lora_3`` …"""
    counts = dict.fromkeys(ADDITIONS, 0)
    for addition in additions:
        counts[addition.kind] += 1
        number = counts[addition.kind]
        yield addition.kind if number == 1 else f"{addition.kind}_{number}", addition


def kind_of(role: str) -> str:
    """The kind of a name in a recipe; empty for those of other inputs."""
    found = _ROLE.fullmatch(role)
    return found[1] if found else ""


def _addition(kind: str, given: object, *, allow_pickle: bool) -> Addition:
    value: object = None
    if isinstance(given, tuple) and len(given) == 2:
        given, value = given
    elif isinstance(given, str) and not Path(given).expanduser().exists():
        mark = {"lora": ":", "embedding": "="}.get(kind)
        scheme = next((one for one in (SCHEME, *WEB) if given.startswith(one)), "")
        front, found, text = given.removeprefix(scheme).rpartition(mark) if mark else ("", "", "")
        # A port and a path are no weight.
        if found and not (scheme in WEB and "/" in text):
            given, value = f"{scheme}{front}", text
    if not isinstance(given, str | os.PathLike) or not os.fspath(given):
        raise UsageError(f"{kind} must be a file, not {given!r}")
    if kind == "lora":
        value = _weight(Path(given), 1.0 if value is None else value)
    elif kind == "embedding":
        value = _word("" if value is None else value)
    elif value is not None:
        raise UsageError(f"{kind} takes a file alone, not {value!r} beside it")
    path, name = located(given, allow_pickle=allow_pickle)
    return Addition(kind, path, value, name)


def _weight(path: Path, value: object) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except ValueError:
        number = math.nan
    if not abs(number) <= LARGEST:
        raise UsageError(
            f"the weight of the LoRA {path.name} must be a number from -{LARGEST} to {LARGEST}, "
            f"not {value!r}",
            "for instance FILE:0.8",
        )
    return number


def _word(value: object) -> str:
    if not isinstance(value, str) or any(letter.isspace() for letter in value):
        raise UsageError(
            f"the word of an embedding must have no spaces, not {value!r}", "for instance FILE=<fox>"
        )
    return value
