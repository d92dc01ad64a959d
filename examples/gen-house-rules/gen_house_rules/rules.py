"""Words that are refused, and a mark that the eye does not see."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.plan import Plan

MARK = b"made with gen"


def refuse(plan: Plan) -> None:
    """Refuse prompts with one of the words.

    Raises:
        UsageError: A prompt holds a word of GEN_REFUSED_WORDS, which are divided by commas.
    """
    refused = {word.strip() for word in os.environ.get("GEN_REFUSED_WORDS", "").lower().split(",")} - {""}
    for item in plan.items:
        if found := sorted(refused & set(item.prompt.lower().split())):
            raise UsageError(f"the house rules refuse {found[0]!r}", "ask for something else")


def mark(artifact: Artifact, plan: Plan) -> tuple[Artifact, Mapping[str, str]]:  # noqa: ARG001
    """A picture whose first pixels hold MARK, one bit each, in the lowest bit of their first channel."""
    pixels = np.rint(artifact.arrays["pixels"] * 255).astype(np.uint8)
    bits = np.unpackbits(np.frombuffer(MARK, np.uint8))
    first = pixels[..., 0].ravel()
    count = min(len(bits), len(first))
    first[:count] = first[:count] & 0xFE | bits[:count]
    pixels[..., 0] = first.reshape(pixels.shape[:2])
    return replace(artifact, arrays={"pixels": pixels.astype(np.float32) / 255}), {"text": MARK.decode()}


def find_mark(picture: Artifact) -> dict[str, bool]:
    """Whether the first pixels hold MARK, behind ``gen x watermark``."""
    bits = np.unpackbits(np.frombuffer(MARK, np.uint8))
    first = np.rint(picture.arrays["pixels"][..., 0] * 255).astype(np.uint8).ravel()[: len(bits)]
    return {"marked": np.array_equal(first & 1, bits)}
