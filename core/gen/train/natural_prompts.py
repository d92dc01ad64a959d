"""Prompts as people write them, with the answers that are right, to measure by and not to train on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def natural_prompts(path: Path) -> Mapping[str, tuple[str, ...]]:
    """Prompts to acceptable answers.

    Args:
        path: Of a text with one prompt a line, ``a puppy = dog | poodle``; lines with # are remarks.

    Raises:
        ValueError: A line is otherwise, or a prompt comes twice.
    """
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#"):
            continue
        prompt, _, answers = line.partition(" = ")
        if not answers or prompt in found:
            raise ValueError(f"{path.name}, line {number}: a new prompt, ' = ' and answers expected")
        found[prompt] = tuple(answer.strip() for answer in answers.split("|"))
    return found
