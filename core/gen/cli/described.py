"""How lists and schemas show what can be chosen by name, and its settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gen.plugin.host import Host
from gen.plugin.specs import ChoiceSpec, Param
from gen.presets.specs import settings_of

NAMES = {int: "integer", float: "number", bool: "boolean", str: "string"}
"""Types as JSON Schema names them."""


def described(spec: ChoiceSpec) -> str:
    """Summary and aliases in one line."""
    also = f" (also {', '.join(spec.aliases)})" if spec.aliases else ""
    return spec.summary + also


def setting_rows(specs: Iterable[ChoiceSpec]) -> Iterator[tuple[str, str, str, str]]:
    """Rows of a table of settings: whose, which, the values, the meaning."""
    for spec in specs:
        for param in spec.settings:
            yield spec.name, param.name, values_of(param), param.help


def values_of(param: Param) -> str:
    """What a setting can be, and its default: ``"0 to 1, 0.5"``."""
    if param.choices:
        allowed = ", ".join(param.choices)
    elif param.type is bool:
        allowed = "true, false"
    else:
        low, high = ("" if end is None else f"{end:g}" for end in (param.minimum, param.maximum))
        allowed = f"{low} to {high}" if low and high else f"from {low}" if low else f"to {high}" * bool(high)
    default = "" if param.default is None else f"default {str(param.default).lower()}"
    return "; ".join(filter(None, (allowed, default)))


def as_json(host: Host, specs: Sequence[ChoiceSpec]) -> list[dict[str, Any]]:
    """The same for programs: name, aliases, summary, settings, and the plugin that brings it."""
    rows = []
    for spec in specs:
        owner = host.owner(spec)
        rows.append(
            {
                "name": spec.name,
                "aliases": list(spec.aliases),
                "summary": spec.summary,
                "plugin": owner.name if owner else None,
                "settings": {param.name: property_of(param) for param in settings_of(spec)},
            }
        )
    return rows


def property_of(param: Param) -> dict[str, Any]:
    """A parameter or a setting in JSON Schema."""
    entries = {
        "type": NAMES[param.type],
        "description": param.help,
        "minimum": param.minimum,
        "maximum": param.maximum,
        "multipleOf": param.multiple_of,
        "enum": list(param.choices) or None,
        "default": param.default,
        "x-unit": param.unit or None,
    }
    return {key: value for key, value in entries.items() if value is not None}
