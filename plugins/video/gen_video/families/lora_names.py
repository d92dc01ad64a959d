"""Names that LoRAs give to layers of transformers, as the program of Wan does."""

from __future__ import annotations

from collections.abc import Mapping

from gen.checkpoints import Component
from gen.checkpoints.converted import Target

WAN = (
    ("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
    ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
    ("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
    ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
    ("condition_embedder.time_proj", "time_projection.1"),
    ("condition_embedder.image_embedder.norm1", "img_emb.proj.0"),
    ("condition_embedder.image_embedder.ff.net.0.proj", "img_emb.proj.1"),
    ("condition_embedder.image_embedder.ff.net.2", "img_emb.proj.3"),
    ("condition_embedder.image_embedder.norm2", "img_emb.proj.4"),
    ("attn1.", "self_attn."),
    ("attn2.", "cross_attn."),
    (".to_out.0", ".o"),
    (".to_q", ".q"),
    (".to_k", ".k"),
    (".to_v", ".v"),
    (".add_k_proj", ".k_img"),
    (".add_v_proj", ".v_img"),
    (".norm_added_k", ".norm_k_img"),
    ("ffn.net.0.proj", "ffn.0"),
    ("ffn.net.2", "ffn.2"),
    (".norm2", ".norm3"),
    (".scale_shift_table", ".modulation"),
    ("proj_out", "head.head"),
)
"""Pieces of names in diffusers, and in the program of Wan."""


def wan(part: Component) -> Mapping[str, tuple[Target, ...]]:
    """Layers of Wan 2.1 and 2.2."""
    if not part.name.startswith("transformer"):
        return {}
    table = {}
    for name in part.weights.shapes:
        layer = other = name.removesuffix(".weight").removesuffix(".bias")
        for ours, theirs in WAN:
            other = other.replace(ours, theirs)
        table[other] = (Target(layer),)
    return table
