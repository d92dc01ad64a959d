"""Settings from outside a request: the environment, ``gen.toml`` in the working folder, the user's file.

A file has a table per modality, and entries above them for all modalities::

    device = "cpu"

    [image]
    steps = 40
    width = 128

In the environment the same are ``GEN_DEVICE``, ``GEN_STEPS`` (all modalities) and ``GEN_IMAGE_WIDTH`` (one).
The table ``plugins`` belongs to the plugin host; ``offline`` and ``GEN_OFFLINE`` hold for every command.
"""

from __future__ import annotations

import errno
import numbers
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gen.errors import UsageError

PROJECT_FILE = "gen.toml"

SETTINGS: Mapping[str, type] = {
    "model": str,
    "steps": int,
    "guidance": float,
    "guide": str,
    "guidance_interval": str,
    "negative": str,
    "solver": str,
    "grid": str,
    "cache": str,
    "noise": str,
    "seed": int,
    "count": int,
    "device": str,
    "dtype": str,
    "metadata": str,
    "format": str,
}
"""What may be set for every modality, and its type."""

OFFLINE = "offline"
"""The setting of the whole process that forbids connections."""

TRAINING_DATA = "GEN_TRAINING_DATA"
"""The variable that names a folder with training data."""

HOST_VARIABLES = (
    "GEN_CONFIG",
    "GEN_CACHE",
    "GEN_PLUGINS",
    "GEN_DISABLE_PLUGINS",
    "GEN_TRACE_PLUGINS",
    "GEN_OFFLINE",
    "GEN_REMEASURE",
    TRAINING_DATA,
)
"""Variables of the environment that belong to no modality."""


MAX_FILE_BYTES = 2**20
"""Largest settings file that is read."""

_NONBLOCK = getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True)
class Setting:
    """A value that was set outside the request.

    Args:
        value: The value, of the type that the setting asks for.
        origin: Where it was set, for messages: ``"GEN_STEPS"``, ``"gen.toml"``.
    """

    value: object
    origin: str


def user_file() -> Path:
    """Where the user's own settings are: ``GEN_CONFIG``, or the platform's folder for configuration."""
    if named := os.environ.get("GEN_CONFIG"):
        return Path(named)
    from platformdirs import user_config_path

    return user_config_path("gen", appauthor=False) / "config.toml"


def read_settings(modality: str, types: Mapping[str, type]) -> dict[str, Setting]:
    """Collect what is set for a modality; the environment wins over ``gen.toml``, that over the user's file.

    Args:
        modality: Name of the modality.
        types: Names and types of the modality's own parameters, beside ``SETTINGS``.

    Returns:
        Settings by name.

    Raises:
        UsageError: If a file cannot be read, or an entry is unknown or has the wrong type.
    """
    types = {**SETTINGS, **types}
    found: dict[str, Setting] = {}
    for path in (user_file(), Path(PROJECT_FILE)):
        for name, value in _entries(path, modality, types):
            found[name] = Setting(convert(value, types[name], name, path.name), path.name)
    for variable, name in _variables(modality, types).items():
        if variable in os.environ:
            found[name] = Setting(convert(os.environ[variable], types[name], name, variable), variable)
    return found


def misspelled(modality: str, types: Mapping[str, type], modalities: Iterable[str]) -> Iterator[str]:
    """One line for each variable and each table of a file that is no setting, and for a file that is missing.

    Args:
        modality: Name of the modality.
        types: Names and types of the modality's own parameters.
        modalities: Names of all modalities; variables of the others are left to them.

    Raises:
        UsageError: If a file cannot be read.
    """
    modalities = list(modalities)
    known = [*_variables(modality, {**SETTINGS, **types}), *HOST_VARIABLES]
    others = tuple(f"GEN_{name}_".upper().replace("-", "_") for name in modalities if name != modality)
    for name in sorted(os.environ):
        if name in known or not name.startswith("GEN_") or name.startswith(others):
            continue
        close = _close(name, known)
        yield f"{name} is no setting ({f'did you mean {close}?' if close else 'it has no effect'})"
    named = os.environ.get("GEN_CONFIG")
    if named and not os.path.lexists(named):
        yield f"GEN_CONFIG names {named}, which does not exist"
    for path in (user_file(), Path(PROJECT_FILE)):
        for table, entries in _read(path).items():
            if not isinstance(entries, Mapping) or table in (*modalities, "plugins"):
                continue
            close = _close(table, modalities)
            hint = f"did you mean [{close}]?" if close else f"known are {', '.join(modalities)}"
            yield f"[{table}] in {path.name} is no modality ({hint})"


def offline_origin() -> str:
    """Who forbids connections, by the environment or a file; empty when nobody does.

    A file that cannot be read is left to `read_settings`, which refuses it before a model is loaded.

    Raises:
        UsageError: An entry is not true or false.
    """
    if (text := os.environ.get("GEN_OFFLINE")) is not None:
        return "GEN_OFFLINE" if convert(text, bool, OFFLINE, "GEN_OFFLINE") else ""
    for path in (Path(PROJECT_FILE), user_file()):
        try:
            content = _read(path)
        except UsageError:
            continue
        if OFFLINE in content:
            return str(path) if convert(content[OFFLINE], bool, OFFLINE, path.name) else ""
    return ""


def convert(value: object, kind: type, name: str, origin: str) -> object:
    """Bring a value, or the text of one, to the type that is asked for.

    Args:
        value: The value; texts are parsed, an integer passes as a float, a number as its text.
        kind: ``int``, ``float``, ``bool`` or ``str``.
        name: What it is for, for the message.
        origin: Where it came from, for the message; empty when the user gave it directly.

    Raises:
        UsageError: If the value is of another type.
    """
    place = f" in {origin}" if origin else ""
    wrong = UsageError(f"{name} must be {_NAMES[kind]}, not {_shown(value)}{place}")
    if isinstance(value, bool) or kind is bool:
        if isinstance(value, bool) and kind is bool:
            return value
        if isinstance(value, str) and value.lower() in _BOOLEANS:
            return _BOOLEANS[value.lower()]
        raise wrong
    if kind is str:
        # A rate such as 24 is a text because 30000/1001 is one, too.
        if not isinstance(value, (str, numbers.Real)):
            raise wrong
        return str(value)
    if not isinstance(value, (str, numbers.Integral if kind is int else numbers.Real)):
        raise wrong
    try:
        # Adding zero turns -0.0 into 0.0.
        return kind(value) + kind(0)
    except (ValueError, OverflowError):
        raise wrong from None


_NAMES: Mapping[type, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
}
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True}
_BOOLEANS |= {"false": False, "no": False, "off": False, "0": False}


def _variables(modality: str, names: Iterable[str]) -> dict[str, str]:
    """Which variable sets what; that of one modality comes after that of all, and wins."""
    general = {f"GEN_{name}".upper(): name for name in names if name in SETTINGS}
    # GEN_CACHE is the folder; a cache of evaluations is set for one modality, or in a file.
    general = {variable: name for variable, name in general.items() if variable not in HOST_VARIABLES}
    return general | {f"GEN_{modality}_{name}".upper().replace("-", "_"): name for name in names}


def _shown(value: object) -> str:
    import reprlib

    return reprlib.repr(value)


def _close(name: str, known: Sequence[str]) -> str:
    import difflib

    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.8)), "")


def read_toml(path: Path) -> dict[str, object]:
    """What a settings file holds; nothing where there is no file.

    Raises:
        OSError: It cannot be read, or is no plain file: a pipe or a device could go on for ever.
        ValueError: It is too large or not TOML.
    """
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "not a plain file")
            content = file.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"larger than {MAX_FILE_BYTES >> 20} MiB")
    # Here, since most commands only ask where the files would be.
    import tomllib

    return tomllib.loads(content.decode("utf-8-sig"))


def _read(path: Path) -> dict[str, object]:
    try:
        return read_toml(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise UsageError(f"cannot read the settings in {path}: {reason}") from None


def _entries(path: Path, modality: str, types: Mapping[str, type]) -> Iterator[tuple[str, object]]:
    content = _read(path)
    content.pop(OFFLINE, None)
    tables = {name: value for name, value in content.items() if isinstance(value, Mapping)}
    general = {name: value for name, value in content.items() if name not in tables}
    own = tables.get(modality, {})
    for entries, known in ((general, SETTINGS), (own, types)):
        for name, value in entries.items():
            if name not in known:
                close = _close(name, list(known))
                hint = f"did you mean {close!r}?" if close else f"known are {', '.join(known)}"
                raise UsageError(f"unknown setting {name!r} in {path}", hint)
            yield name, value
