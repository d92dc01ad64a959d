"""Try modalities: import their libraries, and make the smallest thing with each of their models.

`gen doctor` runs `try_modalities`, which starts this module as a process of its own, so that a crash ends
that process alone. The process writes one JSON object per line: ``{"modality": NAME}``, and for each part of
its trial ``{"begun": WHAT}``, then the fields of an `Outcome`.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic, perf_counter
from typing import IO, TYPE_CHECKING, TextIO

from gen.atomic import temporary_folder
from gen.cli.faulty_libraries import fault_of
from gen.cli.imported_libraries import libraries_behind
from gen.model.remote import downloaded, is_remote
from gen.plugin.host import Host
from gen.plugin.text import one_line

if TYPE_CHECKING:
    from gen.plugin.specs import ModalitySpec

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
            code = wait_while_it_grows(process, results, limit)
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
        fault = f"{ending(code)}{f': {last[:200]}' if last else ''}"
    found.setdefault(name, []).append(Outcome(begun or f"modality {name}", fault))
    return found, bool(begun)


def wait_while_it_grows(process: subprocess.Popen[bytes], results: IO[bytes], limit: float) -> int | None:
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


def ending(code: int) -> str:
    """How a process ended, by its exit code."""
    if code >= 0:
        return f"the process ended with exit code {code}"
    names = {one.value: one.name for one in signal.Signals}
    return f"the process was ended by {names.get(-code, f'signal {-code}')}"


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
        if is_remote(model) and downloaded(model) is None:
            continue
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
    from gen.plan import Request, find_source, resolve
    from gen.plan.abilities import any_prompts
    from gen.run import generate, load

    file = find_source(model, spec.name, host)
    entry = next(one for one in host.models(spec.name) if one.name == model)
    prompts = any_prompts(spec, entry, file.names)
    request = Request(modality=spec.name, prompts=prompts, seeds=(0,), steps=1, model=model)
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
