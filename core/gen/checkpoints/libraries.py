"""diffusers and transformers, imported when needed, also beside libraries that do not load."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gen.errors import ModelError, line_of

COMPILED = ("torchaudio", "torchvision")
"""Libraries that transformers imports where they are installed, and that may not fit the torch that is."""


LIBRARIES = ("diffusers", "transformers")

MODULES = {
    "ShapERenderer": "renderer",
    "LTX2TextConnectors": "connectors",
    "LTX2Vocoder": "vocoder",
    "LTX2VocoderWithBWE": "vocoder",
}
"""Modules of networks that are not named after their pipelines, by class."""

UNUSED = (*COMPILED, "transformers", "peft", "accelerate", "scipy", "torch._dynamo")
"""Libraries that diffusers imports where they are installed, and that its networks do without."""

_LEAN: set[str] = set()
"""Libraries that were first imported without those that they do not need."""


def library_class(library: str, name: str, where: str) -> Any:
    """A class of diffusers or transformers; never one of the checkpoint's own.

    Args:
        library: ``"diffusers"``, ``"transformers"``, or a module of ``diffusers.pipelines``.
        name: Of the class.
        where: Name of the part that needs it, for messages.

    Raises:
        ModelError: The library is not installed or does not load, or has no such class.
    """
    for other in LIBRARIES:
        os.environ.setdefault(f"{other.upper()}_VERBOSITY", "error")
    # The networks of a pipeline are in a module of their own, which needs less than the pipeline.
    own = MODULES.get(name, f"modeling_{library}")
    module = library if library in LIBRARIES else f"diffusers.pipelines.{library}.{own}"
    found: object = None
    try:
        with without_unused_libraries() if module != "transformers" else without_broken_libraries():
            found = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        if error.name in LIBRARIES:
            raise ModelError(
                f"the part {where} needs {error.name}, which is not installed",
                "pip install 'gen-toolkit[hub]'",
            ) from None
        if error.name is None or not module.startswith(error.name):
            raise
    except (ImportError, OSError, RuntimeError) as error:
        raise ModelError(f"{library} cannot be imported: {line_of(error)}", "see `gen doctor`") from error
    if not isinstance(found, type):
        raise ModelError(
            f"the part {where} is of the unknown class {library}.{name}",
            "a newer diffusers or transformers may have it",
        )
    return found


def check_whole(library: str) -> None:
    """Refuse a library that this process has imported without what its pipelines need.

    Raises:
        ModelError: A network of a family was loaded before.
    """
    if library in _LEAN:
        raise ModelError(
            f"{library} was imported for another model, without what its pipelines need",
            "make this in a run of its own",
        )


@contextmanager
def without_unused_libraries() -> Iterator[None]:
    """Imports inside, of diffusers' networks, see none of ``UNUSED``, and take a fifth of the time.

    Only in a process that ``gen`` itself has started: diffusers remembers for the life of a process which
    libraries there are.
    """
    if "gen.cli.main" not in sys.modules or not _LEAN.issuperset({"diffusers"} & set(sys.modules)):
        with without_broken_libraries():
            yield
        return
    import torch

    _LEAN.add("diffusers")
    hidden = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    disable = torch.compiler.disable
    # As a decorator of functions that nobody compiles, it would load the compiler.
    torch.compiler.disable = lambda function=None, **_: function or (lambda inner: inner)
    try:
        yield
    finally:
        torch.compiler.disable = disable
        for name in hidden:
            del sys.modules[name]


@contextmanager
def without_broken_libraries() -> Iterator[None]:
    """Imports inside see no library of ``COMPILED`` that does not load, as if it were not installed."""
    hidden = [name for name in COMPILED if name not in sys.modules and not _loads(name)]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _loads(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return True  # not installed, which is no fault
    except Exception:  # what a library raises that does not fit is up to it
        for module in [module for module in sys.modules if module.partition(".")[0] == name]:
            del sys.modules[module]
        return False
    return True
