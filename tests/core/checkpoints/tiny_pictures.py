"""Tiny checkpoints of further families that draw pictures."""

from __future__ import annotations

from typing import Any

from tiny import diffusers, seeded, vae
from tiny_languages import qwen_3, qwen_tokenizer

FLOW = diffusers.FlowMatchEulerDiscreteScheduler


def z_image(**shift: Any) -> Any:
    transformer = seeded(
        diffusers.ZImageTransformer2DModel,
        in_channels=4,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[256, 32, 32],
    )
    return diffusers.ZImagePipeline(
        transformer=transformer,
        scheduler=FLOW(**shift),
        vae=vae(scaling_factor=0.36, shift_factor=0.12, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=qwen_3(),
        tokenizer=qwen_tokenizer(),
    )
