"""The rules of guidance as functions of the predictions.

``cond`` is the prediction for the prompt, ``uncond`` the one for the empty or negative prompt or that of a
weaker model; both (B, ...). Scale 1 is no guidance and 0 is uncond; papers that write (1 + w) have
w = scale - 1. A rule names the space that its paper works in where that matters: x0, the velocity, or the
network's output. ``scale`` is a number or a tensor that broadcasts to (B, ...).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from gen.diffusion.items import inner_product, norm, per_item


def cfg(cond: Tensor, uncond: Tensor, scale: float | Tensor) -> Tensor:
    """uncond + scale (cond - uncond), in any space (Ho & Salimans 2022, arXiv 2207.12598, eq. 6)."""
    return torch.lerp(uncond, cond, scale)


def rescaled(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    """guided (phi std(cond) / std(guided) + 1 - phi) (Lin et al. 2023, arXiv 2305.08891, eq. 15 and 16).

    std is that of each item; the space is the network's output. Where guided is constant it stays as it is.
    """
    ratio = per_item(lambda a, b: (a.std() / b.std()).nan_to_num(1.0, 1.0), cond, guided)
    return guided * ratio.mul(phi).add(1 - phi).to(guided)


def renormed(guided: Tensor, cond: Tensor, axis: int) -> Tensor:
    """guided |cond| / |guided|, with norms along ``axis``; the space is the network's output.

    Published as code (diffusers' pipeline of Qwen-Image), where the axis is that of a token's channels.
    """
    norms = [torch.linalg.vector_norm(value, dim=axis, keepdim=True) for value in (cond, guided)]
    return guided * (norms[0] / norms[1]).nan_to_num(1.0, 1.0)


def apg(
    cond: Tensor, difference: Tensor, scale: float | Tensor, eta: float = 0.0, radius: float = math.inf
) -> Tensor:
    """cond + (scale - 1) (d_orthogonal + eta d_parallel), in x0 (Sadat et al. 2024, 2410.02416, alg. 1).

    d = difference min(1, radius / |difference|) for each item; parallel and orthogonal to cond. The
    difference is cond - uncond, plus the momentum.
    """
    if radius < math.inf:
        difference = difference * (radius / norm(difference)).clamp(max=1.0).to(cond)
    if eta != 1:
        # Nothing is parallel to 0.
        square = inner_product(cond, cond)
        share = inner_product(difference, cond) / torch.where(square > 0, square, 1.0)
        difference = difference + cond * ((eta - 1) * share).to(cond)
    return cond + (scale - 1) * difference


def cfg_zero_star(cond: Tensor, uncond: Tensor, scale: float | Tensor) -> Tensor:
    """s uncond + scale (cond - s uncond), s = <cond, uncond> / |uncond|**2 of each item.

    In the velocity of a rectified flow (Fan et al. 2025, arXiv 2503.18886, alg. 1).
    """
    square = inner_product(uncond, uncond)
    s = inner_product(cond, uncond) / torch.where(square > 0, square, 1.0)
    return torch.lerp(uncond * s.to(cond), cond, scale)


def fdg(cond: Tensor, uncond: Tensor, scales: Sequence[float | Tensor], axes: tuple[int, ...]) -> Tensor:
    """Sum over the bands of a Laplacian pyramid of uncond_band + scale_band (cond_band - uncond_band).

    Frequency-decoupled guidance (Sadat et al. 2025, arXiv 2506.19713, alg. 1), in any space. ``scales`` has
    one scale per band, the finest first; ``axes`` are those of space or time, counted from the end. The
    bands' sum is the identity, and equal scales make ``cfg``.

    Raises:
        ValueError: An axis is too short for so many bands.
    """
    scale, *coarser = scales
    if not coarser:
        return cfg(cond, uncond, scale)
    difference = cond - uncond
    low = _halved(difference, axes)
    fine = difference - _doubled(low, difference, axes)
    zero = torch.zeros_like(low)
    return uncond + scale * fine + _doubled(fdg(low, zero, coarser, axes), difference, axes)


def mahiro(cond: Tensor, uncond: Tensor, scale: float | Tensor) -> Tensor:
    """(1 + c) / 2 g + (1 - c) / 2 scale cond, where g is classifier-free guidance of x0.

    c is the cosine over the channels, averaged over each item, between the signed square roots of
    scale uncond and of (g + scale cond) / 2. Published as code: the node Mahiro of ComfyUI, which averages c
    over the batch too.
    """
    g, leap = cfg(cond, uncond, scale), scale * cond
    roots = [value.sign() * value.abs().sqrt() for value in (scale * uncond, (leap + g) / 2)]
    c = per_item(lambda a, b: functional.cosine_similarity(a, b, dim=0).mean(), *roots)
    return torch.lerp(leap, g, (1 + c) / 2)


_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def _blurred(rows: Tensor) -> Tensor:
    """Rows (N, 1, L) convolved with the binomial kernel, reflected at the ends."""
    if rows.shape[-1] < 3:
        raise ValueError("an axis is too short for so many bands: each halves it, and 3 elements are needed")
    return functional.conv1d(
        functional.pad(rows, (2, 2), "reflect"), rows.new_tensor(_BINOMIAL).view(1, 1, 5)
    )


def _halved(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """x blurred, with half as many elements along each axis (Burt & Adelson 1983)."""
    for axis in axes:
        rows, size = x.movedim(axis, -1), x.shape[axis] // 2
        half = functional.interpolate(_blurred(rows.reshape(-1, 1, x.shape[axis])), size=size, mode="linear")
        x = half.reshape(*rows.shape[:-1], size).movedim(-1, axis)
    return x


def _doubled(x: Tensor, like: Tensor, axes: tuple[int, ...]) -> Tensor:
    """x interpolated to the size of ``like`` and blurred."""
    for axis in axes:
        rows, size = x.movedim(axis, -1), like.shape[axis]
        full = functional.interpolate(rows.reshape(-1, 1, x.shape[axis]), size=size, mode="linear")
        x = _blurred(full).reshape(*rows.shape[:-1], size).movedim(-1, axis)
    return x
