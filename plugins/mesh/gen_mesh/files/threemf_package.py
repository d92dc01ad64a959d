"""The package of a 3MF: parts in a zip archive that relationships connect (Open Packaging Conventions)."""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from collections.abc import Callable
from typing import IO, Self
from urllib.parse import unquote
from xml.parsers import expat

from gen.errors import UsageError
from gen_mesh.files.limits import unpackable

_MODEL = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
_CHUNK = 1 << 16
_LONGEST_TAG = 1 << 22
"""Bytes without an end of a tag or text after which a part is given up."""

Start = Callable[[str, dict[str, str]], None]


class Package:
    """An open package.

    Args:
        content: The archive.

    Attributes:
        root: Name of the part that holds the model.

    Raises:
        UsageError: No zip archive, one that unpacks to too much, or one without a model.
    """

    def __init__(self, content: bytes) -> None:
        unpackable(content)
        self._archive = zipfile.ZipFile(io.BytesIO(content))
        # Names of parts do not depend on case (Open Packaging Conventions, section 6.2.2.3).
        self._names = {_normal(name): name for name in self._archive.namelist()}
        self.root = self._root()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def open(self, part: str) -> IO[bytes]:
        """A part by its name.

        Raises:
            UsageError: There is none of this name, or it is packed in a way that is not read.
        """
        name = self._names.get(_normal(part))
        if name is None:
            raise UsageError(f"it lacks its part {part[:100]!r}")
        try:
            return self._archive.open(name)
        except (RuntimeError, NotImplementedError, zipfile.BadZipFile, ValueError, OSError):
            raise UsageError(f"its part {part[:100]!r} is encrypted or damaged") from None

    def parse(self, part: str, start: Start, spaces: Callable[[str | None, str], None]) -> None:
        """Go through the XML of a part, a little at a time.

        Args:
            part: Its name.
            start: Takes the name of an element, as ``namespace local``, and its attributes.
            spaces: Takes a prefix and the namespace that it stands for.

        Raises:
            UsageError: The part is missing or damaged, or declares a document type, which 3MF forbids (core
                specification 1.3, section 2.3).
        """
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = start
        parser.StartNamespaceDeclHandler = spaces
        parser.StartDoctypeDeclHandler = _refuse_doctype
        read = 0
        try:
            with self.open(part) as file:
                while chunk := file.read(_CHUNK):
                    parser.Parse(chunk)
                    read += len(chunk)
                    if read - parser.CurrentByteIndex > _LONGEST_TAG:
                        raise UsageError(f"its part {part[:100]!r} is damaged: a tag has no end")
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise UsageError(f"its part {part[:100]!r} is damaged in line {error.lineno}") from None
        except KeyError:
            raise  # of whoever takes the elements
        except LookupError:
            raise UsageError(f"its part {part[:100]!r} is in an unknown encoding") from None
        except (zipfile.BadZipFile, EOFError, OSError, zlib.error):
            raise UsageError(f"its part {part[:100]!r} is damaged") from None

    def _root(self) -> str:
        found: list[str] = []

        def start(name: str, attributes: dict[str, str]) -> None:
            if name.endswith(" Relationship") and attributes.get("Type") == _MODEL:
                found.append(unquote(attributes.get("Target", "")))

        if "_rels/.rels" in self._names:
            self.parse("_rels/.rels", start, lambda *_: None)
        for part in found:
            return part
        # Some writers leave the relationships out.
        for part in self._names:
            if part.endswith(".model"):
                return part
        raise UsageError("it holds no 3D model")


def _normal(name: str) -> str:
    return posixpath.normpath("/" + name.replace("\\", "/")).lstrip("/").lower()


def _refuse_doctype(*_: object) -> None:
    raise UsageError("it declares a document type, which 3MF forbids")
