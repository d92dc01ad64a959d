"""What the toy declares, exactly as a stranger's plugin does."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gen.plugin import ModalitySpec, ModelSpec, Param, RecipeSpec, hookimpl

WEIGHTS = Path(__file__).parent / "weights" / "crayon.safetensors"


@hookimpl
def gen_modality() -> ModalitySpec:
    return ModalitySpec(
        name="toy",
        kind="image",
        summary="Make plain pictures of a colour.",
        loader="gen_toy.model:load",
        default_model="crayon",
        default_format="png",
        params=(
            Param(name="width", type=int, help="Width.", minimum=8, maximum=64, multiple_of=8, unit="px"),
            Param(name="height", type=int, help="Height.", default=16, minimum=8, maximum=64, unit="px"),
            Param(name="gain", type=float, help="Brightness.", default=1.0, minimum=0.0, maximum=1.0),
            Param(name="finish", type=str, help="Surface.", default="matt", choices=("matt", "gloss")),
            Param(name="left", type=str, kind="image", help="What stands at the left edge."),
            Param(name="invert", type=bool, help="Complementary colours.", default=False),
        ),
        recipes=(
            RecipeSpec(
                name="scribble", summary="One step.", factory="gen_toy.recipe:scribble", presets=("s",)
            ),
        ),
        evaluation="gen_toy.model:evaluate",
        examples=('gen toy "red"',),
    )


@hookimpl
def gen_models() -> tuple[ModelSpec, ...]:
    content = WEIGHTS.read_bytes()
    return (
        ModelSpec(
            name="crayon",
            modality="toy",
            summary="Four colours.",
            source="package:gen_toy/weights/crayon.safetensors",
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            licence="CC0-1.0",
        ),
    )
