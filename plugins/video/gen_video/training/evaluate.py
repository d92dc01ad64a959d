"""Metrics of a text-to-video model of moving emoji, on prompts and seeds fixed beforehand."""

from __future__ import annotations

import io
import math
import random
import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor

import gen
from gen.artifact import Artifact
from gen.evaluation import Share, Trial, frechet_distance
from gen.metadata import Metadata
from gen.train.emoji import scaled
from gen.train.natural_prompts import natural_prompts
from gen_video.files.containers import write_mp4
from gen_video.sizes import SIDE
from gen_video.training import judges
from gen_video.training.data import clips, things
from gen_video.training.data.backgrounds import PATTERNED, PLAIN, WHITE, tile
from gen_video.training.data.clips import Actor, Clip
from gen_video.training.data.motion import MOTIONS, SPEEDS
from gen_video.training.data.render import TIMES, Renderer

DATA = Path(__file__).parent / "data"
SEED = 20_250_000
GROUP = 200
GIVEN = 40
PICTURED = 126
"""Clips between pictures of the image model, six of each motion."""
STEADY = ("left", "right", "up", "down")
"""Motions at an even pace, whose speed can be measured."""


def evaluate(trial: Trial) -> Mapping[str, object]:
    """Measure a model.

    Args:
        trial: The model. All prompts are the natural ones, those that the reading was mended by, 200 of each
            other sort, 40 with given frames, and 126 with given pictures of the image model.

    Returns:
        Metric to its value as text, in groups.

    Raises:
        UsageError: The data is not installed.
    """
    return _Evaluation(trial).run()


class _Evaluation:
    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.draw, self.limit, self.report = trial.draw, trial.samples, trial.report
        self.things = things.load()
        self.renderer = Renderer(self.things)

    @cached_property
    def thing_judge(self) -> judges.ThingJudge:
        """The judge of things."""
        return judges.things_judge(self.things, self.report)

    @cached_property
    def motion_judge(self) -> judges.MotionJudge:
        """The judge of motions."""
        return judges.motions_judge(self.things, self.report)

    def run(self) -> Mapping[str, object]:
        return self.trial.measure(
            {
                "judges, on renderings": self._floor,
                "natural prompts": lambda: self._natural("natural_prompts"),
                "development prompts": lambda: self._natural("development_prompts"),
                "one thing, seen": lambda: self._alone("seen"),
                "one thing, held out": lambda: self._alone("held out"),
                "two things": self._pairs,
                "given frames": self._given,
                "given pictures": self._pictured,
                "loops": self._loops,
                "longer clips and more frames": self._longer,
                "distribution": self._distance,
                "container": self._container,
            }
        )

    @cache  # noqa: B019 - an evaluation lives as long as its process
    def _one_thing(self, split: str) -> Tensor:
        """What the model makes of the captions of clips of one thing."""
        return self._made(self._clips(split, GROUP), f"one thing, {split}")

    def _alone(self, split: str) -> Mapping[str, str]:
        return self._judged(self._clips(split, GROUP), self._one_thing(split))

    def _floor(self) -> Mapping[str, str]:
        """What the judges say of renderings, which nothing that is drawn can exceed."""
        wanted = self._clips("held out", GROUP)
        return self._judged(wanted, self.renderer.render(wanted))

    def _natural(self, name: str) -> Mapping[str, str]:
        """How often thing and motion are right for the prompts of a file, whatever is behind the thing."""
        answers = natural_prompts(DATA / f"{name}.txt")
        prompts = random.Random(SEED).sample(sorted(answers), len(answers))[: self.limit]
        seeds = [SEED + i for i in range(len(prompts))]
        made = [_on_white(one) for one in self.draw(prompts, seeds, transparent=True)]
        white = _ground(Clip((Actor(0),)))
        masks = [judges.outlines(frames, white) for frames in made]
        moves = judges.name_motions(self.motion_judge, [judges.views(frames, white) for frames in made])
        found: dict[str, list[bool]] = {"thing": [], "motion": [], "thing and motion": []}
        for prompt, frames, mask, move in zip(prompts, made, masks, moves, strict=True):
            right = [tuple(answer.split(", ")) for answer in answers[prompt]]
            names = self.things.names[int(judges.rank_things(self.thing_judge, frames, mask)[0])]
            found["thing"].append(any(thing in names for thing, _ in right))
            found["motion"].append(any(move == motion for _, motion in right))
            found["thing and motion"].append(any(t in names and move == m for t, m in right))
        return {f"{name} right": str(Share(sum(each), len(each))) for name, each in found.items()}

    def _judged(self, wanted: Sequence[Clip], made: Tensor) -> dict[str, str]:
        masks = [judges.outlines(frames, _ground(clip)) for frames, clip in zip(made, wanted, strict=True)]
        ranks, directions, speeds, ratios, backgrounds = [], [], [], [], []
        for clip, frames, mask in zip(wanted, made, masks, strict=True):
            order = judges.rank_things(self.thing_judge, frames, mask)
            ranks.append(int((order == clip.actors[0].thing).nonzero()))
            actor = clip.actors[0]
            if actor.motion in STEADY:
                meant = _velocity(judges.outlines(self.renderer.render([clip])[0], _ground(clip)))
                found = _velocity(mask)
                angle = math.degrees(abs(_turn(found, meant)))
                directions.append(angle < 30)
                ratio = max(1e-3, float(np.linalg.norm(found)) / float(np.linalg.norm(meant)))
                ratios.append(ratio)
                factor = SPEEDS[actor.speed]
                nearest = min(SPEEDS, key=lambda name: abs(math.log(ratio * factor / SPEEDS[name])))
                speeds.append(nearest == actor.speed)
            backgrounds.append(_still(frames, self.renderer.render([clip])[0], _ground(clip)))
        named = judges.name_motions(self.motion_judge, _views(made, wanted))
        right = [name == clip.actors[0].motion for name, clip in zip(named, wanted, strict=True)]
        return {
            "thing top 1": str(Share(sum(rank < 1 for rank in ranks), len(ranks))),
            "thing top 5": str(Share(sum(rank < 5 for rank in ranks), len(ranks))),
            "motion right": str(Share(sum(right), len(right))),
            "direction of the centroid within 30°": str(Share(sum(directions), len(directions))),
            "speed right of three": str(Share(sum(speeds), len(speeds))),
            "speed, median of made to meant": f"{_median(ratios):.2f}",
            "background, deviation over time (of 255)": f"{_median([b[0] for b in backgrounds]):.2f}",
            "background, mean error (of 255)": f"{_median([b[1] for b in backgrounds]):.2f}",
        }

    def _pairs(self) -> Mapping[str, str]:
        """Two things side by side, each of which does something of its own."""
        rng = random.Random(f"{SEED} pairs")
        wanted: list[Clip] = []
        while len(wanted) < GROUP:
            both = [
                Actor(rng.randrange(len(self.things)), rng.choice(clips.STAYING), size=50, x=x)
                for x in (-31, 31)
            ]
            clip = Clip(tuple(both), "and")
            if both[0].motion != "still" and not clips.held_out(clip, self.things):
                wanted.append(clip)
        wanted = wanted[: self.limit]
        made = self._made(wanted, "two things")
        ranks = []
        for clip, frames in zip(wanted, made, strict=True):
            mask = judges.outlines(frames, _ground(clip))
            for actor, part in zip(clip.actors, (slice(0, 64), slice(64, 128)), strict=True):
                order = judges.rank_things(self.thing_judge, frames[..., part], mask[..., part])
                ranks.append(int((order == actor.thing).nonzero()))
        both_right = [a < 1 and b < 1 for a, b in zip(ranks[::2], ranks[1::2], strict=True)]
        return {
            "thing top 1": str(Share(sum(rank < 1 for rank in ranks), len(ranks))),
            "thing top 5": str(Share(sum(rank < 5 for rank in ranks), len(ranks))),
            "both right": str(Share(sum(both_right), len(both_right))),
        }

    def _given(self) -> Mapping[str, str]:
        """Clips of which the first, the last or both frames are given, as rendered."""
        wanted = self._clips("seen", GIVEN)
        real = self.renderer.render(wanted)
        result: dict[str, str] = {}
        for name, places in (("first", (0,)), ("last", (15,)), ("first and last", (0, 15))):
            errors: dict[int, list[float]] = {0: [], 15: []}
            moves = []
            for index, (clip, frames) in enumerate(zip(wanted, real, strict=True)):
                params = {("first" if at == 0 else "last"): _picture(frames[at]) for at in places}
                prompt = clips.canonical(clip, self.things)
                made = _tensor(next(self.draw([prompt], [SEED + index], **params)))
                for at in places:
                    errors[at].append(_psnr(made[at], frames[at]))
                [named] = judges.name_motions(self.motion_judge, _views([made], [clip]))
                moves.append(named == clip.actors[0].motion)
            for at in places:
                result[f"{name} given: PSNR of the {'first' if at == 0 else 'last'} frame"] = (
                    f"{_median(errors[at]):.1f} dB, median of {len(errors[at])}"
                )
            result[f"{name} given: motion right"] = str(Share(sum(moves), len(moves)))
            self.report(f"given frames: {name}")
        return result

    def _pictured(self) -> Mapping[str, str]:
        """Clips of which both ends are given: what the image model draws, where a motion begins and ends."""
        wanted = [replace(clip, background=WHITE) for clip in self._clips("seen", PICTURED)]
        real = self._with_pictures({clip.actors[0].thing for clip in wanted}).render(wanted)
        made = []
        for index, (clip, frames) in enumerate(zip(wanted, real, strict=True)):
            prompt = clips.canonical(clip, self.things)
            ends = {"first": _picture(frames[0]), "last": _picture(frames[-1])}
            made.append(_tensor(next(self.draw([prompt], [SEED + index], **ends))))
            if index % 50 == 0:
                self.report(f"given pictures: {index} of {len(wanted)}")
        result = {}
        for name, group in (("judge, on renderings", real), ("first and last given", made)):
            named = judges.name_motions(self.motion_judge, _views(group, wanted))
            pairs = [(clip.actors[0], motion) for clip, motion in zip(wanted, named, strict=True)]
            right = [motion == actor.motion for actor, motion in pairs]
            alike = [one or _alike(*pair) for one, pair in zip(right, pairs, strict=True)]
            result[f"{name}: motion right"] = str(Share(sum(right), len(right)))
            result[f"{name}: motion right, or the same at another speed"] = str(Share(sum(alike), len(alike)))
        return result

    def _with_pictures(self, shown: Collection[int]) -> Renderer:
        """Renders some of the things as the image model draws them by their names."""
        rows = sorted(shown)
        names = [self.things.names[row][0] for row in rows]
        sprites = self.things.sprites.copy()
        pictures = gen.image(names, seed=[SEED] * len(names), transparent=True)
        for row, picture in zip(rows, pictures, strict=True):
            sprites[row] = _sprite(picture.arrays["pixels"])
        return Renderer(replace(self.things, sprites=sprites))

    def _loops(self) -> Mapping[str, str]:
        """How the step over the seam compares with the other steps, with and without ``--loop``."""
        rng = random.Random(f"{SEED} loops")
        names = [
            name for name, motion in MOTIONS.items() if motion.periodic and name not in ("still", "blink")
        ]
        wanted = [Clip((Actor(rng.randrange(len(self.things)), rng.choice(names)),)) for _ in range(GIVEN)]
        wanted = wanted[: self.limit]
        scrolling = [replace(clip, background=rng.choice(PATTERNED), scroll="left") for clip in wanted]
        result = {}
        for name, loop, group in (
            ("without --loop", False, wanted),
            ("with --loop", True, wanted),
            ("with --loop, background scrolling", True, scrolling),
        ):
            ratios = []
            prompts = [clips.canonical(clip, self.things) for clip in group]
            for artifact in self.draw(prompts, [SEED + i for i in range(len(prompts))], loop=loop):
                frames = _tensor(artifact)
                steps = (frames - frames.roll(1, 0)).square().mean((1, 2, 3)).sqrt()
                ratios.append(float(steps[0] / steps[1:].median().clamp(min=1e-4)))
            result[f"seam against the median step, {name}"] = (
                f"{_median(ratios):.2f}, median of {len(ratios)}"
            )
        return result

    def _longer(self) -> Mapping[str, str]:
        """The largest step between windows against the others, and how far in-betweens are from blends."""
        wanted = [clip for clip in self._clips("seen", GROUP) if MOTIONS[clip.actors[0].motion].periodic]
        wanted = wanted[: min(GIVEN // 2, self.limit or GIVEN)]
        prompts = [clips.canonical(clip, self.things) for clip in wanted]
        seeds = [SEED + i for i in range(len(prompts))]
        joints = []
        for artifact in self.draw(prompts, seeds, frames=40):
            frames = _tensor(artifact)
            steps = (frames[1:] - frames[:-1]).square().mean((1, 2, 3)).sqrt()
            # The second window draws frame 16 and what follows.
            joints.append(float(steps[15] / steps.median().clamp(min=1e-4)))
        flicker = {}
        for name, params in (("8", {}), ("16", {"frames": 31, "fps": "16"})):
            second = []
            for artifact in self.draw(prompts, seeds, **params):
                frames = _tensor(artifact)
                second.append(float((frames[2:] - 2 * frames[1:-1] + frames[:-2]).abs().mean() * 127.5))
            flicker[f"mean second difference at {name} frames per second (of 255)"] = f"{_median(second):.2f}"
        return {"step between two windows against the median step": f"{_median(joints):.2f}", **flicker}

    def _distance(self) -> Mapping[str, str]:
        """Fréchet distance of the features of the judge of motions, to renderings, beside its floor."""
        made = self._one_thing("seen")
        wanted, others = self._clips("seen", GROUP), self._clips("seen", GROUP, start=GROUP)
        features = []
        for group, of in (
            (made, wanted),
            (self.renderer.render(wanted), wanted),
            (self.renderer.render(others), others),
        ):
            with torch.no_grad():
                features.append(self.motion_judge.embed(torch.stack(_views(group, of))))
        drawn, floor = (frechet_distance(features[index], features[2]) for index in (0, 1))
        return {
            "fd-motion-judge-v2, made to rendered": f"{drawn:.2f}",
            "fd-motion-judge-v2, rendered to rendered (floor)": f"{floor:.2f}",
            "clips": str(len(made)),
        }

    def _container(self) -> Mapping[str, str]:
        artifact = next(self.draw(["a ball bounces"], [SEED]))
        content = io.BytesIO()
        write_mp4(artifact, content, Metadata())
        boxes, at, data = [], 0, content.getvalue()
        while at < len(data):
            size, kind = struct.unpack(">I4s", data[at : at + 8])
            boxes.append(kind.decode())
            at += size
        with av.open(io.BytesIO(data)) as container:
            video = container.streams.video[0]
            context = video.codec_context
            return {
                "codec and pixel format": f"{context.name} {context.pix_fmt}",
                "BT.709, limited range": str((context.colorspace, context.color_range) == (1, 1)),
                "frames and rate": f"{video.frames} at {video.average_rate}",
                "index before the data": str(boxes.index("moov") < boxes.index("mdat")),
            }

    def _clips(self, split: str, count: int, start: int = 0) -> list[Clip]:
        """Clips of one thing on a plain background, seen or held out, in a fixed order."""
        rng = random.Random(f"{SEED} {split} {start}")
        found: list[Clip] = []
        while len(found) < count:
            motion = clips.MOVING[len(found) % len(clips.MOVING)]
            background = WHITE if rng.random() < 0.5 else rng.choice(PLAIN)
            actor = Actor(
                rng.choice(judges.things_of(self.things, motion, split)),
                motion,
                rng.choice(list(SPEEDS)),
                phase=rng.random(),
            )
            found.append(Clip((actor,), background=background))
        return found[: self.limit]

    def _made(self, wanted: Sequence[Clip], name: str) -> Tensor:
        prompts = [clips.canonical(clip, self.things) for clip in wanted]
        made = []
        for index, artifact in enumerate(self.draw(prompts, [SEED + i for i in range(len(prompts))])):
            made.append(_tensor(artifact))
            if index % 50 == 0:
                self.report(f"{name}: {index} of {len(prompts)}")
        return torch.stack(made)


def _tensor(artifact: Artifact) -> Tensor:
    """Frames (T, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(artifact.arrays["frames"][..., :3]).permute(0, 3, 1, 2) * 2 - 1


def _on_white(artifact: Artifact) -> Tensor:
    """Frames with transparency, on white: (T, 3, H, W) in [-1, 1]."""
    colours, alpha = np.split(artifact.arrays["frames"], [3], -1)
    return torch.from_numpy(colours * alpha + (1 - alpha)).permute(0, 3, 1, 2) * 2 - 1


def _picture(frame: Tensor) -> Artifact:
    pixels = ((frame + 1) / 2).clamp(0, 1).permute(1, 2, 0).numpy()
    return Artifact("image", {"pixels": np.ascontiguousarray(pixels, np.float32)})


def _alike(actor: Actor, motion: str) -> bool:
    """Whether another motion to the same side is that of an actor but for a tenth of its size, at some speed.

    Slowly past is as good as fast.
    """
    if not MOTIONS[actor.motion].heading == MOTIONS[motion].heading != 0:
        return False
    meant = _poses(actor)
    return any(
        np.abs(_poses(replace(actor, motion=motion, speed=speed)) - meant).max() < 0.1 for speed in SPEEDS
    )


def _poses(actor: Actor) -> np.ndarray:
    """Where an actor is, in its own size, its angle, scales and opacity, (6, 16)."""
    pose = MOTIONS[actor.motion].pose(TIMES, actor.speed, actor.phase)
    places = np.stack([pose.x, pose.y]) / actor.size
    return np.concatenate([places, np.stack([pose.angle, pose.scale_x, pose.scale_y, pose.opacity])])


def _sprite(pixels: np.ndarray) -> np.ndarray:
    """What is seen of a picture (H, W, 4) in [0, 1], filling a square: (128, 128, 4) uint8."""
    whole = Image.fromarray((pixels * 255).round().astype(np.uint8), "RGBA")
    rows, columns = (np.flatnonzero((pixels[..., 3] > 0.3).any(axis)) for axis in (1, 0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    side = max(right - left, bottom - top)
    x, y = (left + right - side) // 2, (top + bottom - side) // 2
    return scaled(np.asarray(whole.crop((x, y, x + side, y + side))), SIDE, Image.Resampling.LANCZOS)


def _ground(clip: Clip) -> Tensor:
    """The background of a clip where nothing moves it, (3, 128, 128) in [-1, 1]."""
    return torch.from_numpy(tile(clip.background)).permute(2, 0, 1).float() / 127.5 - 1


def _views(made: Iterable[Tensor], wanted: Sequence[Clip]) -> list[Tensor]:
    """What the judge of motions sees of clips (T, 3, H, W), each on the background that is wanted."""
    return [judges.views(frames, _ground(clip)) for frames, clip in zip(made, wanted, strict=True)]


def _velocity(masks: Tensor) -> np.ndarray:
    """Pixels per frame of the centroid of masks (T, H, W), by least squares; frames with nothing left out."""
    axis = torch.arange(masks.shape[-1]) + 0.5
    total = masks.sum((1, 2))
    seen = total > 0.25 * total.median()
    centres = torch.stack([(masks.sum(1) @ axis), (masks.sum(2) @ axis)], 1) / total[:, None].clamp(min=1e-6)
    times = torch.arange(len(masks), dtype=torch.float32)[seen]
    if len(times) < 2:
        return np.zeros(2)
    times = times - times.mean()
    slope = (times[:, None] * (centres[seen] - centres[seen].mean(0))).sum(0) / times.square().sum()
    return slope.numpy()


def _turn(a: np.ndarray, b: np.ndarray) -> float:
    """The angle between two vectors in radians."""
    cosine = float(a @ b) / max(1e-9, float(np.linalg.norm(a) * np.linalg.norm(b)))
    return math.acos(max(-1.0, min(1.0, cosine)))


def _still(made: Tensor, real: Tensor, ground: Tensor) -> tuple[float, float]:
    """Deviation over time and mean error, of 255, of what is background all the time in the rendering."""
    behind = (judges.outlines(real, ground).amax(0) < 0.05)[None, None]
    behind = -torch.nn.functional.max_pool2d(-behind.float(), 13, 1, 6)[0, 0] > 0.5
    if not behind.any():
        return 0.0, 0.0
    part = made[..., behind]
    error = (part - ground[:, behind]).abs().mean()
    return float(part.std(0).mean() * 127.5), float(error * 127.5)


def _psnr(a: Tensor, b: Tensor) -> float:
    """Of two pictures in [-1, 1], in dB."""
    return float(-10 * torch.log10(((a - b) / 2).square().mean().clamp(min=1e-10)))


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else math.nan
