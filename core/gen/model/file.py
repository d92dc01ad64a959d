"""A model in one ``.safetensors`` file: its tensors, and its configuration and card in the header.

The header is that of safetensors: eight bytes with the length of a JSON object (little endian), the object,
then the tensors' bytes. Its ``__metadata__`` holds two texts, ``gen.config`` and ``gen.card``, both JSON
objects. Nothing in it is executed, and pickles are not read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, lru_cache, partial
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gen.atomic import atomic_file
from gen.errors import ModelError, line_of
from gen.model.codec import Codec
from gen.model.encoder import Encoder
from gen.model.model import Model
from gen.model.stage import AnyProcess, Defaults, Stage, Window

if TYPE_CHECKING:
    import torch

    from gen.diffusion import Parameterization
    from gen.diffusion.categorical import TokenNetwork
    from gen.diffusion.denoiser import Network
    from gen.diffusion.joint import JointNetwork

Module = TypeVar("Module", bound="torch.nn.Module")

FORMAT = "gen.model/1"
"""The value of ``config["format"]`` that this version reads and writes."""

MAX_HEADER_BYTES = 16 * 2**20
PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


class ModelFile:
    """An opened model file. The header is read and checked at once, tensors only when asked for.

    Args:
        path: The file.
        name: What the model is called; the stem of the file by default.

    Raises:
        ModelError: If the file is missing, unreadable, truncated, not safetensors or not one of our models.
    """

    def __init__(self, path: str | os.PathLike[str], name: str = "") -> None:
        self.path = Path(path)
        self.name = name or self.path.stem
        metadata = _read_metadata(self.path)
        self.config: Mapping[str, object] = _json_object(metadata, "gen.config", self.path)
        self.card: Mapping[str, object] = _json_object(metadata, "gen.card", self.path)
        if self.config.get("format") != FORMAT:
            raise ModelError(
                f"model file {self.path.name} has the format {self.config.get('format')!r}, not {FORMAT!r}",
                "a newer version of gen-toolkit may read it",
            )
        if not isinstance(self.config.get("modality"), str):
            raise ModelError(f"model file {self.path.name} does not say which modality it is for")

    @property
    def modality(self) -> str:
        """Name of the modality that drives the model."""
        return str(self.config["modality"])

    @property
    def defaults(self) -> Defaults:
        """How the model is sampled, from ``config["defaults"]``.

        Raises:
            ModelError: If the entry is missing or has wrong types.
        """
        entry = self.config.get("defaults")
        try:
            return Defaults(
                solver=str(entry["solver"]),  # type: ignore[index]
                grid=str(entry["grid"]),  # type: ignore[index]
                steps=int(entry["steps"]),  # type: ignore[index]
                guidance=float(entry["guidance"]),  # type: ignore[index]
                token_solver=str(entry.get("token_solver", Defaults.token_solver)),  # type: ignore[attr-defined]
            )
        except (KeyError, TypeError, ValueError):
            raise ModelError(
                f"model file {self.path.name} lacks valid defaults",
                "its config needs defaults with solver, grid, steps and guidance",
            ) from None

    @property
    def params(self) -> Mapping[str, object]:
        """The model's own values of its modality's parameters, from ``config["params"]``; may be empty."""
        entry = self.config.get("params", {})
        return entry if isinstance(entry, Mapping) else {}

    @property
    def names(self) -> tuple[str, ...]:
        """What the model can make, from ``config["names"]`` or ``config["voices"]``, where the file says so.

        Names of things are divided by ``|``.
        """
        names, voices = self.config.get("names"), self.config.get("voices")
        if isinstance(names, str):
            return tuple(name for name in names.split("|") if name)
        return tuple(map(str, voices)) if isinstance(voices, list) else ()

    @property
    def loader(self) -> str:
        """The modality knows what makes a model of it."""
        return ""

    @property
    def plugin(self) -> str:
        """It has no loader that a plugin would bring."""
        return ""

    @property
    def family(self) -> None:
        """It is no checkpoint of another program."""
        return None

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    @property
    def parameters(self) -> int:
        """How many numbers it has at most: as if they were stored in 16 bits."""
        return self.size // 2

    @cached_property
    def sha256(self) -> str:
        """Hex digest of the whole file."""
        status = self.path.stat()
        return _digest(self.path, status.st_ino, status.st_size, status.st_mtime_ns)

    def check(self, sha256: str) -> None:
        """Refuse the file if its bytes are not the expected ones.

        Args:
            sha256: The hex digest expected.

        Raises:
            ModelError: If the digests differ.
        """
        if self.sha256 != sha256.lower():
            raise ModelError(
                f"model {self.name} is damaged or another file: "
                f"sha256 {self.sha256[:12]}…, not {sha256[:12].lower()}…",
                "install it again",
            )

    def tensors(
        self, device: str = "cpu", dtype: torch.dtype | None = None, prefix: str = ""
    ) -> dict[str, torch.Tensor]:
        """Load tensors through a memory map.

        Args:
            device: Where they go, as torch spells it.
            dtype: Type of the floating-point tensors; None keeps what is stored. Others are never cast.
            prefix: Only names that start with this; it is taken off the names.

        Returns:
            Tensors by name.

        Raises:
            ModelError: If the bytes cannot be read as tensors.
        """
        from safetensors import SafetensorError, safe_open

        tensors = {}
        try:
            with safe_open(self.path, framework="pt", device=device) as file:
                for key in file.keys():  # noqa: SIM118 - not a mapping
                    if key.startswith(prefix):
                        tensor = file.get_tensor(key)
                        cast = dtype is not None and tensor.is_floating_point()
                        tensors[key.removeprefix(prefix)] = tensor.to(dtype) if cast else tensor
        except (SafetensorError, OSError) as error:
            raise ModelError(f"model file {self.path.name} cannot be loaded: {line_of(error)}") from None
        return tensors

    def require_architecture(self, *known: str) -> str:
        """The architecture that ``config["architecture"]`` names.

        Args:
            known: Those that the caller can make.

        Raises:
            ModelError: If it is another one.
        """
        named = self.config.get("architecture")
        if named not in known:
            raise ModelError(
                f"model {self.name} has the architecture {named!r}, not {' or '.join(map(repr, known))}",
                "a newer version of gen-toolkit may load it",
            )
        return str(named)

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """Surrounds the making of a model from the file: what fails inside is laid to the file, in one line.

        Raises:
            ModelError: In place of the errors that entries and tensors cause which are missing or do not fit.
        """
        try:
            yield
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise ModelError(f"model {self.name} does not fit its architecture: {line_of(error)}") from None

    def sizes(self, key: str) -> dict[str, int]:
        """Whole numbers by name, from ``config[key]``: the arguments of a network's sizes.

        Raises:
            ValueError: If the entry is missing or something else.
        """
        entry = self.config.get(key)
        if not isinstance(entry, Mapping) or not all(type(value) is int for value in entry.values()):
            raise ValueError(f"its {key} is not a mapping of names to whole numbers")
        return dict(entry)

    def module(self, build: Callable[[], Module], prefix: str, device: str, dtype: str) -> Module:
        """A network with the file's weights, in evaluation mode and without gradients.

        In 16 bits it has the form that is fast on the machine (``gen.hardware.precision.prepare``); layers of
        torch's own types may become ``gen.hardware.packing``'s.

        Args:
            build: Makes the network; it draws no random weights.
            prefix: What the names of its tensors start with.
            device: Where it goes, as torch spells it.
            dtype: ``"float32"`` or ``"bfloat16"``, or ``"float16"`` where the device is no CPU.

        Raises:
            ModelError: If the bytes cannot be read as tensors.
            RuntimeError: If tensors are missing, left over or of other shapes.
            UsageError: If the dtype is float16 on a CPU.
        """
        from gen.hardware.precision import check_dtype, prepare
        from gen.hardware.profile import choose_packing, machine_profile
        from gen.skeleton import skeleton

        own = check_dtype(dtype, device)
        with skeleton():
            network = build()
        network.load_state_dict(self.tensors(device, own, prefix), assign=True)
        return prepare(network, own, pack=choose_packing(dtype, device, machine_profile))

    def latent_scale(self, device: str, dimensions: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What latents were standardised by, from the tensors ``latents.mean`` and ``latents.std`` (C,).

        Args:
            device: Where they go, as torch spells it.
            dimensions: Of the grid of latents.

        Returns:
            Mean and standard deviation, (C, 1, …) float32 each, with as many ones as the grid has dimensions.

        Raises:
            ModelError: If the bytes cannot be read as tensors.
            LookupError: If one is missing or has no dimension.
        """
        import torch

        scale = self.tensors(device, torch.float32, "latents.")
        index = (slice(None), *[None] * dimensions)
        return scale["mean"][index], scale["std"][index]

    def model(
        self,
        *,
        codec: Codec,
        process: AnyProcess | Mapping[str, AnyProcess] | None = None,
        parameterization: Parameterization | Mapping[str, Parameterization] | None = None,
        network: Network | TokenNetwork | JointNetwork | None = None,
        encoder: Encoder | None = None,
        window: Window | None = None,
        stages: tuple[Stage, ...] = (),
        batch: int = 1,
    ) -> Model:
        """The model of the file: the parts that are given, and the file's name, digest, defaults and card.

        Args:
            codec, process, parameterization, network, encoder, window, stages, batch: See ``Model``.

        Raises:
            ModelError: If the file lacks valid defaults.
            ValueError: If the parts make no model.
        """
        return Model(
            name=self.name,
            modality=self.modality,
            sha256=self.sha256,
            codec=codec,
            defaults=self.defaults,
            process=process,
            parameterization=parameterization,
            network=network,
            encoder=encoder,
            window=window,
            stages=stages,
            batch=batch,
            card=self.card,
        )


def save_model(
    path: str | os.PathLike[str],
    tensors: Mapping[str, torch.Tensor],
    config: Mapping[str, object],
    card: Mapping[str, object],
) -> None:
    """Write a model file. Equal models give equal bytes; an existing file is replaced in one step.

    Args:
        path: Where to write.
        tensors: Tensors by name, on any device.
        config: What the loader needs. ``format`` is set here; ``modality`` must be there, and ``defaults``
            unless the file holds a network that is not sampled.
        card: Data, licence and metrics.

    Raises:
        ModelError: If the config lacks an entry.
        OutputError: If the file cannot be written.
    """
    from safetensors.torch import save

    path = Path(path)
    config = {**config, "format": FORMAT}
    if "modality" not in config:
        raise ModelError(f"the config of model {path.stem} lacks modality")
    raw = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    # The library writes metadata in an order that changes from run to run, so it is put in here.
    length = int.from_bytes(raw[:8], "little")
    metadata = {"gen.card": _canonical(card), "gen.config": _canonical(config)}
    header = json.dumps({"__metadata__": metadata, **json.loads(raw[8 : 8 + length])}, separators=(",", ":"))
    encoded = header.encode()
    encoded += b" " * (-len(encoded) % 8)
    with atomic_file(path, overwrite=True) as file:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        file.write(memoryview(raw)[8 + length :])


def _read_metadata(path: Path) -> Mapping[str, object]:
    with _open(path) as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(8)
        if start.startswith(PICKLE_STARTS):
            raise ModelError(
                f"{path.name} is a pickle, not safetensors: pickles can run code and are not read",
                "convert it to a gen model file",
            )
        length = int.from_bytes(start, "little")
        if len(start) == 8 and 2 <= length <= MAX_HEADER_BYTES and length + 8 > size:
            raise ModelError(f"model file {path.name} is truncated", "copy or install it again")
        if len(start) < 8 or not 2 <= length <= MAX_HEADER_BYTES:
            raise ModelError(
                f"{path.name} is not a safetensors file", "a gen model file ends in .safetensors"
            )
        try:
            header = json.loads(file.read(length), object_pairs_hook=partial(_unambiguous, path))
            ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
            needed = 8 + length + max(ends, default=0)
            metadata = dict(header.get("__metadata__", {}))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise ModelError(
                f"{path.name} is not a safetensors file", "a gen model file ends in .safetensors"
            ) from None
    if size != needed:
        problem = "is truncated" if size < needed else "has bytes that do not belong to it"
        raise ModelError(f"model file {path.name} {problem}", "copy or install it again")
    if "gen.config" not in metadata:
        raise ModelError(
            f"{path.name} holds tensors but no gen model",
            f"models of the format {FORMAT} are supported; see `gen models list`",
        )
    return metadata


def _unambiguous(path: Path, pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object, in which readers that take the first and readers that take the last entry see the same.

    Raises:
        ModelError: A key is there twice.
    """
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ModelError(f"model file {path.name} has the entry {twice[:60]!r} twice", "install it again")
    return table


@lru_cache(maxsize=64)
def _digest(path: Path, *_state: int) -> str:
    """Hex digest of a file; read once, as long as its state is the same."""
    with _open(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json_object(metadata: Mapping[str, object], key: str, path: Path) -> Mapping[str, object]:
    try:
        text = str(metadata.get(key, "{}"))
        value: dict[str, object] = dict(json.loads(text, object_pairs_hook=partial(_unambiguous, path)))
    except (ValueError, TypeError, RecursionError):
        raise ModelError(f"model file {path.name} has an unreadable {key} in its header") from None
    return value


def _open(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise ModelError(f"no model file {path}", "see `gen models list`") from None
    except OSError as error:
        raise ModelError(f"cannot read the model file {path}: {error.strerror}") from None


def _canonical(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
