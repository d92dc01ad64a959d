"""Which plugins the user has switched off: two environment variables and two files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What decides whether a plugin is switched off. Each entry names a plugin or a distribution.

    Args:
        allowed: ``GEN_PLUGINS``: nothing else is loaded; None when the variable is not set.
        denied: ``GEN_DISABLE_PLUGINS``.
        configured: ``disabled`` in the table ``[plugins]`` of the user's settings.
        disabled: ``disabled`` in `file`.
        file: The file that ``gen plugins enable`` and ``disable`` write, beside the user's settings.
        fault: One line when a file could not be read.
    """

    allowed: frozenset[str] | None
    denied: frozenset[str]
    configured: frozenset[str]
    disabled: frozenset[str]
    file: Path
    fault: str = ""

    def why_disabled(self, name: str, distribution: str) -> tuple[str, str]:
        """Say why a plugin is switched off and what switches it on; two empty strings when it is on."""
        names = {normalised(name), normalised(distribution)}
        if self.denied & names:
            return "switched off by GEN_DISABLE_PLUGINS", "take it out of that environment variable"
        if self.allowed is not None and not self.allowed & names:
            return "not named in GEN_PLUGINS", "add it to that environment variable, or unset it"
        if self.configured & names:
            return "switched off by [plugins] in the user's settings", "take it out of disabled there"
        if self.disabled & names:
            listed = name if normalised(name) in self.disabled else distribution
            return "switched off", f"gen plugins enable {listed}"
        return "", ""

    def unknown(self, known: frozenset[str]) -> Iterator[str]:
        """A line for each variable that names what is not installed.

        Args:
            known: Normalised names of all plugins and distributions.
        """
        for variable, names in (("GEN_PLUGINS", self.allowed), ("GEN_DISABLE_PLUGINS", self.denied)):
            if missing := sorted((names or frozenset()) - known):
                yield f"{variable} names {', '.join(missing)}: no such plugin (`gen plugins` lists them)"


def read_settings() -> Settings:
    """Read the environment, the user's settings and ``plugins.toml`` beside them."""
    from gen.config import user_file

    settings = user_file()
    file = settings.with_name("plugins.toml")
    configured, first = _disabled(settings, "plugins")
    disabled, second = _disabled(file, None)
    allowed = os.environ.get("GEN_PLUGINS")
    return Settings(
        allowed=None if allowed is None else _names(allowed.split(",")),
        denied=_names(os.environ.get("GEN_DISABLE_PLUGINS", "").split(",")),
        configured=configured,
        disabled=disabled,
        file=file,
        fault=first or second,
    )


def write_disabled(file: Path, disabled: frozenset[str]) -> None:
    """Replace the list of switched-off plugins, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    from gen.atomic import atomic_file
    from gen.errors import OutputError

    names = json.dumps(sorted(disabled))
    text = f"# Written by `gen plugins enable` and `gen plugins disable`.\ndisabled = {names}\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create {file.parent}: {error.strerror}") from error
    with atomic_file(file, overwrite=True) as stream:
        stream.write(text.encode())


def normalised(name: str) -> str:
    """Spell a name as package indexes compare it: lower case, runs of ``-_.`` as one hyphen."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _disabled(file: Path, table: str | None) -> tuple[frozenset[str], str]:
    """The list ``disabled`` of a file, and why it cannot be read."""
    from gen.config import read_toml

    try:
        content = read_toml(file)
        entries = content if table is None else content.get(table, {})
        if not isinstance(entries, dict):
            raise ValueError(f"{table} must be a table")
        listed = entries.get("disabled", [])
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise ValueError("disabled must be a list of names")
    except (OSError, ValueError) as error:
        return frozenset(), _fault(file, error)
    return _names(listed), ""


def _fault(file: Path, error: Exception) -> str:
    return f"{file} is left aside: {str(error).splitlines()[0]}; correct it or delete it"


def _names(names: list[str]) -> frozenset[str]:
    return frozenset(normalised(name.strip()) for name in names if name.strip())
