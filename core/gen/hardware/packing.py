"""Layers with weights that oneDNN has reordered for its kernels, once instead of at every call.

torch's compiler does the same with frozen networks. The operators are private ones of torch, the same from
2.8 to 2.15. ``gen.hardware.profile`` finds out whether they exist, return the same bits and are faster.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_OPERATORS = (
    "_reorder_linear_weight",
    "_linear_pointwise",
    "_reorder_convolution_weight",
    "_convolution_pointwise",
)


def packing_available() -> bool:
    """Whether this torch has oneDNN and the operators."""
    return torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.mkldnn, name) for name in _OPERATORS
    )


def packed(layer: nn.Module) -> nn.Module:
    """A layer that computes the same with a reordered weight, channels-last where it is a convolution.

    Args:
        layer: On the CPU. Only ``nn.Linear``, ``nn.Conv2d`` and ``nn.Conv3d`` themselves are packed, not
            their subclasses, with zeros as padding. It is left as it is.

    Returns:
        The packed layer, which holds a copy of the weight; the layer itself where it cannot be packed.
    """
    if type(layer) is nn.Linear:
        return PackedLinear(layer)
    if (
        isinstance(layer, nn.Conv2d | nn.Conv3d)
        and type(layer) in (nn.Conv2d, nn.Conv3d)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    ):
        return PackedConvolution(layer)
    return layer


class PackedLinear(nn.Module):
    """``nn.Linear`` with a reordered weight: (..., in_features) -> (..., out_features).

    Gradients reach the input, by way of a plain copy of the weight in each call, but not the weight.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        weight = layer.weight.detach().contiguous()
        self.weight = nn.Parameter(torch.ops.mkldnn._reorder_linear_weight(weight), requires_grad=False)
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and x.requires_grad:
            return nn.functional.linear(x, self.weight.to_dense(), self.bias)
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"


class PackedConvolution(nn.Module):
    """``nn.Conv2d`` or ``nn.Conv3d`` with a reordered weight: (B, C, *spatial) -> (B, D, *spatial).

    Gradients reach the input, by way of a plain copy of the weight in each call, but not the weight.
    """

    def __init__(self, layer: nn.Conv2d | nn.Conv3d) -> None:
        super().__init__()
        self.in_channels, self.out_channels = layer.in_channels, layer.out_channels
        self.kernel_size = layer.kernel_size
        self.stride, self.padding, self.dilation = layer.stride, layer.padding, layer.dilation
        self.groups = layer.groups
        weight = layer.weight.detach().contiguous()
        self.weight = nn.Parameter(
            torch.ops.mkldnn._reorder_convolution_weight(
                weight, self.padding, self.stride, self.dilation, self.groups
            ),
            requires_grad=False,
        )
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        dimensions = len(self.kernel_size)
        if x.ndim == dimensions + 1:
            return self(x[None])[0]
        if torch.is_grad_enabled() and x.requires_grad:
            plain = nn.functional.conv2d if dimensions == 2 else nn.functional.conv3d
            return plain(
                x, self.weight.to_dense(), self.bias, self.stride, self.padding, self.dilation, self.groups
            )
        return torch.ops.mkldnn._convolution_pointwise(
            x,
            self.weight,
            self.bias,
            self.padding,
            self.stride,
            self.dilation,
            self.groups,
            "none",
            [],
            "",
        )

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, groups={self.groups}, bias={self.bias is not None}"
        )
