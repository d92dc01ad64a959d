"""Artifacts checked by the declaration of their kind: those that plugins make, and those that users give."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from gen.errors import ArtifactError, UsageError
from gen.plugin.boundary import calling, imported
from gen.plugin.specs import KindSpec

if TYPE_CHECKING:
    from gen.artifact import Artifact


def check_made(spec: KindSpec | None, artifact: Artifact, plugin: str, part: str) -> None:
    """Refuse an artifact that its kind does not allow, as a fault of what made it.

    Args:
        spec: A kind; None, and one of another name than the artifact's, allows everything.
        artifact: What was made.
        plugin: Label of the plugin that made it.
        part: Which part of that.

    Raises:
        PluginError: It has other arrays, or the kind's own check finds it wrong or fails.
    """
    from gen.artifact import check_layout

    if spec is None or artifact.kind != spec.name:
        return
    with calling(plugin, part):
        check_layout(artifact, spec)
    if wrong := _wrong(spec, artifact):
        with calling(plugin, part) as call:
            raise call.fault(f"made an artifact that no {spec.name} may be: {wrong}")


def check_given(spec: KindSpec | None, artifact: Artifact, about: str) -> None:
    """Refuse an artifact of a user that its kind does not allow.

    Args:
        spec: As for ``check_made``.
        artifact: From a file or from memory.
        about: What messages start with: ``"init in.csv"``.

    Raises:
        UsageError: It has other arrays, or the kind's own check finds it wrong.
        PluginError: That check fails.
    """
    from gen.artifact import check_layout

    if spec is None or artifact.kind != spec.name:
        return
    try:
        check_layout(artifact, spec)
    except ArtifactError as error:
        raise UsageError(f"{about}: {error.message}", error.hint or f"give a valid {spec.name}") from error
    if wrong := _wrong(spec, artifact):
        raise UsageError(f"{about}: {wrong}", f"give a valid {spec.name}")


def _wrong(spec: KindSpec, artifact: Artifact) -> str:
    """What the kind's own check says is wrong, in one line."""
    if not spec.validate:
        return ""
    validate = cast(Callable[["Artifact"], object], imported(spec.plugin, spec.validate))
    with calling(spec.plugin, f"validation of kind {spec.name}") as call:
        wrong = validate(artifact)
        if not isinstance(wrong, str):
            raise call.returned(wrong, "a line of text")
    return wrong
