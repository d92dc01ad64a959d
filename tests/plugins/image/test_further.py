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
from gen.train import LatentBank, emoji
from gen.train.emoji import Emoji, EmojiSet
from gen_image.denoiser import Shape, WordSceneTransformer
from gen_image.model import WORDS_ARCHITECTURE
from gen_image.training import bank as banks
from gen_image.training.data.scenes import COLOURS
from gen_image.training.start import Start


def test_the_denoiser_begins_with_the_weights_of_the_model(tmp_path: Path) -> None:
    torch.manual_seed(0)
    shape = Shape(vocabulary=0, width=32, depth=1, heads=2, hidden=32, length=6, channels=4, grid=4)
    network = WordSceneTransformer(shape)
    config = {
        "modality": "image",
        "architecture": WORDS_ARCHITECTURE,
        "shape": dataclasses.asdict(shape),
        "defaults": {"solver": "heun", "grid": "uniform", "steps": 1, "guidance": 1.0},
    }
    tensors = {f"denoiser.{name}": value for name, value in network.state_dict().items()}
    path = tmp_path / "small.safetensors"
    save_model(path, {**tensors, "latents.mean": torch.ones(4), "latents.std": torch.ones(4)}, config, {})
    start = Start(path)
    again = start.denoiser()
    assert start.shape == shape
    assert all(parameter.requires_grad for parameter in again.parameters())
    kept = network.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in again.state_dict().items())


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
