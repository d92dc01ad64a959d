"""Names of modules in the layout of latent diffusion, beside those of diffusers and transformers.

The tables go by modules: ``input_blocks.1.0.in_layers.2`` of a U-Net is ``down_blocks.0.resnets.0.conv1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gen.checkpoints.checkpoint import Component
from gen.checkpoints.converted import Target

RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
UNET = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "middle_block.1": "mid_block.attentions.0",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
MATRICES = {"q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
"""Layers of an autoencoder's attention: convolutions of 1 × 1 in the one layout, matrices in the other."""
CLIP_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def unet_modules(config: Mapping[str, object]) -> dict[str, str]:
    """Modules of a ``UNet2DConditionModel`` of this configuration."""
    layers = int(str(config["layers_per_block"]))
    down, up = _texts(config["down_block_types"]), _texts(config["up_block_types"])
    table = dict(UNET)

    def resnet(place: str, name: str) -> None:
        table.update({f"{place}.{theirs}": f"{name}.{ours}" for theirs, ours in RESNET.items()})

    for block, kind in enumerate(down):
        for layer in range(layers):
            place = f"input_blocks.{1 + block * (layers + 1) + layer}"
            resnet(f"{place}.0", f"down_blocks.{block}.resnets.{layer}")
            if "Attn" in kind:
                table[f"{place}.1"] = f"down_blocks.{block}.attentions.{layer}"
        table[f"input_blocks.{(block + 1) * (layers + 1)}.0.op"] = f"down_blocks.{block}.downsamplers.0.conv"
    for index, place in enumerate(("middle_block.0", "middle_block.2")):
        resnet(place, f"mid_block.resnets.{index}")
    for block, kind in enumerate(up):
        attention = "Attn" in kind
        for layer in range(layers + 1):
            place = f"output_blocks.{block * (layers + 1) + layer}"
            resnet(f"{place}.0", f"up_blocks.{block}.resnets.{layer}")
            if attention:
                table[f"{place}.1"] = f"up_blocks.{block}.attentions.{layer}"
        table[f"{place}.{1 + attention}.conv"] = f"up_blocks.{block}.upsamplers.0.conv"
    return table


def vae_modules(config: Mapping[str, object]) -> dict[str, str]:
    """Modules of an ``AutoencoderKL`` of this configuration."""
    levels, layers = len(_texts(config["block_out_channels"])), int(str(config["layers_per_block"]))
    table = {}
    for half, name, count in (("encoder", "down", layers), ("decoder", "up", layers + 1)):
        table[f"{half}.norm_out"] = f"{half}.conv_norm_out"
        table[f"{half}.mid.attn_1.norm"] = f"{half}.mid_block.attentions.0.group_norm"
        for theirs, ours in MATRICES.items():
            table[f"{half}.mid.attn_1.{theirs}"] = f"{half}.mid_block.attentions.0.{ours}"
        for index in range(2):
            table[f"{half}.mid.block_{index + 1}"] = f"{half}.mid_block.resnets.{index}"
        for level in range(levels):
            place = f"{half}.{name}.{level if name == 'down' else levels - 1 - level}"
            block = f"{half}.{name}_blocks.{level}"
            table[f"{place}.{name}sample"] = f"{block}.{name}samplers.0"
            for layer in range(count):
                table[f"{place}.block.{layer}"] = f"{block}.resnets.{layer}"
                table[f"{place}.block.{layer}.nin_shortcut"] = f"{block}.resnets.{layer}.conv_shortcut"
    return table


def open_clip_modules(config: Mapping[str, object]) -> dict[str, str]:
    """Modules of the text transformer of OpenCLIP, as far as the configuration has layers."""
    table = {
        "token_embedding": "text_model.embeddings.token_embedding",
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
        "ln_final": "text_model.final_layer_norm",
        "text_projection": "text_projection.weight",
    }
    for layer in range(int(str(config["num_hidden_layers"]))):
        for theirs, ours in CLIP_LAYER.items():
            name = f"text_model.encoder.layers.{layer}.{ours}"
            table[f"transformer.resblocks.{layer}.{theirs}"] = name
    return table


def renamed(name: str, modules: Mapping[str, str]) -> str | None:
    """A name whose longest beginning that the table has is replaced; None where it has none."""
    words = name.split(".")
    for end in range(len(words), 0, -1):
        found = modules.get(".".join(words[:end]))
        if found is not None:
            return ".".join([found, *words[end:]])
    return None


def unet_targets(names: Iterable[str], config: Mapping[str, object]) -> dict[str, tuple[Target, ...]]:
    """Where tensors of a U-Net go."""
    modules = unet_modules(config)
    return {name: (Target(renamed(name, modules) or name),) for name in names}


def vae_targets(names: Iterable[str], config: Mapping[str, object]) -> dict[str, tuple[Target, ...]]:
    """Where tensors of an autoencoder go; what belongs to its training is left out."""
    modules = vae_modules(config)
    matrices = tuple(f"mid.attn_1.{name}.weight" for name in MATRICES)
    return {
        name: (Target(renamed(name, modules) or name, form="matrix" if name.endswith(matrices) else ""),)
        for name in names
        if not name.startswith("loss.")
    }


def clip_targets(names: Iterable[str]) -> dict[str, tuple[Target, ...]]:
    """Where tensors of a text transformer of transformers go: where they are."""
    return {name: (Target(name),) for name in names}


def open_clip_targets(
    names: Iterable[str], config: Mapping[str, object], projected: bool
) -> dict[str, tuple[Target, ...]]:
    """Where tensors of a text transformer of OpenCLIP go; layers beyond the configuration's are left out."""
    modules, table = open_clip_modules(config), {}
    for name in names:
        block, found, kind = name.partition(".attn.in_proj_")
        if found:
            layer = int(block.rpartition(".")[2])
            if layer < int(str(config["num_hidden_layers"])):
                table[name] = tuple(
                    Target(f"text_model.encoder.layers.{layer}.self_attn.{each}_proj.{kind}", index, 3)
                    for index, each in enumerate("qkv")
                )
        elif name == "text_projection":
            if projected:
                table[name] = (Target("text_projection.weight", form="transposed"),)
        elif target := renamed(name, modules):
            table[name] = (Target(target),)
    return table


def lora_layers(part: Component) -> dict[str, tuple[Target, ...]]:
    """Layers of a U-Net under their old names, which many LoRAs of Stable Diffusion XL have."""
    if part.name != "unet":
        return {}
    before = {new: old for old, new in unet_modules(part.config).items()}
    layers = {name.rpartition(".")[0] for name in part.weights.shapes}
    return {old: (Target(layer),) for layer in layers if (old := renamed(layer, before))}


def _texts(value: object) -> list[str]:
    return [str(one) for one in value]  # type: ignore[attr-defined]
