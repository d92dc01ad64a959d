"""How many frames at what rate, and where they lie on the model's own time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from gen.artifact import Artifact
from gen.errors import UsageError
from gen_video.sizes import FPS, FRAMES

MAX_SECONDS = 60
MIN_FPS, MAX_FPS = Fraction(1, 10), 120
MAX_FRAMES = 1800
_RATE = re.compile(r"\d{1,12}(\.\d{1,12}|/0{0,9}[1-9]\d{0,11})?")


@dataclass(frozen=True)
class Timing:
    """The frames that are delivered.

    Args:
        frames: How many, at least 1.
        fps: How many per second.
        loop: Whether the first follows on the last.
    """

    frames: int
    fps: Fraction
    loop: bool = False

    @property
    def drawn(self) -> int:
        """How many frames the model draws, at its own rate; never fewer than it makes at once.

        A loop that is shorter than these is played faster.
        """
        if self.loop:
            return max(FRAMES, round(self.frames / self.fps * FPS))
        return max(FRAMES, self.last + 1)

    @property
    def positions(self) -> tuple[Fraction, ...]:
        """Where each frame lies among the drawn ones, in frames.

        The first and the last are drawn frames themselves; those of a loop are spread over all of it.
        """
        whole, parts = (self.drawn, self.frames) if self.loop else (self.last, max(1, self.frames - 1))
        return tuple(Fraction(index * whole, parts) for index in range(self.frames))

    @property
    def last(self) -> int:
        """The drawn frame that is delivered last, or that is nearest to it in a loop."""
        if self.loop:
            return round(Fraction((self.frames - 1) * self.drawn, self.frames))
        # Rounded down, as two seconds at any rate are what the model makes at once.
        return max(1, (self.frames - 1) * FPS // self.fps) if self.frames > 1 else 0


def timing(params: Mapping[str, object]) -> Timing:
    """What the parameters ``frames``, ``seconds``, ``fps`` and ``loop`` ask for.

    Two of the first three say everything; what is missing is 8 frames per second, and 2 seconds.

    Raises:
        UsageError: They contradict each other, or ask for too much or for nothing.
    """
    frames, seconds, rate = params.get("frames"), params.get("seconds"), params.get("fps")
    fps = None if rate is None else _checked(parse_fps(str(rate)))
    length = None if seconds is None else Fraction(str(seconds))
    if length is not None and length <= 0:
        raise UsageError(f"seconds is {seconds}: it has to be above 0")
    if frames is not None:
        assert isinstance(frames, int)
        count = frames
        if length is not None and fps is not None and count != round(length * fps):
            raise UsageError(f"{count} frames at {fps} fps are not {seconds} seconds: leave one of them out")
        if fps is None:
            fps = Fraction(FPS) if length is None else _checked((count / length).limit_denominator(10_000))
    else:
        fps = Fraction(FPS) if fps is None else fps
        count = FRAMES if length is None and fps == FPS else round((length or Fraction(2)) * fps)
        if count < 1 and length is not None:
            raise UsageError(
                f"{seconds} seconds are less than a frame at {float(fps):g} frames per second: "
                f"one takes {float(1 / fps):.3g} seconds"
            )
        count = max(1, count)
    if not 1 <= count <= MAX_FRAMES:
        raise UsageError(f"{count} frames: from 1 to {MAX_FRAMES} are possible")
    if count / fps > MAX_SECONDS:
        raise UsageError(f"{float(count / fps):g} seconds: at most {MAX_SECONDS} are possible")
    return Timing(count, fps, bool(params.get("loop")))


def _checked(fps: Fraction) -> Fraction:
    if not MIN_FPS <= fps <= MAX_FPS:
        limits = f"from {float(MIN_FPS):g} to {MAX_FPS}"
        raise UsageError(f"{float(fps):g} frames per second: {limits} are possible")
    return fps


def fps_of(clip: Artifact) -> Fraction:
    """Frames per second of a clip."""
    return Fraction(str(clip.attributes["fps"]))


def parse_fps(text: str) -> Fraction:
    """Frames per second as a fraction, from ``"24"``, ``"29.97"`` or ``"30000/1001"``.

    Raises:
        UsageError: It is something else.
    """
    # Nothing with an exponent: its digits could fill the memory.
    if not _RATE.fullmatch(text.strip()):
        raise UsageError(f"fps is {text[:40]!r}, not a number such as 24, 29.97 or 30000/1001")
    # Containers keep numerator and denominator in 32 bits each.
    return Fraction(text.strip()).limit_denominator(1_000_000)
