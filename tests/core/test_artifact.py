import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gen.artifact import KINDS, Artifact
from gen.errors import UsageError


def f32(*shape, value=0.25):
    return np.full(shape, value, dtype=np.float32)


FACES = np.array([[0, 1, 2], [2, 1, 3]], dtype=np.int64)
VALID = {
    "image": ({"pixels": f32(4, 5, 3)}, {}),
    "image grey": ({"pixels": f32(4, 5, 1)}, {}),
    "image with alpha": ({"pixels": f32(4, 5, 4)}, {}),
    "audio": ({"samples": f32(2, 100, value=-1)}, {"sample_rate": 16_000}),
    "video": ({"frames": f32(3, 4, 5, 3)}, {"fps": "30000/1001"}),
    "video with sound": ({"frames": f32(3, 4, 5, 3), "samples": f32(1, 9)}, {"fps": 24, "sample_rate": 8000}),
    "points": ({"points": f32(7, 3), "normals": f32(7, 3, value=-1), "colours": f32(7, 3)}, {}),
    "mesh": ({"vertices": f32(4, 3, value=99), "faces": FACES, "colours": f32(4, 4)}, {}),
    "text": ({}, {"text": "Hello."}),
    "scent of a stranger": ({"notes": np.zeros(3)}, {"any": "thing"}),
}
WRONG = {
    "text: no text": ({}, {}),
    "text: a number": ({}, {"text": 3}),
    "image: no pixels": ({}, {}),
    "image: another array": ({"pixels": f32(4, 5, 3), "depth": f32(4, 5)}, {}),
    "image: a list": ({"pixels": [[[0.0]]]}, {}),
    "image: bytes": ({"pixels": np.zeros((4, 5, 3), np.uint8)}, {}),
    "image: float64": ({"pixels": np.zeros((4, 5, 3))}, {}),
    "image: two dimensions": ({"pixels": f32(4, 5)}, {}),
    "image: channels first": ({"pixels": f32(3, 4, 5)}, {}),
    "image: empty": ({"pixels": f32(0, 5, 3)}, {}),
    "image: above 1": ({"pixels": f32(4, 5, 3, value=1.01)}, {}),
    "image: below 0": ({"pixels": f32(4, 5, 3, value=-0.01)}, {}),
    "image: not a number": ({"pixels": f32(4, 5, 3, value=np.nan)}, {}),
    "image: infinite": ({"pixels": f32(4, 5, 3, value=np.inf)}, {}),
    "audio: no rate": ({"samples": f32(2, 100)}, {}),
    "audio: rate of 0": ({"samples": f32(2, 100)}, {"sample_rate": 0}),
    "audio: fractional rate": ({"samples": f32(2, 100)}, {"sample_rate": 8000.5}),
    "audio: clipped": ({"samples": f32(2, 100, value=-1.5)}, {"sample_rate": 8000}),
    "video: no fps": ({"frames": f32(3, 4, 5, 3)}, {}),
    "video: fps of 0": ({"frames": f32(3, 4, 5, 3)}, {"fps": "0"}),
    "video: fps over 0": ({"frames": f32(3, 4, 5, 3)}, {"fps": "1/0"}),
    "video: fps in words": ({"frames": f32(3, 4, 5, 3)}, {"fps": "many"}),
    "video: sound without rate": ({"frames": f32(3, 4, 5, 3), "samples": f32(1, 9)}, {"fps": 24}),
    "points: outside": ({"points": f32(7, 3, value=0.6)}, {}),
    "points: fewer normals": ({"points": f32(7, 3), "normals": f32(6, 3)}, {}),
    "mesh: no faces": ({"vertices": f32(4, 3)}, {}),
    "mesh: faces of floats": ({"vertices": f32(4, 3), "faces": f32(2, 3)}, {}),
    "mesh: missing vertex": ({"vertices": f32(3, 3), "faces": FACES}, {}),
    "mesh: negative vertex": ({"vertices": f32(4, 3), "faces": -FACES}, {}),
    "mesh: infinite": ({"vertices": f32(4, 3, value=-np.inf), "faces": FACES}, {}),
    "mesh: colours of another": ({"vertices": f32(4, 3), "faces": FACES, "colours": f32(5, 3)}, {}),
}


@pytest.mark.parametrize("name", VALID)
def test_what_fits_its_kind_is_taken(name):
    arrays, attributes = VALID[name]
    artifact = Artifact(name.split()[0], arrays, attributes)
    assert artifact.arrays is arrays
    assert artifact.recipe is None


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_named(name):
    kind = name.partition(":")[0]
    with pytest.raises(UsageError) as caught:
        Artifact(kind, *WRONG[name])
    assert kind in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_kind_is_covered():
    assert {name.split()[0] for name in VALID} >= KINDS.keys()
    assert {name.partition(":")[0] for name in WRONG} >= KINDS.keys()


def test_sizes():
    assert Artifact("image", {"pixels": f32(4, 5, 3)}).sizes == {"height": 4, "width": 5, "channels": 3}
    sound = Artifact("audio", {"samples": f32(2, 100)}, {"sample_rate": 8000})
    assert sound.sizes == {"channels": 2, "samples": 100}
    clip = {"frames": f32(2, 4, 5, 3), "samples": f32(1, 100)}
    assert Artifact("video", clip, {"fps": "8", "sample_rate": 8000}).sizes == {
        "frames": 2,
        "height": 4,
        "width": 5,
        "channels": 3,
        "sound_channels": 1,
        "samples": 100,
    }
    assert Artifact("mesh", {"vertices": f32(4, 3), "faces": FACES}).sizes == {"vertices": 4, "faces": 2}


def test_artifacts_are_frozen_and_compared_by_identity():
    artifact = Artifact("image", {"pixels": f32(4, 5, 3)})
    with pytest.raises(dataclasses.FrozenInstanceError):
        artifact.kind = "audio"
    assert artifact != dataclasses.replace(artifact)


shapes = st.tuples(st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 3, 4]))
levels = hnp.arrays(np.uint8, shapes)


@given(levels)
def test_pillow_gets_every_level_exactly(eight_bits):
    image = Artifact("image", {"pixels": (eight_bits / 255).astype(np.float32)}).to_pil()
    assert image.mode == {1: "L", 3: "RGB", 4: "RGBA"}[eight_bits.shape[2]]
    assert np.array_equal(np.asarray(image).reshape(eight_bits.shape), eight_bits)


def test_pillow_gets_the_nearest_level():
    levels = np.array([0.4, 0.6, 99.6, 100.4, 254.4, 254.6], dtype=np.float32)
    image = Artifact("image", {"pixels": (levels / 255)[None, :, None]}).to_pil()
    assert np.asarray(image)[0].tolist() == [0, 1, 100, 100, 254, 255]


def test_only_images_become_pillow_images():
    sound = Artifact("audio", {"samples": f32(2, 100)}, {"sample_rate": 8000})
    with pytest.raises(UsageError, match="audio"):
        sound.to_pil()
    assert sound._repr_png_() is None


def test_notebooks_show_a_picture():
    assert Artifact("image", {"pixels": f32(4, 5, 3)})._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("modules", "absent"),
    [("gen.artifact, gen.formats", {"torch", "PIL"}), ("gen.recipe, gen.formats", {"torch", "numpy", "PIL"})],
)
def test_importing_stays_light(modules, absent):
    code = f"import sys, {modules}; sys.exit(bool({absent!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_an_artifact_shows_itself_in_a_line():
    artifact = Artifact("image", {"pixels": np.zeros((4, 6, 3), np.float32)})
    assert repr(artifact) == "<Artifact image: pixels (4, 6, 3)>"
