"""The state that is sampled, and which of its cells training gives."""

import pytest
import torch

from gen_video.layers import NUMBERS
from gen_video.sizes import FRAMES
from gen_video.state import CHANNELS, COPIES, HEAD, PER_PICTURE, pack, unpack
from gen_video.training import known_cells


def test_what_is_packed_comes_out() -> None:
    generator = torch.Generator().manual_seed(0)
    for frames in (1, 16, 33):
        latents = torch.randn(3, 32, 8, 8, generator=generator)
        motion = torch.randn(NUMBERS, frames, generator=generator)
        state = pack(latents, motion)
        assert state.shape == (128, 48 + frames)
        again, moved = unpack(state)
        assert torch.equal(again, latents)
        assert torch.allclose(moved, motion, atol=1e-6)


def test_every_picture_and_frame_has_its_own_cells() -> None:
    latents, motion = torch.zeros(3, 32, 8, 8), torch.zeros(NUMBERS, 5)
    latents[1, :, 2:4, 4:6] = 1
    motion[:, 3] = 2
    state = pack(latents, motion)
    # The second row of cells of 2 × 2 latents, the third in it.
    seen = PER_PICTURE + 4 + 2
    assert state.any(0).nonzero().flatten().tolist() == [seen, HEAD + 3]
    assert state[:, seen].unique().tolist() == [1]
    assert state[:, HEAD + 3].unique().tolist() == [2]


def test_what_is_said_often_drowns_later() -> None:
    noise = torch.randn(CHANNELS, HEAD + 2000, generator=torch.Generator().manual_seed(1))
    assert unpack(noise)[1].std() == pytest.approx(COPIES**-0.5, rel=0.02)


@pytest.mark.parametrize(
    ("example", "sorts"),
    [
        ("told", {"nothing": 0.7, "looks": 0.1, "all but a thing": 0.1, "all but the background": 0.1}),
        ("first", {"first": 1.0}),
        ("ends", {"last": 0.5, "both ends": 0.5}),
    ],
)
def test_of_every_kind_of_example_other_cells_are_given(example: str, sorts: dict[str, float]) -> None:
    masks = known_cells.draw(example, 8000, FRAMES, torch.Generator().manual_seed(0)).int()
    assert masks.shape == (8000, HEAD + FRAMES)
    shares: dict[str, float] = {}
    for row, count in zip(*masks.unique(dim=0, return_counts=True), strict=True):
        shares[kind(row.tolist())] = int(count) / len(masks)
    assert shares == {name: pytest.approx(share, abs=0.02) for name, share in sorts.items()}


def test_runs_and_holes_have_many_lengths() -> None:
    masks = known_cells.draw("continued", 8000, FRAMES, torch.Generator().manual_seed(1)).int()
    assert masks[:, :HEAD].all()
    tails = {tuple(row[HEAD:].tolist()) for row in masks}
    assert {kind([1] * HEAD + list(tail)) for tail in tails} == {"first", "run", "hole"}
    runs = {sum(tail) for tail in tails if "01" not in text(tail)}
    assert set(range(1, 9)) <= runs
    holes = {tail.index(0) for tail in tails if tail[0] and tail[-1] and 0 in tail}
    assert set(range(1, 9)) <= holes


def text(bits: tuple[int, ...] | list[int]) -> str:
    return "".join(str(bit) for bit in bits)


def kind(row: list[int]) -> str:
    """What is given in a mask."""
    head, tail = row[:HEAD], text(row[HEAD:])
    if not any(row):
        return "nothing"
    if "0" not in tail:
        things, behind = HEAD - PER_PICTURE, PER_PICTURE
        assert head in ([0] * behind + [1] * things, [1] * things + [0] * behind)
        return "all but a thing" if not head[0] else "all but the background"
    assert all(head)
    middle = "0" * (FRAMES - 2)
    ends = {"1" + middle + "0": "first", "0" + middle + "1": "last", "1" + middle + "1": "both ends"}
    if tail in ends:
        return ends[tail]
    if "1" not in tail:
        return "looks"
    assert tail[0] == "1"
    assert tail.strip("1").strip("0") == ""
    return "run" if tail[-1] == "0" else "hole"


def test_the_condition_says_where_and_what() -> None:
    states, mask = torch.randn(2, CHANNELS, HEAD + FRAMES), torch.zeros(2, HEAD + FRAMES)
    mask[0, [5, HEAD + 3]] = 1
    known = known_cells.condition(states, mask)
    assert known.shape == (2, 1 + CHANNELS, HEAD + FRAMES)
    assert torch.equal(known[:, 0], mask)
    assert torch.equal(known[0, 1:, [5, HEAD + 3]], states[0, :, [5, HEAD + 3]])
    assert known[0].any(0).sum() == 2
    assert not known[1].any()
