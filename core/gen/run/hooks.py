"""The run hooks of plugins around a run and after each artifact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from gen.errors import UsageError
from gen.plan import Plan
from gen.plan.kinds import check_made
from gen.plugin.boundary import calling, imported
from gen.plugin.specs import RunSpec
from gen.recipe import Recipe

if TYPE_CHECKING:
    from gen.artifact import Artifact


@contextmanager
def around(plan: Plan) -> Iterator[None]:
    """Enter the context managers of the plan's run hooks.

    Raises:
        PluginError: One fails, or is no context manager.
    """
    with ExitStack() as opened:
        for spec in plan.runs:
            if not spec.around:
                continue
            make = cast(Callable[[Plan], object], imported(spec.plugin, spec.around))
            with calling(spec.plugin, f"around of run hook {spec.name}") as call:
                manager = make(plan)
                if not isinstance(manager, AbstractContextManager):
                    raise call.returned(manager, "a context manager")
                manager.__enter__()
            opened.callback(_leave, manager, spec)
        yield


def _leave(manager: AbstractContextManager[object], spec: RunSpec) -> None:
    with calling(spec.plugin, f"exit of run hook {spec.name}"):
        manager.__exit__(None, None, None)


def after(plan: Plan, artifact: Artifact) -> Artifact:
    """The artifact as the ``after`` of the plan's run hooks leaves it, with their notes in its recipe.

    Raises:
        PluginError: A hook fails, or returns something else than an artifact of that kind and notes.
    """
    from gen.artifact import Artifact as Expected

    recipe = artifact.recipe
    assert isinstance(recipe, Recipe)
    for spec in plan.runs:
        if not spec.after:
            continue
        change = cast(Callable[["Artifact", Plan], object], imported(spec.plugin, spec.after))
        with calling(spec.plugin, f"after of run hook {spec.name}") as call:
            answer = change(artifact, plan)
            match answer:
                case (Expected() as changed, Mapping() as notes) if changed.kind == artifact.kind:
                    pass
                case _:
                    raise call.returned(answer, f"an artifact of the kind {artifact.kind} and notes")
            try:
                recipe = replace(recipe, provenance={**recipe.provenance, spec.name: notes})
            except UsageError as error:
                raise call.fault(f"gave notes that no recipe can hold: {error.message}") from error
        check_made(plan.kind, changed, spec.plugin, f"after of run hook {spec.name}")
        artifact = replace(changed, recipe=recipe)
    return artifact
