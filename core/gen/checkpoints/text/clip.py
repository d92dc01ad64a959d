"""The text transformer of CLIP (Radford et al. 2021, arXiv 2103.00020, sec. 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.checkpoints.checkpoint import Component
from gen.checkpoints.networks import filled
from gen.errors import ModelError


class QuickGELU(nn.Module):
    """x sigmoid(1.702 x) (Hendrycks & Gimpel 2016, arXiv 1606.08415, sec. 2)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "gelu": nn.GELU,
    "quick_gelu": QuickGELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
}
OLD_END = 2
"""The id of the end that old configurations give in error; they mean the highest id of a text."""


class ClipOutput(NamedTuple):
    """What the transformer makes of texts.

    Args:
        hidden: The states before each layer, and after the last: n + 1 tensors (B, L, D).
        final: The last of them normalised, (B, L, D).
        pooled: That of the end of the text, projected where the model has a projection, (B, D).
    """

    hidden: tuple[Tensor, ...]
    final: Tensor
    pooled: Tensor


class ClipText(nn.Module):
    """The text transformer: causal attention over at most ``length`` tokens.

    Args:
        config: ``config.json`` of a ``CLIPTextModel`` or ``CLIPTextModelWithProjection`` of transformers.
        projected: Whether the text's vector is projected.
    """

    def __init__(self, config: Mapping[str, object], projected: bool = False) -> None:
        super().__init__()
        width, self.length = _int(config, "hidden_size", 512), _int(config, "max_position_embeddings", 77)
        self.end = _int(config, "eos_token_id", 49407)
        eps = float(str(config.get("layer_norm_eps", 1e-5)))
        self.tokens = nn.Embedding(_int(config, "vocab_size", 49408), width)
        self.positions = nn.Embedding(self.length, width)
        self.layers = nn.ModuleList(
            ClipLayer(
                width,
                _int(config, "intermediate_size", 2048),
                _int(config, "num_attention_heads", 8),
                str(config.get("hidden_act", "quick_gelu")),
                eps,
            )
            for _ in range(_int(config, "num_hidden_layers", 12))
        )
        self.norm = nn.LayerNorm(width, eps=eps)
        size = _int(config, "projection_dim", 512)
        self.projection = nn.Linear(width, size, bias=False) if projected else nn.Identity()

    def forward(self, ids: Tensor) -> ClipOutput:
        """The states of texts.

        Args:
            ids: (B, L) int64, L at most ``length``; each row holds the id of the end.
        """
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        hidden = [x]
        for layer in self.layers:
            x = layer(x)
            hidden.append(x)
        final = self.norm(x)
        ends = ids.argmax(1) if self.end == OLD_END else (ids == self.end).int().argmax(1)
        pooled = final[torch.arange(len(ids), device=ids.device), ends]
        return ClipOutput(tuple(hidden), final, self.projection(pooled))


class ClipLayer(nn.Module):
    """A layer of a transformer of CLIP.

    Args:
        width, inner: Features of a state, and within the feed-forward part.
        heads: Of the attention.
        activation: A name of ``ACTIVATIONS``.
        eps: Of the norms.
        causal: Whether a token attends only to those before it.
    """

    def __init__(
        self, width: int, inner: int, heads: int, activation: str, eps: float, *, causal: bool = True
    ) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.norm_1, self.norm_2 = nn.LayerNorm(width, eps=eps), nn.LayerNorm(width, eps=eps)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """States (B, L, D) to those behind the layer."""
        y = self.norm_1(x)
        q, k, v = (
            part(y).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.down(self.activation(self.up(self.norm_2(x))))


NAMES = (
    ("embeddings.token_embedding", "tokens"),
    ("embeddings.position_embedding", "positions"),
    ("encoder.layers.", "layers."),
    ("self_attn.q_proj", "query"),
    ("self_attn.k_proj", "key"),
    ("self_attn.v_proj", "value"),
    ("self_attn.out_proj", "out"),
    ("layer_norm1", "norm_1"),
    ("layer_norm2", "norm_2"),
    ("mlp.fc1", "up"),
    ("mlp.fc2", "down"),
    ("final_layer_norm", "norm"),
    ("text_projection", "projection"),
)
"""From the names of transformers to ours."""


def _renamed(name: str) -> str | None:
    name = name.removeprefix("text_model.")
    if name == "embeddings.position_ids":
        return None
    for theirs, ours in NAMES:
        name = name.replace(theirs, ours)
    return name


def load_clip(component: Component, device: str = "cpu", dtype: torch.dtype | None = None) -> ClipText:
    """The text transformer of a part of a checkpoint.

    Args:
        component: Of the class ``CLIPTextModel`` or ``CLIPTextModelWithProjection``.
        device: Where it goes.
        dtype: Of its numbers; None keeps what is stored.

    Raises:
        ModelError: It is of another class, or configuration and weights do not fit.
    """
    if component.class_name not in ("CLIPTextModel", "CLIPTextModelWithProjection"):
        raise ModelError(f"the text encoder {component.name} is a {component.class_name}, not CLIP's")
    projected = component.class_name.endswith("WithProjection")
    return filled(
        lambda: ClipText(component.config, projected),
        component.weights,
        component.name,
        device,
        dtype,
        rename=_renamed,
    )


def _int(config: Mapping[str, object], key: str, default: int) -> int:
    return int(str(config.get(key, default)))
