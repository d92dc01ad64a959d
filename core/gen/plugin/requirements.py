"""Which requirements of an installed distribution are not met, read from metadata alone."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import InvalidRequirement, Requirement


def unmet(dist: Distribution, extras: frozenset[str] = frozenset()) -> Iterator[tuple[str, str]]:
    """Yield the requirements that the environment does not meet.

    Args:
        dist: Distribution whose requirements count.
        extras: Its extras that are wanted too.

    Yields:
        Pairs (what is wrong in one line, requirement as pip takes it).
    """
    yield from _unmet(dist, extras, seen=set(), base=True)


def _unmet(
    dist: Distribution, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]], base: bool
) -> Iterator[tuple[str, str]]:
    for text in dist.requires or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            yield f"its requirement {text!r} cannot be read", text
            continue
        marker = requirement.marker
        unconditional = marker is None or marker.evaluate({"extra": ""})
        by_extra = marker is not None and any(marker.evaluate({"extra": extra}) for extra in extras)
        if not (by_extra or (base and unconditional)):
            continue
        wanted = f"{requirement.name}{requirement.specifier}"
        try:
            found = distribution(requirement.name)
        except PackageNotFoundError:
            yield f"it needs {wanted}, which is not installed", wanted
            continue
        if not requirement.specifier.contains(found.version, prereleases=True):
            yield f"it needs {wanted}, and {found.version} is installed", wanted
        key = (requirement.name.lower(), frozenset(requirement.extras))
        if requirement.extras and key not in seen:
            seen.add(key)
            yield from _unmet(found, key[1], seen, base=False)
