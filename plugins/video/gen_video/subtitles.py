"""Subtitles of a clip: cues as WebVTT (W3C, "WebVTT: The Web Video Text Tracks Format"), in an attribute."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from gen.artifact import Artifact
from gen.errors import UsageError

ATTRIBUTE = "subtitles"
"""The attribute of a clip that holds its subtitles as WebVTT."""

MAX_CUES = 1000
MAX_TEXT = 1000
"""Characters of one cue."""

_TIME = r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMING = re.compile(rf"{_TIME}[ \t]+-->[ \t]+{_TIME}(?:[ \t].*)?")


@dataclass(frozen=True)
class Cue:
    """A text and when it is shown.

    Args:
        start, end: In milliseconds; the end is later.
        text: One or more lines, none of them empty.
    """

    start: int
    end: int
    text: str

    def moved(self, seconds: Fraction) -> Cue:
        """The same, so many seconds later."""
        shift = round(seconds * 1000)
        return replace(self, start=self.start + shift, end=self.end + shift)


def cues_of(artifact: Artifact) -> tuple[Cue, ...]:
    """The subtitles of a clip; empty where it has none.

    Raises:
        UsageError: They are not WebVTT.
    """
    return parse(str(artifact.attributes.get(ATTRIBUTE, "")))


def attribute(cues: Iterable[Cue]) -> dict[str, str]:
    """The attribute with these cues; empty where there are none."""
    ordered = sorted(cues, key=lambda cue: cue.start)
    return {ATTRIBUTE: formatted(ordered)} if ordered else {}


def formatted(cues: Iterable[Cue]) -> str:
    """Cues as WebVTT."""
    blocks = [f"{_clock(cue.start)} --> {_clock(cue.end)}\n{_escaped(cue.text)}\n" for cue in cues]
    return "\n".join(["WEBVTT\n", *blocks])


def parse(text: str) -> tuple[Cue, ...]:
    """Cues of WebVTT; settings of cues, notes and styles are left out.

    Raises:
        UsageError: It is something else, or too long.
    """
    if not text.strip():
        return ()
    if not text.lstrip("\ufeff").startswith("WEBVTT"):
        raise UsageError("the subtitles are not WebVTT")
    cues: list[Cue] = []
    for block in re.split(r"\n{2,}", text.replace("\r\n", "\n"))[1:]:
        lines = [line for line in block.split("\n") if line.strip()]
        at = next((index for index, line in enumerate(lines[:2]) if "-->" in line), None)
        if at is None:
            continue
        found = _TIMING.fullmatch(lines[at].strip())
        if not found:
            raise UsageError(f"the subtitles have a time that is none: {lines[at][:40]!r}")
        start, end = _milliseconds(found.groups()[:4]), _milliseconds(found.groups()[4:])
        body = _unescaped("\n".join(lines[at + 1 :]))
        if start < end and body:
            cues.append(Cue(start, end, body[:MAX_TEXT]))
        if len(cues) > MAX_CUES:
            raise UsageError(f"there are more than {MAX_CUES} subtitles")
    return tuple(cues)


def _milliseconds(parts: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in parts)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths


def _clock(milliseconds: int) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{thousandths:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _unescaped(text: str) -> str:
    plain = re.sub(r"<[^>]*>", "", text)
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
