"""Names that LoRAs give to the layers of video transformers, beside diffusers' own converter."""

from __future__ import annotations

from pathlib import Path

import tiny
import torch

from gen.checkpoints import Component
from gen.checkpoints.weights import Weights
from gen_video.families import lora_names

with tiny.without_broken_libraries():
    from diffusers.loaders.lora_conversion_utils import _convert_non_diffusers_wan_lora_to_diffusers


def test_the_layers_of_wan(tmp_path: Path) -> None:
    tiny.wan().transformer.save_pretrained(tmp_path)
    weights = Weights((tmp_path / "diffusion_pytorch_model.safetensors",), "transformer")
    part = Component("transformer", "diffusers", "X", tmp_path, given_weights=weights)
    layers = {
        old: target.name
        for old, [target] in lora_names.wan(part).items()
        if "blocks." in old and len(weights.shapes.get(f"{target.name}.weight", ())) == 2
    }
    assert len(layers) == 20
    state = {
        f"diffusion_model.{old}.lora_{each}.weight": torch.full((1, 1), float(index))
        for index, old in enumerate(layers)
        for each in "AB"
    }
    found = _convert_non_diffusers_wan_lora_to_diffusers(dict(state))
    for index, new in enumerate(layers.values()):
        assert found[f"transformer.{new}.lora_B.weight"].item() == index
