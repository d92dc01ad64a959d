"""Surfaces as the artifacts that are asked for."""

from __future__ import annotations

from collections.abc import Mapping

from gen.artifact import Artifact
from gen_mesh import surface
from gen_mesh.plugin import POINTS


def delivered(made: surface.Surface, params: Mapping[str, object]) -> Artifact:
    """A mesh, or points on it, as the parameters of the modality say."""
    points = params.get("points", POINTS)
    assert isinstance(points, int)
    parts = made.vertices, made.faces, made.colours
    if params.get("representation") == "points":
        names = ("points", "normals", "colours")
        return Artifact("points", dict(zip(names, surface.points_on(*parts, points), strict=True)))
    names = ("vertices", "faces", "colours")
    return Artifact("mesh", dict(zip(names, parts, strict=True)), {"points": points})
