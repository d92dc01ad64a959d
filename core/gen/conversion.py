"""From artifacts of one kind to artifacts of another, by the converters of plugins."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from gen.atomic import path_in_a_line
from gen.checks import check_param, unknown
from gen.errors import UsageError
from gen.plan.inputs import Inputs, Source
from gen.plan.kinds import check_made
from gen.plan.resolve import versions_of
from gen.plugin.boundary import calling, imported
from gen.plugin.specs import ConverterSpec
from gen.recipe import SOURCE, Conversion

if TYPE_CHECKING:
    from gen.artifact import Artifact
    from gen.plugin.host import Host


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
            # One that takes a second file is taken only by name.
            alone = not any(param.kind for param in spec.params)
            if alone and spec.source == kind and spec.target not in seen:
                seen.add(spec.target)
                ways.append((spec.target, (*way, spec)))
    raise UsageError(f"there is no way from {source} to {target}", "`gen converters` lists what there is")


def for_purpose(specs: Sequence[ConverterSpec], purpose: str, kind: str) -> ConverterSpec:
    """The first converter of a purpose for a kind.

    Raises:
        UsageError: There is none.
    """
    for spec in specs:
        if spec.purpose == purpose and spec.source == kind:
            return spec
    raise UsageError(
        f"no converter that is installed makes {purpose} of {kind}", "`gen converters` lists them"
    )


def convert(
    source: Source, way: Sequence[ConverterSpec], params: Mapping[str, object], host: Host
) -> Artifact:
    """An artifact on its way through converters, with the recipe of its last conversion.

    Args:
        source: A file or an artifact to begin with.
        way: One or more converters; see ``route``.
        params: Values by name, for each converter that has such a parameter; files by path or as artifacts.
        host: Where plugins come from.

    Raises:
        UsageError: No converter has a parameter, a file is missing, a value is wrong, or the artifact cannot
            be converted.
        PluginError: A converter fails, or returns something else.
    """
    known = {param.name for spec in way for param in spec.params}
    for name in params:
        if name not in known:
            raise unknown("parameter", name, sorted(known))
    for spec in way:
        source = _converted(source, spec, params, host)
    return cast("Artifact", source)


def _converted(source: Source, spec: ConverterSpec, params: Mapping[str, object], host: Host) -> Artifact:
    from gen.artifact import Artifact as Expected

    inputs = Inputs(host)
    artifact = inputs.read(SOURCE, source, spec.source)
    values: dict[str, int | float | bool | str] = {}
    files: dict[str, Artifact] = {}
    for param in spec.params:
        value = params.get(param.name, param.default)
        if param.kind and value is None:
            raise UsageError(f"converter {spec.name} needs {param.name}", f"{param.help} ({param.kind})")
        if param.kind:
            files[param.name] = inputs.read(param.name, cast(Source, value), param.kind)
        elif value is not None:
            values[param.name] = check_param(param, value)
    change = cast(Callable[[object, object], object], imported(spec.plugin, spec.convert))
    about = "" if isinstance(source, Expected) else f"{path_in_a_line(source)}: "
    with calling(spec.plugin, f"converter {spec.name}", about=about) as call:
        made = change(artifact, {**values, **files})
        if not isinstance(made, Expected) or made.kind != spec.target:
            raise call.returned(made, f"an artifact of the kind {spec.target}")
    check_made(host.kind(made.kind), made, spec.plugin, f"converter {spec.name}")
    recipe = Conversion(
        converter=spec.name,
        kind=spec.target,
        params=values,
        inputs=tuple(inputs.items),
        parents=tuple(inputs.parents),
        versions=versions_of([host.owner(spec)]),
    )
    return replace(made, recipe=recipe)
