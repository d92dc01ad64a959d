"""The operators of inverse problems by name: how a file was damaged that is to be restored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gen.plugin.specs import ChoiceSpec
from gen.presets.settings import number, whole
from gen.presets.specs import table

OWN = "gen.presets.measurements"


@dataclass(frozen=True, kw_only=True)
class OperatorSpec(ChoiceSpec):
    """An operator; ``factory`` makes a ``gen.diffusion.LinearOperator`` along the ``axes`` that it gets."""


OPERATORS: Mapping[str, OperatorSpec] = table(
    [
        OperatorSpec(
            name="denoise",
            summary="Noise was added to every value",
            factory=f"{OWN}:noisy",
            settings=(
                number("std", "Standard deviation of the noise; values go from 0 to 1", 0.1, 0.001, 1),
            ),
        ),
        OperatorSpec(
            name="deblur",
            summary="A Gaussian blurred it",
            factory=f"{OWN}:blurred",
            settings=(
                number("radius", "Standard deviation of the Gaussian in pixels", 2.0, 0.3, 10),
                number("std", "Standard deviation of noise on top", 0.01, 0.001, 1),
            ),
        ),
        OperatorSpec(
            name="super_resolve",
            aliases=("upscale",),
            summary="Blocks of pixels became one, their mean",
            factory=f"{OWN}:averaged",
            settings=(whole("factor", "Side of a block", 2, 2, 8),),
        ),
    ]
)
