"""What the core does with checkpoints that make clips, and diffusers' pipelines of them do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import tiny
import tiny_clips
import torch
from video_parity import picture

import gen
from gen.artifact import Artifact
from gen.model import Task

FAMILIES: Mapping[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "wan": (tiny.wan, {"width": 32, "height": 16, "frames": 5}),
    "wan-of-pictures": (
        lambda: tiny_clips.wan_of_pictures(looks=False),
        {"width": 32, "height": 16, "frames": 5},
    ),
    "ltx": (tiny.ltx, {"width": 64, "height": 32, "frames": 9}),
    "cogvideox": (
        # On this grid the last of four steps begins near the data, as a small strength does.
        lambda: tiny_clips.cogvideox("leading", use_rotary_positional_embeddings=True, patch_size_t=2),
        {"width": 32, "height": 16, "frames": 9},
    ),
    "animatediff": (tiny_clips.animatediff, {"width": 16, "height": 16, "frames": 3}),
    "stable-video": (tiny_clips.stable_video, {"width": 32, "height": 16, "frames": 3}),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What makes a clip of a family's tiny checkpoint, the clip's sizes, the codec, and the clip."""
    build, sizes = FAMILIES[request.param]
    model = gen.load(tiny.saved(build(), tmp_path_factory.mktemp(request.param)))
    usual: dict[str, Any] = {"prompt": "a red fox", "steps": 2, "guidance": 4.0, **sizes}
    if not model.model.codec.begins:
        usual["first"] = picture(32, 16, 5)
    if request.param == "stable-video":
        del usual["prompt"]

    def make(**options: Any) -> np.ndarray:
        made = model(seed=1, **{**usual, **options})
        return np.asarray(made.arrays["frames"])

    return make, sizes, model.model.codec, make()


def clip_of(sizes: dict[str, Any]) -> Artifact:
    """A random clip, of another size and rate."""
    pictures = [picture(sizes["width"], 2 * sizes["height"], seed) for seed in range(sizes["frames"])]
    frames = np.stack([one.arrays["pixels"] for one in pictures])
    return Artifact("video", {"frames": frames}, {"fps": "5"})


def test_solvers_and_guidance(family: Any) -> None:
    make, sizes, _, plain = family
    made = [plain]
    for options in (
        {"solver": "dpmpp_3m_sde"},
        {"solver": "er_sde"},
        {"solver": "seeds_3"},
        {"guide": "apg:momentum=-0.75"},
    ):
        made.append(make(**options))
        assert made[-1].shape == (sizes["frames"], sizes["height"], sizes["width"], 3)
        assert made[-1].std() > 0.05
    differences = [float(np.abs(one - made[0]).max()) for one in made[1:]]
    assert min(differences) > 1e-4


def test_another_clip_is_changed(family: Any) -> None:
    make, sizes, codec, _ = family
    given = clip_of(sizes)
    less, more = (make(init=given, strength=strength, steps=4) for strength in (0.05, 0.9))
    task = Task(params=sizes)
    with torch.inference_mode():
        [coded] = codec.decode(codec.encode([given], task), task)
    assert 0 < np.abs(less - coded.arrays["frames"]).mean() < np.abs(more - coded.arrays["frames"]).mean() / 2


def test_a_part_of_a_clip_is_drawn_anew(family: Any) -> None:
    make, sizes, _, _ = family
    given = clip_of(sizes)
    marks = np.zeros((1, 2 * sizes["height"], sizes["width"], 1), np.float32)
    marks[:, :, : sizes["width"] // 2] = 1
    made = make(init=given, mask=Artifact("video", {"frames": marks}, {"fps": "1"}), fps="5")
    half = slice(sizes["height"] // 2, -(sizes["height"] // 2))
    seen = given.arrays["frames"][:, half]
    assert np.array_equal(made[:, :, sizes["width"] // 2 :], seen[:, :, sizes["width"] // 2 :])
    assert np.abs(made - seen)[:, :, : sizes["width"] // 2].mean() > 0.1


def test_a_clip_begins_with_a_frame(family: Any) -> None:
    make, sizes, codec, plain = family
    first = picture(sizes["width"], sizes["height"], 9)
    made = make(first=first)
    assert np.abs(made[1:] - plain[1:]).max() > 1e-5
    # A network that the frame conditions makes it anew.
    assert np.array_equal(made[0], first.arrays["pixels"]) == codec.begins
