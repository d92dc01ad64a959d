"""The shipped text-to-video model: how its file becomes an encoder, a denoiser and a codec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gen import squares
from gen.artifact import Artifact
from gen.diffusion import RectifiedFlow, Velocity
from gen.errors import UsageError
from gen.model import Model, ModelFile, Task, Window
from gen.nn import CaptionEncoder, Matte, PromptEncoder, TextEncoder
from gen.run.compositing import keep_pixels, marked, seam
from gen_video.autoencoder import Autoencoder, off_white, on_white
from gen_video.camera import camera_words
from gen_video.captions import GAIT, caption
from gen_video.denoiser import ClipTransformer, Shape, WordClipTransformer
from gen_video.files.sound import at_most_stereo, check_channels
from gen_video.files.timing import Timing, fps_of, timing
from gen_video.layers import THINGS, Layers
from gen_video.sizes import FPS, FRAMES, SIDE
from gen_video.state import CHANNELS, HEAD, PER_PICTURE, pack, unpack
from gen_video.taking_apart import taken_apart, told_apart
from gen_video.vocabulary import KEYWORDS

SUBWORDS_ARCHITECTURE = "gen-video/layered-clip/1"
WORDS_ARCHITECTURE = "gen-video/layered-clip/2"
OVERLAP = 4
"""Frames that a piece of a longer clip is given of the one before, and that are drawn anew at a seam."""

MAX_PIXELS = 2**27
"""Largest number of pixels of all frames together."""


def said(prompt: str, params: Mapping[str, object]) -> str:
    """The prompt, with camera and loop in words, as captions say them."""
    if not prompt.strip():
        return prompt
    camera = params.get("camera")
    parts = [prompt, camera_words(str(camera)) if camera else "", "loop" if params.get("loop") else ""]
    return ", ".join(part for part in parts if part)


def layers(state: Tensor, network: Autoencoder) -> Layers:
    """A state (128, 48 + T), as the autoencoder gives it, as layers."""
    latents, motion = unpack(state)
    kind = next(network.parameters()).dtype
    with torch.no_grad():
        # One at a time: a batch may take another path through the kernels and differ in a bit.
        pictures = [network.decode(one[None].to(kind))[0].float().cpu() for one in latents]
    things = off_white(torch.stack(pictures[:THINGS]))
    return Layers(things, ((pictures[THINGS][:3] + 1) / 2).clamp(0, 1), motion.double().cpu().numpy())


@dataclass(frozen=True, eq=False)
class ClipCodec:
    """Clips as standardised states: what is seen, and how it moves.

    Args:
        network: The autoencoder of pictures.
        matte: Takes frames apart.
        mean, std: (C, 1): states are standardised by these.
    """

    network: Autoencoder
    matte: Matte
    mean: Tensor
    std: Tensor

    def shape(self, task: Task) -> tuple[int, ...]:
        """(C, 48 + T), T frames at the model's own rate.

        Raises:
            UsageError: Width and height differ, or the parameters of time make no sense.
        """
        return (len(self.mean), HEAD + self._asked(task.params)[0].drawn)

    def encode(self, artifacts: Sequence[Artifact], task: Task) -> Tensor:
        """Clips of any size and rate, fitted to the parameters; a shorter one stays at its last frame."""
        asked, _ = self._asked(task.params)
        states = []
        for artifact in artifacts:
            frames = artifact.arrays["frames"]
            seen = [self._frame(frames[row]) for row in _rows(artifact, Fraction(FPS), asked.drawn)]
            states.append(self._state(taken_apart(self.matte, torch.cat(seen).to(self.mean.device))))
        return torch.stack(states)

    def decode(self, state: Tensor, task: Task) -> list[Artifact]:
        """States (B, C, 48 + T) to clips, at the rate and of the size that are asked for."""
        asked, size = self._asked(task.params)
        return [self._clip(one, asked, size, task.params) for one in state.to(self.mean)]

    def mask(self, mask: Artifact, task: Task) -> Tensor:
        """A clip, white where something is drawn anew, as (1, 1, 48 + T): 1 where cells are kept.

        A frame that is mostly white moves anew. What is behind is drawn anew wherever any frame is white, and
        the things where all of them together are white on a tenth of the picture.
        """
        asked, _ = self._asked(task.params)
        white = _white(mask, _rows(mask, Fraction(FPS), asked.drawn), SIDE)
        anywhere = white.any(0).float()
        moves = white.float().mean((1, 2)) < 0.5
        things = (anywhere.mean() < 0.1).expand(THINGS * PER_PICTURE)
        side = SIDE // int(PER_PICTURE**0.5)
        behind = functional.max_pool2d(anywhere[None, None], side).flatten() < 0.5
        return torch.cat([things, behind, moves]).float()[None, None].to(self.mean.device)

    def given(self, task: Task) -> tuple[Tensor, Tensor] | None:
        """The frames ``first`` and ``last``: a mask (1, 1, 48 + T) and a state (1, C, 48 + T).

        What stands out is one thing, as the one shows it that shows more of it. Where nothing does, the first
        thing of the clip is not given, and comes and goes as the prompt says. What is not certain is left to
        the prompt, too: what an edge cuts off of the thing, and where it is in a frame that does not show it,
        which it may have left as well as vanished from.

        Raises:
            UsageError: The last frame is given of a clip that has only one, or of one whose camera moves.
        """
        asked, _ = self._asked(task.params)
        places = {"first": 0, "last": asked.last}
        pictures = {
            name: picture for name in places if isinstance(picture := task.params.get(name), Artifact)
        }
        if not pictures:
            return None
        if "last" in pictures and asked.frames == 1:
            raise UsageError(
                "a clip of one frame has no last frame: leave `last=…` out or ask for more frames"
            )
        if "last" in pictures and task.params.get("camera"):
            raise UsageError(
                "where the camera goes is not known beforehand: leave `last=…` or `camera=…` out"
            )
        frames = []
        for picture in pictures.values():
            frames.append(self._frame(picture.arrays["pixels"]))
        apart = told_apart(self.matte, torch.cat(frames).to(self.mean.device))
        found = self._state(apart.layers)
        mask = self.mean.new_zeros(1, 1, HEAD + asked.drawn)
        state = self.mean.new_zeros(1, len(self.mean), HEAD + asked.drawn)
        side = SIDE // int(PER_PICTURE**0.5)
        looks = functional.avg_pool2d(apart.looks[None].float(), side).flatten() > 0.75
        cells = {cell: cell for cell in range(HEAD) if cell >= PER_PICTURE or looks[cell]}
        for row, name in enumerate(pictures):
            if apart.poses[row] or not apart.poses.any():
                cells[HEAD + places[name]] = HEAD + row
        mask[:, :, list(cells)] = 1
        state[:, :, list(cells)] = found[:, list(cells.values())]
        return mask, state

    def composite(self, made: Artifact, task: Task) -> Artifact:
        """The clip with the inputs' own pixels outside the mask, and the given first and last frame.

        An input without transparency has nothing to keep in a clip of cut-out things.
        """
        frames = made.arrays["frames"]
        asked, size = self._asked(task.params)
        if task.init is not None and task.mask is not None and _holds(task.init.arrays["frames"], frames):
            given = _delivered(
                task.init.arrays["frames"][_rows(task.init, asked.fps, asked.frames)], size, frames.shape[-1]
            )
            white = _white(task.mask, _rows(task.mask, asked.fps, asked.frames), size).numpy()
            frames = keep_pixels(frames, given, white, seam(size))
        for name, place in (("first", 0), ("last", -1)):
            picture = task.params.get(name)
            if isinstance(picture, Artifact) and _holds(picture.arrays["pixels"], frames):
                frames = frames.copy()
                frames[place] = _delivered(picture.arrays["pixels"][None], size, frames.shape[-1])[0]
        return Artifact("video", {**made.arrays, "frames": frames}, made.attributes)

    def cropped(self, artifact: Artifact, params: Mapping[str, object]) -> str:  # noqa: ARG002
        """One line about the part that is used of pictures that are not square."""
        return squares.cropped(artifact)

    def _asked(self, params: Mapping[str, object]) -> tuple[Timing, int]:
        """The frames and their width and height."""
        width = squares.side(params, SIDE)
        if isinstance(audio := params.get("audio"), Artifact):
            check_channels(audio.sizes["channels"])
        asked = timing(params)
        if asked.loop and params.get("camera"):
            raise UsageError("a camera that moves does not come back: leave `loop=…` or `camera=…` out")
        if asked.frames * width * width > MAX_PIXELS:
            raise UsageError(
                f"{asked.frames} frames of {width} × {width} pixels are too much at once: "
                f"at most {MAX_PIXELS // width**2} frames of this size fit"
            )
        return asked, width

    def _frame(self, pixels: np.ndarray) -> Tensor:
        """A picture (H, W, C) of any size as (1, 4, 128, 128): colours in [-1, 1] on white, and alpha."""
        alpha = pixels[..., 3:] if pixels.shape[-1] == 4 else np.ones_like(pixels[..., :1])
        both = torch.from_numpy(np.concatenate([_opaque(pixels), alpha], -1)).permute(2, 0, 1)[None]
        colours, alpha = _square(both, SIDE).float().split((3, 1), 1)
        return torch.cat([colours * 2 - 1, alpha], 1)

    def _state(self, found: Layers) -> Tensor:
        """Layers of T frames as a standardised state (C, 48 + T)."""
        opaque = torch.cat([found.ground, torch.ones_like(found.ground[:1])])[None]
        kind = next(self.network.parameters()).dtype
        with torch.no_grad():
            latents = self.network.encode(on_white(torch.cat([found.things, opaque])).to(kind)).float()
        motion = torch.from_numpy(found.motion).to(latents)
        return (pack(latents, motion) - self.mean) / self.std

    def _clip(self, state: Tensor, asked: Timing, size: int, params: Mapping[str, object]) -> Artifact:
        # Only what is delivered or lies between is looked at.
        state = state if asked.loop else state[:, : HEAD + asked.last + 1]
        whole = layers(state * self.std + self.mean, self.network).at(asked.positions, loop=asked.loop)
        frames = _straight(whole.cut_out(size)) if params.get("transparent") else whole.frames(size)
        arrays = {"frames": frames.permute(0, 2, 3, 1).contiguous().numpy()}
        attributes = {"fps": str(asked.fps)}
        audio = params.get("audio")
        if isinstance(audio, Artifact):
            rate = int(audio.attributes["sample_rate"])
            samples = at_most_stereo(audio.arrays["samples"], rate)
            arrays["samples"] = _timed(samples, round(asked.frames / asked.fps * rate))
            return Artifact("video", arrays, {**attributes, "sample_rate": rate})
        return Artifact("video", arrays, attributes)


def load(file: ModelFile, device: str, dtype: str) -> Model:
    """Load a model of this plugin's architecture.

    Args:
        file: An open model file.
        device: ``"cpu"``, ``"cuda"`` …
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``: of the networks.

    Raises:
        ModelError: Another architecture, or tensors that do not fit it.
    """
    words = file.require_architecture(SUBWORDS_ARCHITECTURE, WORDS_ARCHITECTURE) == WORDS_ARCHITECTURE
    with file.fitting():
        shape = Shape(**file.sizes("shape"))
        if (shape.channels, shape.cells) != (CHANNELS, HEAD + FRAMES):
            raise ValueError(
                f"its states are {shape.channels} × {shape.cells}, not {CHANNELS} × {HEAD + FRAMES}"
            )
        encoder: PromptEncoder | TextEncoder | CaptionEncoder
        encoder = (PromptEncoder if words else TextEncoder).of(file.config, shape.length, said)
        if isinstance(encoder, TextEncoder) and set(encoder.names) <= GAIT.keys():
            encoder = CaptionEncoder(encoder, caption, KEYWORDS)
        codec = file.module(Autoencoder, "codec.", device, dtype)
        matte = file.module(Matte, "matte.", device, "float32")
        network_type = WordClipTransformer if words else ClipTransformer
        network = file.module(lambda: network_type(shape), "denoiser.", device, dtype)
        mean, std = file.latent_scale(device, dimensions=1)
    return file.model(
        process=RectifiedFlow(),
        parameterization=Velocity(),
        network=network,
        encoder=encoder,
        codec=ClipCodec(codec, matte, mean, std),
        window=Window(axis=1, size=FRAMES, overlap=OVERLAP, head=HEAD),
    )


def _rows(clip: Artifact, rate: Fraction, count: int) -> list[int]:
    """Which of a clip's frames are seen at ``count`` times, ``rate`` a second; after its end, its last."""
    own, last = fps_of(clip), len(clip.arrays["frames"]) - 1
    return [min(round(index / rate * own), last) for index in range(count)]


def _white(mask: Artifact, rows: Sequence[int], size: int) -> Tensor:
    """Where frames of a mask are marked, (T, size, size)."""
    grey = marked(mask.arrays["frames"])[rows][..., None]
    return _square(torch.from_numpy(grey).permute(0, 3, 1, 2), size)[:, 0] >= 0.5


def _holds(given: np.ndarray, frames: np.ndarray) -> bool:
    """Whether an input has all that frames show of it: transparency, where they have it."""
    return frames.shape[-1] != 4 or given.shape[-1] == 4


def _delivered(pictures: np.ndarray, size: int, channels: int) -> np.ndarray:
    """Pictures (N, H, W, C) of any size as they are delivered, (N, size, size, channels)."""
    seen = pictures if channels == 4 else _opaque(pictures)
    fitted = _square(torch.from_numpy(seen).permute(0, 3, 1, 2), size)
    return np.ascontiguousarray(fitted.permute(0, 2, 3, 1).numpy(), dtype=np.float32)


def _opaque(pixels: np.ndarray) -> np.ndarray:
    """(..., C) with 1, 3 or 4 channels to three, on white."""
    if pixels.shape[-1] == 4:
        pixels = pixels[..., :3] * pixels[..., 3:] + (1 - pixels[..., 3:])
    return pixels if pixels.shape[-1] == 3 else np.repeat(pixels, 3, -1)


def _straight(frames: Tensor) -> Tensor:
    """Premultiplied frames (T, 4, H, W) with colours that alpha has not dimmed; black where nothing is."""
    colours, alpha = frames.split((3, 1), 1)
    return torch.cat([(colours / alpha.clamp(min=1e-6)).clamp(0, 1), alpha.clamp(0, 1)], 1)


def _square(pictures: Tensor, size: int) -> Tensor:
    """Cut the middle square of (N, C, H, W) in [0, 1] and resize it to (N, C, size, size)."""
    height, width = pictures.shape[-2:]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    square = pictures[..., top : top + edge, left : left + edge]
    if edge == size:
        return square
    resized = functional.interpolate(
        square.float(), (size, size), mode="bicubic", antialias=True, align_corners=False
    )
    return resized.clamp(0, 1)


def _timed(samples: np.ndarray, count: int) -> np.ndarray:
    """Samples (channels, n) cut or filled up with silence to ``count``."""
    missing = max(0, count - samples.shape[1])
    return np.ascontiguousarray(np.pad(samples, ((0, 0), (0, missing)))[:, : max(1, count)])
