"""``gen doctor``: what this installation has, and what is wrong with it."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from gen.cli.light_modules import SLOW, time_light_modules
from gen.cli.probe import try_modalities
from gen.cli.session import Session
from gen.cli.switches import JSON
from gen.config import PROJECT_FILE, misspelled, read_settings, user_file
from gen.errors import GenError, PluginError, UsageError
from gen.hardware.profile import LARGE, choose_dtype, machine_profile, remembered_profile
from gen.model import find_model
from gen.model.remote import downloaded, is_remote
from gen.plugin.host import Host

LIMIT = 120.0
"""Seconds that one part of a trial may take; five at most are usual."""

LIGHT_LIMIT = 10.0
"""Seconds that loading one light module may take; a hundredth is usual."""

LIBRARIES = ("gen-toolkit", "torch", "numpy", "safetensors", "typer", "pillow")


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the command."""

    @app.command("doctor", help=f"{summary} Tries every modality and model in another process.")
    def doctor(
        quick: Annotated[bool, typer.Option("--quick", help="Look only; make nothing.")] = False,
        as_json: JSON = False,  # noqa: ARG001
    ) -> None:
        session.data.update(
            python=f"{platform.python_version()} ({sys.executable})",
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            versions={name: _version(name) for name in LIBRARIES},
            devices=_devices(),
            settings={str(path): path.is_file() for path in (user_file(), Path(PROJECT_FILE).absolute())},
            environment=sorted(name for name in os.environ if name.startswith("GEN_")),
        )
        _show(session)
        _precision(session, quick)
        _light_modules(session, host)
        faults = _models(session, host)
        for record in host.records:
            session.show(f"plugin {record.label}: {record.status}")
        host.formats()
        session.data["shared_endings"] = list(host.shared_endings())
        for line in session.data["shared_endings"]:
            session.show(line)
        faults += [*host.problems, *_settings(host)]
        session.data["plugins"] = {record.label: record.status for record in host.records}
        if not quick:
            faults += _trials(session, host)
        if faults:
            for fault in faults:
                session.show(f"fault: {fault}")
            problems = "1 problem" if len(faults) == 1 else f"{len(faults)} problems"
            raise PluginError(f"{problems}: {'; '.join(faults)}")
        session.show("all is well")


def _show(session: Session) -> None:
    """The facts about the installation, a line each."""
    for key, value in session.data.items():
        if key == "settings":
            shown = ", ".join(f"{path} ({'read' if there else 'none'})" for path, there in value.items())
        elif isinstance(value, dict):
            shown = ", ".join(f"{name} {what}" for name, what in value.items())
        else:
            shown = ", ".join(value) if isinstance(value, list) else value
        session.show(f"{key}: {shown or 'no variable GEN_… is set'}")


def _precision(session: Session, quick: bool) -> None:
    """What the self-test of the machine has measured; a quick look measures nothing."""
    profile = remembered_profile() if quick else machine_profile()
    session.data["precision"] = profile and {
        **asdict(profile),
        "packs": profile.packs,
        "speedup": round(profile.speedup, 2),
    }
    if profile is None:
        session.show("precision: not measured yet; `gen doctor` measures it")
        return
    order = ", weights in oneDNN's order" if profile.packs else ""
    session.show(
        f"precision: bfloat16 is {profile.speedup:.1f} times as fast as float32 on this CPU{order}"
        if profile.accurate
        else "precision: float32, since bfloat16 gives wrong results on this CPU"
    )
    chosen = choose_dtype(LARGE, "cpu", lambda: profile)
    session.data["precision"]["large_models"] = chosen
    session.show(f"models of {LARGE // 10**6} million parameters and more run in {chosen} by default")
    for kind, rates in (("linear layer", profile.matrix), ("convolution", profile.convolution)):
        shown = ", ".join(f"{form} {rate:g}" for form, rate in rates.items())
        session.show(f"{kind}, 10⁹ operations per second: {shown}")


def _light_modules(session: Session, host: Host) -> None:
    """Load each plugin in another process; those that hang or crash there are not loaded here."""
    names = list(dict.fromkeys(record.name for record in host.records if record.status == "ok"))
    for name, loading in time_light_modules(names, LIGHT_LIMIT).items():
        label = host.record(name).label
        if loading.fault:
            # Its record is among the problems from now on.
            host.set_aside(name, f"its light module, loaded in another process: {loading.fault}")
        elif loading.seconds > SLOW:
            session.show(f"note: the light module of plugin {label} is slow: {loading.seconds:.2f} s")
        session.data.setdefault("light_modules", {})[name] = asdict(loading)


def _trials(session: Session, host: Host) -> list[str]:
    """Try each modality and each of its models; what only some commands need makes a note."""
    faults: list[str] = []
    trials: dict[str, list[dict[str, object]]] = {}
    notes: dict[tuple[str, str], list[str]] = {}
    names = [record.name for record in host.modalities if record.status == "ok"]
    for name, outcomes in try_modalities(names, LIMIT).items():
        trials[name] = [asdict(outcome) for outcome in outcomes]
        for outcome in outcomes:
            if not outcome.fault and not outcome.optional:
                session.show(f"{name}, {outcome.what}: works ({outcome.seconds:.1f} s)")
            elif outcome.fault and outcome.optional:
                notes.setdefault((outcome.fault, outcome.remedy), []).append(outcome.what)
            elif outcome.fault:
                remedy = f" ({outcome.remedy})" if outcome.remedy else ""
                faults.append(f"{name}, {outcome.what}: {outcome.fault}{remedy}")
    session.data["trials"] = trials
    session.data["notes"] = [
        f"{fault}; needed for {', '.join(uses)}{f' ({remedy})' if remedy else ''}"
        for (fault, remedy), uses in notes.items()
    ]
    for note in session.data["notes"]:
        session.show(f"note: {note}")
    return faults


def _models(session: Session, host: Host) -> list[str]:
    """Check the bytes of every registered model."""
    faults = []
    checked: dict[str, Any] = {}
    for record in host.modalities:
        try:
            specs = host.models(record.name)
        except PluginError:
            continue
        for spec in specs:
            if is_remote(spec) and downloaded(spec) is None:
                checked[spec.name] = "not downloaded"
                session.show(f"model {spec.name}: not downloaded")
                continue
            try:
                find_model(spec.name, record.name, specs)
                checked[spec.name] = "ok"
            except GenError as error:
                checked[spec.name] = error.message
                faults.append(error.message)
            session.show(f"model {spec.name}: {checked[spec.name]}")
    session.data["models"] = checked
    return faults


def _settings(host: Host) -> list[str]:
    """Faults of the variables and files that set values, each once."""
    faults: dict[str, None] = {}
    names = [record.name for record in host.modalities]
    for record in host.modalities:
        if record.status != "ok":
            continue
        types = {param.name: param.type for param in host.modality(record.name).params}
        try:
            faults.update(dict.fromkeys(misspelled(record.name, types, names)))
            read_settings(record.name, types)
        except UsageError as error:
            faults[str(error)] = None
    return list(faults)


def _devices() -> list[str]:
    import torch

    found = [f"cpu ({torch.get_num_threads()} threads)"]
    found += [
        f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in range(torch.cuda.device_count())
    ]
    return found + ["mps"] * torch.backends.mps.is_available()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
