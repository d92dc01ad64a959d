"""Which third-party libraries the source of a module imports, found without running it."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path


def libraries_behind(module: str) -> set[str]:
    """The third-party packages that a module and those of its own package import, at any depth of the code.

    Args:
        module: Name of a module; read, not run.
    """
    own, libraries, waiting, seen = module.partition(".")[0], set(), [module], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name.partition(".")[0] != own:
            libraries.add(name.partition(".")[0])
            continue
        waiting += _imported(name)
    return libraries - sys.stdlib_module_names - {"gen"}


def _imported(module: str) -> Iterator[str]:
    """Absolute names of the modules that the source of a module imports."""
    file = _source(module)
    if file is None:
        return
    tree = ast.parse(file.read_bytes())
    # Annotations need no library.
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: None if file.name == "__init__.py" else -1]
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            name = ".".join(filter(None, (base, node.module or "")))
            yield name
            # Names may be modules themselves.
            if name.partition(".")[0] == module.partition(".")[0]:
                yield from (f"{name}.{alias.name}" for alias in node.names)


def _source(module: str) -> Path | None:
    """The file of a module; found without running its package."""
    own, *parts = module.split(".")
    found = importlib.util.find_spec(own)
    if found is None or not found.origin:
        return None
    if not parts:
        files = [Path(found.origin)]
    else:
        inside = Path(found.origin).parent.joinpath(*parts)
        files = [inside.with_name(f"{inside.name}.py"), inside / "__init__.py"]
    return next((file for file in files if file.suffix == ".py" and file.is_file()), None)
