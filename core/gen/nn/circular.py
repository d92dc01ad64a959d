"""Networks whose edges meet: convolutions that see the other side of a picture behind its edge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch import Tensor, nn
from torch.nn import functional


@contextmanager
def circular(module: nn.Module, tile: str) -> Iterator[None]:
    """Let the two-dimensional convolutions of a module pad with what is on the other side.

    A network of such convolutions, of layers that act place by place and of attention without positions then
    moves with its input along these axes, so that its output continues across the edges.

    Args:
        module: Its padded ``nn.Conv2d``, whatever they are padded with otherwise.
        tile: ``"x"`` for the left and right edge, ``"y"`` for the top and bottom, ``"xy"`` for both; empty
            for none.
    """
    found = [one for one in module.modules() if isinstance(one, nn.Conv2d) and isinstance(one.padding, tuple)]
    padded = [one for one in found if tile and any(one.padding)]
    for one in padded:
        one.__dict__["_conv_forward"] = partial(_closed, one, tile)
    try:
        yield
    finally:
        for one in padded:
            del one.__dict__["_conv_forward"]


def _closed(layer: nn.Conv2d, tile: str, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    down, across = (int(size) for size in layer.padding)
    for name, sides in (("x", (across, across, 0, 0)), ("y", (0, 0, down, down))):
        if any(sides):
            x = functional.pad(x, sides, mode="circular" if name in tile else "constant")
    return functional.conv2d(x, weight, bias, layer.stride, 0, layer.dilation, layer.groups)
