"""Attention within a network, caught where it is computed, so that guidance can change it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode, handle_torch_function, has_torch_function


class Attend(Protocol):
    """(q (B, H, N, D), k (B, H, M, D), v (B, H, M, D)) -> (B, H, N, D), with the mask of the network."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None = None) -> Tensor:
        """``allowed`` (N, M) bool is False where a query may not attend to a key, beside the mask."""


Rule: TypeAlias = Callable[[Tensor, Tensor, Tensor, Attend], Tensor]
"""(q, k, v, attend) -> the replacement of attend(q, k, v)."""


def dot_product_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(D)) v, written out: for few tokens faster to train on a CPU than the fused kernel.

    Args:
        q: (..., N, D).
        k, v: (..., M, D).
        mask: Bool, broadcasts to (..., N, M), True where a key may be attended to; None for all.
    """
    if has_torch_function((q, k, v)):
        return handle_torch_function(dot_product_attention, (q, k, v), q, k, v, mask)
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(-1).to(v.dtype) @ v


class RuledAttention(nn.Module):
    """A layer of a network in which a rule replaces attention.

    The rule replaces attention that is computed by ``torch.nn.functional.scaled_dot_product_attention``,
    ``torch.nn.MultiheadAttention`` (which then returns no weights) or ``dot_product_attention``.

    Args:
        layer: Any module that computes attention one or more times.
        rule: The replacement.

    Raises:
        ValueError: (when evaluated) The layer computes no attention in one of these ways.
    """

    def __init__(self, layer: nn.Module, rule: Rule) -> None:
        super().__init__()
        self.layer, self.rule = layer, rule

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As ``layer``."""
        found = _Attention(self.rule)
        with found:
            output = self.layer(*args, **kwargs)
        if not found.calls:
            raise ValueError(
                f"{type(self.layer).__name__} computes no attention that can be changed: name layers with "
                "scaled_dot_product_attention, MultiheadAttention or gen.diffusion's dot_product_attention"
            )
        return output


def layer_names(network: nn.Module, layers: str | Iterable[str] | type[nn.Module]) -> list[str]:
    """Dotted names of the layers that are given by name or by type.

    Raises:
        ValueError: There is no layer of the type, or of a name.
    """
    modules = dict(network.named_modules())
    if isinstance(layers, type):
        names = [name for name, module in modules.items() if name and isinstance(module, layers)]
        if not names:
            raise ValueError(f"{type(network).__name__} has no layer of the type {layers.__name__}")
        return names
    names = [layers] if isinstance(layers, str) else list(layers)
    missing = [name for name in names if name not in modules]
    if missing or not names:
        raise ValueError(f"{type(network).__name__} has no layer {', '.join(missing) or 'of no name'}")
    return names


class _Attention(TorchFunctionMode):
    """Within this context, ``rule`` replaces every attention."""

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule, self.calls = rule, 0

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        settings = dict(kwargs or {})
        if func is functional.multi_head_attention_forward:
            self.calls += 1
            return _multi_head(self.rule, inspect.signature(func).bind(*args, **settings))
        if func not in (functional.scaled_dot_product_attention, dot_product_attention):
            return func(*args, **settings)
        self.calls += 1
        fused = func is functional.scaled_dot_product_attention
        names = (
            ("query", "key", "value", "attn_mask", "dropout_p", "is_causal") if fused else (*"qkv", "mask")
        )
        settings |= zip(names, args, strict=False)
        q, k, v, mask = (settings.pop(name, None) for name in names[:4])
        if settings.pop("is_causal", False):
            mask = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()

        def attend(q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None = None) -> Tensor:
            return func(q, k, v, _masked(mask, allowed), **settings)

        return self.rule(q, k, v, attend)


def _masked(mask: Tensor | None, allowed: Tensor | None) -> Tensor | None:
    """Both masks together: bool, or numbers to add."""
    if mask is None or allowed is None:
        return allowed if mask is None else mask
    return mask & allowed if mask.dtype == torch.bool else mask.masked_fill(~allowed, -math.inf)


def _multi_head(rule: Rule, bound: inspect.BoundArguments) -> tuple[Tensor, None]:
    """``torch.nn.functional.multi_head_attention_forward`` with ``rule``; states are (N, B, E)."""
    bound.apply_defaults()
    a = bound.arguments
    if a["query"].ndim != 3 or any(
        a[name] is not None for name in ("bias_k", "bias_v", "static_k", "static_v")
    ):
        raise ValueError("MultiheadAttention can be changed for batches without added keys only")
    if a["use_separate_proj_weight"]:
        weights = (a["q_proj_weight"], a["k_proj_weight"], a["v_proj_weight"])
    else:
        weights = a["in_proj_weight"].chunk(3)
    biases = (None,) * 3 if a["in_proj_bias"] is None else a["in_proj_bias"].chunk(3)
    heads = a["num_heads"]
    q, k, v = (
        functional.linear(state, weight, bias).unflatten(-1, (heads, -1)).permute(1, 2, 0, 3)
        for state, weight, bias in zip((a["query"], a["key"], a["value"]), weights, biases, strict=True)
    )
    mask, absent = _numbers(a["attn_mask"], q), _numbers(a["key_padding_mask"], q)
    if mask is not None and mask.ndim == 3:
        mask = mask.unflatten(0, (-1, heads))
    if absent is not None:
        mask = absent[:, None, None] + (0 if mask is None else mask)

    def attend(q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None = None) -> Tensor:
        return functional.scaled_dot_product_attention(q, k, v, _masked(mask, allowed))

    z = rule(q, k, v, attend).permute(2, 0, 1, 3).flatten(2)
    return functional.linear(z, a["out_proj_weight"], a["out_proj_bias"]), None


def _numbers(mask: Tensor | None, like: Tensor) -> Tensor | None:
    """A mask of ``MultiheadAttention``, True where a key is left out, as numbers to add to the logits."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill_(mask, -math.inf)
