"""The caches by name."""

from __future__ import annotations

from collections.abc import Mapping

from gen.plugin.specs import CacheSpec, Param
from gen.presets.settings import number, whole
from gen.presets.specs import table

LONGEST = whole("longest", "Largest number of skips in a row", 3, 1, 100)


def _cache(
    name: str,
    factory: str,
    summary: str,
    *settings: Param,
    aliases: tuple[str, ...] = (),
    needs: tuple[str, ...] = ("process", "layers"),
) -> CacheSpec:
    """A cache between two times; ``factory`` is a function of ``gen.presets.factories``."""
    low = number("low", "Lowest time with a cache; 0 is data", 0.0, 0, 1)
    high = number("high", "Highest time with a cache; 1 is noise", 1.0, 0, 1)
    return CacheSpec(
        name=name,
        factory=f"gen.presets.factories:{factory}",
        summary=summary,
        settings=(*settings, low, high),
        aliases=aliases,
        needs=needs,
    )


CACHES: Mapping[str, CacheSpec] = table(
    [
        _cache(
            "easycache",
            "easy_cache",
            "EasyCache: repeats a prediction while the estimated change is small",
            number("tolerance", "Largest estimated relative change of the prediction", 0.05, 1e-6, 1),
            LONGEST,
            aliases=("easy",),
            needs=("process",),
        ),
        _cache(
            "first_block",
            "first_block_cache",
            "First-block cache: skips the other blocks while the first hardly changes",
            number("tolerance", "Largest relative change of the first block's residual", 0.1, 1e-6, 1),
            LONGEST,
            aliases=("fbcache",),
        ),
        _cache(
            "teacache",
            "tea_cache",
            "TeaCache: skips all blocks while their modulated input changes little in sum",
            number("tolerance", "Largest sum of the relative changes", 0.1, 1e-6, 10),
            LONGEST,
        ),
        _cache(
            "taylorseer",
            "taylor_cache",
            "TaylorSeer: evaluates the blocks at every n-th call, and extrapolates between",
            whole("every", "Calls from one evaluation to the next", 2, 2, 100),
            whole("order", "Degree of the polynomial", 1, 0, 4),
        ),
    ]
)
