"""Model files that no package holds: downloaded once, checked, and kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Protocol

from gen.errors import ModelError, OutputError
from gen.offline import forbidden_by
from gen.plugin.cache import cache_folder
from gen.plugin.specs import REMOTE, ModelSpec

HUB = "https://huggingface.co"
"""Where ``hf:`` leads, unless ``HF_ENDPOINT`` names another place."""

TIMEOUT = 30.0
"""Seconds without an answer after which a server is given up."""

_PIECE = 1 << 20
_HUB_FILE = re.compile(r"([^/@\s]+/[^/@\s]+)/([^@\s]+?)(?:@([^@\s]+))?")


class _Answer(Protocol):
    status: int

    def read(self, size: int, /) -> bytes: ...


def is_remote(spec: ModelSpec) -> bool:
    """Whether a model's file is fetched from a network."""
    return spec.source.startswith(REMOTE)


def downloaded(spec: ModelSpec) -> Path | None:
    """The file of a remote model in the cache; None before it has been downloaded."""
    path = _place(spec)
    return path if path.is_file() else None


def hub_address() -> str:
    """The address of the hub, without a slash at its end."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def url_of(source: str) -> str:
    """Where a source leads.

    Args:
        source: ``"https://…"``, or ``"hf:OWNER/NAME/FILE@REVISION"``, by default of the revision ``main``.

    Raises:
        ModelError: It has another form.
    """
    if not source.startswith("hf:"):
        return source
    found = _HUB_FILE.fullmatch(source.removeprefix("hf:"))
    if found is None:
        raise ModelError(f"{source!r} is no file of the hub", "write hf:OWNER/NAME/FILE@REVISION")
    repository, file, revision = found.groups()
    place = hub_address()
    quoted = (urllib.parse.quote(part) for part in (repository, file))
    return "{}/{}/resolve/{}/{}".format(
        place, next(quoted), urllib.parse.quote(revision or "main", safe=""), next(quoted)
    )


def fetch(spec: ModelSpec) -> Path:
    """The file of a remote model, downloaded where the cache does not have it.

    What an earlier call left unfinished is continued, where the server can do that.

    Raises:
        ModelError: Connections are forbidden, the server does not answer or does not have the file, or its
            bytes are not those that the spec states.
        OutputError: The cache cannot be written.
    """
    path = _place(spec)
    if path.is_file():
        return path
    url = url_of(spec.source)
    if origin := forbidden_by():
        raise ModelError(
            f"model {spec.name} is not downloaded yet, and {origin} forbids connections",
            f"run once without it: {spec.size / 1e6:,.0f} MB from {urllib.parse.urlsplit(url).netloc}",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(cache_folder() / "locks" / spec.sha256):
            # Another process may have finished it meanwhile.
            if not path.is_file():
                _complete(spec, url, path)
    except (urllib.error.URLError, TimeoutError, HTTPException, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise ModelError(
            f"cannot download model {spec.name} from {url}: {reason}", "try again; what came is kept"
        ) from error
    except OSError as error:
        raise OutputError(f"cannot keep model {spec.name} in {path.parent}: {error.strerror}") from error
    return path


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other process downloads the same model; a process that ends lets go by itself."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("ab") as file:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _complete(spec: ModelSpec, url: str, path: Path) -> None:
    """Download a model into its place in the cache.

    Raises:
        ModelError: The bytes are not those that the spec states.
    """
    part = path.with_suffix(".part")
    _download(spec, url, part)
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != spec.sha256:
        part.unlink()
        raise ModelError(
            f"what {url} holds is not model {spec.name}: sha256 {digest[:12]}…, not {spec.sha256[:12]}…",
            "the file has changed since the plugin was published; upgrade the plugin",
        )
    part.replace(path)


def _place(spec: ModelSpec) -> Path:
    return cache_folder() / "models" / f"{spec.sha256}.safetensors"


def _download(spec: ModelSpec, url: str, part: Path) -> None:
    """Fill ``part`` up to the size of the model.

    Raises:
        ModelError: The server sends more or less than that.
    """
    have = part.stat().st_size if part.is_file() else 0
    if have > spec.size:
        part.unlink()
        have = 0
    if have == spec.size:
        return
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(f"gen: downloading model {spec.name}, {spec.size / 1e6:,.0f} MB\n")
    headers = {"User-Agent": "gen-toolkit", **({"Range": f"bytes={have}-"} if have else {})}
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        have = _append(answer, part, have if answer.status == 206 else 0, spec.size)
    if have != spec.size:
        what = f"{have:,} of the {spec.size:,} bytes"
        if have > spec.size:
            part.unlink()
            what = f"more than the {spec.size:,} bytes"
        raise ModelError(f"{url} sent {what} of model {spec.name}", "try again; what fits is kept")


def _append(answer: _Answer, part: Path, have: int, size: int) -> int:
    """Write an answer behind the first ``have`` bytes; returns how many there are, at most one over."""
    with part.open("r+b" if have else "wb") as file:
        file.seek(have)
        while have <= size and (piece := answer.read(min(_PIECE, size + 1 - have))):
            file.write(piece)
            have += len(piece)
        file.truncate()
    return have
