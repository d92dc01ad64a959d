"""The change of a weight of which a file holds factors: LoRA, LoHa and LoKr.

LoRA (Hu et al. 2021, arXiv 2106.09685, eq. 3): up · down. LoHa (Hyeon-Woo et al. 2021, arXiv 2108.06098,
prop. 2): (w1_a · w1_b) ⊙ (w2_a · w2_b). LoKr (Yeh et al. 2023, arXiv 2309.14859, sec. 3.3): w1 ⊗ w2, each of
them whole or a product. The kernel of a convolution is in the factor that sees the inputs, or in a core of
its own (prop. 3 of LoHa).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Shape: TypeAlias = "tuple[int, ...]"

ROLES = (
    "up",
    "mid",
    "down",
    *(f"hada_{name}" for name in ("w1_a", "w1_b", "t1", "w2_a", "w2_b", "t2")),
    *(f"lokr_{name}" for name in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")),
)
"""What factors are called."""

PAIRS = (("hada_w1", "hada_t1"), ("hada_w2", "hada_t2"), ("lokr_w1", ""), ("lokr_w2", "lokr_t2"))
"""Products by their beginnings, each with its core."""


def change_shape(shapes: Mapping[str, Shape]) -> Shape:
    """The shape of the change; the kernel of a convolution may be flattened into the inputs.

    Args:
        shapes: Of the factors, by role.

    Raises:
        ValueError: Factors are missing, or do not fit together.
    """
    if "down" in shapes or "up" in shapes:
        return _product_shape(shapes, "up", "down", "mid", turned=False)
    if any(role.startswith("hada_") for role in shapes):
        first, second = (_side_shape(shapes, *pair) for pair in PAIRS[:2])
        if first != second:
            raise ValueError(f"factors of {list(first)} and {list(second)} are multiplied")
        return first
    first, second = (_side_shape(shapes, *pair) for pair in PAIRS[2:])
    if len(first) != 2 or len(second) < 2:
        raise ValueError(f"{list(first)} and {list(second)} have no Kronecker product")
    return (first[0] * second[0], first[1] * second[1], *second[2:])


def rank(shapes: Mapping[str, Shape]) -> int | None:
    """The rank by which alpha is divided; None where all is whole, and alpha means nothing."""
    for role in ("down", "hada_w1_b", "lokr_w2_b", "lokr_w1_b"):
        if role in shapes:
            return shapes[role][0]
    return None


def change(factors: Mapping[str, Tensor]) -> Tensor:
    """The change itself, of the shape of ``change_shape``.

    Args:
        factors: By role, float32.
    """
    import torch

    if "down" in factors:
        return _product(factors, "up", "down", "mid", turned=False)
    if "hada_w1_a" in factors:
        first, second = (_side(factors, *pair) for pair in PAIRS[:2])
        return first * second
    first, second = (_side(factors, *pair) for pair in PAIRS[2:])
    return torch.kron(first.reshape(*first.shape, *[1] * (second.ndim - 2)), second.contiguous())


def _side_shape(shapes: Mapping[str, Shape], name: str, core: str) -> Shape:
    if name in shapes:
        return shapes[name]
    return _product_shape(shapes, f"{name}_a", f"{name}_b", core, turned=core in shapes)


def _side(factors: Mapping[str, Tensor], name: str, core: str) -> Tensor:
    """One side of a product of products: whole, or of its two factors."""
    if name in factors:
        return factors[name]
    return _product(factors, f"{name}_a", f"{name}_b", core, turned=core in factors)


def _product_shape(shapes: Mapping[str, Shape], left: str, right: str, core: str, *, turned: bool) -> Shape:
    if left not in shapes or right not in shapes:
        raise ValueError(f"it has no {left if left not in shapes else right}")
    rows, columns, kernel = shapes[left], shapes[right], shapes.get(core, ())
    if len(rows) < 2 or len(columns) < 2 or len(kernel) == 1 or 0 in (*rows, *columns):
        raise ValueError("a factor is no matrix")
    rows = (rows[1], rows[0], *rows[2:]) if turned else rows
    inner = kernel[:2] or (columns[0],) * 2
    if math.prod(rows[2:]) != 1 or (rows[1], columns[0]) != inner or (kernel and math.prod(columns[2:]) != 1):
        raise ValueError(f"factors of {list(shapes[left])} and {list(columns)} have no product")
    return (rows[0], columns[1], *(kernel or columns)[2:])


def _product(factors: Mapping[str, Tensor], left: str, right: str, core: str, *, turned: bool) -> Tensor:
    """left · right; with a core between them, for each place of its kernel.

    Args:
        factors: By role.
        left, right, core: Roles.
        turned: Whether the left one is stored with the rank first.
    """
    import torch

    rows, columns = factors[left].flatten(1), factors[right]
    rows = rows.T if turned else rows
    if core in factors:
        return torch.einsum("oa,ab...,bi->oi...", rows, factors[core], columns.flatten(1))
    return (rows @ columns.flatten(1)).unflatten(1, columns.shape[1:])
