"""From artifacts of one kind to artifacts of another, by the converters of plugins."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from gen.checks import check_param, unknown
from gen.errors import UsageError
from gen.plugin.boundary import calling, imported
from gen.plugin.specs import ConverterSpec

if TYPE_CHECKING:
    from gen.artifact import Artifact


def route(
    specs: Sequence[ConverterSpec], source: str, target: str, via: Sequence[str] = ()
) -> tuple[ConverterSpec, ...]:
    """The shortest way from one kind to another, among ways of equal length one through lossless converters.

    Args:
        specs: The converters that there are.
        source, target: Kinds of artifact.
        via: Names of converters that the way takes, in this order and no others; empty for the shortest.

    Raises:
        UsageError: There is no way, or the named ones lead elsewhere.
    """
    if via:
        known = {spec.name: spec for spec in specs}
        for name in via:
            if name not in known:
                raise unknown("converter", name, known)
        way = tuple(known[name] for name in via)
        kinds = [source, *(spec.target for spec in way)]
        for spec, kind in zip(way, kinds, strict=False):
            if spec.source != kind:
                raise UsageError(f"converter {spec.name} takes {spec.source}, not {kind}")
        if kinds[-1] != target:
            raise UsageError(f"converter {way[-1].name} makes {kinds[-1]}, not {target}")
        return way
    ways: deque[tuple[str, tuple[ConverterSpec, ...]]] = deque([(source, ())])
    seen = {source}
    while ways:
        kind, way = ways.popleft()
        if kind == target:
            return way
        for spec in sorted(specs, key=lambda spec: not spec.lossless):
            if spec.source == kind and spec.target not in seen:
                seen.add(spec.target)
                ways.append((spec.target, (*way, spec)))
    raise UsageError(f"there is no way from {source} to {target}", "`gen converters` lists what there is")


def convert(artifact: Artifact, way: Sequence[ConverterSpec], params: Mapping[str, object]) -> Artifact:
    """An artifact on its way through converters.

    Args:
        artifact: Where it begins.
        way: See ``route``.
        params: Values by name, for each converter that has such a parameter.

    Raises:
        UsageError: No converter has a parameter, a value is wrong, or the artifact cannot be converted.
        PluginError: A converter fails, or returns something else.
    """
    from gen.artifact import Artifact as Expected

    known = {param.name for spec in way for param in spec.params}
    for name in params:
        if name not in known:
            raise unknown("parameter", name, sorted(known))
    for spec in way:
        given = {param.name: params.get(param.name, param.default) for param in spec.params}
        values = {
            param.name: check_param(param, given[param.name])
            for param in spec.params
            if given[param.name] is not None
        }
        change = cast(Callable[[object, object], object], imported(spec.plugin, spec.convert))
        with calling(spec.plugin, f"converter {spec.name}") as call:
            made = change(artifact, values)
            if not isinstance(made, Expected) or made.kind != spec.target:
                raise call.returned(made, f"an artifact of the kind {spec.target}")
        artifact = made
    return artifact
