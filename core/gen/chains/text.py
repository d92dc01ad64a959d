"""The text of a chain: TOML that ``gen.chains.parse`` reads back as the same chain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gen.recipe import SOURCE

if TYPE_CHECKING:
    from gen.chains.steps import Chain

SCHEMA = "gen.chain/1"


def formatted(chain: Chain) -> str:
    """A chain as TOML that ``parse`` reads back as the same."""
    lines = [f'schema = "{SCHEMA}"', f"seed = {chain.seed}"]
    if chain.variables:
        lines += ["", "[variables]"]
        lines += [f"{name} = {_value(value)}" for name, value in chain.variables.items()]
    for step in chain.steps:
        lines += ["", "[[step]]", f"name = {_value(step.name)}"]
        inputs = dict(step.inputs)
        source = inputs.pop(SOURCE, "")
        by = step.by[0] if len(step.by) == 1 else step.by
        entries = (
            ("make", step.make),
            ("prompt", step.prompt),
            ("to", step.to),
            ("by", by),
            ("from", source),
            ("for", step.each),
            ("format", step.format),
            ("inputs", inputs),
            ("options", step.options),
        )
        lines += [f"{key} = {_value(value)}" for key, value in entries if value]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_value(one)}" for name, one in value.items()) + " }"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    # Strings of JSON are strings of TOML, but for one character.
    return (
        json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        if isinstance(value, str)
        else repr(value)
    )
