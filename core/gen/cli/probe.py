"""Try a modality: import its libraries, and make the smallest thing with each of its models.

`gen doctor` runs `try_modality`, which starts this module as a process of its own, so that a crash ends that
process alone. The process writes one JSON object per line: ``{"begun": WHAT}``, then ``{"ended": WHAT, …}``.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, TextIO

from gen.errors import GenError
from gen.plugin.host import Host
from gen.plugin.text import one_line

if TYPE_CHECKING:
    from gen.plugin.specs import ModalitySpec

TORCH_INDEX = "https://download.pytorch.org/whl/"
"""Where the builds of torch for one kind of device are, such as ``cpu``, with libraries that fit them."""


@dataclass(frozen=True)
class Outcome:
    """How one part of a trial ended.

    Args:
        what: What was tried: ``"model emoji"``.
        fault: What is wrong, in one line; empty where all is well.
        remedy: The command that mends it; may be empty.
        optional: Whether the modality makes things without it.
        seconds: How long it took.
    """

    what: str
    fault: str = ""
    remedy: str = ""
    optional: bool = False
    seconds: float = 0.0


def try_modality(name: str, limit: float) -> list[Outcome]:
    """Try a modality in a process of its own.

    Args:
        name: Name of the modality.
        limit: Seconds after which the process is ended.

    Returns:
        The outcomes, in the order of the trial; the last tells of a crash, if there was one.
    """
    command = [sys.executable, "-P", "-m", __spec__.name, name]
    with tempfile.TemporaryFile() as results, tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=results, stderr=messages)
        try:
            code: int | None = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            process.kill()
            process.wait()
        results.seek(0)
        messages.seek(0)
        said = messages.read().decode(errors="replace").splitlines()
        begun, outcomes = f"modality {name}", []
        for line in results.read().decode().splitlines():
            entry = json.loads(line)
            begun = entry.pop("begun", begun)
            if "what" in entry:
                outcomes.append(Outcome(**entry))
    if code is None:
        outcomes.append(Outcome(begun, f"is not done after {limit:g} s"))
    elif code:
        last = one_line(said[-1]) if said else ""
        outcomes.append(Outcome(begun, f"{_end(code)}{f': {last[:200]}' if last else ''}"))
    return outcomes


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


def _end(code: int) -> str:
    if code > 0:
        return f"the process ended with exit code {code}"
    names = {one.value: one.name for one in signal.Signals}
    return f"the process was ended by {names.get(-code, f'signal {-code}')}"


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


def _run(name: str, results: TextIO) -> None:
    """Try everything, and write outcomes as they come."""
    host = Host.discover()
    spec = host.modality(name)
    record = host.record(name)

    def install(modules: Sequence[str]) -> str:
        from gen.plugin.discovery import install_line

        return install_line(record.distribution, spec.extra if modules[0] in spec.requires else "", modules)

    def attempt(what: str, action: Callable[[], object], *, optional: bool = False) -> None:
        print(json.dumps({"begun": what}), file=results, flush=True)
        started = perf_counter()
        fault, remedy = "", ""
        try:
            action()
        except (Exception, SystemExit) as error:
            fault, remedy = fault_of(error, install)
        outcome = Outcome(what, fault, remedy, optional, round(perf_counter() - started, 3))
        print(json.dumps(vars(outcome)), file=results, flush=True)

    for module in spec.requires:
        attempt(f"library {module}", partial(importlib.import_module, module))
    for model in host.models(name):
        attempt(f"model {model.name}", partial(_make, host, spec, model.name))
    uses: dict[str, list[str]] = {}
    for what, reference in _optional(host, spec):
        attempt(what, partial(host.resolve, reference), optional=True)
        if what.startswith("gen "):
            for module in sorted(libraries_behind(reference.partition(":")[0]) - set(spec.requires)):
                uses.setdefault(module, []).append(what)
    for module, whats in uses.items():
        attempt(", ".join(whats), partial(importlib.import_module, module), optional=True)


def _make(host: Host, spec: ModalitySpec, model: str) -> None:
    """Make one thing in one step, and encode it."""
    from gen.formats import encode, find_format
    from gen.generate import generate, load
    from gen.model import find_model
    from gen.plan import Request, resolve

    file = find_model(model, spec.name, host.models(spec.name))
    prompt = file.names[0] if file.names else "a"
    request = Request(modality=spec.name, prompts=(prompt,), seeds=(0,), steps=1, model=model)
    plan = resolve(request, host, settings={})
    made = next(iter(generate(plan, load(plan, host))))
    encode(made, find_format(host.formats(spec.kind), name=spec.default_format, kind=made.kind))


def _optional(host: Host, spec: ModalitySpec) -> Iterator[tuple[str, str]]:
    """What is not needed to make things, with the import string behind it."""
    if spec.evaluation:
        yield f"gen eval {spec.name}", spec.evaluation
    for recipe in spec.recipes:
        yield f"gen train {spec.name} --recipe {recipe.name}", recipe.factory
    for form in host.formats(spec.kind):
        for what, reference in (("write", form.writer), ("read", form.reader)):
            if reference:
                yield f"to {what} {form.name}", reference


if __name__ == "__main__":
    # What a plugin prints must not get among the results.
    stream = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _run(sys.argv[1], stream)
