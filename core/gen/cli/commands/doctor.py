"""``gen doctor``: what this installation has, and what is wrong with it."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import typer

from gen.cli.session import Session
from gen.cli.switches import JSON
from gen.config import PROJECT_FILE, misspelled, read_settings, user_file
from gen.errors import GenError, PluginError, UsageError
from gen.model import find_model
from gen.plugin.host import Host

LIBRARIES = ("gen-toolkit", "torch", "numpy", "safetensors", "typer", "pillow")


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the command."""

    @app.command("doctor", help=summary)
    def doctor(as_json: JSON = False) -> None:  # noqa: ARG001
        session.data.update(
            python=f"{platform.python_version()} ({sys.executable})",
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            versions={name: _version(name) for name in LIBRARIES},
            devices=_devices(),
            settings=[str(path) for path in (user_file(), Path(PROJECT_FILE)) if path.is_file()],
            environment=sorted(name for name in os.environ if name.startswith("GEN_")),
        )
        for key, value in session.data.items():
            shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            session.show(f"{key}: {', '.join(shown) if isinstance(shown, list) else shown}")
        faults = _models(session, host)
        for record in host.records:
            session.show(f"plugin {record.label}: {record.status}")
        faults += [*host.problems, *_settings(host)]
        session.data["plugins"] = {record.label: record.status for record in host.records}
        if faults:
            raise PluginError(f"{len(faults)} problems: {'; '.join(faults)}")
        session.show("all is well")


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
