"""A new plugin distribution, written from a template that passes its own tests."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from gen.errors import OutputError, UsageError

KINDS = ("modality", "model", "format", "solver", "guidance", "converter")
"""What a template brings."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TEXTS = (".py", ".toml", ".md")


def write_plugin(name: str, kind: str, parent: Path) -> list[Path]:
    """Write the distribution ``gen-NAME``, in a new folder of that name.

    A template is a whole distribution that is called "example". Names in it are replaced, and so are the size
    and the digest of its weights, whose header holds the name too.

    Args:
        name: Of the plugin: lower-case letters, digits and hyphens.
        kind: One of ``KINDS``.
        parent: The folder in which the new one is made.

    Returns:
        The files, in order of their paths.

    Raises:
        UsageError: The name is not valid, or the kind is unknown.
        OutputError: The folder exists, or cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a plugin", "lower-case letters, digits and hyphens")
    if kind not in KINDS:
        raise UsageError(f"unknown kind {kind!r}", f"one of {', '.join(KINDS)}")
    contents = _contents(files("gen") / "templates" / kind, name)
    folder = parent / f"gen-{name}"
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise OutputError(f"{folder} exists", "choose another name or folder") from None
    except OSError as error:
        raise OutputError(f"cannot make {folder}: {error.strerror}") from None
    try:
        for path, content in contents.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise OutputError(f"cannot write {folder}: {error.strerror}") from None
    return sorted(folder / path for path in contents)


def _contents(template: Traversable, name: str) -> dict[str, bytes]:
    """Path to content of every file of a distribution."""
    found = dict(_walk(template, ""))
    weights = {path: _renamed_weights(data, name) for path, data in found.items() if path.endswith("tensors")}
    contents: dict[str, bytes] = {}
    for path, data in found.items():
        if path.endswith(_TEXTS):
            text = _renamed(data.decode(), name)
            for content in weights.values():
                text = text.replace("SHA256", hashlib.sha256(content).hexdigest())
                text = text.replace("size=0", f"size={len(content)}")
            contents[_renamed(path, name)] = text.encode()
        else:
            contents[_renamed(path, name)] = weights.get(path, data)
    return contents


def _walk(folder: Traversable, path: str) -> list[tuple[str, bytes]]:
    entries: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        below = f"{path}/{entry.name}" if path else entry.name
        if entry.is_dir():
            entries += _walk(entry, below) if entry.name != "__pycache__" else []
        else:
            entries.append((below, entry.read_bytes()))
    return entries


def _renamed(text: str, name: str) -> str:
    """A text about "example", with this name: as a package, as a class, as it is."""
    package = name.replace("-", "_")
    spelt = {"TestExample": "Test" + "".join(part.capitalize() for part in name.split("-")), "example": name}

    def replaced(found: re.Match[str]) -> str:
        return spelt.get(found[0], found[0].replace("example", package))

    return re.sub(r"(?:gen_|test_|gen\.)example\b|TestExample|\bexample\b", replaced, text)


def _renamed_weights(content: bytes, name: str) -> bytes:
    """A model file of the modality "example", for the modality of this name."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    metadata = header["__metadata__"]
    metadata["gen.config"] = metadata["gen.config"].replace('"modality":"example"', f'"modality":"{name}"')
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    return len(encoded).to_bytes(8, "little") + encoded + content[8 + length :]
