"""Draw what the shipped models make of prompts, seed 1.

``samples.png``, ``clips.png`` and ``shapes.png`` are of the prompts below.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

import gen
from gen_mesh.files.render import picture
from gen_mesh.surface import normals

PICTURES = (
    "a red apple",
    "a cup of coffee",
    "a dog face",
    "a purple octopus",
    "a guitar on a yellow background",
    "three pink flamingos",
    "a sunflower on a purple striped background",
    "a penguin on a pink dotted background",
    "a cat face left of a pizza",
    "a rainbow above a cactus",
    "a fox and a mushroom on a green background",
    "a yellow star and a blue moon",
    "two green frogs",
    "four purple umbrellas",
    "a snail in the bottom left corner",
    "a turquoise heart on a striped pink background",
)

CLIPS = (
    "a rocket flies up",
    "a red car drives left past a tree",
    "a ball bounces on a light blue background",
    "a big star spins",
    "a dog runs to the right on the grass",
    "a heart beats and a moon appears",
)
SHAPES = (
    "a tall red mug with a big handle",
    "a brown table with four legs",
    "a small blue car",
    "a green chair",
    "a white sailboat with a blue sail",
    "a black cat",
    "a brown dog",
    "an orange fish with white stripes",
    "a pink house with a blue roof",
    "a yellow duck",
    "a red rocket with four fins",
    "a teapot",
    "a blue star with five points",
    "a grey elephant",
    "a green cactus with two arms",
    "a red mushroom with white spots",
)
SEED = 1
SIDE = 160


def main() -> None:
    """Rows of eight: pictures and shapes, and every second frame of the clips."""
    folder = Path(__file__).parent
    drawn = [
        (artifact.arrays["pixels"] * 255).round().astype(np.uint8)
        for artifact in gen.load("emoji")(list(PICTURES), seed=[SEED] * len(PICTURES))
    ]
    save_sheet(drawn, folder / "samples.png")
    clips = gen.load("motion")(list(CLIPS), seed=[SEED] * len(CLIPS))
    frames = [frame for artifact in clips for frame in artifact.arrays["frames"][::2]]
    save_sheet([(frame * 255).round().astype(np.uint8) for frame in frames], folder / "clips.png")
    shapes = [artifact.arrays for artifact in gen.load("shapes")(list(SHAPES), seed=[SEED] * len(SHAPES))]
    rendered = [
        picture(
            mesh["vertices"],
            mesh["faces"],
            mesh["colours"],
            normals(mesh["vertices"], mesh["faces"].astype(np.int64)),
            SIDE,
        )
        for mesh in shapes
    ]
    save_sheet(rendered, folder / "shapes.png")


def save_sheet(pictures: list[np.ndarray], path: Path) -> None:
    """Write pictures (H, W, 3) uint8 as one, eight to a row."""
    padded = [np.pad(one, ((3, 3), (3, 3), (0, 0)), constant_values=255) for one in pictures]
    rows = [np.concatenate(padded[i : i + 8], 1) for i in range(0, len(padded), 8)]
    Image.fromarray(np.concatenate(rows)).save(path)


if __name__ == "__main__":
    main()
