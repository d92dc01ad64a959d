"""Weights and windows of prompts."""

from __future__ import annotations

import pytest

from gen.checkpoints.text import Piece, read_prompt, windows


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        ("", [("", 1.0)]),
        ("a red fox", [("a red fox", 1.0)]),
        ("a (red) fox", [("a ", 1.0), ("red", 1.1), (" fox", 1.0)]),
        ("a ((red)) [fox]", [("a ", 1.0), ("red", 1.1**2), (" ", 1.0), ("fox", 1 / 1.1)]),
        ("(red:1.5) fox", [("red", 1.5), (" fox", 1.0)]),
        ("(a (red:1.5) fox)", [("a ", 1.1), ("red", 1.5 * 1.1), (" fox", 1.1)]),
        ("(red:-.5)", [("red", -0.5)]),
        (r"fox \(red\)", [("fox (red)", 1.0)]),
        ("at 12:30) fox", [("at 12:30) fox", 1.0)]),
        ("(red", [("red", 1.1)]),
        ("[a (red] fox)", [("a ", 1 / 1.1), ("red] fox", 1.1 / 1.1)]),
        ("BREAKING (news", [("BREAKING ", 1.0), ("news", 1.1)]),
        ("C\\path", [("C\\path", 1.0)]),
    ],
)
def test_weights(prompt: str, pieces: list[tuple[str, float]]) -> None:
    found = read_prompt(prompt)
    assert [piece.text for piece in found] == [text for text, _ in pieces]
    assert [piece.weight for piece in found] == pytest.approx([weight for _, weight in pieces])


def test_windows() -> None:
    pieces = [Piece("abc"), Piece("de", 2.0), Piece("f", new_window=True)]
    assert windows(pieces, lambda text: [ord(letter) for letter in text], 4) == [
        ([97, 98, 99, 100], [1.0, 1.0, 1.0, 2.0]),
        ([101], [2.0]),
        ([102], [1.0]),
    ]
    assert windows(read_prompt(""), lambda _: [], 75) == [([], [])]
    assert [piece.new_window for piece in read_prompt("a BREAK (b BREAK c)")] == [False, True, True]
