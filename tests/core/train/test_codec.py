"""Codecs are trained whole, then their decoders alone, and either leaves what it shall not touch."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from gen.nn import GridAutoencoder
from gen.train import Recipe, Settings, Task, codec_stages, reconstruction_task, run
from gen.train.pictures import picture_distance, picture_task, save_grid


def build() -> GridAutoencoder:
    return GridAutoencoder(nn.Conv2d(3, 8, 4, 4), nn.ConvTranspose2d(8, 3, 4, 4))


def drawn(seed: int) -> Tensor:
    """Pictures of one colour each, (16, 3, 8, 8)."""
    colours = torch.rand(16, 3, 1, 1, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return colours.expand(-1, -1, 8, 8)


def error(network: nn.Module) -> float:
    with torch.no_grad():
        return float((network(drawn(0)) - drawn(0)).abs().mean())


def test_the_second_stage_trains_the_decoder_alone(tmp_path: Path) -> None:
    kept: dict[str, nn.Module] = {}

    def export(modules: Mapping[str, nn.Module], _: object, path: Path) -> None:
        kept.update(modules)
        path.touch()

    settings = Settings(steps=50, rate=5e-2, matrix_rate=1e-1, warmup=5, ema=0.9)
    stages = codec_stages(
        build, lambda network, device: picture_task(network, drawn), codec=settings, decoder=settings
    )
    assert [stage.name for stage in stages] == ["codec", "decoder"]
    run(Recipe(name="tiny", stages=stages, export=export), tmp_path, report=lambda line: None)
    codec, decoder = kept["codec"].state_dict(), kept["decoder"].state_dict()
    assert torch.equal(codec["encoder.weight"], decoder["encoder.weight"])
    assert not torch.equal(codec["decoder.weight"], decoder["decoder.weight"])
    assert max(error(kept["codec"]), error(kept["decoder"])) < 0.5 * error(build())
    assert (tmp_path / "codec-000050.png").exists()


def test_a_part_of_the_encoder_that_does_not_exist_is_no_part() -> None:
    settings = Settings(steps=1, rate=0.0, matrix_rate=0.0)
    stages = codec_stages(
        build,
        lambda network, device: picture_task(network, drawn),
        codec=settings,
        decoder=settings,
        encoder=("front",),
    )
    with pytest.raises(AttributeError, match="front"):
        stages[1].start({"codec": build()}, torch.device("cpu"))


def test_the_loss_is_the_distance_to_what_is_made_of_noisy_latents() -> None:
    seen: list[Tensor] = []

    def distance(made: Tensor, data: Tensor) -> Tensor:
        seen.append(made - data)
        return seen[-1].square().mean()

    whole = GridAutoencoder(nn.Identity(), nn.Identity())
    data = torch.ones(400, 3, 4, 4)  # unit mean square: latents are the data
    task: Task = reconstruction_task(whole, lambda seed: data, distance, lambda *_: None, shown=1)
    one, same, other = (task.loss(whole, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert one == same != other
    assert seen[0].std() == pytest.approx(0.1, rel=0.02)
    assert [name for name in ("a.weight", "a.bias", "norm1.weight") if task.matrix(name)] == ["a.weight"]


def test_a_preview_shows_pictures_above_what_is_made_of_them(tmp_path: Path) -> None:
    class Black(GridAutoencoder):
        def forward(self, data: Tensor) -> Tensor:
            return torch.full_like(data, -1.0)

    network = Black(nn.Identity(), nn.Identity())
    picture_task(network, drawn).preview(network, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (20, 120, 3)
    expected = ((drawn(0)[:12, :, 0, 0] + 1) * 127.5).round().numpy()
    assert np.array_equal(sheet[5, 5::10], expected)
    assert (sheet[15, 5::10] == 0).all()


def test_the_distance_of_pictures_counts_edges() -> None:
    flat = torch.zeros(1, 3, 8, 8)
    shifted, striped = flat + 0.5, flat.clone()
    striped[..., ::2] = 1.0
    assert picture_distance(flat, flat) == 0
    assert picture_distance(shifted, flat) == pytest.approx(0.5)
    assert picture_distance(striped, flat) == pytest.approx(0.5 + 0.5)


def test_a_grid_is_white_between_pictures(tmp_path: Path) -> None:
    save_grid(torch.full((6, 3, 4, 4), -2.0), tmp_path / "grid.png", columns=3)
    sheet = np.asarray(Image.open(tmp_path / "grid.png"))
    assert sheet.shape == (12, 18, 3)
    assert (sheet[0] == 255).all()
    assert (sheet[1:5, 1:5] == 0).all()
