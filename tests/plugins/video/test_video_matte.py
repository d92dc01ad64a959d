"""How the network that takes pictures apart is trained: its truth, and the first steps."""

import random

import numpy as np
import pytest
import torch

from gen.nn import laid
from gen.train import Settings
from gen_video.training import matte as matte_training
from gen_video.training.data import clips, things
from gen_video.training.data.render import Renderer


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(things.load())


def test_the_truth_laid_back_is_the_frame(renderer: Renderer) -> None:
    rng = random.Random(3)
    drawn = [clips.draw(renderer.things, renderer.tintable, rng) for _ in range(48)]
    assert any(clip.camera for clip in drawn)
    assert any(clip.scroll for clip in drawn)
    times = np.array([[rng.random(), rng.random()] for _ in drawn])
    over, behind = matte_training.truth(renderer, drawn, times)
    frames = renderer.render(drawn, times).flatten(0, 1)
    assert (laid(over, behind) - frames).abs().max() < 1e-4
    # What is covered is a thing, and the rest is not.
    assert over[:, 3].amax() > 0.99
    assert over[:, 3].mean() < 0.5


@pytest.mark.slow
def test_training_lowers_the_loss() -> None:
    torch.manual_seed(0)
    settings = Settings(steps=12, rate=1e-3, matrix_rate=1e-3)
    task = matte_training.stage(settings, batch=4).start({}, torch.device("cpu"))
    optimiser = torch.optim.AdamW(task.module.parameters(), settings.rate)

    def measured() -> float:
        with torch.no_grad():
            return float(task.loss(task.module, torch.Generator().manual_seed(99)))

    before = measured()
    for step in range(settings.steps):
        optimiser.zero_grad()
        task.loss(task.module, torch.Generator().manual_seed(step)).backward()
        optimiser.step()
    assert measured() < 0.75 * before
