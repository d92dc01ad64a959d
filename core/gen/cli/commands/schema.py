"""``gen schema``: the options of a modality, as JSON Schema (2020-12) for programs."""

import json
from typing import Annotated, Any

import typer

from gen.checks import DEVICES, DTYPES, MAX_GUIDANCE, MAX_ITEMS, MAX_PROMPT_CHARACTERS, MAX_STEPS
from gen.cli import arguments
from gen.cli.described import as_json as listed
from gen.cli.described import property_of
from gen.cli.session import Session
from gen.cli.switches import JSON
from gen.plan import expansion
from gen.plan.abilities import HIDDEN, abilities_of, abilities_of_any, edits_of
from gen.plan.choices import NOISE
from gen.plan.editing import DEFAULT_AMOUNT, MAX_UPSCALE, TILES
from gen.plan.regions import FORMS
from gen.plugin.host import Host
from gen.plugin.specs import (
    CacheSpec,
    ChoiceSpec,
    FamilySpec,
    GridSpec,
    GuidanceSpec,
    ModalitySpec,
    ModelSpec,
    NoiseSpec,
    Param,
    SolverSpec,
)
from gen.presets.operators import OPERATORS
from gen.recipe import MAX_SEED


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
    able = abilities_of_any(host, spec)
    kind = host.kind(spec.kind, spec.name)
    models: list[ModelSpec | FamilySpec] = [*host.models(spec.name), *host.families(spec.name)]
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
        **{name: {"type": ["string", "array"], "items": text} for name in ("lora", "embedding")},
        "decoder": text,
        "guide": {"type": ["string", "array"], "items": text, **_named(host, spec, GuidanceSpec)},
        "guidance_interval": {**text, "examples": ["0.2:0.8"]},
        "solver": {**text, **_named(host, spec, SolverSpec)},
        "grid": {**text, **_named(host, spec, GridSpec, "14.6, 7.1, 2.3, 0.5, 0.03")},
        "cache": {**text, **_named(host, spec, CacheSpec)},
        "noise": {**text, **_named(host, spec, NoiseSpec), "default": NOISE},
        "init": text,
        "strength": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "mask": {**text, "description": f"a file, or {FORMS[spec.kind]}"} if spec.kind in FORMS else text,
        **(
            {"expand": {**text, "description": expansion.FORMS[spec.kind]}}
            if spec.kind in expansion.FORMS
            else {}
        ),
        "restore": {**text, "examples": list(OPERATORS)},
        "upscale": {"type": "integer", "minimum": 2, "maximum": MAX_UPSCALE},
        "tile": {**text, "enum": list(TILES)},
        "style": text,
        "vary": text,
        "amount": {"type": "number", "minimum": 0, "maximum": 1, "default": DEFAULT_AMOUNT},
        "interpolate": text,
        "share": {"type": "number", "minimum": 0, "maximum": 1},
        "edit": {**text, "minLength": 1, "maxLength": MAX_PROMPT_CHARACTERS},
        "device": {**text, "examples": list(DEVICES), "default": "auto"},
        "dtype": {**text, "examples": list(DTYPES)},
        **{param.name: _property(param) for param in able.params},
    }
    missing = {field for field, ability in HIDDEN.items() if ability not in able.names}
    for name in missing | ({"prompt"} if able.prompt == "none" else set()):
        properties.pop(name, None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": spec.name,
        "description": spec.summary,
        "type": "object",
        "properties": properties,
        "required": ["prompt"] if able.prompt == "required" else [],
        "additionalProperties": False,
        "x-kind": spec.kind,
        "x-edits": {one.name: edits_of(abilities_of(spec, one), kind) for one in models},
        "x-formats": [form.name for form in host.formats(spec.kind)],
    }


def _property(param: Param) -> dict[str, Any]:
    """A parameter, or a list of its values where it takes several."""
    one = property_of(param)
    if param.several == 1:
        return one
    listed = {"type": "array", "items": {"type": one["type"]}, "maxItems": param.several}
    return {"description": one.pop("description"), "anyOf": [one, listed]}


def _named(host: Host, spec: ModalitySpec, kind: type[ChoiceSpec], *more: str) -> dict[str, Any]:
    """What can be named, with its settings; a text may give them after a colon."""
    entries = listed(host, host.choices(kind, spec.name))
    return {"examples": [*sorted(entry["name"] for entry in entries), *more], "x-choices": entries}
