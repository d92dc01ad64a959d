"""Plain texts as artifacts: UTF-8, without metadata."""

from __future__ import annotations

from typing import BinaryIO

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.metadata import Metadata

MAX_BYTES = 1 << 20


def read_text(file: BinaryIO) -> Artifact:
    """The text of a file.

    Raises:
        UsageError: It is no UTF-8, empty, or longer than ``MAX_BYTES``.
    """
    content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UsageError(f"the text has more than {MAX_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("it is not UTF-8") from None
    if not text.strip():
        raise UsageError("the text is empty")
    return Artifact("text", {}, {"text": text})


def write_text(artifact: Artifact, file: BinaryIO, metadata: Metadata) -> None:  # noqa: ARG001
    """Write the text alone."""
    file.write(str(artifact.attributes["text"]).encode())
