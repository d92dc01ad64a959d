"""Finding plugins, and describing them without importing any."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.util import find_spec

from gen.plugin.checks import api_fault, name_fault
from gen.plugin.memory import Outcome, Status, recall
from gen.plugin.scan import MODALITIES, Found, scan
from gen.plugin.settings import Settings
from gen.plugin.specs import API

OURS = "gen-toolkit"
"""The distribution that holds `gen` itself. Its plugins keep their names when a stranger repeats one."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One plugin: an entry point, and how it stands.

    Args:
        name: Name of the entry point; for a modality also of its command.
        group: ``"gen.modalities"`` or ``"gen.plugins"``.
        value: What the entry point names: ``"package.module"``, perhaps with ``:object`` and ``[extras]``.
        distribution: Name of the distribution that brings it.
        version: Version of that distribution.
        summary: One line for lists.
        status: ``ok``: nothing is known against it; ``disabled``: the user switched it off; ``unmet``: it
            needs something that is missing; ``broken``: its last load failed; ``conflict``: its name cannot
            be used.
        reason: Why the status is not ``ok``, in one line.
        action: What to do about it, in one line.
        notes: What is wrong with a plugin that works, a line each.
        endings: Of the files that its formats hold, each with the kind; known once it was loaded.
        traceback: Traceback of the last load that failed.
        retry: Whether the status is that of an earlier load, so that a new one may end better.
        key: What the outcome of a load is remembered by.
    """

    name: str
    group: str
    value: str
    distribution: str = ""
    version: str = ""
    summary: str = ""
    status: Status = "ok"
    reason: str = ""
    action: str = ""
    notes: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    traceback: str = ""
    retry: bool = False
    key: str = ""

    @property
    def module(self) -> str:
        """The dotted name of the light module."""
        return self.value.partition("[")[0].partition(":")[0].strip()

    @property
    def label(self) -> str:
        """The name with its distribution and version, for messages."""
        return f"{self.name} ({self.distribution} {self.version})" if self.distribution else self.name

    @property
    def problem(self) -> str:
        """What is wrong and what to do, in one line; empty for a plugin that works or is switched off."""
        if self.status in ("unmet", "broken", "conflict"):
            return f"plugin {self.label} is {_WORDS[self.status]}: {self.reason}; {self.action}"
        if self.status == "ok" and self.notes:
            return f"plugin {self.label}: {'; '.join(self.notes)}"
        return ""


_WORDS = {"unmet": "unmet", "broken": "broken", "conflict": "in conflict"}


def find_records(settings: Settings) -> list[Record]:
    """Find every plugin that is installed and judge it.

    Args:
        settings: Which ones are switched off.

    Returns:
        Records sorted by group and name; no plugin code has run.
    """
    found = sorted(scan(), key=lambda item: (item.group, item.name, item.distribution != OURS))
    records = [_switched(item, settings) for item in found]
    repeats = Counter(record.name for record in records if record.status != "disabled")
    outcomes = recall()
    judged = []
    for switched, item in zip(records, found, strict=True):
        record = _named(switched, repeats, records)
        record = _required(record, item)
        known = outcomes.get(record.key) if record.status == "ok" else None
        judged.append(after(record, known) if known else record)
    return judged


def after(record: Record, outcome: Outcome) -> Record:
    """The record of a plugin whose last load ended like this."""
    return replace(
        record,
        status=outcome.status,
        reason=outcome.reason,
        action=outcome.action,
        notes=outcome.notes,
        endings=outcome.endings,
        traceback=outcome.traceback,
        retry=outcome.status != "ok",
    )


def missing_modules(modules: Iterable[str]) -> list[str]:
    """Name the top-level modules that cannot be found; imports none of them."""
    return [module for module in modules if module not in sys.modules and find_spec(module) is None]


def install_line(distribution: str, extra: str, modules: Iterable[str]) -> str:
    """The command that installs what a modality's modules need."""
    return f'pip install "{distribution}[{extra}]"' if extra else f"pip install {' '.join(modules)}"


def remedy(record: Record) -> str:
    """What to do about a plugin that fails."""
    return f"pip install --upgrade {record.distribution}, or gen plugins disable {record.name}"


def api_remedy(record: Record, api: int) -> str:
    """What to do about a plugin that is written for another version of the contract."""
    return f"pip install --upgrade {OURS if api > API else record.distribution}"


def _switched(found: Found, settings: Settings) -> Record:
    """The record of a plugin that was found, switched off or not yet judged."""
    record = Record(
        name=found.name,
        group=found.group,
        value=found.value,
        distribution=found.distribution,
        version=found.version,
        summary=found.summary,
        key=f"{found.distribution}=={found.version} {found.folder} {found.group}:{found.name}={found.value}",
    )
    if found.unreadable:
        return replace(
            record, status="broken", reason=found.unreadable, action="install that distribution again"
        )
    reason, action = settings.why_disabled(record.name, record.distribution)
    return replace(record, status="disabled", reason=reason, action=action) if reason else record


def _named(record: Record, repeats: Counter[str], records: list[Record]) -> Record:
    """Judge the name. A name that strangers share is nobody's: taking the first would reward squatting."""
    if record.status != "ok":
        return record
    action = f"pip uninstall {record.distribution}, or gen plugins disable {record.distribution}"
    if fault := name_fault(record.name, command=record.group == MODALITIES):
        return replace(record, status="conflict", reason=fault, action=action)
    if repeats[record.name] < 2 or record.distribution == OURS:
        return record
    others = {other.distribution for other in records if other.name == record.name} - {record.distribution}
    whose = " and ".join(sorted(others)) or "another entry point of it"
    return replace(record, status="conflict", reason=f"{whose} has a plugin of that name too", action=action)


def _required(record: Record, found: Found) -> Record:
    """Judge what the distribution and, as far as its source tells, the modality require."""
    if record.status != "ok":
        return record
    if found.unmet:
        action = f'pip install "{found.requirement}"'
        return replace(record, status="unmet", reason=found.unmet, action=action)
    if found.api and (fault := api_fault(found.api)):
        return replace(record, status="unmet", reason=fault, action=api_remedy(record, found.api))
    if missing := missing_modules(name for name in found.requires if name.isidentifier()):
        action = install_line(record.distribution, found.extra, missing)
        return replace(
            record, status="unmet", reason=f"{' and '.join(missing)} cannot be imported", action=action
        )
    return record
