"""The shipped text-to-mesh model: how its file becomes an encoder, a denoiser and a codec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.diffusion import RectifiedFlow, Velocity
from gen.errors import GenError
from gen.model import Model, ModelFile, Task
from gen.nn import CaptionEncoder, PromptEncoder, TextEncoder
from gen.words import Stock
from gen_mesh import cloud, grids, surface
from gen_mesh.artifacts import delivered
from gen_mesh.autoencoder import DOWNSAMPLING, Autoencoder
from gen_mesh.captions import Sizes, counted
from gen_mesh.denoiser import Shape, ShapeTransformer, WordShapeTransformer
from gen_mesh.grids import BAND
from gen_mesh.plugin import SMOOTHING, THICKENING
from gen_mesh.vocabulary import KEYWORDS, NAMES

SUBWORDS_ARCHITECTURE = "gen-mesh/shape-transformer/1"
WORDS_ARCHITECTURE = "gen-mesh/shape-transformer/2"


@dataclass(frozen=True, eq=False)
class GridCodec:
    """Meshes and oriented points as standardised latents of a coloured distance grid.

    Args:
        network: The autoencoder.
        mean, std: (C, 1, 1, 1): latents are standardised by these.
        side: Latents per side.
        factor: Prompt -> how many times longer than decoded the sides of its shape become. A shape that
            begins with an input keeps the size of that.
    """

    network: Autoencoder
    mean: Tensor
    std: Tensor
    side: int
    factor: Callable[[str], float] = lambda _: 1.0

    @property
    def size(self) -> int:
        """Cells per side of the grid."""
        return self.side * DOWNSAMPLING

    def shape(self, task: Task) -> tuple[int, ...]:  # noqa: ARG002
        """(C, side, side, side), whatever the parameters."""
        return (len(self.mean), self.side, self.side, self.side)

    def encode(self, artifacts: Sequence[Artifact], task: Task) -> Tensor:
        """Meshes, or points with normals; what reaches out of the unit box is fitted into it.

        The surface is moved inwards by as much as ``decode`` is going to move it outwards.

        Raises:
            UsageError: A surface without area, or points without normals.
        """
        inwards = self._thickening(task.params)
        stacks = np.stack([grids.stacked(*self._grid(artifact, inwards)) for artifact in artifacts])
        return self._encoded(torch.from_numpy(stacks))

    def measured(self, artifact: Artifact, task: Task) -> Tensor:
        """The grid of a mesh, or of points with normals, (1, 4, S, S, S): see ``grids.stacked``.

        Noise is stated in bands, and averaged out of the points or vertices first.
        """
        inwards, std = self._thickening(task.params), task.noise_std * BAND
        return torch.from_numpy(grids.stacked(*self._grid(artifact, inwards, std)))[None]

    def decode_field(self, state: Tensor, task: Task) -> Tensor:  # noqa: ARG002
        """Latents (1, C, s, s, s) to a grid (1, 4, S, S, S)."""
        return self._decoded(state.to(self.mean) * self.std + self.mean)

    def encode_field(self, field: Tensor, task: Task) -> Tensor:  # noqa: ARG002
        """A grid (1, 4, S, S, S) to latents (1, C, s, s, s)."""
        return self._encoded(field)

    def decode(self, state: Tensor, task: Task) -> list[Artifact]:
        """Latents (B, C, s, s, s) to closed coloured meshes, or to points on them.

        Raises:
            GenError: A shape that is empty, or that the smoothing has made empty.
        """
        latents = state.to(self.mean) * self.std + self.mean
        # One at a time: a batch may take another path through the kernels and differ in the last bit.
        stacks = [self._decoded(item[None])[0].numpy() for item in latents]
        factors = [1.0 if task.init is not None else self.factor(prompt) for prompt in task.prompts]
        return [
            self._artifact(stack, task.params, factor) for stack, factor in zip(stacks, factors, strict=True)
        ]

    def mask(self, mask: Artifact, task: Task) -> Tensor:  # noqa: ARG002
        """A closed shape, within which everything is made anew, as (1, 1, s, s, s): 1 where latents are kept.

        Raises:
            UsageError: See ``encode``.
        """
        inside = self._grid(mask)[0] < 0
        blocks = inside.reshape(self.side, DOWNSAMPLING, self.side, DOWNSAMPLING, self.side, DOWNSAMPLING)
        kept = ~blocks.any(axis=(1, 3, 5))
        return torch.from_numpy(kept.astype(np.float32))[None, None].to(self.mean.device)

    def composite(self, made: Artifact, task: Task) -> Artifact:
        """Points: the input's own outside the mask, those made inside it.

        A mesh is returned as it is: its whole surface is extracted from the field, so that outside the mask
        it lies where the input's does, but has vertices of its own.
        """
        if task.init is None or task.mask is None or not made.kind == task.init.kind == "points":
            return made
        inside = self._grid(task.mask)[0] < 0
        init = task.init.arrays["points"]
        chosen = ~self._within(inside, init), self._within(inside, made.arrays["points"])
        names = ("points", "normals", "colours")
        given = {**task.init.arrays, "colours": cloud.oriented(task.init)[2]}
        parts = {name: (given[name][chosen[0]], made.arrays[name][chosen[1]]) for name in names}
        return Artifact("points", {name: np.concatenate(pair) for name, pair in parts.items()})

    def _encoded(self, stacks: Tensor) -> Tensor:
        """Grids (B, 4, S, S, S) to standardised latents."""
        with torch.no_grad():
            latents = self.network.encode(stacks.to(next(self.network.parameters()))).float()
        return (latents - self.mean) / self.std

    def _decoded(self, latents: Tensor) -> Tensor:
        """Latents (B, C, s, s, s) of any scale to grids (B, 4, S, S, S)."""
        with torch.no_grad():
            return self.network.decode(latents.to(next(self.network.parameters()).dtype)).float().cpu()

    def _within(self, inside: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Which points (N, 3) lie in cells (S, S, S) that are marked."""
        cells = np.floor((points + 0.5) * self.size).astype(np.int64).clip(0, self.size - 1)
        return np.asarray(inside[cells[:, 0], cells[:, 1], cells[:, 2]])

    def _grid(
        self, artifact: Artifact, inwards: float = 0.0, std: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Distances and colours on the grid, of a surface that is moved ``inwards`` in the unit box.

        ``std`` is the noise of its points or vertices, in the unit box.
        """
        # They are right within the band even after they have been moved.
        distance, colours = cloud.grid(*cloud.oriented(artifact, std), self.size, BAND + 2 * inwards)
        return distance + np.float32(inwards), colours

    def _thickening(self, params: Mapping[str, object]) -> float:
        """In the unit box."""
        cells = params.get("thickening", THICKENING)
        assert isinstance(cells, int | float)
        return cells / self.size

    def _artifact(self, stack: np.ndarray, params: Mapping[str, object], factor: float) -> Artifact:
        smoothing, faces = params.get("smoothing", SMOOTHING), params.get("faces")
        assert isinstance(smoothing, int | float)
        assert faces is None or isinstance(faces, int)
        distance, colours = grids.unstacked(stack)
        distance -= np.float32(self._thickening(params))
        if not (distance < 0).any():
            raise GenError("the shape is empty", "use another seed, or more steps")
        made = surface.extract(distance, colours, float(smoothing), faces)
        return delivered(surface.scaled(made, factor), params)


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
        factor = GridCodec.factor
        encoder = (
            PromptEncoder.of(file.config, shape.length, lambda prompt, _: counted(prompt))
            if words
            else TextEncoder.of(file.config, shape.length)
        )
        if set(encoder.names) <= NAMES.keys():
            sizes = Sizes(Stock(encoder.names, KEYWORDS))
            encoder = CaptionEncoder(encoder, sizes.caption, KEYWORDS)
            factor = sizes.factor
        network_type = WordShapeTransformer if words else ShapeTransformer
        codec = file.module(lambda: Autoencoder(shape.channels), "codec.", device, dtype)
        network = file.module(lambda: network_type(shape), "denoiser.", device, dtype)
        mean, std = file.latent_scale(device, dimensions=3)
    return file.model(
        process=RectifiedFlow(),
        parameterization=Velocity(),
        network=network,
        encoder=encoder,
        codec=GridCodec(codec, mean, std, shape.grid, factor),
    )
