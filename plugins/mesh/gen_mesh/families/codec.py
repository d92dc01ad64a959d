"""Shapes as the weights of a small network that knows the signed distance and the colour of each place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.errors import UsageError
from gen.model import Task
from gen_mesh import surface
from gen_mesh.artifacts import delivered
from gen_mesh.surface import Array

QUERIES = 2**16
"""Places that the network is asked about at once."""


@dataclass(frozen=True, eq=False)
class FieldCodec:
    """The implicit function of Shap-E (Jun & Nichol 2023, arXiv 2305.02463, sec. 3).

    Args:
        renderer: The ``ShapERenderer`` of diffusers.
        rows, width: Of the latents.
    """

    renderer: Any
    rows: int
    width: int

    def shape(self, task: Task) -> tuple[int, ...]:
        """(rows, width).

        Raises:
            UsageError: The surface is to be moved outwards.
        """
        if task.params.get("thickening"):
            raise UsageError("this model's distances are squashed: no thickening", "leave out thickening")
        return (self.rows, self.width)

    def decode(self, state: Tensor, task: Task) -> list[Artifact]:
        """Closed coloured meshes, or points on them, of latents (B, rows, width).

        Raises:
            GenError: A shape is empty.
        """
        return [self._artifact(latents, task) for latents in state]

    def field(self, latents: Tensor, places: Array) -> tuple[Array, Array]:
        """Signed distances, squashed to (-1, 1), and sRGB colours.

        Args:
            latents: (rows, width).
            places: (N, 3) of the unit box, Y up.

        Returns:
            (N,), negative inside; and (N, 3) in [0, 1].
        """
        first = next(self.renderer.parameters())
        made = self.renderer.params_proj(latents[None].to(first))
        weights = {name.removeprefix("nerstf."): value[0] for name, value in made.items()}
        # Theirs is the box from -1 to 1, Z up.
        theirs = 2 * np.stack([places[:, 0], -places[:, 2], places[:, 1]], -1)
        parts = []
        for part in torch.from_numpy(theirs).to(first).split(QUERIES):
            asked = {"position": part[None], "direction": None, "ts": None}
            output = torch.func.functional_call(
                self.renderer.mlp, weights, (), {**asked, "nerf_level": "fine", "rendering_mode": "stf"}
            )
            parts.append(torch.cat([-output.signed_distance, output.channels], -1)[0].float().cpu())
        found = torch.cat(parts).numpy()
        return found[:, 0], found[:, 1:]

    def _artifact(self, latents: Tensor, task: Task) -> Artifact:
        params = task.params
        side, faces = int(str(params["resolution"])), params.get("faces")
        middles = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
        cells = np.meshgrid(middles, middles, middles, indexing="ij")
        grid = np.stack(cells, -1, dtype=np.float32).reshape(-1, 3)
        distance = self.field(latents, grid)[0].reshape(side, side, side)
        places, triangles = surface.isosurface(
            distance, float(str(params.get("smoothing", 0))), None if faces is None else int(str(faces))
        )
        return delivered(surface.Surface(places, triangles, self.field(latents, places)[1]), params)
