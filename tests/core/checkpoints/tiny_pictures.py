"""Tiny checkpoints of further families that draw pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tiny import SD_CHAIN, clip, clip_tokenizer, diffusers, saved, seeded, t5, t5_tokenizer, unet, vae
from tiny_clips import clip_processor, clip_vision
from tiny_languages import gemma_2, gemma_tokenizer, qwen_3, qwen_processor, qwen_tokenizer, qwen_vl

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


def lively(network: Any) -> Any:
    """A deep network whose output depends on its input: with larger weights and smaller offsets."""
    for parameter in network.parameters():
        parameter.data.mul_(3.0 if parameter.ndim > 1 else 0.1)
    return network


DYNAMIC = {"use_dynamic_shifting": True, "shift_terminal": 0.02, "max_shift": 0.9, "max_image_seq_len": 8192}


def qwen_image(edits: str = "") -> Any:
    """Qwen-Image, or ``"Edit"`` or ``"EditPlus"``."""
    autoencoder = lively(
        seeded(
            diffusers.AutoencoderKLQwenImage,
            base_dim=4,
            z_dim=4,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
            latents_mean=[-0.3, 0.1, 0.2, 0.4],
            latents_std=[0.5, 0.8, 1.1, 1.4],
        )
    )
    transformer = seeded(
        diffusers.QwenImageTransformer2DModel,
        in_channels=16,
        out_channels=4,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(4, 6, 6),
    )
    return getattr(diffusers, f"QwenImage{edits}Pipeline")(
        transformer=transformer,
        scheduler=FLOW(**DYNAMIC),
        vae=autoencoder,
        text_encoder=qwen_vl(),
        tokenizer=qwen_tokenizer(),
        **({"processor": None} if edits else {}),
    )


def saved_editor(pipeline: Any, folder: Path) -> Path:
    """The folder, with a pipeline that edits and its processor in it."""
    saved(pipeline, folder)
    processor = qwen_processor()
    for part in (processor.image_processor, processor.tokenizer):
        part.save_pretrained(folder / "processor")
    index = folder / "model_index.json"
    entry = {"processor": ["transformers", "Qwen2VLProcessor"]}
    index.write_text(json.dumps(json.loads(index.read_text()) | entry))
    pipeline.processor = processor
    return folder


def flux_2_klein(distilled: bool = False) -> Any:
    autoencoder = seeded(
        diffusers.AutoencoderKLFlux2,
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=4,
    )
    autoencoder.bn.running_mean.copy_(torch.linspace(-0.3, 0.4, 16))
    autoencoder.bn.running_var.copy_(torch.linspace(0.5, 1.5, 16))
    transformer = seeded(
        diffusers.Flux2Transformer2DModel,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=48,
        timestep_guidance_channels=32,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    return diffusers.Flux2KleinPipeline(
        transformer=transformer,
        scheduler=FLOW(use_dynamic_shifting=True),
        vae=autoencoder,
        text_encoder=qwen_3(),
        tokenizer=qwen_tokenizer(),
        is_distilled=distilled,
    )


def flux(kind: str) -> Any:
    """FLUX.1 ``"Fill"`` or ``"Kontext"``."""
    transformer = seeded(
        diffusers.FluxTransformer2DModel,
        in_channels=48 if kind == "Fill" else 16,
        out_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    return getattr(diffusers, f"Flux{kind}Pipeline")(
        transformer=transformer,
        scheduler=FLOW(use_dynamic_shifting=True, shift=3.0),
        vae=vae(scaling_factor=0.36, shift_factor=0.12, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        text_encoder_2=t5(32),
        tokenizer_2=t5_tokenizer(),
    )


def sana() -> Any:
    autoencoder = seeded(
        diffusers.AutoencoderDC,
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        scaling_factor=0.41407,
    )
    transformer = seeded(
        diffusers.SanaTransformer2DModel,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=8,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=16,
        sample_size=32,
        timestep_scale=0.9,
    )
    return diffusers.SanaPipeline(
        transformer=transformer,
        scheduler=FLOW(shift=3.0),
        vae=autoencoder,
        text_encoder=gemma_2(),
        tokenizer=gemma_tokenizer(),
    )


def deepfloyd_if(large: bool = False) -> Any:
    """The first stage of IF, or the second."""
    network = unet(
        sample_size=32 if large else 16,
        in_channels=6 if large else 3,
        out_channels=6,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        addition_embed_type="text",
        addition_embed_type_num_heads=2,
        cross_attention_norm="layer_norm",
        resnet_time_scale_shift="scale_shift",
        act_fn="gelu",
        **({"class_embed_type": "timestep"} if large else {}),
    )
    scheduler = diffusers.DPMSolverMultistepScheduler(
        beta_schedule="squaredcos_cap_v2",
        thresholding=True,
        dynamic_thresholding_ratio=0.95,
        sample_max_value=1.0 if large else 1.5,
        variance_type="learned_range",
        timestep_spacing="leading",
    )
    parts = {"safety_checker": None, "feature_extractor": None, "watermarker": None}
    noising = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    return (diffusers.IFSuperResolutionPipeline if large else diffusers.IFPipeline)(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(16),
        unet=network,
        scheduler=scheduler,
        requires_safety_checker=False,
        **parts,
        **({"image_noising_scheduler": noising} if large else {}),
    )


def upscaler() -> Any:
    """A pipeline of Stable Diffusion's upscaler, which makes pictures twice as large."""
    return diffusers.StableDiffusionUpscalePipeline(
        vae=vae(),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        unet=unet(in_channels=7, class_embed_type=None, num_class_embeds=1000),
        low_res_scheduler=diffusers.DDPMScheduler(**SD_CHAIN),
        scheduler=diffusers.DDIMScheduler(**SD_CHAIN, clip_sample=False, prediction_type="v_prediction"),
        watermarker=None,
    )


def kandinsky_prior() -> Any:
    """The prior of Kandinsky 2.2."""
    network = seeded(
        diffusers.PriorTransformer,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        embedding_dim=16,
        num_embeddings=77,
        embedding_proj_dim=16,
    )
    return diffusers.KandinskyV22PriorPipeline(
        prior=network,
        image_encoder=clip_vision(32, 16),
        text_encoder=clip(16, projected=True),
        tokenizer=clip_tokenizer(),
        scheduler=diffusers.UnCLIPScheduler(prediction_type="sample", clip_sample_range=0.5),
        image_processor=clip_processor(32),
    )


def kandinsky() -> Any:
    """The decoder of Kandinsky 2.2."""
    network = unet(
        out_channels=8,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        addition_embed_type="image",
        encoder_hid_dim_type="image_proj",
        encoder_hid_dim=16,
        cross_attention_norm=None,
        resnet_time_scale_shift="scale_shift",
    )
    movq = seeded(
        diffusers.VQModel,
        block_out_channels=(32, 32),
        down_block_types=("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
        up_block_types=("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        vq_embed_dim=4,
        num_vq_embeddings=12,
        norm_num_groups=4,
        norm_type="spatial",
    )
    scheduler = diffusers.DDPMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample_range=2.0,
        thresholding=True,
        dynamic_thresholding_ratio=1.0,
        sample_max_value=2.0,
        variance_type="learned_range",
    )
    return diffusers.KandinskyV22Pipeline(unet=network, scheduler=scheduler, movq=movq)
