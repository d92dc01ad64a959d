"""Files through pipes: ``gen image "a dog" -o - | gen video --first - "a dog runs" -o dog.mp4``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gen import formats
from gen.atomic import temporary_folder
from gen.errors import UsageError
from gen.plugin.host import Host
from gen.writing import HEAD, can_read

STDIN = "-"


@contextmanager
def piped(values: Mapping[str, Any], kinds: Mapping[str, str], host: Host) -> Iterator[dict[str, Any]]:
    """The values of options, with a file in place of ``-``, which holds what stdin brings.

    Args:
        values: Values of options by name.
        kinds: Kind of artifact of each option that is a file.
        host: Where formats come from.

    Raises:
        UsageError: Two options want stdin, it is closed or empty, or it holds no artifact of that kind.
    """
    names = [name for name in kinds if str(values.get(name)) == STDIN]
    if not names:
        yield dict(values)
        return
    if len(names) > 1:
        raise UsageError(f"--{names[0]} and --{names[1]} both want stdin", "give one of them a file")
    content = b"" if sys.stdin is None else sys.stdin.buffer.read(formats.MAX_FILE_BYTES + 1)
    if not content:
        raise UsageError("stdin is empty", "the command before the pipe needs -o -")
    with temporary_folder() as folder:
        yield {**values, names[0]: _stored(content, kinds[names[0]], folder, host)}


def _stored(content: bytes, kind: str, folder: Path, host: Host) -> Path:
    """A file with the content, whose ending is that of the first format that can read it."""
    for form in host.formats(kind):
        if not form.reader or (form.can_read and not can_read(form, content[:HEAD])):
            continue
        path = folder / f"stdin{form.suffixes[0]}"
        path.write_bytes(content)
        try:
            formats.read(path, [form], kind=kind)
        except UsageError:
            path.unlink()
            continue
        return path
    raise UsageError(f"stdin holds no {kind} that can be read")
