"""The encoder of T5 (Raffel et al. 2020, arXiv 1910.10683), version 1.1 and multilingual (UMT5)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.checkpoints.checkpoint import Component
from gen.checkpoints.networks import filled
from gen.errors import ModelError

CLASSES = ("T5EncoderModel", "UMT5EncoderModel")


class T5Encoder(nn.Module):
    """Transformer layers with relative positions.

    Args:
        config: ``config.json`` of a ``T5EncoderModel`` or ``UMT5EncoderModel`` of transformers.
        shared: Whether the first layer's positions serve all (T5); else each has its own (UMT5).
    """

    def __init__(self, config: Mapping[str, object], shared: bool = True) -> None:
        super().__init__()
        width, heads = _int(config, "d_model"), _int(config, "num_heads")
        buckets = _int(config, "relative_attention_num_buckets", 32)
        self.reach = _int(config, "relative_attention_max_distance", 128)
        eps = float(str(config.get("layer_norm_epsilon", 1e-6)))
        activation = str(config.get("feed_forward_proj", "relu"))
        self.tokens = nn.Embedding(_int(config, "vocab_size"), width)
        self.layers = nn.ModuleList(
            _Layer(
                width,
                heads,
                _int(config, "d_kv"),
                _int(config, "d_ff"),
                activation,
                buckets if index == 0 or not shared else 0,
                eps,
            )
            for index in range(_int(config, "num_layers"))
        )
        self.norm = nn.RMSNorm(width, eps=eps)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """The states of texts, (B, L, D).

        Args:
            ids: (B, L) int64.
            mask: (B, L) bool, True where a token is attended to; None for all.
        """
        x = self.tokens(ids)
        hidden = None if mask is None else mask[:, None, None, :].logical_not()
        bias: Tensor | None = None
        for layer in self.layers:
            assert isinstance(layer, _Layer)
            own = layer.bias(ids.shape[1], self.reach)
            if own is not None:
                lowest = torch.finfo(own.dtype).min
                bias = own if hidden is None else own.masked_fill(hidden, lowest)
            x = layer(x, bias)
        return self.norm(x)


class _Layer(nn.Module):
    def __init__(
        self, width: int, heads: int, size: int, inner: int, activation: str, buckets: int, eps: float
    ) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, heads * size, bias=False) for _ in range(3))
        self.out = nn.Linear(heads * size, width, bias=False)
        self.positions = nn.Embedding(buckets, heads) if buckets else None
        self.norm_1, self.norm_2 = nn.RMSNorm(width, eps=eps), nn.RMSNorm(width, eps=eps)
        self.up = nn.Linear(width, inner, bias=False)
        self.gate = nn.Linear(width, inner, bias=False) if activation.startswith("gated-") else None
        self.down = nn.Linear(inner, width, bias=False)
        self.activation: nn.Module = nn.GELU("tanh") if activation.endswith("gelu") else nn.ReLU()

    def bias(self, length: int, reach: int) -> Tensor | None:
        """What is added to the attention of each pair of positions, (1, heads, L, L); None where shared."""
        if self.positions is None:
            return None
        places = torch.arange(length, device=self.positions.weight.device)
        buckets = _buckets(places[None, :] - places[:, None], self.positions.num_embeddings, reach)
        return self.positions(buckets).permute(2, 0, 1)[None]

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        y = self.norm_1(x)
        q, k, v = (
            part(y).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=1.0)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        y = self.norm_2(x)
        inner = self.activation(self.up(y))
        return x + self.down(inner if self.gate is None else inner * self.gate(y))


def _buckets(distances: Tensor, count: int, reach: int) -> Tensor:
    """The bucket of each distance: half of them for each sign; of those half exact, the rest logarithmic.

    Raffel et al. 2020, sec. 2.1.
    """
    half = count // 2
    exact = half // 2
    size = distances.abs()
    far = exact + (
        torch.log(size.clamp(min=1).float() / exact) / math.log(reach / exact) * (half - exact)
    ).long().clamp(max=half - 1 - exact)
    return torch.where(size < exact, size, far) + half * (distances > 0).long()


NAMES = (
    (r"^(shared|encoder\.embed_tokens)\.", "tokens."),
    (r"^encoder\.block\.(\d+)\.layer\.0\.SelfAttention\.", r"layers.\1."),
    (r"^encoder\.block\.(\d+)\.layer\.0\.layer_norm\.", r"layers.\1.norm_1."),
    (r"^encoder\.block\.(\d+)\.layer\.1\.layer_norm\.", r"layers.\1.norm_2."),
    (r"^encoder\.block\.(\d+)\.layer\.1\.DenseReluDense\.wo\.", r"layers.\1.down."),
    (r"^encoder\.block\.(\d+)\.layer\.1\.DenseReluDense\.wi(_0)?\.", r"layers.\1.up."),
    (r"^encoder\.block\.(\d+)\.layer\.1\.DenseReluDense\.wi_1\.", r"layers.\1.gate."),
    (r"^encoder\.final_layer_norm\.", "norm."),
    (r"\.relative_attention_bias\.", ".positions."),
    (r"\.q\.", ".query."),
    (r"\.k\.", ".key."),
    (r"\.v\.", ".value."),
    (r"\.o\.", ".out."),
)
"""From the names of transformers to ours, as regular expressions."""


def _renamed(name: str) -> str | None:
    if name.startswith("decoder.") or name == "lm_head.weight":
        return None
    for theirs, ours in NAMES:
        name = re.sub(theirs, ours, name)
    return name


def load_t5(component: Component, device: str = "cpu", dtype: torch.dtype | None = None) -> T5Encoder:
    """The encoder of a part of a checkpoint.

    Args:
        component: Of the class ``T5EncoderModel`` or ``UMT5EncoderModel``.
        device: Where it goes.
        dtype: Of its numbers; None keeps what is stored.

    Raises:
        ModelError: It is of another class, or configuration and weights do not fit.
    """
    if component.class_name not in CLASSES:
        raise ModelError(f"the text encoder {component.name} is a {component.class_name}, not T5's")
    return filled(
        lambda: T5Encoder(component.config, component.class_name == CLASSES[0]),
        component.weights,
        component.name,
        device,
        dtype,
        rename=_renamed,
    )


def _int(config: Mapping[str, object], key: str, default: int | None = None) -> int:
    return int(str(config[key] if default is None else config.get(key, default)))
