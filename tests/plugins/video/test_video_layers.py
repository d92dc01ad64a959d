"""Layers: where things are seen, what covers what, what is between frames, and the clips of the grammar."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from gen_video.layers import NUMBERS, POSE, Layers, absent, pose, resized, steady, unposed
from gen_video.training.data import things
from gen_video.training.data.backgrounds import PATTERNED
from gen_video.training.data.clips import Actor, Clip
from gen_video.training.data.render import Renderer

RED, BLUE, GREEN = ([float(row == column) for row in range(3)] for column in (0, 2, 1))
GROUND = torch.tensor([0.2, 0.4, 0.6])[:, None, None].expand(3, 128, 128)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(things.load())


def solid(colour: list[float]) -> Tensor:
    """A thing (4, 128, 128) that is one opaque square."""
    return torch.tensor([*colour, 1.0])[:, None, None].expand(4, 128, 128).clone()


def placed(
    x: float = 0, y: float = 0, angle: float = 0, wide: float = 32, high: float = 32, opacity: float = 1
) -> NDArray[np.float64]:
    """The numbers (7, 1) of a thing in one frame."""
    return pose(*(np.array([float(value)]) for value in (x, y, angle, wide, high, opacity)))


def still(count: int = 1, shift: float = 0, zoom: float = 1) -> NDArray[np.float64]:
    return steady(np.full(count, float(shift)), np.full(count, float(zoom)))


def one(numbers: NDArray[np.float64], thing: Tensor | None = None, ground: Tensor = GROUND) -> Layers:
    """A frame with one thing, red where nothing else is said."""
    seen = torch.stack([solid(RED) if thing is None else thing, torch.zeros(4, 128, 128)])
    return Layers(seen, ground, np.concatenate([numbers, absent(1), still()]))


def moving(numbers: NDArray[np.float64]) -> Layers:
    """Layers whose first number follows a curve (T,), and the others rest."""
    motion = np.zeros((NUMBERS, len(numbers)))
    motion[0] = numbers
    return Layers(torch.zeros(2, 4, 128, 128), GROUND, motion)


def test_a_square_is_seen_where_its_numbers_say() -> None:
    frames = one(placed(x=10, y=-20, wide=32, high=16)).frames()
    wanted = GROUND.clone()
    wanted[:, 36:52, 58:90] = torch.tensor(RED)[:, None, None]
    assert frames.shape == (1, 3, 128, 128)
    assert (frames[0] - wanted).abs().max() < 1e-4


@pytest.mark.parametrize("size", [16, 64, 256, 512])
def test_at_other_sizes_all_is_scaled(size: int) -> None:
    layers = one(placed(x=16, y=-32, wide=64, high=32))
    frame, unit = layers.frames(size)[0], size // 16
    wanted = GROUND[:, :1, :1].expand(3, size, size).clone()
    wanted[:, 2 * unit : 6 * unit, 6 * unit : 14 * unit] = torch.tensor(RED)[:, None, None]
    # Where a thing is drawn larger than its picture has pixels, its edge is a ramp.
    assert (frame - wanted).abs().mean() < 0.01
    inner = frame[:, 3 * unit : 5 * unit, 7 * unit : 13 * unit]
    assert (inner - torch.tensor(RED)[:, None, None]).abs().max() < 1e-4
    assert (frame[:, 7 * unit :] - GROUND[:, :1, :1]).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("turns", "side"),
    [(0, (slice(48, 64), slice(48, 80))), (0.25, (slice(48, 80), slice(64, 80))),
     (0.5, (slice(64, 80), slice(48, 80))), (-0.25, (slice(48, 80), slice(48, 64)))],
)  # fmt: skip
def test_things_turn_clockwise(turns: float, side: tuple[slice, slice]) -> None:
    thing = solid(BLUE)
    thing[:, :64] = solid(RED)[:, :64]
    frame = one(placed(angle=2 * np.pi * turns), thing).frames()[0]
    # Its upper half is red.
    wanted = GROUND.clone()
    wanted[:, 48:80, 48:80] = torch.tensor(BLUE)[:, None, None]
    wanted[:, *side] = torch.tensor(RED)[:, None, None]
    assert (frame - wanted).abs().mean() < 0.003


def test_a_turned_thing_keeps_its_shape() -> None:
    frame = one(placed(angle=0.6, wide=60, high=20)).frames()[0]
    red = ((frame - GROUND)[0] / 0.8).double()
    across, along = torch.meshgrid(*[torch.arange(128.0) - 63.5] * 2, indexing="xy")
    assert red.sum() == pytest.approx(60 * 20, rel=0.01)
    turned = {"long": across * np.cos(0.6) + along * np.sin(0.6)}
    turned["short"] = along * np.cos(0.6) - across * np.sin(0.6)
    for name, side in (("long", 60), ("short", 20)):
        # The variance of a uniform distribution.
        assert (red * turned[name] ** 2).sum() / red.sum() == pytest.approx(side**2 / 12, rel=0.03)


def test_opacity_mixes_with_what_is_behind() -> None:
    half, none = (one(placed(opacity=opacity)).frames()[0] for opacity in (0.5, 0))
    mixed = (torch.tensor(RED) + GROUND[:, 0, 0]) / 2
    assert (half[:, 48:80, 48:80] - mixed[:, None, None]).abs().max() < 1e-4
    assert torch.equal(none, GROUND)


def test_what_is_mirrored_has_an_opacity_below_zero() -> None:
    thing = solid(BLUE)
    thing[:, :, :64] = solid(RED)[:, :, :64]
    usual, mirrored = (one(placed(opacity=opacity), thing).frames()[0] for opacity in (0.5, -0.5))
    assert (usual[:, :, :64] - usual[:, :, 64:].flip(-1)).abs().max() > 0.4
    assert (mirrored - usual.flip(-1)).abs().max() < 1e-5


def test_the_first_thing_is_in_front() -> None:
    motion = np.concatenate([placed(x=-8), placed(x=8), still()])
    frame = Layers(torch.stack([solid(GREEN), solid(BLUE)]), GROUND, motion).frames()[0]
    assert frame[:, 64, 64].tolist() == pytest.approx(GREEN, abs=1e-4)
    assert frame[:, 64, 84].tolist() == pytest.approx(BLUE, abs=1e-4)


def test_what_is_beyond_the_edge_is_cut_off() -> None:
    frame = one(placed(x=64, y=70)).frames()[0]
    wanted = GROUND.clone()
    wanted[:, 118:, 112:] = torch.tensor(RED)[:, None, None]
    assert (frame - wanted).abs().max() < 1e-4
    assert torch.equal(one(placed(x=-90)).frames()[0], GROUND)


def test_the_numbers_of_a_frame_concern_it_alone() -> None:
    thing = solid(BLUE)
    thing[:, ::16] = solid(RED)[:, ::16]
    poses = [placed(x=-30, wide=12, high=12), placed(), placed(x=55, wide=120, high=90)]
    motion = np.concatenate([np.concatenate(poses, 1), absent(3), still(3)])
    together = Layers(torch.stack([thing, solid(BLUE)]), GROUND, motion).frames()
    for frame, numbers in zip(together, poses, strict=True):
        assert (frame - one(numbers, thing).frames()[0]).abs().max() < 1e-4


def test_a_background_moves_to_the_left_and_comes_round() -> None:
    ground = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))
    shifts = np.array([0.0, 5.0, -7.0, 64.0, 130.0])
    motion = np.concatenate([absent(5), absent(5), steady(shifts, np.ones(5))])
    frames = Layers(torch.zeros(2, 4, 128, 128), ground, motion).frames()
    for frame, shift in zip(frames, shifts, strict=True):
        assert (frame - ground.roll(-int(shift), -1)).abs().max() < 1e-3


def test_a_background_is_enlarged_around_its_middle() -> None:
    ground = functional.interpolate(
        torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1)), (128, 128), mode="bilinear"
    )[0]
    motion = np.concatenate([absent(1), absent(1), still(zoom=2)])
    frame = Layers(torch.zeros(2, 4, 128, 128), ground, motion).frames()[0]
    middle = functional.interpolate(ground[None, :, 32:96, 32:96], scale_factor=2, mode="bilinear")[0]
    assert (frame - middle)[:, 1:-1, 1:-1].abs().max() < 1e-4


def test_nothing_flares_up_beside_what_vanishes() -> None:
    shown = np.array([1.0, 1.0, 0.0, 0.0, -1.0, -1.0])
    motion = np.concatenate([np.concatenate([placed(opacity=o) for o in shown], 1), absent(6), still(6)])
    layers = Layers(torch.stack([solid(RED), solid(BLUE)]), GROUND, motion)
    between = layers.at([Fraction(i, 10) for i in range(51)], loop=False)
    opacity = unposed(between.motion[:POSE])[-1]
    assert np.abs(opacity).max() <= 1
    assert not opacity[20:31].any()
    assert (opacity[:20] >= 0).all()
    assert (opacity[31:] <= 0).all()


EVEN = np.array([1.0, 1.0, 0.0, 0.0] * 4)
UNEVEN = np.array([1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.9, 0.0, 0.8, 1.0, 0.0, 0.2])


def turns(x: float, first: NDArray[np.float64]) -> Layers:
    """A red thing and a blue one, so far apart, of which the first is as opaque, and the second else."""
    numbers = [
        np.concatenate([placed(x=side, opacity=o) for o in opacity], 1)
        for side, opacity in ((0, first), (x, first - 1))
    ]
    ground = still(len(first))
    return Layers(torch.stack([solid(RED), solid(BLUE)]), GROUND, np.concatenate([*numbers, ground]))


@pytest.mark.parametrize("first", [EVEN, UNEVEN])
def test_of_two_poses_of_one_thing_one_is_seen_at_a_time_in_even_strides(first: NDArray[np.float64]) -> None:
    at = [Fraction(i, 4) for i in range(61)]
    frames = turns(6, first).at(at, loop=False).frames()
    # Both are three pixels from where each of them is alone: where the other is.
    assert torch.allclose(frames[:, :, 64, 50], GROUND[:, 64, 50])
    for position, colour in zip(at, frames[:, :, 64, 64], strict=True):
        assert colour.tolist() == pytest.approx(RED if position % 4 < 2 else BLUE, abs=1e-4)


@pytest.mark.parametrize(("frames", "stride"), [(1, 2), (2, 4), (4, 8)])
def test_strides_are_as_quick_as_they_are_drawn(frames: int, stride: int) -> None:
    first = (np.arange(16) // frames % 2).astype(np.float64)
    at = [Fraction(i, 2) for i in range(31)]
    red = turns(0, first).at(at, loop=False).frames()[:, 0, 64, 64]
    for position, seen in zip(at, red, strict=True):
        assert seen == pytest.approx(BLUE[0] if position % stride < stride / 2 else RED[0], abs=1e-4)


def test_two_things_that_are_apart_blend_in_and_out() -> None:
    between = turns(50, EVEN).at([Fraction(3, 2)], loop=False)
    opacity = [unposed(between.motion[thing * POSE : (thing + 1) * POSE])[-1][0] for thing in (0, 1)]
    assert np.abs(opacity) == pytest.approx([0.5, 0.5], abs=0.1)


def test_a_thing_that_takes_the_place_of_another_does_so_once() -> None:
    layers = turns(0, np.repeat([1.0, 0.0], 8))
    assert np.array_equal(layers.at([Fraction(i) for i in range(16)], loop=False).motion, layers.motion)


def test_a_thing_that_fades_where_nothing_else_is_still_fades() -> None:
    fading = np.concatenate([placed(opacity=o) for o in (0.0, 0.5, 1.0)], 1)
    layers = Layers(
        torch.stack([solid(RED), solid(BLUE)]), GROUND, np.concatenate([fading, absent(3), still(3)])
    )
    at = [Fraction(i) for i in range(3)]
    assert np.array_equal(layers.at(at, loop=False).motion, layers.motion)


def test_what_pose_says_unposed_reads() -> None:
    numbers = placed(x=-9, y=30, angle=2.5, wide=20, high=90, opacity=-0.25)
    assert np.allclose(np.concatenate(unposed(numbers)), [-9, 30, 2.5, 20, 90, -0.25])
    assert np.allclose(resized(np.repeat(numbers, 3, 1)[4], 1, 40), placed(wide=40)[4])


def test_without_the_background_there_is_alpha() -> None:
    layers = one(placed(opacity=0.5))
    cut = layers.cut_out()[0]
    assert torch.allclose(cut[:3] + (1 - cut[3:]) * GROUND, layers.frames()[0], atol=1e-6)
    assert cut[:, 64, 64].tolist() == pytest.approx([0.5, 0, 0, 0.5], abs=1e-4)
    assert not cut[:, :40].any()


def test_frames_are_hit_exactly() -> None:
    curve = np.random.default_rng(0).standard_normal(16)
    layers = moving(curve)
    for loop in (False, True):
        assert np.array_equal(layers.at([Fraction(i) for i in range(16)], loop=loop).motion, layers.motion)
        third = layers.at([Fraction(i, 3) for i in range(46)], loop=loop).motion
        assert np.array_equal(third[:, ::3], layers.motion)


def test_between_frames_things_go_on_smoothly() -> None:
    def wave(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sin(2 * np.pi * at / 16)

    layers = moving(wave(np.arange(16)))
    at = np.arange(64) / 4
    found = layers.at([Fraction(i, 4) for i in range(64)], loop=True).motion[0]
    # Twenty times nearer than along straight lines, across the seam too.
    assert np.abs(found - wave(at)).max() < 1e-3
    straight = np.interp(at, np.arange(17), wave(np.arange(17)))
    assert np.abs(straight - wave(at)).max() > 0.018
    line = moving(np.arange(16.0))
    inside = line.at([Fraction(i, 8) for i in range(8, 112)], loop=False).motion[0]
    assert np.allclose(inside, np.arange(8, 112) / 8)


def test_an_end_that_is_no_seam_knows_nothing_of_the_beginning() -> None:
    curve = np.zeros(16)
    curve[0] = 1
    last = [Fraction(29, 2), Fraction(15)]
    assert np.array_equal(moving(curve).at(last, loop=False).motion[0], [0, 0])
    assert moving(curve).at([Fraction(31, 2)], loop=True).motion[0] == pytest.approx(0.5625)


def test_a_background_that_scrolls_in_a_loop_never_turns_back(renderer: Renderer) -> None:
    for scroll, sign in (("left", 1), ("right", -1)):
        clip = Clip((), background=PATTERNED[0], scroll=scroll)
        assert clip.periodic
        finer = renderer.layers(clip).at([Fraction(i, 3) for i in range(48)], loop=True)
        steps = np.diff(finer.motion[-2]) * 20
        assert np.allclose(steps, sign * 64 / 48)


def test_looks_are_equal_where_pictures_are(renderer: Renderer) -> None:
    one, other = sorted(renderer.tintable)[:2]
    drawn = [
        (Clip((Actor(one, "left"),)), (False,)),
        (Clip((Actor(one, "spin", x=9), Actor(other)), "and"), (True, False)),
        (Clip((Actor(other, hue="purple"),), background=PATTERNED[0]), (False,)),
    ]
    looks = [look for clip, turned in drawn for look in renderer.looks(clip, turned)]
    pictures = [picture for clip, turned in drawn for picture in renderer.pictures(clip, turned)]
    assert len(looks) == len(pictures) == 9
    for look, seen in zip(looks, pictures, strict=True):
        for another, shown in zip(looks, pictures, strict=True):
            assert (look == another) == torch.equal(seen, shown)


def test_smaller_pictures_of_things_show_the_same(renderer: Renderer) -> None:
    small = Renderer(renderer.things, 64)
    clip = Clip((Actor(3, "left"),))
    assert small.picture(clip.actors[0]).shape == (4, 64, 64)
    assert (small.render([clip]) - renderer.render([clip])).abs().mean() < 0.01
