"""The shipped text-to-mesh model: how its file becomes an encoder, a denoiser and a codec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.diffusion import RectifiedFlow, Velocity
from gen.model import Model, ModelFile
from gen.nn import TextEncoder
from gen_mesh import cloud, grids, surface
from gen_mesh.autoencoder import DOWNSAMPLING, Autoencoder
from gen_mesh.data.shapes import BAND
from gen_mesh.denoiser import Shape, ShapeTransformer

ARCHITECTURE = "gen-mesh/shape-transformer/1"
SMOOTHING, THICKENING = 0.5, 0.5
"""In cells. Where a thin wall may stand in several places, the distance is the mean of all of them, which is
nowhere below zero: unless the surface is moved outwards, thin things have holes."""

POINTS = 4096


@dataclass(frozen=True, eq=False)
class GridCodec:
    """Meshes and oriented points as standardised latents of a coloured distance grid.

    Args:
        network: The autoencoder.
        mean, std: (C, 1, 1, 1): latents are standardised by these.
        side: Latents per side.
    """

    network: Autoencoder
    mean: Tensor
    std: Tensor
    side: int

    @property
    def size(self) -> int:
        """Cells per side of the grid."""
        return self.side * DOWNSAMPLING

    def shape(self, params: Mapping[str, object]) -> tuple[int, ...]:  # noqa: ARG002
        """(C, side, side, side), whatever the parameters."""
        return (len(self.mean), self.side, self.side, self.side)

    def encode(self, artifacts: Sequence[Artifact], params: Mapping[str, object]) -> Tensor:  # noqa: ARG002
        """Meshes, or points with normals; what reaches out of the unit box is fitted into it.

        Raises:
            ValueError: A surface without area, or points without normals.
        """
        stacks = np.stack([grids.stacked(*self._grid(artifact)) for artifact in artifacts])
        parameter = next(self.network.parameters())
        with torch.no_grad():
            latents = self.network.encode(torch.from_numpy(stacks).to(parameter)).float()
        return (latents - self.mean) / self.std

    def decode(self, x0: Tensor, params: Mapping[str, object]) -> list[Artifact]:
        """Latents (B, C, s, s, s) to closed coloured meshes.

        Raises:
            ValueError: A shape that is empty, or that the smoothing has made empty.
        """
        latents = (x0.to(self.mean) * self.std + self.mean).to(next(self.network.parameters()).dtype)
        with torch.no_grad():
            # One at a time: a batch may take another path through the kernels and differ in the last bit.
            stacks = [self.network.decode(item[None])[0].float().cpu().numpy() for item in latents]
        return [self._mesh(stack, params) for stack in stacks]

    def mask(self, mask: Artifact, params: Mapping[str, object]) -> Tensor:  # noqa: ARG002
        """A closed shape, within which everything is made anew, as (1, 1, s, s, s): 1 where latents are kept.

        Raises:
            ValueError: See ``encode``.
        """
        inside = self._grid(mask)[0] < 0
        blocks = inside.reshape(self.side, DOWNSAMPLING, self.side, DOWNSAMPLING, self.side, DOWNSAMPLING)
        kept = ~blocks.any(axis=(1, 3, 5))
        return torch.from_numpy(kept.astype(np.float32))[None, None].to(self.mean.device)

    def _grid(self, artifact: Artifact) -> tuple[np.ndarray, np.ndarray]:
        return cloud.grid(*cloud.oriented(artifact), self.size, BAND)

    def _mesh(self, stack: np.ndarray, params: Mapping[str, object]) -> Artifact:
        smoothing, thickening = params.get("smoothing", SMOOTHING), params.get("thickening", THICKENING)
        faces, points = params.get("faces"), params.get("points")
        assert isinstance(smoothing, int | float)
        assert isinstance(thickening, int | float)
        assert faces is None or isinstance(faces, int)
        assert points is None or isinstance(points, int)
        distance, colours = grids.unstacked(stack)
        distance -= np.float32(thickening / self.size)
        mesh = surface.extract(distance, colours, float(smoothing), faces)
        arrays: dict[str, np.ndarray] = {
            "vertices": mesh.vertices,
            "faces": mesh.faces,
            "colours": mesh.colours,
        }
        return Artifact(
            "mesh",
            arrays,
            {
                "representation": str(params.get("representation") or "mesh"),
                "points": POINTS if points is None else points,
            },
        )


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
    with file.fitting():
        shape = Shape(**file.sizes("shape"))
        encoder = TextEncoder.of(file.config, shape.length)
        codec = file.module(lambda: Autoencoder(shape.channels), "codec.", device, dtype)
        network = file.module(lambda: ShapeTransformer(shape), "denoiser.", device, dtype)
        mean, std = file.latent_scale(device, dimensions=3)
    return file.model(
        process=RectifiedFlow(),
        parameterization=Velocity(),
        network=network,
        encoder=encoder,
        codec=GridCodec(codec, mean, std, shape.grid),
    )
