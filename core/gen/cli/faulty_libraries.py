"""Which installed library is at fault where an import fails, and the command that mends it."""

from __future__ import annotations

import importlib.util
import re
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version

from gen.errors import GenError
from gen.plugin.text import one_line

TORCH_INDEX = "https://download.pytorch.org/whl/"
"""Where the builds of torch for one kind of device are, such as ``cpu``, with libraries that fit them."""


def fault_of(error: BaseException, install: Callable[[Sequence[str]], str]) -> tuple[str, str]:
    """What an exception says about the libraries that are installed.

    Args:
        error: The exception; it is followed to its causes.
        install: (modules) -> the command that installs modules that are missing.

    Returns:
        The fault in one line, with versions where a library is at fault; the command that mends it.
    """
    while isinstance(error, GenError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, GenError):
        return error.message, error.hint
    if isinstance(error, ModuleNotFoundError) and error.name:
        missing = error.name.partition(".")[0]
        if importlib.util.find_spec(missing):
            return f"there is no module {error.name}", ""
        return f"{missing} is not installed", install([missing])
    first: BaseException = error
    while first.__cause__ is not None:
        first = first.__cause__
    line = one_line(f"{type(first).__name__}: {first}")[:200]
    if not isinstance(error, ImportError | OSError):
        return line, ""
    found = _distributions(error)
    if not found:
        return line, ""
    library = found[0]
    others = sorted({name for name in _needed(library) | set(found[1:]) if name in ("torch", "numpy")})
    beside = f" beside {' and '.join(f'{name} {_version(name)}' for name in others)}" if others else ""
    return f"{library} {_version(library)} does not load{beside}: {line}", _reinstall([library, *others])


def _distributions(error: BaseException) -> list[str]:
    """The installed distributions through which an exception came, that of our own import first."""
    owners = packages_distributions()
    found = []
    for frame, _ in traceback.walk_tb(error.__traceback__):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package != "gen" and not package.startswith("gen_") and package in owners:
            found.append(owners[package][0])
    if not found and isinstance(error, ImportError) and error.name:
        found = owners.get(error.name.partition(".")[0], [])[:1]
    return list(dict.fromkeys(found))


def _needed(library: str) -> set[str]:
    return {re.split(r"[^\w.-]", text)[0].lower() for text in requires(library) or ()}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "?"


def _reinstall(distributions: Sequence[str]) -> str:
    """Libraries that are compiled against others fit them when they are installed together."""
    kind = _version("torch").partition("+")[2] if "torch" in distributions else ""
    index = f" --index-url {TORCH_INDEX}{kind}" if kind else ""
    return f"pip install --upgrade --force-reinstall {' '.join(distributions)}{index}"
