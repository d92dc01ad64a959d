"""Training on from a model: its codec and vocoder stay, and its denoiser learns to read scores."""

import dataclasses
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gen.model import ModelFile
from gen_audio import score
from gen_audio.denoiser import SoundTransformer
from gen_audio.model import load
from gen_audio.training import bank, recipe
from gen_audio.training.data import effects, music
from gen_audio.training.data.shelf import SAMPLES

DRAWS = {"music": music.draw, "notes": music.draw_free, "effects": effects.draw}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run whose clips are noise."""
    shelf = tmp_path / "run" / "shelf"
    shelf.mkdir(parents=True)
    rng, noise = random.Random(1), np.random.default_rng(0)
    for kind, draw in DRAWS.items():
        (shelf / f"{kind}.json").write_text(json.dumps([dataclasses.asdict(draw(rng)) for _ in range(2)]))
        np.save(shelf / f"{kind}.npy", noise.integers(-9000, 9000, (2, SAMPLES), np.int16))
    return shelf.parent


def test_a_model_is_trained_on(
    run: Path, write_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = ModelFile(write_model(run / "start.safetensors"))
    sizes = dataclasses.replace(recipe.FURTHER, batch=24, items=dict.fromkeys(DRAWS, 2))
    monkeypatch.setattr(recipe, "SHIPPED", start.path)
    monkeypatch.setattr(recipe, "FURTHER", sizes)
    made = recipe.sounds_recipe("further", run, lambda _: None)
    [stage] = made.stages
    task = stage.start({}, torch.device("cpu"))
    network = task.module
    assert isinstance(network, SoundTransformer)
    task.loss(network, torch.Generator().manual_seed(0)).backward()
    gradient = network.score_in.weight.grad
    assert gradient is not None
    # Onsets and keys are in the scores, but no key as low as C1.
    assert gradient[:, 2:18].any()
    assert gradient[:, 82:].any()
    assert not gradient[:, 82:86].any()
    with torch.no_grad():
        network.score_in.weight.fill_(0.01)
    path = run / "sounds.safetensors"
    made.export({"denoiser": network}, {"denoiser": {"step": 1, "seconds": 2.0, "loss": 0.5}}, path)
    file = ModelFile(path)
    assert file.sizes("shape") == {**start.sizes("shape"), "score": score.SIZE}
    assert file.params == {"duration": None}
    assert file.card["start"] == start.sha256
    assert file.card["training"] == {"denoiser, further": {"step": 1, "seconds": 2.0, "loss": 0.5}}
    before, after = start.tensors(), file.tensors()
    for name, tensor in before.items():
        if not name.startswith("denoiser."):
            assert torch.equal(after[name], tensor)
    load(file, "cpu", "float32")


def test_scores_are_those_of_the_clips(run: Path) -> None:
    shelf = recipe.Shelf(run / "shelf", dict.fromkeys(DRAWS, 2), lambda _: None)
    found = bank.scores(shelf)
    assert found.shape == (6, score.SIZE, 40)
    assert found[:4, 0].eq(100).all()
    assert not found[4:].any()
