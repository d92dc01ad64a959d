"""The grammar, the motions and the renderer."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from gen.words import read
from gen_video.autoencoder import Autoencoder, on_white
from gen_video.state import unpack
from gen_video.training import bank
from gen_video.training import codec as codec_training
from gen_video.training.codec import pretrained
from gen_video.training.data import clips, examples, things
from gen_video.training.data.backgrounds import PATTERNED, PLAIN, SCENIC, tile
from gen_video.training.data.clips import Actor, Clip
from gen_video.training.data.motion import MOTIONS, SPEEDS, other_pose
from gen_video.training.data.render import TIMES, Renderer

T = np.linspace(0, 1, 65)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(things.load())


def centroid(frames: torch.Tensor) -> np.ndarray:
    """Centre (T, 2) as x and y of what is not white, in pixels."""
    weight = (1 - frames).sum(1)
    axis = torch.arange(128) + 0.5
    total = weight.sum((1, 2))
    return torch.stack([(weight.sum(1) @ axis) / total, (weight.sum(2) @ axis) / total], 1).numpy()


@pytest.mark.parametrize("name", MOTIONS)
@pytest.mark.parametrize("speed", SPEEDS)
def test_a_periodic_motion_comes_round_and_no_other_does(name: str, speed: str) -> None:
    motion = MOTIONS[name]
    ends = motion.pose(np.array([0.0, 1.0]), speed, 0.3)
    turned = np.stack([ends.x, ends.y, np.cos(ends.angle), np.sin(ends.angle), ends.scale_x, ends.opacity])
    assert np.allclose(turned[:, 0], turned[:, 1], atol=1e-9) == motion.periodic


@pytest.mark.parametrize("name", [name for name in MOTIONS if name != "still"])
def test_a_faster_motion_gets_further_in_the_first_moments(name: str) -> None:
    def way(speed: str) -> float:
        pose = MOTIONS[name].pose(T, speed, 0.0)
        parts = (pose.x, pose.y, 40 * pose.angle, 60 * pose.scale_x, 60 * pose.opacity)
        return float(sum(np.abs(np.diff(part)).sum() for part in parts))

    def early(speed: str) -> float:
        pose = MOTIONS[name].pose(T[:17], speed, 0.0)
        parts = (pose.x, pose.y, 40 * pose.angle, 60 * pose.scale_x, 60 * pose.opacity)
        return float(sum(np.abs(np.diff(part)).sum() for part in parts))

    assert early("slow") < early("fast")
    assert way("slow") <= way("fast")


def test_frames_follow_the_pose(renderer: Renderer) -> None:
    ball = next(i for i, names in enumerate(renderer.things.names) if names[0] == "yellow circle")
    # Its picture's own middle is not that of the ball.
    rest = centroid(renderer.render([Clip((Actor(ball),))])[0])[0]
    assert np.abs(rest - 64).max() < 1
    for motion in ("left", "right", "up", "down", "circle"):
        clip = Clip((Actor(ball, motion, "normal", phase=0.2),))
        pose = MOTIONS[motion].pose(TIMES, "normal", 0.2)
        track = centroid(renderer.render([clip])[0])
        wanted = rest + np.stack([pose.x, pose.y], 1)
        assert np.abs(track - wanted).max() < 0.05


def test_a_pan_moves_everything_the_other_way(renderer: Renderer) -> None:
    clip = Clip((Actor(0),), background=PATTERNED[0])
    still = renderer.render([clip])[0]
    panned = renderer.render([replace(clip, camera="pan right")])[0]
    # In the middle of a pan of 48 pixels, the camera looks where it would without.
    assert (still[8] - panned[8]).abs().max() < 1e-4
    assert (still[0, :, :, :104] - panned[0, :, :, 24:]).abs().max() < 1e-4


def test_rendering_in_a_batch_is_rendering_alone(renderer: Renderer) -> None:
    rng = random.Random(0)
    drawn = [clips.draw(renderer.things, renderer.tintable, rng) for _ in range(6)]
    together = renderer.render(drawn)
    assert together.shape == (6, 16, 3, 128, 128)
    assert together.min() >= -1
    assert together.max() <= 1
    for clip, frames in zip(drawn, together, strict=True):
        assert torch.equal(renderer.render([clip])[0], frames)


def test_clips_that_claim_to_be_loops_are(renderer: Renderer) -> None:
    rng = random.Random(1)
    drawn = [clips.draw(renderer.things, renderer.tintable, rng) for _ in range(300)]
    loops = [clip for clip in drawn if clip.periodic][:12]
    assert len(loops) == 12
    ends = renderer.render(loops, np.array([0.0, 1.0]))
    assert (ends[:, 0] - ends[:, 1]).abs().max() < 0.02


def test_captions_hold_words_of_the_table_only_and_never_what_is_held_out() -> None:
    known = things.load()
    rng = random.Random(2)
    for _ in range(500):
        clip = clips.draw(known, frozenset(range(len(known))), rng)
        assert not clips.held_out(clip, known)
        text = clips.caption(clip, known, rng, loop=True)
        assert not read(text).unknown, text
        assert text.endswith("loop") == clip.periodic


def test_one_pair_in_twenty_is_held_out_of_every_motion() -> None:
    known = things.load()
    for motion in clips.MOVING:
        share = np.mean([clips.held_out(Clip((Actor(i, motion),)), known) for i in range(len(known))])
        assert 0.01 < share < 0.1


@pytest.mark.parametrize(
    ("clip", "text"),
    [
        (Clip((Actor(0, "fly up"),)), "a rocket flies up"),
        (Clip((Actor(0, "beat", "slow"),)), "a rocket beats slowly"),
        (Clip((Actor(0, "left", hue="red"), Actor(1)), "past"), "a red rocket flies left past a dog"),
        (Clip((Actor(1, "right"),), background=SCENIC[2]), "a dog runs right on the grass"),
        (Clip((Actor(1, "spin", hue="red", size=100),)), "a big red dog spins"),
        (Clip((Actor(0, "left", size=40), Actor(1)), "past"), "a rocket flies left past a dog"),
        (Clip((Actor(1),), background=PLAIN[1], camera="zoom in"),
         "a dog on a black background, the camera zooms in"),
    ],
)  # fmt: skip
def test_the_plainest_caption(clip: Clip, text: str) -> None:
    known = things.load()
    rows = {names[0]: i for i, names in enumerate(known.names)}
    actors = tuple(replace(a, thing=rows[("rocket", "dog")[a.thing]]) for a in clip.actors)
    assert clips.canonical(replace(clip, actors=actors), known) == text


def test_backgrounds_go_on_at_their_edge() -> None:
    for background in (*PLAIN, *PATTERNED, *SCENIC):
        picture = tile(background).astype(int)
        seam = np.abs(picture[:, 0] - picture[:, -1]).mean()
        steps = np.abs(np.diff(picture, axis=1)).mean((0, 2))
        assert seam <= steps.max() + 1


def test_the_codec_begins_as_that_of_pictures(renderer: Renderer) -> None:
    seen = on_white(torch.stack([renderer.picture(Actor(i)) for i in range(4)]))
    with torch.no_grad():
        again = pretrained()(seen)
    assert -10 * ((again - seen)[:, :3] / 2).square().mean().log10() > 20
    # Of alpha it says the same of whatever it sees.
    assert not again[:, 3].any()


def test_the_codec_learns_from_things_and_backgrounds(renderer: Renderer) -> None:
    drawn = torch.stack([codec_training._picture(renderer, random.Random(seed)) for seed in range(40)])
    assert drawn.shape == (40, 4, 128, 128)
    colour, alpha = drawn.split((3, 1), 1)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert (colour <= alpha + 1e-6).all()
    opaque = alpha.amin((1, 2, 3)) == 1
    assert 5 < opaque.sum() < 25


def test_the_bank_holds_what_is_seen_and_how_it_moves(renderer: Renderer) -> None:
    torch.manual_seed(0)
    codec = Autoencoder()
    made = bank.build(codec, 8, 28, lambda _: None)
    states = made.restored(made.latents)
    assert states.shape == (8, 128, 64)
    assert made.ids.shape == (8, bank.CAPTIONS, 28)
    assert made.kinds == {
        "told": range(4), "first": range(4, 5), "ends": range(5, 6), "continued": range(6, 8)
    }  # fmt: skip
    rng = random.Random(1)
    for kind, rows in made.kinds.items():
        for state in states[rows.start : rows.stop]:
            example = examples.draw(renderer, kind, rng)
            for _ in range(bank.CAPTIONS):
                clips.caption(example.clip, renderer.things, rng, loop=rng.random() < 0.5)
            latents, motion = unpack(state)
            with torch.no_grad():
                seen = codec.encode(on_white(torch.stack(list(example.pictures))))
            assert (latents - seen).abs().max() < 0.02
            assert np.abs(motion.numpy() - example.motion).max() < 0.02


def test_one_clip_in_eight_walks_alone(renderer: Renderer) -> None:
    rng = random.Random(5)
    drawn = [clips.draw(renderer.things, renderer.tintable, rng) for _ in range(1500)]
    walking = [clip for clip in drawn if clip.strides]
    assert 0.1 < len(walking) / len(drawn) < 0.15
    assert {clip.actors[0].motion for clip in walking} == set(clips.WALKS)
    for clip in walking:
        assert len(clip.actors) == 1
        assert clip.actors[0].thing in renderer.things.strides
    # Beside others, and in other motions, the same things have one pose.
    others = [clip for clip in drawn if not clip.strides]
    assert any(actor.thing in renderer.things.strides for clip in others for actor in clip.actors)


@pytest.mark.parametrize(("speed", "frames"), [("slow", 4), ("normal", 2), ("fast", 1)])
def test_a_pose_is_seen_for_some_frames(speed: str, frames: int) -> None:
    seen = other_pose(TIMES, speed, 0.0)
    assert np.array_equal(seen, np.arange(16) // frames % 2 == 1)


def test_what_walks_is_seen_in_two_poses_in_turn(renderer: Renderer) -> None:
    [thing, *_] = renderer.things.strides
    clip = Clip((Actor(thing, "right", phase=0.25),), strides=True)
    gliding, other = replace(clip, strides=False), renderer.things.strides[thing]
    frames, one = renderer.render([clip, gliding])
    second = replace(renderer.things, sprites=renderer.things.sprites[[other] * len(renderer.things)])
    [two] = Renderer(replace(second, strides={})).render([gliding])
    turn = other_pose(TIMES, "normal", 0.25)
    assert turn.any()
    assert not turn.all()
    for frame, is_second, first_pose, second_pose in zip(frames, turn, one, two, strict=True):
        assert torch.equal(frame, second_pose if is_second else first_pose)


def test_some_things_are_as_large_as_pictures_of_them(renderer: Renderer) -> None:
    rng = random.Random(4)
    drawn = [clips.draw(renderer.things, renderer.tintable, rng) for _ in range(400)]
    alone = [clip.actors[0] for clip in drawn if not clip.relation]
    assert 0.05 < sum(actor.size >= 100 for actor in alone) / len(alone) < 0.25
    assert 0.03 < sum(actor.size <= 44 for actor in alone) / len(alone) < 0.15
    assert sum(actor.x == actor.y == 0 for actor in alone) / len(alone) > 0.5
