"""How far two artifacts of a kind are apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from gen.plan import Plan
from gen.plugin.boundary import calling, imported

if TYPE_CHECKING:
    from gen.artifact import Artifact


def distance(plan: Plan, one: Artifact, other: Artifact) -> float:
    """How far two artifacts are apart: 0 for equal ones.

    Raises:
        PluginError: The kind's own distance fails, or returns no number of at least 0.
    """
    from gen.artifact import distance as largest_difference

    spec = plan.kind
    if spec is None or not spec.distance or {one.kind, other.kind} != {spec.name}:
        return largest_difference(one, other)
    measure = cast(Callable[["Artifact", "Artifact"], object], imported(spec.plugin, spec.distance))
    with calling(spec.plugin, f"distance of kind {spec.name}") as call:
        found = measure(one, other)
        if isinstance(found, bool) or not isinstance(found, int | float) or not found >= 0:
            raise call.returned(found, "a number of at least 0")
    return float(found)
