"""Files behind an address: downloaded once, and kept in the user's cache."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath

from gen.atomic import atomic_file
from gen.checkpoints.weights import PICKLED
from gen.errors import ModelError, OutputError, line_of
from gen.model.remote import TIMEOUT
from gen.offline import forbidden_by
from gen.plugin.cache import cache_folder

ENDINGS = (".safetensors", *PICKLED)
_PIECE = 1 << 20


def fetch_file(url: str) -> Path:
    """The file of an address, downloaded where the cache does not have it; never downloaded again.

    Raises:
        ModelError: Connections are forbidden, the server refuses or does not answer, or there is no room.
    """
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError as error:
        raise ModelError(f"{url[:80]!r} is no address: {error}", "check the address") from None
    name = PurePosixPath(urllib.parse.unquote(parts.path)).name or "file"
    name = name if name.endswith(ENDINGS) else f"{name}{ENDINGS[0]}"
    path = cache_folder() / "files" / hashlib.sha256(url.encode()).hexdigest()[:16] / name
    if path.is_file():
        return path
    if origin := forbidden_by():
        raise ModelError(f"{name} of {parts.netloc} is not downloaded yet, and {origin} forbids connections")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        request = urllib.request.Request(url, headers={"User-Agent": "gen-toolkit"})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            expected = answer.headers.get("Content-Length")
            with atomic_file(path, overwrite=True) as file:
                while piece := _read(answer):
                    file.write(piece)
                if expected is not None and file.tell() != int(expected):
                    raise HTTPException(f"it broke off after {file.tell():,} of {int(expected):,} bytes")
    except (urllib.error.URLError, TimeoutError, HTTPException, ConnectionError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        status = f"{error.code} " if isinstance(error, urllib.error.HTTPError) else ""
        raise ModelError(
            f"cannot download {name} from {parts.netloc}: {status}{reason}",
            "check the address and the network",
        ) from error
    except (OSError, OutputError) as error:
        reason = error.message if isinstance(error, OutputError) else line_of(error)
        raise ModelError(
            f"{name} cannot be kept: {reason}", "free some room, or set GEN_CACHE to a folder on another disk"
        ) from error
    return path


def _read(answer: HTTPResponse) -> bytes:
    """The next piece of an answer; an error of the network is none of the disk's."""
    try:
        return answer.read(_PIECE)
    except OSError as error:
        raise HTTPException(line_of(error)) from error
