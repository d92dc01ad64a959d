"""From one artifact to the next in Python: ``artifact.to(…)`` and ``video.with_audio(…)``."""

from __future__ import annotations

from typing import Any

from gen.api import Generator, find_host
from gen.artifact import Artifact
from gen.conversion import convert, route
from gen.errors import UsageError
from gen.plan.abilities import abilities_of_any
from gen.plugin.host import Host


def to(
    artifact: Artifact,
    target: str,
    prompt: str | None = None,
    *,
    by: str | tuple[str, ...] = (),
    **options: Any,
) -> Artifact:
    """What a model makes of an artifact and a prompt, or converters of the artifact alone.

    Args:
        artifact: What to begin with.
        target: With a prompt, the modality that generates; without, the kind to convert to.
        prompt: What to generate. The artifact is the first parameter of the modality that is a file of its
            kind, or ``init`` where the modality makes that kind itself.
        by: Names of the converters to take; empty for the shortest way.
        **options: As ``gen.NAME`` takes them; or parameters of the converters.

    Raises:
        UsageError: The modality takes no such artifact, there is no way, or an option is wrong.
        gen.errors.GenError: The generation or the conversion failed.
    """
    host = find_host()
    if prompt is None:
        way = route(
            host.converters(), artifact.kind, target, (by,) if isinstance(by, str) and by else tuple(by)
        )
        return convert(artifact, way, options, host) if way else artifact
    if by:
        raise UsageError("a model generates, and a converter is named", "leave out prompt or by")
    given: dict[str, Any] = {**options, _role(artifact.kind, target, host): artifact}
    return Generator(target)(prompt, count=None, **given)


def with_audio(video: Artifact, score: Artifact | None, narration: Artifact | None, options: Any) -> Artifact:
    """A clip with a score, a narration, or both mixed; see ``Artifact.with_audio``."""
    sound: Artifact | None
    if score is not None and narration is not None:
        sound = to(narration, "audio", by="mix", score=score, **options)
    elif options:
        raise UsageError(f"{next(iter(options))} is for mixing a score and a narration", "give both")
    else:
        sound = narration if score is None else score
    if sound is None:
        raise UsageError("there is no sound", "give score, narration or both")
    return to(video, "video", by="soundtrack", sound=sound)


def _role(kind: str, modality: str, host: Host) -> str:
    spec = host.modality(modality)
    if spec.kind == kind:
        return "init"
    params = abilities_of_any(host, spec).params
    role = next((param.name for param in params if param.kind == kind), "")
    if not role:
        raise UsageError(f"{modality} takes no {kind}", "convert it first")
    return role
