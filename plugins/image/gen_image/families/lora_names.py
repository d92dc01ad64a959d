"""Names that LoRAs give to layers of transformers, as the programs of FLUX.1 and Stable Diffusion 3 do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from gen.checkpoints import Component
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.converted import Target

Layers: TypeAlias = Mapping[str, tuple[Target, ...]]

OWN = tuple(Target(f"attn.to_{each}", index, 3) for index, each in enumerate("qkv"))
SECOND = tuple(Target(f"attn2.to_{each}", index, 3) for index, each in enumerate("qkv"))
CONTEXT = tuple(Target(f"attn.add_{each}_proj", index, 3) for index, each in enumerate("qkv"))
"""One layer of queries, keys and values in the one program, three in diffusers."""

FLUX: Layers = {
    "img_in": (Target("x_embedder"),),
    "txt_in": (Target("context_embedder"),),
    "time_in.in_layer": (Target("time_text_embed.timestep_embedder.linear_1"),),
    "time_in.out_layer": (Target("time_text_embed.timestep_embedder.linear_2"),),
    "vector_in.in_layer": (Target("time_text_embed.text_embedder.linear_1"),),
    "vector_in.out_layer": (Target("time_text_embed.text_embedder.linear_2"),),
    "guidance_in.in_layer": (Target("time_text_embed.guidance_embedder.linear_1"),),
    "guidance_in.out_layer": (Target("time_text_embed.guidance_embedder.linear_2"),),
    "final_layer.linear": (Target("proj_out"),),
}
FLUX_DOUBLE: Layers = {
    "img_mod.lin": (Target("norm1.linear"),),
    "txt_mod.lin": (Target("norm1_context.linear"),),
    "img_attn.qkv": OWN,
    "txt_attn.qkv": CONTEXT,
    "img_attn.proj": (Target("attn.to_out.0"),),
    "txt_attn.proj": (Target("attn.to_add_out"),),
    "img_mlp.0": (Target("ff.net.0.proj"),),
    "img_mlp.2": (Target("ff.net.2"),),
    "txt_mlp.0": (Target("ff_context.net.0.proj"),),
    "txt_mlp.2": (Target("ff_context.net.2"),),
}
FLUX_SINGLE: Layers = {
    "modulation.lin": (Target("norm.linear"),),
    "linear1": (
        *(Target(f"attn.to_{each}", index, 7) for index, each in enumerate("qkv")),
        Target("proj_mlp", 3, 7, 4),
    ),
    "linear2": (Target("proj_out"),),
}
SD3_JOINT: Layers = {
    "x_block.attn.qkv": OWN,
    "x_block.attn2.qkv": SECOND,
    "x_block.attn.proj": (Target("attn.to_out.0"),),
    "x_block.attn2.proj": (Target("attn2.to_out.0"),),
    "x_block.mlp.fc1": (Target("ff.net.0.proj"),),
    "x_block.mlp.fc2": (Target("ff.net.2"),),
    "x_block.adaLN_modulation.1": (Target("norm1.linear"),),
    "context_block.attn.qkv": CONTEXT,
    "context_block.attn.proj": (Target("attn.to_add_out"),),
    "context_block.mlp.fc1": (Target("ff_context.net.0.proj"),),
    "context_block.mlp.fc2": (Target("ff_context.net.2"),),
    "context_block.adaLN_modulation.1": (Target("norm1_context.linear"),),
}


def flux(part: Component) -> Layers:
    """FLUX.1."""
    if part.name != "transformer":
        return {}
    double = _blocks("double_blocks", "transformer_blocks", whole(part.config, "num_layers", 19), FLUX_DOUBLE)
    count = whole(part.config, "num_single_layers", 38)
    return {**FLUX, **double, **_blocks("single_blocks", "single_transformer_blocks", count, FLUX_SINGLE)}


def stable_diffusion_3(part: Component) -> Layers:
    """Stable Diffusion 3 and 3.5."""
    if part.name != "transformer":
        return {}
    return _blocks("joint_blocks", "transformer_blocks", whole(part.config, "num_layers", 18), SD3_JOINT)


def _blocks(theirs: str, ours: str, count: int, layers: Layers) -> Layers:
    return {
        f"{theirs}.{block}.{layer}": tuple(
            Target(f"{ours}.{block}.{target.name}", target.part, target.parts, target.span)
            for target in targets
        )
        for block in range(count)
        for layer, targets in layers.items()
    }
