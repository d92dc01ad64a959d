"""What a plugin's source declares, read as text: no line of the plugin runs.

Lists of commands and of plugins need a modality's summary and what it requires, for plugins that nobody has
asked to run. The light module holds both as literals in its call of ``ModalitySpec``, so they can be read
from its syntax tree. What is not a literal stays unknown.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from importlib.machinery import PathFinder
from typing import TypeVar

T = TypeVar("T")

_LARGEST = 1 << 20


@dataclass(frozen=True)
class Declaration:
    """The literals that a light module passes to ``ModalitySpec``.

    Args:
        summary: One line for lists; empty when unknown.
        requires: Top-level modules that it needs.
        extra: The extra that installs them.
        api: Version of the contract; 0 when the module leaves the default.
        source: File that was read.
    """

    summary: str = ""
    requires: tuple[str, ...] = ()
    extra: str = ""
    api: int = 0
    source: str = ""


def read_declaration(module: str) -> Declaration:
    """Read what a module declares.

    Args:
        module: Dotted name of the module.

    Returns:
        What could be read; an empty declaration when the source is not at hand or says nothing.
    """
    source = _source(module)
    try:
        with open(source, "rb") as file:
            tree = ast.parse(file.read(_LARGEST))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return Declaration(source=source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node.func) == "ModalitySpec":
            values = {word.arg: _literal(word.value) for word in node.keywords if word.arg}
            return Declaration(
                summary=_typed(values.get("summary"), str, ""),
                requires=tuple(x for x in _typed(values.get("requires"), tuple, ()) if isinstance(x, str)),
                extra=_typed(values.get("extra"), str, ""),
                api=_typed(values.get("api"), int, 0),
                source=source,
            )
    return Declaration(source=source)


def _source(module: str) -> str:
    """The file of the module's source, found without importing its packages."""
    search: list[str] | None = None
    origin = ""
    try:
        for part in module.split("."):
            spec = PathFinder.find_spec(part, search)
            if spec is None:
                return ""
            search, origin = list(spec.submodule_search_locations or ()), spec.origin or ""
    except (OSError, ValueError, ImportError):
        return ""
    return origin if origin.endswith(".py") else ""


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


def _typed(value: object, kind: type[T], otherwise: T) -> T:
    return value if isinstance(value, kind) else otherwise
