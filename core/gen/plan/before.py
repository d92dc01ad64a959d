"""The run hooks that may refuse or change a plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from gen.plan.plan import Plan
from gen.plugin.boundary import calling, imported


def prepared(plan: Plan) -> Plan:
    """The plan as the ``before`` of its run hooks leaves it.

    Raises:
        UsageError: A hook refuses the run.
        PluginError: A hook fails, or returns something else than a plan of the same items and modality.
    """
    for spec in plan.runs:
        if not spec.before:
            continue
        before = cast(Callable[[Plan], object], imported(spec.plugin, spec.before))
        with calling(spec.plugin, f"before of run hook {spec.name}") as call:
            changed = before(plan)
            if changed is None:
                continue
            if not isinstance(changed, Plan):
                raise call.returned(changed, "a Plan or None")
            if (
                len(changed.items) != len(plan.items)
                or changed.spec != plan.spec
                or changed.runs != plan.runs
            ):
                raise call.fault("changed the number of items, the modality or the run hooks")
            plan = changed
    return plan
