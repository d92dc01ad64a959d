"""The shipped text-to-video model: how its file becomes an encoder, a denoiser and a codec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gen.artifact import Artifact
from gen.diffusion import RectifiedFlow, Sample
from gen.model import Model, ModelFile, Window
from gen.nn import TextEncoder
from gen_video.autoencoder import Autoencoder
from gen_video.denoiser import ClipTransformer, Shape
from gen_video.inbetween import InBetweener
from gen_video.sizes import FPS, FRAMES, SIDE
from gen_video.timing import Timing, timing

ARCHITECTURE = "gen-video/clip-transformer/1"
OVERLAP = 4
"""Frames that a piece of a longer clip is given of the one before, and that are drawn anew at a seam."""

MAX_PIXELS = 2**27
"""Largest number of pixels of all frames together."""


def said(prompt: str, params: Mapping[str, object]) -> str:
    """The prompt, with camera and loop in words, as captions say them."""
    if not prompt.strip():
        return prompt
    verb, _, direction = str(params.get("camera") or "").partition(" ")
    camera = f", the camera {verb}s {direction}" if verb else ""
    return f"{prompt}{camera}{', loop' if params.get('loop') else ''}"


@dataclass(frozen=True, eq=False)
class ClipCodec:
    """Clips as standardised latents of frames.

    Args:
        network: The autoencoder of frames.
        mean, std: (C, 1, 1, 1): latents are standardised by these.
        grid: Latents per side of a frame.
        between: Draws frames between frames, for rates above the model's own.
    """

    network: Autoencoder
    mean: Tensor
    std: Tensor
    grid: int
    between: InBetweener

    def shape(self, params: Mapping[str, object]) -> tuple[int, ...]:
        """(C, T, grid, grid), T frames at the model's own rate.

        Raises:
            ValueError: Width and height differ, or the parameters of time make no sense.
        """
        return (len(self.mean), self._asked(params)[0].drawn, self.grid, self.grid)

    def encode(self, artifacts: Sequence[Artifact], params: Mapping[str, object]) -> Tensor:
        """Clips of any size and rate, fitted to the parameters; a shorter one stays at its last frame."""
        asked, _ = self._asked(params)
        states = []
        for artifact in artifacts:
            frames = artifact.arrays["frames"]
            rate = Fraction(str(artifact.attributes["fps"]))
            rows = [min(round(index / FPS * rate), len(frames) - 1) for index in range(asked.drawn)]
            states.append(torch.cat([self._latents(frames[row]) for row in rows], 1))
        return torch.stack(states)

    def decode(self, x0: Tensor, params: Mapping[str, object]) -> list[Artifact]:
        """Latents (B, C, T, grid, grid) to clips, at the rate and of the size that are asked for."""
        asked, size = self._asked(params)
        return [self._clip(state, asked, size, params.get("audio")) for state in x0.to(self.mean)]

    def mask(self, mask: Artifact, params: Mapping[str, object]) -> Tensor:
        """A clip, white where something is drawn anew, as (1, 1, T, grid, grid): 1 where latents are kept."""
        asked, _ = self._asked(params)
        frames = _opaque(mask.arrays["frames"]).mean(-1, keepdims=True)
        rate = Fraction(str(mask.attributes["fps"]))
        rows = [min(round(index / FPS * rate), len(frames) - 1) for index in range(asked.drawn)]
        cells = _square(torch.from_numpy(frames[rows]).permute(0, 3, 1, 2), SIDE)
        kept = functional.max_pool2d(cells, SIDE // self.grid) < 0.5
        return kept.float().transpose(0, 1)[None].to(self.mean.device)

    def given(self, params: Mapping[str, object]) -> tuple[Tensor, Tensor] | None:
        """The frames ``first`` and ``last``: a mask (1, 1, T, grid, grid) and latents (1, C, T, grid, grid).

        Raises:
            ValueError: The last frame is asked for of a clip that has only one.
        """
        asked, _ = self._asked(params)
        places = {"first": 0, "last": asked.last}
        pictures = {name: params[name] for name in places if isinstance(params.get(name), Artifact)}
        if not pictures:
            return None
        if "last" in pictures and asked.last == 0:
            raise ValueError("a clip of one frame has no last frame: leave --last out or ask for more frames")
        mask = self.mean.new_zeros(1, 1, asked.drawn, self.grid, self.grid)
        state = self.mean.new_zeros(1, len(self.mean), asked.drawn, self.grid, self.grid)
        for name, picture in pictures.items():
            assert isinstance(picture, Artifact)
            mask[:, :, places[name]] = 1
            state[:, :, places[name]] = self._latents(picture.arrays["pixels"])[None, :, 0]
        return mask, state

    def _asked(self, params: Mapping[str, object]) -> tuple[Timing, int]:
        """The frames and their width and height."""
        width = params.get("width") or params.get("height") or SIDE
        height = params.get("height") or width
        if width != height:
            raise ValueError(f"this model draws squares: width {width} and height {height} differ")
        assert isinstance(width, int)
        asked = timing(params)
        if asked.frames * width * width > MAX_PIXELS:
            raise ValueError(f"{asked.frames} frames of {width} × {width} pixels are too much at once")
        return asked, width

    def _latents(self, pixels: np.ndarray) -> Tensor:
        """One picture (H, W, C) of any size as latents (C, 1, grid, grid); transparency is laid on white."""
        picture = torch.from_numpy(_opaque(pixels)).permute(2, 0, 1)[None]
        kind = next(self.network.parameters())
        with torch.no_grad():
            latents = self.network.encode(_square(picture, SIDE).to(kind) * 2 - 1).float()
        return (latents.transpose(0, 1) - self.mean) / self.std

    def _clip(self, state: Tensor, asked: Timing, size: int, audio: object) -> Artifact:
        # Only what is delivered or lies between is looked at.
        state = state if asked.loop else state[:, : asked.last + 1]
        with torch.no_grad():
            standard = self.between.at(state, asked.positions, loop=asked.loop)
            latents = (standard * self.std + self.mean).transpose(0, 1)
            kind = next(self.network.parameters()).dtype
            frames = np.empty((asked.frames, size, size, 3), np.float32)
            for index, frame in enumerate(latents):
                # One at a time: a batch may take another path through the kernels and differ in a bit.
                pixels = ((self.network.decode(frame[None].to(kind)).float() + 1) / 2).clamp(0, 1)
                frames[index] = _square(pixels.cpu(), size)[0].permute(1, 2, 0).numpy()
        arrays, attributes = {"frames": frames}, {"fps": str(asked.fps)}
        if isinstance(audio, Artifact):
            rate = int(audio.attributes["sample_rate"])
            arrays["samples"] = _timed(audio.arrays["samples"], round(asked.frames / asked.fps * rate))
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
    file.require_architecture(ARCHITECTURE)
    process, parameterization = RectifiedFlow(), Sample()
    with file.fitting():
        shape = Shape(**file.sizes("shape"))
        if shape.frames != FRAMES:
            raise ValueError(f"it makes {shape.frames} frames at once, not {FRAMES}")
        encoder = TextEncoder.of(file.config, shape.length, said)
        codec = file.module(lambda: Autoencoder(shape.channels), "codec.", device, dtype)
        network = file.module(lambda: ClipTransformer(shape), "denoiser.", device, dtype)
        mean, std = file.latent_scale(device, dimensions=3)
    between = InBetweener(network, process, parameterization)
    return file.model(
        process=process,
        parameterization=parameterization,
        network=network,
        encoder=encoder,
        codec=ClipCodec(codec, mean, std, shape.grid, between),
        window=Window(axis=1, size=shape.frames, overlap=OVERLAP),
    )


def _opaque(pixels: np.ndarray) -> np.ndarray:
    """(..., C) with 1, 3 or 4 channels to three, on white."""
    if pixels.shape[-1] == 4:
        pixels = pixels[..., :3] * pixels[..., 3:] + (1 - pixels[..., 3:])
    return pixels if pixels.shape[-1] == 3 else np.repeat(pixels, 3, -1)


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
