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

LONGEST = (whole("longest", "Largest number of skips in a row", 3, 1, 100), *TIMES)

CACHES: Mapping[str, CacheSpec] = table(
    [
        CacheSpec(
            name="easycache",
            aliases=("easy",),
            summary="EasyCache: repeats a prediction while the estimated change is small",
            factory=f"{OWN}:easy_cache",
            settings=(
                number("tolerance", "Largest estimated relative change of the prediction", 0.05, 1e-6, 1),
                *LONGEST,
            ),
            needs=("process",),
        ),
        CacheSpec(
            name="first_block",
            aliases=("fbcache",),
            summary="First-block cache: skips the other blocks while the first hardly changes",
            factory=f"{OWN}:first_block_cache",
            settings=(
                number("tolerance", "Largest relative change of the first block's residual", 0.1, 1e-6, 1),
                *LONGEST,
            ),
            needs=("process", "layers"),
        ),
        CacheSpec(
            name="teacache",
            summary="TeaCache: skips all blocks while their modulated input changes little in sum",
            factory=f"{OWN}:tea_cache",
            settings=(
                number("tolerance", "Largest sum of the relative changes", 0.1, 1e-6, 10),
                *LONGEST,
            ),
            needs=("process", "layers"),
        ),
        CacheSpec(
            name="taylorseer",
            summary="TaylorSeer: evaluates the blocks at every n-th call, and extrapolates between",
            factory=f"{OWN}:taylor_cache",
            settings=(
                whole("every", "Calls from one evaluation to the next", 2, 2, 100),
                whole("order", "Degree of the polynomial", 1, 0, 4),
                *TIMES,
            ),
            needs=("process", "layers"),
        ),
    ]
)
