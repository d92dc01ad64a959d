"""The bank of latents, and the task that every text-conditioned denoiser is trained by."""

from pathlib import Path

import pytest
import torch
from line import Line, LineShape
from torch import Tensor

from gen.diffusion import RectifiedFlow, Velocity
from gen.nn import Subwords
from gen.train import (
    DiffusionLoss,
    LatentBank,
    LogitNormalTimes,
    block_matrix,
    drop_captions,
    known_boxes,
    text_task,
)

WORDS = ["low", "high", "one"]
KINDS = {"low": range(300), "high": range(300, 500)}
LENGTH = 4


def raw() -> Tensor:
    """(500, 2, 3) on no scale in particular; the kinds differ in the first channel."""
    x = 4 + 3 * torch.randn(500, 2, 3, generator=torch.Generator().manual_seed(0))
    x[300:, 0] += 20
    return x


def build() -> LatentBank:
    captions = [text for name, rows in KINDS.items() for _ in rows for text in (name, f"one {name} one")]
    return LatentBank.of(raw(), captions, Subwords.train(WORDS, WORDS, 5), LENGTH, KINDS)


@pytest.fixture(scope="module")
def bank() -> LatentBank:
    return build()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_latents_are_standardised_per_channel_and_restored(bank: LatentBank) -> None:
    latents = raw()
    torch.testing.assert_close(bank.mean, latents.mean((0, 2)))
    torch.testing.assert_close(bank.std, latents.std((0, 2)))
    assert bank.latents.dtype == torch.float16
    torch.testing.assert_close(bank.restored(bank.latents.float()), latents, atol=0.02, rtol=1e-3)


def test_float16_latents_give_the_same_bank_in_place(bank: LatentBank) -> None:
    halves = raw().half()
    other = LatentBank.of(halves, ["low"] * 500, bank.vocabulary, LENGTH)
    assert other.latents.data_ptr() == halves.data_ptr()
    torch.testing.assert_close(other.latents, bank.latents, atol=5e-3, rtol=5e-3)


def test_a_bank_is_built_once_and_read_as_it_was_written(bank: LatentBank, tmp_path: Path) -> None:
    path = tmp_path / "bank.safetensors"
    LatentBank.load_or_build(path, build)
    read = LatentBank.load_or_build(path, lambda: pytest.fail("built again"))
    for name in ("latents", "ids", "mean", "std"):
        assert torch.equal(getattr(read, name), getattr(bank, name))
    assert read.kinds == KINDS
    assert read.subwords.to_json() == bank.vocabulary.to_json()


def test_draws_keep_shares_and_captions_belong_to_their_latents(bank: LatentBank) -> None:
    latents, ids = bank.draw(4000, generator(), {"low": 0.1, "high": 0.9})
    assert latents.dtype == torch.float32
    assert ids.dtype == torch.int64
    high = latents[:, 0].mean(1) > 0
    assert high.float().mean() == pytest.approx(0.9, abs=0.02)
    told = (ids == bank.vocabulary.ids("high")[0]).any(1)
    assert torch.equal(told, high)
    assert ((ids != 0).sum(1) == 3).float().mean() == pytest.approx(0.5, abs=0.03)
    # Without shares every item is drawn alike.
    assert (bank.draw(4000, generator())[0][:, 0].mean(1) > 0).float().mean() == pytest.approx(0.4, abs=0.03)


def test_captions_are_dropped_whole_with_one_share_or_many() -> None:
    ids = torch.ones(4000, LENGTH, dtype=torch.int64)
    dropped = ~drop_captions(ids, 0.1, generator()).bool()
    assert torch.equal(dropped.all(1), dropped.any(1))
    assert dropped[:, 0].float().mean() == pytest.approx(0.1, abs=0.02)
    each = torch.tensor([0.0, 1.0]).repeat(2000)
    assert torch.equal(drop_captions(ids, each, generator())[:, 0].bool(), each == 0)


@pytest.mark.parametrize("sides", [(7,), (8, 6), (6, 6, 6)])
def test_known_boxes_hold_the_latents_where_they_are_known(sides: tuple[int, ...]) -> None:
    latents = torch.randn(800, 3, *sides, generator=generator(1))
    known = known_boxes(latents, 0.2, generator())
    assert known.shape == (800, 4, *sides)
    mask = known[:, :1]
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(known[:, 1:], latents * mask)
    share = (mask.flatten(1).sum(1) > 0).float().mean()
    assert share == pytest.approx(0.2, abs=0.06)  # a little less: now and then all is left open
    # Each mask or what it leaves is a box: the product of its shadows on the axes.
    for one in mask[:, 0].bool():
        boxes = []
        for box in (one, ~one):
            product = torch.ones_like(box)
            for axis, size in enumerate(sides):
                shadow = box.movedim(axis, 0).reshape(size, -1).any(1)
                product &= shadow.view([size if axis == other else 1 for other in range(len(sides))])
            boxes.append(torch.equal(product, box))
        assert any(boxes)


def test_a_network_learns_which_latents_a_text_means(bank: LatentBank, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Line(
        LineShape(len(bank.vocabulary), 32, depth=2, heads=2, hidden=48, length=LENGTH, channels=2)
    )

    def draw(of: torch.Generator) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        latents, ids = bank.draw(64, of, {"low": 0.5, "high": 0.5})
        return latents, drop_captions(ids, 0.1, of), {"known": known_boxes(latents, 0.1, of)}

    shown: list[Tensor] = []
    task = text_task(
        network,
        DiffusionLoss(RectifiedFlow(), Velocity(), LogitNormalTimes()),
        bank,
        torch.device("cpu"),
        draw=draw,
        prompts=["low", "one high one"],
        show=lambda latents, path: shown.append(latents),
        size=(2, 5),
    )
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for step in range(150):
        optimiser.zero_grad()
        task.loss(network, generator(step)).backward()
        optimiser.step()
    task.preview(network, tmp_path / "unused.png")
    (drawn,) = shown
    assert drawn.shape == (2, 2, 5)
    low, high = drawn[:, 0].mean(1).tolist()
    assert low == pytest.approx(4, abs=6)
    assert high == pytest.approx(24, abs=6)


def test_matrices_for_muon_are_the_weights_of_blocks() -> None:
    network = Line(LineShape(9, width=8, depth=1, heads=2, hidden=8, length=LENGTH, channels=2))
    names = [name for name, _ in network.named_parameters() if block_matrix(name)]
    assert names == [f"blocks.0.{name}.weight" for name in ("qkv", "out", "up", "down")]
