"""The files of words that come with the package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from gen.errors import ModelError, line_of


@contextmanager
def stored(path: Path) -> Iterator[Mapping[str, np.ndarray]]:
    """The tensors of a file; surrounds what is made of them.

    Raises:
        ModelError: The file is missing or damaged, or lacks tensors, in one line.
    """
    try:
        yield load_file(path)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ModelError(
            f"the package's file {path.name} cannot be read: {line_of(error)}", "install gen-toolkit again"
        ) from error
