"""Things cut out of pictures, and how the network for it is trained."""

import hashlib

import numpy as np
import pytest
import torch

import gen
from gen.artifact import Artifact
from gen.errors import UsageError
from gen.model import Task
from gen_image.cutting import SHA256, WEIGHTS, cut_out, straight
from gen_image.training import matte
from gen_image.training.data.scenes import BACKGROUNDS


def disc(behind: tuple[float, float, float]) -> np.ndarray:
    """A red disc on a plain background, (128, 128, 3)."""
    y, x = np.mgrid[:128, :128] - 63.5
    inside = (np.hypot(y, x) < 40)[..., None]
    return np.where(inside, np.array((0.85, 0.2, 0.2)), np.array(behind)).astype(np.float32)


def test_the_file_is_the_one_declared_and_small() -> None:
    content = WEIGHTS.read_bytes()
    assert len(content) <= 310_000
    assert hashlib.sha256(content).hexdigest() == SHA256


@pytest.mark.parametrize("behind", [(1.0, 1.0, 1.0), (0.3, 0.5, 0.85)])
def test_a_thing_stays_and_what_is_behind_it_goes(behind: tuple[float, float, float]) -> None:
    found = straight(cut_out(disc(behind), "cpu"))
    assert found.shape == (128, 128, 4)
    assert found.min() >= 0
    assert found.max() <= 1
    assert found[50:78, 50:78, 3].mean() > 0.9
    assert found[:12, :, 3].mean() < 0.1
    assert np.abs(found[50:78, 50:78, :3].mean((0, 1)) - (0.85, 0.2, 0.2)).max() < 0.1


def test_pictures_are_transparent_on_request_at_any_size(tmp_path) -> None:
    model = gen.load("emoji")
    opaque, clear = (model("a fox", steps=2, seed=1, **given) for given in ({}, {"transparent": True}))
    assert opaque.arrays["pixels"].shape == (128, 128, 3)
    assert clear.arrays["pixels"].shape == (128, 128, 4)
    with pytest.raises(UsageError, match="JPEG cannot hold a transparent picture"):
        clear.save(tmp_path / "fox.jpg")
    codec, state = model.model.codec, torch.zeros(1, 32, 8, 8)
    [large] = codec.decode(state, Task(params={"transparent": True, "width": 256, "height": 256}))
    assert large.arrays["pixels"].shape == (256, 256, 4)


def test_a_transparent_picture_drawn_anew_in_a_part_keeps_the_thing_around_it_and_nothing_behind() -> None:
    model = gen.load("emoji")
    init = Artifact("image", {"pixels": disc((1.0, 1.0, 1.0))})
    marks = np.zeros((128, 128, 3), np.float32)
    marks[40:88, 40:88] = 1
    mask = Artifact("image", {"pixels": marks})
    found = model("a fox", init=init, mask=mask, transparent=True, steps=2, seed=1).arrays["pixels"]
    kept = straight(cut_out(init.arrays["pixels"], "cpu"))
    around = np.ones((128, 128), bool)
    around[32:96, 32:96] = False
    assert found.shape == (128, 128, 4)
    assert np.array_equal(found[around], kept[around])
    assert found[:12, :, 3].mean() < 0.1
    assert found[28:32, 60:68, 3].mean() > 0.9
    assert np.abs(found - kept)[48:80, 48:80].mean() > 0.02


def test_training_lowers_the_loss_and_its_emoji_are_not_those_held_out() -> None:
    generator = torch.Generator().manual_seed(0)
    pictures = {
        "pictures": torch.randint(256, (matte.SHOWN, 3, 128, 128), generator=generator).to(torch.uint8),
        "alpha": torch.zeros(matte.SHOWN, 1, 128, 128, dtype=torch.uint8),
        "grounds": torch.zeros(matte.SHOWN, dtype=torch.uint8),
    }
    torch.manual_seed(0)
    task = matte.task(pictures, 2, torch.device("cpu"))
    optimiser = torch.optim.AdamW(task.module.parameters(), 3e-3)
    losses = []
    for _ in range(4):
        optimiser.zero_grad()
        loss = task.loss(task.module, torch.Generator().manual_seed(1))
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert len(BACKGROUNDS) < 256
    assert 0.03 < np.mean([matte.held_out(f"thing {number}") for number in range(1000)]) < 0.07
