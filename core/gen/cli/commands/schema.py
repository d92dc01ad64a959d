"""``gen schema``: the options of a modality, as JSON Schema (2020-12) for programs."""

import json
from typing import Annotated, Any

import typer

from gen import presets
from gen.checks import DEVICES, DTYPES, MAX_GUIDANCE, MAX_ITEMS, MAX_PROMPT_CHARACTERS, MAX_STEPS
from gen.cli import arguments
from gen.cli.session import Session
from gen.cli.switches import JSON
from gen.plugin.host import Host
from gen.plugin.specs import ModalitySpec, Param
from gen.recipe import MAX_SEED

NAMES = {int: "integer", float: "number", bool: "boolean", str: "string"}


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the command."""

    @app.command("schema", help=summary)
    def schema(
        modality: Annotated[str, arguments.modality(host)],
        as_json: JSON = False,  # noqa: ARG001
    ) -> None:
        # By itself, since the envelope adds warnings to what is beside it.
        session.data["schema"] = describe(host, host.modality(modality))
        session.show(json.dumps(session.data["schema"], indent=2, ensure_ascii=False))


def describe(host: Host, spec: ModalitySpec) -> dict[str, Any]:
    """The schema of what ``gen.NAME`` takes.

    Args:
        host: Knows the models and formats.
        spec: The modality.
    """
    text = {"type": "string"}
    properties: dict[str, Any] = {
        "prompt": {**text, "minLength": 1, "maxLength": MAX_PROMPT_CHARACTERS},
        "count": {"type": "integer", "minimum": 1, "maximum": MAX_ITEMS, "default": 1},
        "seed": {"type": "integer", "minimum": 0, "maximum": MAX_SEED},
        "steps": {"type": "integer", "minimum": 1, "maximum": MAX_STEPS},
        "guidance": {"type": "number", "minimum": 0, "maximum": MAX_GUIDANCE},
        "negative": {**text, "maxLength": MAX_PROMPT_CHARACTERS, "default": ""},
        "model": {
            **text,
            "default": spec.default_model,
            "examples": [m.name for m in host.models(spec.name)],
        },
        "solver": {**text, "enum": sorted(presets.SOLVERS)},
        "grid": {**text, "examples": [*sorted(presets.GRIDS), "14.6, 7.1, 2.3, 0.5, 0.03"]},
        "init": text,
        "strength": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "mask": text,
        "device": {**text, "examples": list(DEVICES), "default": "auto"},
        "dtype": {**text, "enum": list(DTYPES), "default": "float32"},
        **{param.name: _property(param) for param in spec.params},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": spec.name,
        "description": spec.summary,
        "type": "object",
        "properties": properties,
        "required": ["prompt"],
        "additionalProperties": False,
        "x-kind": spec.kind,
        "x-formats": [form.name for form in host.formats(spec.kind)],
    }


def _property(param: Param) -> dict[str, Any]:
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
