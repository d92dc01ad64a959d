"""What ``gen models show`` tells of a model: what it can do, and what its parts are."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

from gen.checkpoints.checkpoint import Checkpoint, Component, read_json
from gen.checkpoints.pipeline import PipelineCheckpoint
from gen.cli.described import values_of
from gen.model import ModelFile, ModelSource
from gen.plan.abilities import abilities_of, edits_of
from gen.plugin.specs import ADDITIONS, KindSpec, ModalitySpec, ModelSpec

WINDOWED = "CLIPTokenizer"
"""The tokenizer of encoders that read longer prompts in several windows."""
MANY = 2**20
"""Longer texts than that are no limit: what transformers writes where there is none."""


def facts(
    spec: ModalitySpec, kind: KindSpec | None, entry: ModelSpec | None, file: ModelSource
) -> dict[str, object]:
    """What a model can do, as JSON values.

    Args:
        spec: Its modality.
        kind: The kind of what it makes.
        entry: What declares it; None where nobody registered it.
        file: Where it comes from.
    """
    able = abilities_of(spec, entry or file.family)
    looped = file if isinstance(file, PipelineCheckpoint) else None
    made: dict[str, object] = {
        "prompt": able.prompt,
        "edits": edits_of(able, kind) if looped is None else [],
        "guided": "guidance" in able.names,
        "files": [name for name in ADDITIONS if name in able.names],
        "parameters": {
            param.name: "; ".join(filter(None, (values_of(param), param.unit))) or param.help
            for param in able.params
            if looped is None or looped.takes(param.name)
        },
    }
    if isinstance(file, Checkpoint) and file.family is not None:
        made |= {
            "family": file.family.name,
            "pipeline": file.pipeline,
            "licence": file.card.get("licence") or _licence(file.path),
            "parts": {name: _part(part) for name, part in file.components.items() if part.is_network},
            "reads": {
                name.replace("tokenizer", "text_encoder"): _limit(part)
                for name, part in file.components.items()
                if name.startswith("tokenizer")
            },
        }
    elif isinstance(file, ModelFile):
        shape = file.config.get("shape")
        length = shape.get("length") if isinstance(shape, Mapping) else None
        made |= {"licence": entry.licence if entry else file.card.get("licence", "")}
        made |= {"reads": {"prompt": f"{length} tokens"}} if length else {}
    if file.names:
        some = ", ".join(file.names[:5])
        made["knows"] = f"{len(file.names):,} names, such as {some}; --names lists them"
    return {name: value for name, value in made.items() if value not in ("", None, [], {})}


def _part(part: Component) -> str:
    """Its class, its size, and the size of what it was made for."""
    numbers = sum(math.prod(shape) for shape in part.weights.shapes.values())
    size = part.config.get("sample_size")
    trained = f", sample size {size}" if isinstance(size, int) else ""
    return f"{part.class_name}, {numbers / 1e6:,.1f} M parameters{trained}"


def _limit(part: Component) -> str:
    """How long a text its encoder reads."""
    path = part.folder / "tokenizer_config.json"
    options = {**(read_json(path) if path.is_file() else {}), **(part.given_config or {})}
    windowed = part.class_name.startswith(WINDOWED)
    length = options.get("model_max_length", 77 if windowed else None)
    if not isinstance(length, int) or length >= MANY:
        return "no limit"
    return f"{length} tokens" + (" at a time, in as many windows as the prompt needs" if windowed else "")


def _licence(path: Path) -> str:
    """As the card beside a checkpoint says; empty where it does not."""
    card = path / "README.md"
    if not card.is_file():
        return ""
    found = re.match(r"---\n(?:.*\n)*?license:\s*(\S+)", card.read_text(encoding="utf-8", errors="replace"))
    return found[1].strip("'\"") if found else ""
