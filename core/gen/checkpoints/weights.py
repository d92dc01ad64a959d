"""The files that hold the weights of one part of a checkpoint: whole, in shards, or in a variant."""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Protocol

from gen.checkpoints.header import Entry, Header, read_header
from gen.errors import ModelError, line_of

if TYPE_CHECKING:
    import torch

STEMS = ("diffusion_pytorch_model", "model")
"""What diffusers and transformers call a file of weights."""
MAPPED = 2**26
"""Bytes of a file that are mapped at once while tensors are converted."""
PICKLES = ("diffusion_pytorch_model", "pytorch_model")
PICKLED = (".bin", ".ckpt", ".pt", ".pth")
"""Endings of pickles."""

_FILE = re.compile(
    rf"(?P<stem>{'|'.join(STEMS)})(?:\.(?P<variant>[A-Za-z0-9_]+))?(?P<shard>-\d{{5}}-of-(?P<count>\d{{5}}))?"
    r"\.safetensors"
)
_PICKLE = re.compile(rf"(?:{'|'.join(PICKLES)})(?:\.(?P<variant>\w+))?(?:-\d{{5}}-of-\d{{5}})?\.bin")


class Tensors(Protocol):
    """Named tensors of files."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Where they are."""
        ...

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every tensor by name.

        Raises:
            ModelError: A file cannot be read.
        """
        ...

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Every tensor with its name.

        Raises:
            ModelError: A file cannot be read.
        """
        ...


def numbers_of(weights: Tensors) -> int:
    """How many numbers the tensors hold; of pickles, which would have to be read, as many as float32 has.

    Raises:
        ModelError: A file cannot be read.
    """
    if any(file.suffix in PICKLED for file in weights.files):
        return sum(file.stat().st_size for file in weights.files) // 4
    return sum(math.prod(shape) for shape in weights.shapes.values())


@dataclass(frozen=True)
class Weights:
    """Tensors in one file or several.

    Args:
        files: Safetensors files; or pickles, read by torch as weights only.
        where: Whose weights they are, for messages: ``"unet"``.
    """

    files: tuple[Path, ...]
    where: str

    @cached_property
    def headers(self) -> tuple[Header, ...]:
        """The header of each file.

        Raises:
            ModelError: A file is missing, truncated, or none of safetensors; or two hold the same tensor.
        """
        headers = tuple(read_header(file) for file in self.files)
        if sum(len(header.tensors) for header in headers) > len(
            {name for header in headers for name in header.tensors}
        ):
            raise ModelError(
                f"two files of {self.where} hold the same tensor", "download the checkpoint again"
            )
        return headers

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """Type and shape of every tensor by name, without reading them.

        Raises:
            ModelError: As ``headers``.
        """
        return {name: entry for header in self.headers for name, entry in header.tensors.items()}

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every tensor by name; pickles are read for it.

        Raises:
            ModelError: A file cannot be read.
        """
        if any(file.suffix in PICKLED for file in self.files):
            return {name: tuple(tensor.shape) for name, tensor in self.tensors()}
        return {name: entry.shape for name, entry in self.entries.items()}

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Every tensor with its name; those of safetensors are mapped.

        Raises:
            ModelError: They cannot be read.
        """
        for file in self.files:
            yield from _pickled(file) if file.suffix in PICKLED else self._mapped(file)

    def _mapped(self, file: Path) -> Iterator[tuple[str, torch.Tensor]]:
        from safetensors import SafetensorError, safe_open

        # Checked first, for a message that says what is wrong.
        header = self.headers[self.files.index(file)]
        try:
            # A map for each part: the pages of one whose tensors were converted are freed with it.
            for names in _parts(header.tensors):
                with safe_open(file, framework="pt", device="cpu") as opened:
                    for name in names:
                        yield name, opened.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{file.name} cannot be loaded: {line_of(error)}", "download it again") from None


def find_weights(
    folder: Path, where: str, *, variant: str | None = None, allow_pickle: bool = False
) -> Weights:
    """The weights in a folder: those without a variant, or the only variant that is there.

    Args:
        folder: Of one part of a checkpoint.
        where: Its name, for messages.
        variant: ``"fp16"`` takes ``model.fp16.safetensors``; None takes what is there.
        allow_pickle: Whether a ``.bin`` file is read where there is no other; by torch, weights only.

    Raises:
        ModelError: There are none, or several variants, or a shard is missing.
    """
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    chosen = choose_weights(names, where, variant=variant, allow_pickle=allow_pickle)
    _check_index(folder, where, chosen)
    return Weights(tuple(folder / name for name in chosen), where)


def choose_weights(
    names: Iterable[str], where: str, *, variant: str | None = None, allow_pickle: bool = False
) -> list[str]:
    """Those of the files in a folder that ``find_weights`` takes, in order.

    Raises:
        ModelError: As ``find_weights``.
    """
    names = sorted(names)
    found = [match for match in map(_FILE.fullmatch, names) if match]
    variants = {match["variant"] for match in found}
    wanted = variant
    if variant is None and None not in variants and variants:
        if len(variants) > 1:
            raise ModelError(
                f"{where} has only variants: {', '.join(sorted(filter(None, variants)))}",
                "choose one: `variant=NAME`",
            )
        (wanted,) = variants
    files = [match for match in found if match["variant"] == wanted]
    if files:
        shards = [match for match in files if match["shard"]]
        if len(shards) == len(files):
            return _shards(where, shards)
        return [next(match[0] for match in files if not match["shard"])]
    if variant is not None and variants:
        known = ", ".join(sorted(name or "none" for name in variants))
        raise ModelError(f"{where} has no weights of the variant {variant!r}", f"there are: {known}")
    pickles = _pickles(names, variant)
    if pickles and allow_pickle:
        return pickles
    if pickles:
        raise ModelError(
            f"{where} has only pickles ({pickles[0]}), which can run code and are not read",
            "convert them to safetensors; or `allow_pickle=True`, which reads them as weights only",
        )
    raise ModelError(f"{where} has no weights", "get the checkpoint again, whole, or another one")


def _pickles(names: Iterable[str], variant: str | None) -> list[str]:
    """The pickles of a variant; where none is wanted, those without one if there are any."""
    found = [match for match in map(_PICKLE.fullmatch, names) if match]
    wanted = [match[0] for match in found if match["variant"] == variant]
    return wanted or ([] if variant else [match[0] for match in found])


def _shards(where: str, shards: list[re.Match[str]]) -> list[str]:
    names = [match[0] for match in shards]
    expected = int(shards[0]["count"])
    if len(names) != expected:
        raise ModelError(
            f"{where} has {len(names)} of {expected} files of weights",
            "get the checkpoint again, whole, or another one",
        )
    return names


def _check_index(folder: Path, where: str, names: list[str]) -> None:
    """Refuse shards that are not those that the index beside them names.

    Raises:
        ModelError: They differ, or the index cannot be read.
    """
    if not any("-of-" in name and name.endswith(".safetensors") for name in names):
        return
    index = next(iter(folder.glob("*.safetensors.index*.json")), None)
    if index is not None:
        try:
            listed = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise ModelError(f"{index.name} of {where} cannot be read", "download it again") from None
        if len(listed) == len(names) and listed != set(names):
            raise ModelError(
                f"{where}: {index.name} names files that are not there", "download the checkpoint again"
            )


def _parts(entries: Mapping[str, Entry]) -> Iterator[list[str]]:
    """Names of tensors, in parts of at most ``MAPPED`` bytes, but of one tensor at least."""
    part: list[str] = []
    size = 0
    for name, entry in entries.items():
        if part and size + entry.bytes > MAPPED:
            yield part
            part, size = [], 0
        part.append(name)
        size += entry.bytes
    yield part


def _pickled(file: Path) -> Iterator[tuple[str, torch.Tensor]]:
    import torch

    try:
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except UnpicklingError:
        raise ModelError(
            f"{file.name} cannot be read as weights: it is damaged, or holds code, which is never run",
            "download it again, or as safetensors",
        ) from None
    except Exception as error:  # torch has no narrower one
        raise ModelError(f"{file.name} cannot be read as weights: {line_of(error)}") from None
    for inner in ("state_dict", "string_to_param"):  # of programs that save more than weights
        if isinstance(state, Mapping) and isinstance(state.get(inner), Mapping):
            state = state[inner]
    if not isinstance(state, Mapping):
        raise ModelError(f"{file.name} holds no weights by name", "name a file of weights")
    yield from ((str(name), value) for name, value in state.items() if isinstance(value, torch.Tensor))
