"""Draw a hundred of the natural prompts of a modality, each beside the nearest reference that is right.

GEN_TRAINING_DATA=... python docs/models/make_sheet.py video docs/models/motion-prompts.png

A reference is what the model learned from: a rendering of an answer of ``natural_prompts.txt``. Of a clip the
first, a middle and the last frame are shown, of a sound its spectrogram of mels, low notes at the bottom.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import gen
from gen.artifact import Artifact
from gen.train.natural_prompts import natural_prompts

Picture = NDArray[np.uint8]
Shown = tuple[Callable[[Artifact], Picture], Callable[[str, str], list[Picture]]]
"""How an artifact is shown, and the references for an answer to a prompt."""

MODELS = {"image": "emoji", "audio": "sounds", "video": "motion", "mesh": "shapes"}
COUNT = 100
SEED = 1
LINE = 13
COLOURS = 256


def main(modality: str, path: Path, model: str) -> None:
    """Draw prompts of a modality, evenly spread over its file, with a model, and write them to ``path``."""
    every = natural_prompts(Path(str(files(f"gen_{modality}") / "training" / "data" / "natural_prompts.txt")))
    prompts = [list(every)[at * len(every) // COUNT] for at in range(COUNT)]
    show, references = {"image": _images, "audio": _sounds, "video": _clips, "mesh": _shapes}[modality]()
    generator = gen.load(model)
    pairs = []
    for prompt in prompts:
        made = show(generator(prompt, seed=SEED))
        right = [picture for answer in every[prompt] for picture in references(prompt, answer)]
        nearest = min(right, key=lambda one: float(np.abs(one.astype(float) - made).mean()))
        pairs.append(np.concatenate([made, np.full_like(made[:, :6], 128), nearest], 1))
    _save(pairs, prompts, path)


def _images() -> Shown:
    from gen.train import emoji

    known = emoji.with_sequences(emoji.load())
    rows = {one.name: row for row, one in enumerate(known.emoji) if not one.tone}

    def show(artifact: Artifact) -> Picture:
        return _small(artifact.arrays["pixels"][..., :3], 80, 80)

    def references(_: str, answer: str) -> list[Picture]:
        if answer not in rows:
            # A name that the font has no picture of.
            return []
        sprite = known.sprites[rows[answer]] / 255
        return [_small(sprite[..., :3] * sprite[..., 3:] + 1 - sprite[..., 3:], 80, 80)]

    return show, references


def _clips() -> Shown:
    from gen_video.training.data import things
    from gen_video.training.data.clips import Actor, Clip
    from gen_video.training.data.motion import SPEEDS
    from gen_video.training.data.render import Renderer

    known = things.load()
    rows = {name: row for row, names in enumerate(known.names) for name in names}
    renderer = Renderer(known)

    def strip(frames: NDArray[np.float32]) -> Picture:
        return np.concatenate([_small(frames[at], 64, 64) for at in (0, len(frames) // 2, -1)], 1)

    def references(_: str, answer: str) -> list[Picture]:
        thing, motion = answer.split(", ")
        clips = [Clip((Actor(rows[thing], motion, speed),)) for speed in SPEEDS]
        return [strip((frames.permute(0, 2, 3, 1).numpy() + 1) / 2) for frames in renderer.render(clips)]

    return lambda artifact: strip(artifact.arrays["frames"][..., :3]), references


def _sounds() -> Shown:
    import torch

    from gen_audio import composition
    from gen_audio.artifacts import fitted, mono
    from gen_audio.mel import HOP, RATE, log_mel
    from gen_audio.training.data import clips, effects, music

    length = 5 * RATE // HOP * HOP

    def spectrogram(sound: torch.Tensor) -> Picture:
        mel = log_mel(fitted(sound, length)[None])[0].flip(0).numpy()
        return _small(np.repeat(((mel + 2.6) / 5)[..., None], 3, -1), 130, 64)

    def references(_: str, answer: str) -> list[Picture]:
        if answer in effects.EFFECTS:
            wanted = [effects.Clip(answer, seed=seed) for seed in range(3)]
            return [spectrogram(torch.from_numpy(one)) for one in clips.render(wanted, length)]
        rng = random.Random(SEED)
        found: list[composition.Tune] = []
        while len(found) < 3:
            tune = music.draw(rng)
            if tune.instrument == answer:
                found.append(tune)
        return [spectrogram(torch.from_numpy(one)) for one in clips.render(found, length)]

    return lambda artifact: spectrogram(mono(artifact)), references


def _shapes() -> Shown:
    from gen_mesh import grids
    from gen_mesh.files.render import picture
    from gen_mesh.surface import extract, normals
    from gen_mesh.training.data import shapes
    from gen_mesh.training.data.builder import PALETTE
    from gen_mesh.vocabulary import NAMES

    def render(vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray) -> Picture:
        return picture(vertices, faces, colours, normals(vertices, faces.astype(np.int64)), 96)

    def show(artifact: Artifact) -> Picture:
        return render(*(artifact.arrays[name] for name in ("vertices", "faces", "colours")))

    def references(prompt: str, answer: str) -> list[Picture]:
        said = [colour for colour in PALETTE if colour in prompt.split()]
        found: list[Picture] = []
        for seed in range(3):
            rng = random.Random(seed)
            shape = shapes.make(NAMES[answer], (said or [rng.choice(list(PALETTE))])[0], rng)
            mesh = extract(*grids.unstacked(grids.stacked(*shape.grid())), 0.5, None)
            found.append(render(mesh.vertices, mesh.faces, mesh.colours))
        return found

    return show, references


def _small(pixels: np.ndarray, width: int, height: int) -> Picture:
    """Pixels (H, W, 3) in [0, 1] as (height, width, 3) uint8."""
    whole = Image.fromarray((pixels.clip(0, 1) * 255).round().astype(np.uint8))
    return np.asarray(whole.resize((width, height), Image.Resampling.LANCZOS))


def _save(pairs: Sequence[Picture], prompts: Sequence[str], path: Path) -> None:
    """Write pictures of one size as one, each above its prompt, in the palette that suits them best."""
    height, width = (size + 6 for size in pairs[0].shape[:2])
    columns = max(1, 1700 // width)
    sheet = Image.new("RGB", (columns * width, -(-len(pairs) // columns) * (height + LINE)), "white")
    pen = ImageDraw.Draw(sheet)
    for at, (picture, prompt) in enumerate(zip(pairs, prompts, strict=True)):
        x, y = at % columns * width + 3, at // columns * (height + LINE) + 3
        sheet.paste(Image.fromarray(picture), (x, y))
        pen.text((x, y + height - 5), prompt[: width // 6], fill="black")
    sheet.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *(sys.argv[3:4] or [MODELS[sys.argv[1]]]))
