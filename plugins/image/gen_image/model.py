"""The shipped text-to-image model: how its file becomes an encoder, a denoiser and a codec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gen import squares
from gen.artifact import Artifact
from gen.diffusion import RectifiedFlow, Velocity
from gen.model import Model, ModelFile, Task
from gen.nn import CaptionEncoder, PromptEncoder, TextEncoder, keywords_of
from gen.run.compositing import keep_pixels, marked, seam
from gen_image.autoencoder import DOWNSAMPLING, Autoencoder
from gen_image.captions import PROMPTS, caption
from gen_image.cutting import cut_out, straight
from gen_image.denoiser import SceneTransformer, Shape, WordSceneTransformer

SUBWORDS_ARCHITECTURE = "gen-image/scene-transformer/1"
WORDS_ARCHITECTURE = "gen-image/scene-transformer/2"


@dataclass(frozen=True, eq=False)
class LatentCodec:
    """Pictures as standardised latents.

    Args:
        network: The autoencoder.
        mean, std: (C, 1, 1): latents are standardised by these.
        grid: Latents per side.
    """

    network: Autoencoder
    mean: Tensor
    std: Tensor
    grid: int

    @property
    def side(self) -> int:
        """Width and height in pixels of what the network draws."""
        return self.grid * DOWNSAMPLING

    def shape(self, task: Task) -> tuple[int, ...]:
        """(C, grid, grid) for any square size.

        Raises:
            UsageError: Width and height differ.
        """
        squares.side(task.params, self.side)
        return (len(self.mean), self.grid, self.grid)

    def encode(self, artifacts: Sequence[Artifact], task: Task) -> Tensor:
        """Pictures of any size, resized to the network's; transparency is laid on white."""
        squares.side(task.params, self.side)
        pixels = np.stack([_fit(_opaque(artifact.arrays["pixels"]), self.side) for artifact in artifacts])
        device = self.mean.device
        tensor = (
            torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device, next(self.network.parameters()).dtype)
        )
        with torch.no_grad():
            latents = self.network.encode(tensor * 2 - 1).float()
        return (latents - self.mean) / self.std

    def decode(self, state: Tensor, task: Task) -> list[Artifact]:
        """Latents (B, C, grid, grid) to pictures, resized when another size is asked for."""
        size = squares.side(task.params, self.side)
        latents = (state.to(self.mean) * self.std + self.mean).to(next(self.network.parameters()).dtype)
        with torch.no_grad():
            # One at a time: a batch may take another path through the kernels and differ in the last bit.
            pixels = torch.cat([self.network.decode(item[None]) for item in latents]).float()
        pictures = ((pixels + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()
        if task.params.get("transparent"):
            return [Artifact("image", {"pixels": self._cut(picture, size)}) for picture in pictures]
        return [Artifact("image", {"pixels": _fit(picture, size)}) for picture in pictures]

    def _cut(self, picture: np.ndarray, size: int) -> np.ndarray:
        """A picture (side, side, 3) without its background, (size, size, 4) with straight alpha."""
        return straight(_fit(cut_out(picture, str(self.mean.device)), size))

    def mask(self, mask: Artifact, task: Task) -> Tensor:
        """A picture, marked where it is drawn anew, as (1, 1, grid, grid): 1 where latents are kept."""
        squares.side(task.params, self.side)
        changed = _changed(mask, self.side)
        blocks = changed.reshape(self.grid, DOWNSAMPLING, self.grid, DOWNSAMPLING).any((1, 3))
        return torch.from_numpy((~blocks).astype(np.float32))[None, None].to(self.mean.device)

    def composite(self, made: Artifact, task: Task) -> Artifact:
        """The picture with the input's own pixels outside the mask, as they are when fitted to its size."""
        if task.init is None or task.mask is None:
            return made
        size = squares.side(task.params, self.side)
        given = _fit(_opaque(task.init.arrays["pixels"]), size)
        if task.params.get("transparent"):
            given = self._cut(_fit(given, self.side), size)
        pixels = keep_pixels(made.arrays["pixels"], given, _changed(task.mask, size), seam(size))
        return Artifact("image", {"pixels": pixels})

    def cropped(self, artifact: Artifact, params: Mapping[str, object]) -> str:
        """One line about the part that is used of a picture that is not square.

        Raises:
            UsageError: The result is to be no square.
        """
        squares.side(params, self.side)
        return squares.cropped(artifact)


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
        encoder: PromptEncoder | TextEncoder | CaptionEncoder
        encoder = (PromptEncoder if words else TextEncoder).of(file.config, shape.length)
        # Other files read prompts as they are written.
        if file.config.get("prompts") == PROMPTS:
            encoder = CaptionEncoder(encoder, caption, keywords_of(file.config))
        network_type = WordSceneTransformer if words else SceneTransformer
        codec = file.module(lambda: Autoencoder(shape.channels), "codec.", device, dtype)
        network = file.module(lambda: network_type(shape), "denoiser.", device, dtype)
        mean, std = file.latent_scale(device, dimensions=2)
    return file.model(
        process=RectifiedFlow(),
        parameterization=Velocity(),
        network=network,
        encoder=encoder,
        codec=LatentCodec(codec, mean, std, shape.grid),
    )


def _changed(mask: Artifact, size: int) -> np.ndarray:
    """Where a mask is marked, (size, size)."""
    marks = np.repeat(marked(mask.arrays["pixels"])[..., None], 3, -1)
    changed: np.ndarray = _fit(marks, size)[..., 0] >= 0.5
    return changed


def _opaque(pixels: np.ndarray) -> np.ndarray:
    if pixels.shape[-1] == 4:
        pixels = pixels[..., :3] * pixels[..., 3:] + (1 - pixels[..., 3:])
    return pixels if pixels.shape[-1] == 3 else np.repeat(pixels, 3, -1)


def _fit(pixels: np.ndarray, size: int) -> np.ndarray:
    """Cut the middle square of (H, W, C) and resize it to (size, size, C), float32 in [0, 1]."""
    height, width = pixels.shape[:2]
    if height == width == size:
        return np.ascontiguousarray(pixels, dtype=np.float32)
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    square = pixels[top : top + edge, left : left + edge].astype(np.float32)
    bands = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(square[..., band])).resize(
                (size, size), Image.Resampling.LANCZOS
            )
        )
        for band in range(pixels.shape[-1])
    ]
    return np.stack(bands, -1).clip(0, 1)
