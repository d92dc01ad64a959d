"""The operators of inverse problems by name: the damage of a file that is to be restored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gen.plugin.specs import ChoiceSpec
from gen.presets.settings import number, whole
from gen.presets.specs import table

OWN = "gen.presets.measurements"


@dataclass(frozen=True, kw_only=True)
class OperatorSpec(ChoiceSpec):
    """An operator; ``factory`` makes an operator of ``gen.diffusion.inverse`` of a ``measurements.Given``.

    Args:
        waves: Whether it damages waves alone (True), everything else (False), or both (None).
        fields: Whether it damages the fields of codecs, too.
        whole: Whether its factory needs no mask (True), or one of the lost values (False).
    """

    waves: bool | None = None
    fields: bool = False
    whole: bool = True


OPERATORS: Mapping[str, OperatorSpec] = table(
    [
        OperatorSpec(
            name="denoise",
            summary="Noise was added to every value",
            factory=f"{OWN}:noisy",
            settings=(
                number(
                    "std",
                    "Standard deviation; pictures go from 0 to 1, sounds and shapes from -1 to 1",
                    0.1,
                    0.001,
                    1,
                ),
            ),
            fields=True,
        ),
        OperatorSpec(
            name="deblur",
            summary="A Gaussian blurred it",
            factory=f"{OWN}:blurred",
            settings=(
                number("radius", "Standard deviation of the Gaussian in pixels", 2.0, 0.3, 10),
                number("std", "Standard deviation of noise on top", 0.01, 0.001, 1),
            ),
            waves=False,
        ),
        OperatorSpec(
            name="super_resolve",
            aliases=("upscale",),
            summary="Blocks of pixels became one, their mean; or a sound was brought to a lower rate",
            factory=f"{OWN}:coarser",
            settings=(whole("factor", "Side of a block, or ratio of the rates", 2, 2, 8),),
        ),
        OperatorSpec(
            name="declip",
            summary="A sound was too loud, and cut off at a level",
            factory=f"{OWN}:clipped",
            settings=(number("level", "Where it was cut off; 0 finds the largest magnitude", 0.0, 0, 1),),
            waves=True,
        ),
        OperatorSpec(
            name="fill",
            summary="What the mask marks is lost",
            factory=f"{OWN}:lossy",
            whole=False,
        ),
    ]
)
