"""Prompts with weights, and of any length, for encoders that read a window of 75 tokens.

The syntax is that of the Stable Diffusion web UI: ``(words)`` weigh 1.1 times, ``[words]`` 1 / 1.1 times,
``(words:1.3)`` 1.3 times; brackets nest; a backslash makes a bracket plain; ``BREAK`` starts a new window.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

FACTORS = {"(": 1.1, "[": 1 / 1.1}
"""How much a pair of brackets changes the weight, by the one that opens it."""
CLOSING = {"(": ")", "[": "]"}

_TOKEN = re.compile(
    r"\\[\\()\[\]]|:\s*([+-]?\d*\.?\d+)\s*\)|[()\[\]]|\bBREAK\b\s*|[^\\()\[\]:B]+|.", re.DOTALL
)


@dataclass(frozen=True)
class Piece:
    """A part of a prompt.

    Args:
        text: The words.
        weight: How much they count; 1 is as written.
        new_window: Whether they begin a window.
    """

    text: str
    weight: float = 1.0
    new_window: bool = False


def read_prompt(prompt: str) -> tuple[Piece, ...]:
    """The parts of a prompt with their weights. A bracket without its other half is closed at the end.

    Neighbours of one weight are one part; the empty prompt is one empty part.
    """
    pieces: list[Piece] = []
    opened: list[tuple[str, int]] = []
    fresh = False

    def close(factor: float) -> None:
        start = opened.pop()[1]
        pieces[start:] = [replace(piece, weight=piece.weight * factor) for piece in pieces[start:]]

    for match in _TOKEN.finditer(prompt):
        text, number = match[0], match[1]
        if text in FACTORS:
            opened.append((text, len(pieces)))
        elif number is not None and opened and opened[-1][0] == "(":
            close(float(number))
        elif opened and text == CLOSING[opened[-1][0]]:
            close(FACTORS[opened[-1][0]])
        elif text.rstrip() == "BREAK":
            fresh = True
        else:
            pieces.append(Piece(text[1:] if text[0] == "\\" and len(text) == 2 else text, 1.0, fresh))
            fresh = False
    while opened:
        close(FACTORS[opened[-1][0]])
    joined: list[Piece] = []
    for piece in pieces:
        if joined and joined[-1].weight == piece.weight and not piece.new_window:
            joined[-1] = replace(joined[-1], text=joined[-1].text + piece.text)
        else:
            joined.append(piece)
    return tuple(joined) or (Piece(""),)


def windows(
    pieces: Sequence[Piece], encode: Callable[[str], Sequence[int]], size: int
) -> list[tuple[list[int], list[float]]]:
    """Ids and their weights in windows of at most ``size`` ids; at least one window, which may be empty."""
    made: list[tuple[list[int], list[float]]] = [([], [])]
    for piece in pieces:
        if piece.new_window and made[-1][0]:
            made.append(([], []))
        for number in encode(piece.text):
            if len(made[-1][0]) == size:
                made.append(([], []))
            made[-1][0].append(number)
            made[-1][1].append(piece.weight)
    return made
