"""The noise rules by name."""

from __future__ import annotations

from collections.abc import Mapping

from gen.plugin.specs import NoiseSpec
from gen.presets.specs import table

NOISES: Mapping[str, NoiseSpec] = table(
    [
        NoiseSpec(
            name="independent",
            summary="New noise in every step",
            factory="gen.diffusion:NoiseSource",
        ),
        NoiseSpec(
            name="brownian",
            summary="The noise of one Brownian path, the same for every number of steps",
            factory="gen.presets.factories:brownian",
        ),
    ]
)
