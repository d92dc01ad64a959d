"""The caches by name."""

from __future__ import annotations

from collections.abc import Mapping

from gen.plugin.specs import CacheSpec
from gen.presets.settings import number, whole
from gen.presets.specs import table

OWN = "gen.presets.factories"

TIMES = (
    number("low", "Lowest time with a cache; 0 is data", 0.0, 0, 1),
    number("high", "Highest time with a cache; 1 is noise", 1.0, 0, 1),
)

CACHES: Mapping[str, CacheSpec] = table(
    [
        CacheSpec(
            name="easycache",
            aliases=("easy",),
            summary="EasyCache: repeats a prediction while the estimated change is small",
            factory=f"{OWN}:easy_cache",
            settings=(
                number("tolerance", "Largest estimated relative change of the prediction", 0.05, 1e-6, 1),
                whole("longest", "Largest number of predictions repeated in a row", 3, 1, 100),
                *TIMES,
            ),
            needs=("process",),
        ),
    ]
)
