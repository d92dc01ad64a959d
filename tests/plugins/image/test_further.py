"""The recipe that trains the shipped model on: its start, and the bank that it reads."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.model import save_model
from gen.nn import Subwords, WordEncoder, WordRows
from gen.train import LatentBank, Settings, emoji
from gen.train.emoji import Emoji, EmojiSet
from gen_image.denoiser import SceneTransformer, Shape
from gen_image.model import SUBWORDS_ARCHITECTURE
from gen_image.training import bank as banks
from gen_image.training.data.scenes import COLOURS
from gen_image.training.start import Start

CAPTIONS = ["a red apple", "a cat", "two dogs", "a zeppelin"]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """A small model that reads subwords, and knows no zeppelin."""
    held = ["a", "red", "apple", "cat", "two", "dog", "dogs"]
    subwords = Subwords.train(held, held, 5)
    torch.manual_seed(0)
    shape = Shape(len(subwords), width=32, depth=1, heads=2, hidden=32, length=6, channels=4, grid=4)
    network = SceneTransformer(shape)
    config = {
        "modality": "image",
        "architecture": SUBWORDS_ARCHITECTURE,
        "shape": dataclasses.asdict(shape),
        "subwords": subwords.to_json(),
        "words": " ".join(held),
        "defaults": {"solver": "heun", "grid": "uniform", "steps": 1, "guidance": 1.0},
    }
    tensors = {f"denoiser.{name}": value for name, value in network.state_dict().items()}
    path = tmp_path_factory.mktemp("start") / "small.safetensors"
    save_model(path, {**tensors, "latents.mean": torch.ones(4), "latents.std": torch.ones(4)}, config, {})
    return Start(path)


def test_words_learn_what_the_subwords_of_the_model_were(start: Start) -> None:
    bank = LatentBank.of(torch.randn(4, 4, 4, 4), CAPTIONS, WordRows(), 6)
    stage = start.words_stage(Settings(steps=1, rate=1e-2), 16, lambda: bank)
    task = stage.start({}, torch.device("cpu"))
    optimiser = torch.optim.AdamW(task.module.parameters(), lr=1e-2)
    losses = []
    for step in range(25):
        loss = task.loss(task.module, torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) < 0.5 * sum(losses[:3])


def test_the_denoiser_begins_with_the_weights_of_the_model(start: Start) -> None:
    encoder = WordEncoder(32, 2, 6)
    network = start.denoiser(encoder)
    before = SceneTransformer(dataclasses.replace(start.shape, vocabulary=1))
    shared = {name for name, _ in before.named_parameters()} - {"subwords.weight", "text_position"}
    kept = start._file.tensors(prefix="denoiser.")
    parameters = dict(network.named_parameters())
    assert all(torch.equal(parameters[name], kept[name]) for name in shared)
    assert torch.equal(network.words.project.weight, encoder.project.weight)
    assert not start.reads_words
    assert network.shape.vocabulary == 0


class Halving(nn.Module):
    """Stands for a codec: latents are means of 32 x 32 pixels; counts what it encodes."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.encoded = 0

    def encode(self, x: Tensor) -> Tensor:
        self.encoded += len(x)
        return functional.avg_pool2d(x, 32) * self.weight


def test_a_bank_goes_on_where_its_build_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{colour} box" for colour in ("red", "green", "blue")]
    sprites = np.full((3, 128, 128, 4), 255, np.uint8)
    for sprite, name in zip(sprites, names, strict=True):
        sprite[..., :3] = COLOURS[name.split()[0]]
    everything = EmojiSet(tuple(Emoji(name[0], name, ()) for name in names), sprites)
    monkeypatch.setattr(emoji, "load", lambda: everything)
    monkeypatch.setattr(emoji, "with_sequences", lambda found: found)
    monkeypatch.setattr(banks, "PART", 8)

    def build(codec: Halving) -> LatentBank:
        scale = torch.zeros(3), torch.ones(3)
        return banks.build(codec, {"background": 30}, 2, 6, tmp_path, lambda _: None, scale)  # type: ignore[arg-type]

    first = build(whole := Halving())
    last = max(tmp_path.iterdir())
    last.unlink()
    again = build(rest := Halving())
    assert 0 < rest.encoded <= 8 < whole.encoded < len(first.latents)
    assert torch.equal(first.latents, again.latents)
    assert torch.equal(first.ids, again.ids)
    # One picture, encoded once, with many captions.
    assert len(first.latents[:16].unique(dim=0)) == 1
    assert len(first.ids[:16].flatten(0, 1).unique(dim=0)) > 3
    assert first.mean.tolist() == [0, 0, 0]
