"""Which side is outside does not depend on how the faces of a file turn."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

import gen
from gen.artifact import Artifact
from gen_mesh import cloud, orientation
from gen_mesh.grids import BAND, SIZE


def volumes(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    return np.linalg.det(vertices.astype(np.float64)[faces]) / 6


def some_turned(faces: np.ndarray) -> np.ndarray:
    turned = faces.copy()
    turned[::3] = turned[::3, ::-1]
    return turned


@pytest.mark.parametrize("change", [lambda f: f, lambda f: f[:, ::-1], some_turned])
@pytest.mark.parametrize("apart", [False, True])
def test_a_closed_surface_is_turned_outwards(change, apart: bool) -> None:
    ball = trimesh.creation.icosphere(2)
    vertices, faces = ball.vertices, change(ball.faces)
    if apart:  # every face with corners of its own, as in an STL
        vertices, faces = vertices[faces].reshape(-1, 3), np.arange(faces.size).reshape(-1, 3)
    found = orientation.outwards(vertices, faces)
    assert (volumes(vertices, found) > 0).all()
    assert (np.sort(found, axis=1) == np.sort(faces, axis=1)).all()


def test_pieces_are_turned_one_by_one_and_hollows_inwards() -> None:
    outer, inner, core = (trimesh.creation.icosphere(2, radius) for radius in (1.0, 0.5, 0.2))
    beside = trimesh.creation.box((1, 1, 1)).apply_translation((3, 0, 0))
    pieces = [outer, inner, core, beside]
    first = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    vertices = np.concatenate([piece.vertices for piece in pieces])
    for turns in ((0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 0, 1), (1, 0, 0, 1)):
        faces = np.concatenate(
            [
                (piece.faces[:, ::-1] if turn else piece.faces) + start
                for piece, turn, start in zip(pieces, turns, first, strict=False)
            ]
        )
        found = volumes(vertices, orientation.outwards(vertices, faces))
        ends = np.cumsum([len(piece.faces) for piece in pieces])[:-1]
        signs = [np.sign(part.sum()) for part in np.split(found, ends)]
        assert signs == [1, -1, 1, 1], turns


def test_boxes_that_touch_along_an_edge_are_closed() -> None:
    one = trimesh.creation.box((1, 1, 1))
    other = one.copy().apply_translation((1, 1, 0))
    vertices = np.concatenate([one.vertices, other.vertices])
    faces = np.concatenate([one.faces[:, ::-1], other.faces[:, ::-1] + len(one.vertices)])
    assert volumes(vertices, orientation.outwards(vertices, faces)).sum() == pytest.approx(2)


def test_open_surfaces_stay_as_they_are() -> None:
    ball = trimesh.creation.icosphere(2)
    for faces in (ball.faces[5:, ::-1], some_turned(ball.faces)[5:], np.zeros((2, 3), np.int64)):
        np.testing.assert_array_equal(orientation.outwards(ball.vertices, faces), faces)


def test_distances_of_an_inverted_file_are_those_of_the_right_one() -> None:
    box = trimesh.creation.box((0.6, 0.3, 0.4))
    vertices = box.vertices.astype(np.float32)
    grids = [
        cloud.grid(*cloud.oriented(Artifact("mesh", {"vertices": vertices, "faces": faces})), SIZE, BAND)[0]
        for faces in (box.faces, np.ascontiguousarray(box.faces[:, ::-1]))
    ]
    assert (grids[0] < 0).mean() == pytest.approx(0.6 * 0.3 * 0.4, rel=0.15)
    assert ((grids[0] < 0) == (grids[1] < 0)).mean() > 0.995


@pytest.mark.slow
def test_a_shape_is_made_of_an_inverted_one_all_the_same() -> None:
    model, box = gen.load("shapes"), trimesh.creation.box((0.6, 0.3, 0.4))
    made = []
    for faces in (box.faces, np.ascontiguousarray(box.faces[:, ::-1])):
        init = Artifact("mesh", {"vertices": box.vertices.astype(np.float32), "faces": faces})
        arrays = model("a red box", seed=1, steps=20, strength=0.05, init=init).arrays
        made.append(volumes(arrays["vertices"], arrays["faces"]).sum())
    assert made == pytest.approx([0.072, 0.072], rel=0.1)
