"""One number for each item of a batch.

Item by item: a reduction over the batch may round differently with the batch's size.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def per_item(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """A number for each item, ready to multiply a state.

    Args:
        function: Takes one item of each tensor, returns a scalar.
        tensors: (B, ...), all of the same number of dimensions.

    Returns:
        (B, 1, ..., 1).
    """
    numbers = [function(*items) for items in zip(*tensors, strict=True)]
    joined = torch.stack(numbers) if numbers else tensors[0].new_empty(0)
    return joined.reshape(-1, *(1,) * (tensors[0].ndim - 1))


def inner_product(a: Tensor, b: Tensor) -> Tensor:
    """<a, b> of each item in float64, (B, 1, ..., 1); of complex numbers the real part."""
    return per_item(lambda one, other: (_parts(one) * _parts(other)).sum(), a, b)


def norm(a: Tensor) -> Tensor:
    """The Euclidean norm of each item in float64, (B, 1, ..., 1)."""
    return inner_product(a, a).sqrt()


def _parts(item: Tensor) -> Tensor:
    """Real and imaginary parts in float64."""
    return torch.view_as_real(item.resolve_conj()).double() if item.is_complex() else item.double()
