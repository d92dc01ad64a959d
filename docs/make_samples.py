"""Draw ``docs/samples.png``: what the shipped model makes of sixteen prompts, seed 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

import gen

PROMPTS = (
    "a red apple",
    "a rocket",
    "a dog face",
    "a strawberry",
    "a guitar on a yellow background",
    "an octopus on a light blue background",
    "a sunflower on a purple striped background",
    "a penguin on a pink dotted background",
    "a cat face left of a pizza",
    "a rainbow above a cactus",
    "a fox and a mushroom on a green background",
    "a cherries right of a lemon",
    "two red apples",
    "three bananas on a light blue background",
    "a snail in the bottom left corner",
    "a blue heart on a yellow checkered background",
)


def main() -> None:
    """Two rows of eight."""
    pictures = [
        artifact.arrays["pixels"] for artifact in gen.load("emoji")(list(PROMPTS), seed=[1] * len(PROMPTS))
    ]
    padded = [np.pad(picture, ((3, 3), (3, 3), (0, 0)), constant_values=1) for picture in pictures]
    sheet = np.concatenate([np.concatenate(padded[i : i + 8], 1) for i in (0, 8)])
    Image.fromarray((sheet * 255).round().astype(np.uint8)).save(Path(__file__).with_name("samples.png"))


if __name__ == "__main__":
    main()
