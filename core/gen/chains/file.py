"""Chains as TOML files, ``gen.chain/1``; anybody may have written them.

    schema = "gen.chain/1"
    seed = 7

    [variables]
    hero = "a red fox"

    [[step]]
    name = "title"
    make = "image"
    prompt = "{hero}"

    [[step]]
    name = "clip"
    to = "video"
    from = "title"
    by = "pan-zoom"
    options = { seconds = 5.0 }

``for = "scene in scenes"`` repeats a step, ``inputs = { first = "title" }`` gives it the results of others.
A file names steps, modalities, models and converters; it can name neither code nor other files.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gen.atomic import path_in_a_line
from gen.chains.steps import MAX_STEPS, Chain, Step
from gen.chains.text import SCHEMA
from gen.checks import unknown
from gen.errors import UsageError
from gen.recipe import SOURCE

MAX_BYTES = 1 << 18
"""Longest file that is read."""

_PART = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"(?<![\w-])(?:{_PART}[ \t]*\.[ \t]*){{64}}")
"""A key of so many parts that reading it, whose time grows with their square, may take minutes."""

_KEYS = ("schema", "seed", "variables", "step")
_STEP_KEYS = ("name", "make", "prompt", "to", "by", "from", "inputs", "options", "for", "format")


def load(path: str | os.PathLike[str]) -> Chain:
    """Read a chain from a TOML file.

    Raises:
        UsageError: The file cannot be read, or is no chain.
    """
    shown = path_in_a_line(path)
    try:
        if not Path(path).is_file():
            raise UsageError(f"cannot read {shown}: no such file")
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {shown}: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > MAX_BYTES:
        raise UsageError(f"cannot read {shown}: it has more than {MAX_BYTES} bytes")
    try:
        return parse(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UsageError(f"cannot read {shown}: it is not UTF-8") from None
    except UsageError as error:
        raise UsageError(f"{shown}: {error.message}", error.hint) from error


def parse(text: str) -> Chain:
    """A chain from TOML.

    Raises:
        UsageError: It is not TOML, of another schema, has a key that is unknown or of another type, or a step
            that cannot be.
    """
    if _LONG_KEY.search(text):
        raise UsageError("it has a key of 64 or more parts", "write the table by its own name")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"it is not TOML: {str(error)[:200]}") from None
    except (RecursionError, ValueError):
        raise UsageError(
            "it is not TOML that can be read: it is nested too deeply, or has a huge number"
        ) from None
    if table.get("schema") != SCHEMA:
        raise UsageError(f"its schema is {str(table.get('schema'))[:40]!r}", f'schema = "{SCHEMA}"')
    _check_keys(table, _KEYS, "the chain")
    steps = table.get("step", [])
    if not isinstance(steps, list) or len(steps) > MAX_STEPS:
        raise UsageError(f"step is not a list of at most {MAX_STEPS} tables", "begin each step with [[step]]")
    return Chain(
        steps=tuple(_step(item, number) for number, item in enumerate(steps, 1)),
        variables=table.get("variables", {}),
        seed=table.get("seed", 0),
    )


def _step(table: object, number: int) -> Step:
    if not isinstance(table, Mapping):
        raise UsageError(f"step {number} is no table", "begin each step with [[step]]")
    if not isinstance(table.get("name"), str):
        raise UsageError(f"step {number} has no name", 'name = "…"')
    _check_keys(table, _STEP_KEYS, f"step {table['name'][:40]!r}")
    values = {key: value for key, value in table.items() if key not in ("from", "for")}
    inputs = table.get("inputs", {})
    if "from" in table:
        if not isinstance(inputs, Mapping) or SOURCE in inputs:
            raise UsageError(f"step {table['name'][:40]!r}: from and inputs contradict each other")
        values["inputs"] = {SOURCE: table["from"], **inputs}
    by = table.get("by", ())
    if not isinstance(by, str | list | tuple):
        raise UsageError(f"step {table['name'][:40]!r}: by is not the name of a converter")
    return Step(**{**values, "by": by}, each=table.get("for", ""))


def _check_keys(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            error = unknown("key", key[:40], known)
            raise UsageError(f"{where}: {error.message}", error.hint)
