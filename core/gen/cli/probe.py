"""Try modalities: import their libraries, and make the smallest thing with each of their models.

`gen doctor` runs `try_modalities`, which starts this module as a process of its own, so that a crash ends
that process alone. The process writes one JSON object per line: ``{"modality": NAME}``, and for each part of
its trial ``{"begun": WHAT}``, then the fields of an `Outcome`.
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
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path
from time import monotonic, perf_counter
from typing import IO, TYPE_CHECKING, TextIO

from gen.atomic import temporary_folder
from gen.errors import GenError
from gen.plugin.host import Host
from gen.plugin.text import one_line

if TYPE_CHECKING:
    from gen.plugin.specs import ModalitySpec

TORCH_INDEX = "https://download.pytorch.org/whl/"
"""Where the builds of torch for one kind of device are, such as ``cpu``, with libraries that fit them."""

POLL = 0.2
"""Seconds between two looks at a process that runs."""


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


def try_modalities(names: Sequence[str], limit: float) -> dict[str, list[Outcome]]:
    """Try modalities in a process that they share, as importing torch costs more than all the rest.

    A modality that fails after another was tried is tried again in a process of its own, so that no modality
    answers for another. After a crash, a new process tries the rest.

    Args:
        names: Names of the modalities.
        limit: Seconds that one part of a trial may take; then the process is ended.

    Returns:
        The outcomes of each modality, in the order of its trial; the last names a crash, if there was one.
    """
    outcomes: dict[str, list[Outcome]] = {}
    waiting = list(names)
    while waiting:
        found, attributed = _trial(waiting, limit)
        for position, (name, parts) in enumerate(found.items()):
            failed = any(part.fault and not part.optional for part in parts)
            if len(waiting) > 1 and (not attributed or (failed and position)):
                parts = _trial([name], limit)[0][name]  # noqa: PLW2901
            outcomes[name] = parts
        waiting = waiting[len(found) :]
    return outcomes


def _trial(names: Sequence[str], limit: float) -> tuple[dict[str, list[Outcome]], bool]:
    """Run one process.

    Returns:
        The outcomes of the modalities, up to the one in which the process crashed; whether it is certain
        which modality crashed: a crash between two parts may be any one's, and is entered as the last one's.
    """
    command = [sys.executable, "-P", "-m", __spec__.name, *names]
    with (
        temporary_folder() as folder,
        open(folder / "results", "w+b") as results,
        open(folder / "messages", "w+b") as messages,
    ):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=results, stderr=messages)
        try:
            code = _wait(process, results, limit)
        finally:
            process.kill()
            process.wait()
        results.seek(0)
        messages.seek(0)
        said = messages.read().decode(errors="replace").splitlines()
        entries = [json.loads(line) for line in results.read().decode().splitlines()]
    found: dict[str, list[Outcome]] = {}
    name, begun = names[0], ""
    for entry in entries:
        if "modality" in entry:
            name, begun = entry["modality"], ""
            found[name] = []
        elif "begun" in entry:
            begun = entry["begun"]
        else:
            found[name].append(Outcome(**entry))
            begun = ""
    if code == 0:
        return found, True
    if code is None:
        fault = f"is not done after {limit:g} s"
    else:
        last = one_line(said[-1]) if said else ""
        fault = f"{_end(code)}{f': {last[:200]}' if last else ''}"
    found.setdefault(name, []).append(Outcome(begun or f"modality {name}", fault))
    return found, bool(begun)


def _wait(process: subprocess.Popen[bytes], results: IO[bytes], limit: float) -> int | None:
    """The exit code of a process; None where it adds nothing to its results for ``limit`` seconds."""
    size, since = 0, monotonic()
    while monotonic() - since < limit:
        try:
            return process.wait(min(limit, POLL))
        except subprocess.TimeoutExpired:
            grown = os.fstat(results.fileno()).st_size
            if grown > size:
                size, since = grown, monotonic()
    return None


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


def _run(host: Host, name: str, results: TextIO) -> None:
    """Try everything of a modality, and write outcomes as they come."""
    print(json.dumps({"modality": name}), file=results, flush=True)
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
    discovered = Host.discover()
    for modality in sys.argv[1:]:
        _run(discovered, modality, stream)
