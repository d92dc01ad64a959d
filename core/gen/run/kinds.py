"""What the declaration of a kind says about artifacts: whether one is valid, and how far two are apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from gen.plan import Plan
from gen.plugin.boundary import calling, imported

if TYPE_CHECKING:
    from gen.artifact import Artifact


def check_kind(plan: Plan, artifact: Artifact) -> None:
    """Refuse an artifact that its kind does not allow, as a fault of the modality that made it.

    Raises:
        PluginError: It has other arrays, or the kind's own check finds it wrong or fails.
    """
    from gen.artifact import check_layout

    spec = plan.kind
    if spec is None or artifact.kind != spec.name:
        return
    with calling(plan.spec.plugin, "codec"):
        check_layout(artifact, spec)
    if not spec.validate:
        return
    validate = cast(Callable[["Artifact"], object], imported(spec.plugin, spec.validate))
    with calling(spec.plugin, f"validation of kind {spec.name}") as call:
        wrong = validate(artifact)
        if not isinstance(wrong, str):
            raise call.returned(wrong, "a line of text")
    if wrong:
        with calling(plan.spec.plugin, "codec") as call:
            raise call.fault(f"made an artifact that no {spec.name} may be: {wrong}")


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
