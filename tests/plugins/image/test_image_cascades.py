"""Families of several stages: ours beside diffusers' pipelines, one after the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import tiny_pictures
import torch
from beside_diffusers import NEGATIVE, PROMPT, Family, error, make_freely, task_of
from torch import Tensor

import gen
from gen import presets
from gen.checkpoints import Checkpoint
from gen.diffusion import ClassifierFree, guided, sample
from gen.errors import ModelError
from gen.model import Model, Task
from gen_image.families import deepfloyd_if

MODULE = "diffusers.pipelines.deepfloyd_if.pipeline_if"
STEPS = 5


@pytest.fixture(scope="module")
def pipelines() -> tuple[Any, Any]:
    return tiny_pictures.deepfloyd_if(), tiny_pictures.deepfloyd_if(large=True)


@pytest.fixture(scope="module")
def folders(pipelines: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    small, large = (tiny.saved(one, tmp_path_factory.mktemp("if")) for one in pipelines)
    return small, large


def run(model: Model, task: Task) -> list[tuple[Tensor, Tensor]]:
    """The noise that each stage starts from, and the state at its end."""
    task = replace(task, shape=model.codec.shape(task))
    made: list[tuple[Tensor, Tensor]] = []
    for stage in model.path:
        here = replace(task, previous=made[-1][1] if made else None)
        here = replace(here, shape=stage.shape(here))
        grid = stage.own_grid(here)
        denoiser: Any = guided(
            stage.denoiser(here),
            stage.guidance(here, ClassifierFree(task.guidance)),  # type: ignore[arg-type]
        )
        assert stage.clipping is not None
        start: Any = stage.prior(here, grid)
        process: Any = stage.process
        end = sample(
            stage.clipping(denoiser), process, grid, presets.solver(model.defaults.solver), x=start,
            conditioning=stage.encode(here), noise=task.noise,
        ).x  # fmt: skip
        made.append((start, end))
    return made


def test_deepfloyd_if(
    pipelines: tuple[Any, Any], folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dynamic thresholding, a variance that is learned, and a second stage that sees the first with noise."""
    model = deepfloyd_if.load(Checkpoint(folders[0]), "cpu", "float32")
    params = {"upscaler": Checkpoint(folders[1]), "upscaler_steps": STEPS, "upscaler_guidance": 3.0}
    family = Family(lambda: None, deepfloyd_if.load, steps=STEPS, guidance=4.0, params=params)
    task = task_of(family)
    options = {
        "prompt": PROMPT,
        "negative_prompt": NEGATIVE,
        "num_inference_steps": STEPS,
    }
    with torch.inference_mode():
        (start, small), (again, large) = run(model, task)
        monkeypatch.setattr(f"{MODULE}.randn_tensor", lambda *_, **__: start.clone())
        expected = pipelines[0](**options, guidance_scale=4.0, output_type="pt").images
        assert error(small, expected) < 1e-5
        draws = [again, task.noise.child("upscaler").prior((3, 32, 32))]
        monkeypatch.setattr(f"{MODULE}_superresolution.randn_tensor", lambda *_, **__: draws.pop(0).clone())
        upscaled = pipelines[1](**options, image=small.clone(), guidance_scale=3.0, output_type="pt").images
        assert error(large, upscaled) < 1e-5
    [made] = model.codec.decode(large, task)
    assert np.abs(made.arrays["pixels"] - (expected_pixels(upscaled))).max() < 1e-4


def expected_pixels(state: Tensor) -> np.ndarray:
    return (state / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)[0].numpy()


@pytest.mark.slow
def test_what_the_pipelines_lack(folders: tuple[Path, Path]) -> None:
    make_freely(folders[0])
    options = {"model": folders[0], "width": 64, "height": 64, "steps": 2, "upscaler_steps": 2}
    large = gen.image(PROMPT, upscaler=folders[1], **options)
    assert large.arrays["pixels"].shape == (128, 128, 3)
    with pytest.raises(ModelError, match="no checkpoint of DeepFloyd IF II"):
        gen.image(PROMPT, upscaler=folders[0], **options)
