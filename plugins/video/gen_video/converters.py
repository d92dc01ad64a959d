"""From pictures and sounds to clips and back, and from clips to longer ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import av
import numpy as np
import torch
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray
from torch.nn import functional

from gen.artifact import Artifact
from gen.errors import UsageError
from gen_video.files.pixels import check_read
from gen_video.files.sound import at_most_stereo, check_channels
from gen_video.files.timing import fps_of, parse_fps
from gen_video.subtitles import Cue, attribute, cues_of

Floats = NDArray[np.float32]


def pan_and_zoom(artifact: Artifact, params: Mapping[str, Any]) -> Artifact:
    """A clip in which a camera moves over a picture at an even pace.

    Args:
        artifact: A picture.
        params: ``move``: where the camera goes; ``zoom``: width of the picture over that of its smallest
            part seen; ``seconds``, ``fps``; ``width`` and ``height`` in pixels, by default those of the
            picture made even.

    Returns:
        Frames of ``width`` × ``height``. Of a picture of another aspect, the largest part in the middle that
        has it counts.

    Raises:
        UsageError: No rate, or more frames than fit into memory.
    """
    fps, seconds = parse_fps(params["fps"]), params["seconds"]
    count = max(1, round(fps * Fraction(seconds).limit_denominator(1_000_000)))
    pixels = artifact.arrays["pixels"]
    high, wide = pixels.shape[:2]
    width, height = (int(params.get(name) or side) for name, side in (("width", wide), ("height", high)))
    width, height = max(2, width - width % 2), max(2, height - height % 2)
    check_read(count, width, height)
    # Shares of the picture's sides that the largest part of the clip's aspect takes.
    across = min(1.0, high * width / (wide * height))
    down = min(1.0, wide * height / (high * width))
    picture = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
    y, x = torch.meshgrid(*(_middles(side) for side in (height, width)), indexing="ij")
    frames = np.empty((count, height, width, pixels.shape[2]), np.float32)
    for index in range(count):
        share, right, low = _view(params["move"], params["zoom"], index / max(1, count - 1))
        places = torch.stack([across * (share * x + right), down * (share * y + low)], -1)
        seen = functional.grid_sample(
            picture, places[None], mode="bicubic", padding_mode="border", align_corners=False
        )
        frames[index] = seen[0].clamp(0, 1).permute(1, 2, 0).numpy()
    return Artifact("video", {"frames": frames}, {"fps": str(fps)})


def _middles(side: int) -> torch.Tensor:
    """Middles of pixels from -1 to 1."""
    return (torch.arange(side, dtype=torch.float32) + 0.5) * (2 / side) - 1


def _view(move: str, zoom: float, time: float) -> tuple[float, float, float]:
    """Share of the sides that is seen, and where its middle lies, from -1 to 1, at a time from 0 to 1."""
    if move in ("in", "out"):
        # An exponent that is linear in time looks like an even pace.
        return zoom ** -(time if move == "in" else 1 - time), 0.0, 0.0
    share = 1 / zoom
    # Starts and ends at rest.
    way = (1 - share) * -math.cos(math.pi * time)
    return {
        "right": (share, way, 0.0),
        "left": (share, -way, 0.0),
        "down": (share, 0.0, way),
        "up": (share, 0.0, -way),
    }[move]


def frame(artifact: Artifact, params: Mapping[str, Any]) -> Artifact:
    """The picture of a clip that is shown at a time.

    Args:
        artifact: A clip.
        params: ``at`` in seconds.

    Raises:
        UsageError: The clip has ended by then.
    """
    frames, fps = artifact.arrays["frames"], fps_of(artifact)
    number = int(Fraction(params["at"]).limit_denominator(1_000_000) * fps)
    if number >= len(frames):
        raise UsageError(
            f"the clip has no picture at {params['at']:g} s: it lasts {float(_seconds(artifact)):g} s"
        )
    return Artifact("image", {"pixels": frames[number].copy()})


def sound(artifact: Artifact, params: Mapping[str, Any]) -> Artifact:  # noqa: ARG001
    """The sound of a clip.

    Raises:
        UsageError: It is silent.
    """
    if "samples" not in artifact.arrays:
        raise UsageError("the clip has no sound")
    return Artifact(
        "audio",
        {"samples": artifact.arrays["samples"]},
        {"sample_rate": artifact.attributes["sample_rate"]},
    )


def with_sound(artifact: Artifact, params: Mapping[str, Any]) -> Artifact:
    """A clip with a sound in place of its own, cut or filled up with silence to the length of the clip.

    Args:
        artifact: A clip.
        params: ``sound``; ``start``, in seconds from the beginning of the clip.

    Raises:
        UsageError: More than eight channels.
    """
    audio: Artifact = params["sound"]
    rate = int(audio.attributes["sample_rate"])
    check_channels(audio.sizes["channels"])
    samples = at_most_stereo(audio.arrays["samples"], rate)
    samples = np.pad(samples, ((0, 0), (round(params["start"] * rate), 0)))
    fitted = _fitted(samples, round(_seconds(artifact) * rate))
    return Artifact(
        "video",
        {"frames": artifact.arrays["frames"], "samples": fitted},
        {**artifact.attributes, "sample_rate": rate},
    )


def with_subtitle(artifact: Artifact, params: Mapping[str, Any]) -> Artifact:
    """A clip with one more subtitle.

    Args:
        artifact: A clip.
        params: ``text``; ``start`` and ``end`` in seconds, the end by default that of the clip.

    Raises:
        UsageError: No text, or an end that is not after the start.
    """
    length = round(_seconds(artifact) * 1000)
    start = round(params["start"] * 1000)
    end = min(length, round(params["end"] * 1000)) if "end" in params else length
    text = "\n".join(line.strip() for line in params["text"].splitlines() if line.strip())
    if not text:
        raise UsageError("the subtitle has no text")
    if start >= end:
        raise UsageError(f"the subtitle would end at {end / 1000:g} s, and start at {start / 1000:g} s")
    cues = [*cues_of(artifact), Cue(start, end, text)]
    return Artifact("video", artifact.arrays, {**artifact.attributes, **attribute(cues)})


def joined(artifact: Artifact, params: Mapping[str, Any]) -> Artifact:
    """A clip and another one after it, cross-faded: pictures evenly, sound at equal power.

    Args:
        artifact: A clip.
        params: ``next``: the other clip; ``fade``: in seconds how long both are seen, 0 for a cut.

    Raises:
        UsageError: They differ in size or rate, or one is shorter than the fade.
    """
    other: Artifact = params["next"]
    one, two = artifact.arrays["frames"], other.arrays["frames"]
    fps = fps_of(artifact)
    if one.shape[1:3] != two.shape[1:3] or fps != fps_of(other):
        about = [f"{f.shape[2]} × {f.shape[1]} at {r} fps" for f, r in ((one, fps), (two, fps_of(other)))]
        raise UsageError(f"clips of {' and '.join(about)} cannot be joined", "make them alike")
    both = round(params["fade"] * fps)
    shorter = float(min(len(one), len(two)) / fps)
    if params["fade"] > shorter:
        raise UsageError(f"a fade of {params['fade']:g} s is longer than a clip of {shorter:g} s")
    channels = max(one.shape[3], two.shape[3])
    one, two = _channelled(one, channels), _channelled(two, channels)
    weight = ((np.arange(both, dtype=np.float32) + 1) / (both + 1))[:, None, None, None]
    faded = one[len(one) - both :] * (1 - weight) + two[:both] * weight
    # A sum of weights that rounds upwards must not leave the range of pixels.
    arrays = {"frames": np.concatenate([one[: len(one) - both], faded.clip(0, 1), two[both:]])}
    start = Fraction(len(one) - both) / fps
    attributes: dict[str, int | float | str] = {
        "fps": str(fps),
        **attribute([*cues_of(artifact), *(cue.moved(start) for cue in cues_of(other))]),
    }
    if "samples" in artifact.arrays or "samples" in other.arrays:
        samples, rate = _joined_sound(artifact, other, start, Fraction(both) / fps)
        arrays["samples"] = samples
        attributes["sample_rate"] = rate
    return Artifact("video", arrays, attributes)


def _joined_sound(one: Artifact, two: Artifact, start: Fraction, fade: Fraction) -> tuple[Floats, int]:
    rate = int((one if "samples" in one.arrays else two).attributes["sample_rate"])
    channels = max(len(clip.arrays.get("samples", ())) for clip in (one, two))
    first, second = (_sound_at(clip, rate, channels) for clip in (one, two))
    begin, both = round(start * rate), round(fade * rate)
    total = np.zeros((channels, begin + second.shape[1]), np.float32)
    turn = (np.arange(both, dtype=np.float32) + 0.5) / max(1, both) * np.float32(np.pi / 2)
    first[:, begin : begin + both] *= np.cos(turn)[: first.shape[1] - begin]
    second[:, :both] *= np.sin(turn)
    total[:, : first.shape[1]] = first[:, : total.shape[1]]
    total[:, begin:] += second
    return total.clip(-1, 1), rate


def _sound_at(clip: Artifact, rate: int, channels: int) -> Floats:
    """The sound of a clip at a rate, exactly as long as the clip; silence where it has none."""
    length = round(_seconds(clip) * rate)
    samples = clip.arrays.get("samples")
    if samples is None:
        return np.zeros((channels, length), np.float32)
    own = int(clip.attributes["sample_rate"])
    if own != rate:
        layout = "mono" if len(samples) == 1 else "stereo"
        whole = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", layout)
        whole.sample_rate = own
        resampler = AudioResampler(format="fltp", layout=layout, rate=rate)
        parts = [*resampler.resample(whole), *resampler.resample(None)]
        samples = np.concatenate([part.to_ndarray() for part in parts], axis=1)
    if len(samples) < channels:
        samples = np.repeat(samples, channels, 0)
    return _fitted(samples, length).copy()


def _fitted(samples: Floats, length: int) -> Floats:
    """Samples cut or filled up with silence to a length of at least 1."""
    missing = max(0, length - samples.shape[1])
    return np.ascontiguousarray(np.pad(samples, ((0, 0), (0, missing)))[:, : max(1, length)], np.float32)


def _channelled(frames: Floats, channels: int) -> Floats:
    """Frames with so many channels: grey ones repeated, opaque where there was no alpha."""
    if frames.shape[3] == 1 and channels > 1:
        frames = np.repeat(frames, 3, 3)
    if frames.shape[3] < channels:
        frames = np.concatenate([frames, np.ones((*frames.shape[:3], 1), np.float32)], 3)
    return frames


def _seconds(clip: Artifact) -> Fraction:
    return Fraction(len(clip.arrays["frames"])) / fps_of(clip)
