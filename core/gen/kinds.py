"""The kinds of artifact that the core knows, declared as a plugin declares its own. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gen.plugin.specs import ArrayLayout, KindSpec, Signal

_SOUND = ArrayLayout(name="samples", shape=("sound_channels", "samples"), low=-1, high=1, required=False)

KINDS: Mapping[str, KindSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            KindSpec(
                name="image",
                summary="A picture.",
                arrays=(ArrayLayout(name="pixels", shape=("height", "width", (1, 3, 4)), low=0, high=1),),
                signal=Signal(array="pixels", axes=("height", "width")),
            ),
            KindSpec(name="text", summary="A text.", arrays=()),
            KindSpec(
                name="audio",
                summary="A sound.",
                arrays=(ArrayLayout(name="samples", shape=("channels", "samples"), low=-1, high=1),),
                preview="png",
                signal=Signal(array="samples", axes=("samples",), phase=True),
            ),
            KindSpec(
                name="video",
                summary="A clip, perhaps with sound.",
                arrays=(
                    ArrayLayout(name="frames", shape=("frames", "height", "width", (1, 3, 4)), low=0, high=1),
                    _SOUND,
                ),
                preview="png",
                signal=Signal(array="frames", axes=("height", "width")),
            ),
            KindSpec(
                name="points",
                summary="A cloud of points.",
                arrays=(
                    ArrayLayout(name="points", shape=("points", (3,)), low=-0.5, high=0.5),
                    ArrayLayout(name="normals", shape=("points", (3,)), low=-1, high=1, required=False),
                    ArrayLayout(name="colours", shape=("points", (3, 4)), low=0, high=1, required=False),
                ),
            ),
            KindSpec(
                name="mesh",
                summary="A surface of triangles.",
                arrays=(
                    ArrayLayout(name="vertices", shape=("vertices", (3,))),
                    ArrayLayout(name="faces", shape=("faces", (3,)), low=0, dtype="integer"),
                    ArrayLayout(name="colours", shape=("vertices", (3, 4)), low=0, high=1, required=False),
                ),
                preview="png",
            ),
        )
    }
)
"""By name. ``gen.Artifact`` checks these when one is made; other kinds are checked where they come from."""
