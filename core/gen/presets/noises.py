"""The noise rules by name."""

from __future__ import annotations

from collections.abc import Mapping

from gen.plugin.specs import NoiseSpec
from gen.presets.specs import table

NOISES: Mapping[str, NoiseSpec] = table(
    [
        NoiseSpec(
            name="independent",
            summary="New noise in every step, whatever the others are",
            factory="gen.diffusion:NoiseSource",
        ),
        NoiseSpec(
            name="brownian",
            summary="The noise of one path, which runs with more steps see more finely",
            factory="gen.presets.factories:brownian",
        ),
    ]
)
