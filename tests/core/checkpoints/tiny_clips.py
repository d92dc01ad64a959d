"""Tiny checkpoints that make clips, see ``tiny``."""

from __future__ import annotations

from typing import Any

import torch
from tiny import (
    clip,
    clip_tokenizer,
    diffusers,
    lively,
    seeded,
    t5,
    t5_tokenizer,
    transformers,
    unet,
    vae,
    wan,
)
from tiny_languages import gemma_3, gemma_tokenizer


def clip_vision(side: int, patch: int, projected: bool = True) -> Any:
    made = transformers.CLIPVisionModelWithProjection if projected else transformers.CLIPVisionModel
    config = transformers.CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=side,
        patch_size=patch,
        projection_dim=16,
    )
    return seeded(made, config=config)


def clip_processor(side: int) -> Any:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    return CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})


def stable_video() -> Any:
    network = seeded(
        diffusers.UNetSpatioTemporalConditionModel,
        sample_size=8,
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        layers_per_block=1,
        cross_attention_dim=16,
        num_attention_heads=4,
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
        num_frames=3,
    )
    autoencoder = seeded(
        diffusers.AutoencoderKLTemporalDecoder,
        block_out_channels=(32, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        layers_per_block=1,
    )
    scheduler = diffusers.EulerDiscreteScheduler(
        sigma_min=0.002,
        sigma_max=700.0,
        timestep_type="continuous",
        prediction_type="v_prediction",
        use_karras_sigmas=True,
        timestep_spacing="leading",
        steps_offset=1,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        interpolation_type="linear",
    )
    return diffusers.StableVideoDiffusionPipeline(
        vae=lively(autoencoder),
        image_encoder=clip_vision(224, 112),
        unet=lively(network),
        scheduler=scheduler,
        feature_extractor=clip_processor(224),
    )


def animatediff(**options: Any) -> Any:
    """A pipeline of AnimateDiff with these options of its scheduler."""
    adapter = seeded(
        diffusers.MotionAdapter,
        block_out_channels=(8, 16),
        motion_layers_per_block=1,
        motion_num_attention_heads=2,
        motion_norm_num_groups=4,
        motion_max_seq_length=6,
    )
    chain = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "linear", "steps_offset": 1}
    return diffusers.AnimateDiffPipeline(
        vae=lively(vae(), 2.5),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        unet=lively(unet(), 3.0),
        motion_adapter=lively(adapter),
        scheduler=diffusers.DDIMScheduler(**chain, clip_sample=False, **options),
    )


def cogvideox(timestep_spacing: str = "trailing", pictured: bool = False, **options: Any) -> Any:
    """A pipeline of CogVideoX with these options of its transformer.

    Args:
        timestep_spacing: Of the scheduler.
        pictured: Whether it makes clips of a picture.
        options: Of the transformer.
    """
    sizes = {
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "in_channels": 8 if pictured else 4,
        "out_channels": 4,
        "time_embed_dim": 8,
        "text_embed_dim": 16,
        "num_layers": 2,
        "sample_width": 6,
        "sample_height": 4,
        "sample_frames": 9,
        "max_text_seq_length": 12,
    }
    network = seeded(diffusers.CogVideoXTransformer3DModel, **{**sizes, **options})
    autoencoder = seeded(
        diffusers.AutoencoderKLCogVideoX,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
        invert_scale_latents=pictured and "ofs_embed_dim" not in options,
    )
    scheduler = diffusers.CogVideoXDDIMScheduler(
        prediction_type="v_prediction",
        timestep_spacing=timestep_spacing,
        rescale_betas_zero_snr=True,
        clip_sample=False,
        snr_shift_scale=1.0,
    )
    kind = diffusers.CogVideoXImageToVideoPipeline if pictured else diffusers.CogVideoXPipeline
    return kind(
        transformer=lively(network),
        vae=lively(autoencoder),
        scheduler=scheduler,
        text_encoder=t5(16),
        tokenizer=t5_tokenizer(),
    )


def wan_of_pictures(stages: int = 1, looks: bool = True, between: bool = False, **options: Any) -> Any:
    """A pipeline of Wan from pictures, with these options.

    Args:
        stages: How many transformers it has.
        looks: Whether CLIP sees the pictures.
        between: Whether it sees the last one, too.
        options: Of the pipeline.
    """
    parts = wan(stages).components
    for name in ("transformer", "transformer_2")[:stages]:
        added = {"image_dim": 16, "added_kv_proj_dim": 24, "pos_embed_seq_len": 10 if between else None}
        config = {**parts[name].config, "in_channels": 36, **(added if looks else {})}
        parts[name] = lively(seeded(diffusers.WanTransformer3DModel, **config))
    if stages == 2:
        for parameter in parts["transformer_2"].parameters():
            parameter.data.mul_(0.9)
    if looks:
        parts |= {
            "image_encoder": clip_vision(28, 14, projected=False),
            "image_processor": clip_processor(28),
        }
    return diffusers.WanImageToVideoPipeline(**parts, **options)


def ltx_2(crossed: bool = False) -> Any:
    """A pipeline of LTX-2, or of LTX-2.3, whose parts are modulated by the times of each other."""
    both = dict.fromkeys(("num_attention_heads", "audio_num_attention_heads"), 2)
    network = seeded(
        diffusers.LTX2VideoTransformer3DModel,
        **both,
        in_channels=8,
        out_channels=8,
        attention_head_dim=8,
        cross_attention_dim=16,
        audio_in_channels=8,
        audio_out_channels=8,
        audio_attention_head_dim=4,
        audio_cross_attention_dim=8,
        num_layers=1,
        caption_channels=16,
        rope_double_precision=False,
        cross_attn_mod=crossed,
        audio_cross_attn_mod=crossed,
    )
    autoencoder = seeded(
        diffusers.AutoencoderKLLTX2Video,
        latent_channels=8,
        block_out_channels=(8,),
        down_block_types=("LTX2VideoDownBlock3D",),
        decoder_block_out_channels=(8,),
        layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        spatio_temporal_scaling=(True,),
        decoder_spatio_temporal_scaling=(True,),
        decoder_inject_noise=(False, False),
        downsample_type=("spatiotemporal",),
        upsample_residual=(False,),
        upsample_factor=(1,),
        patch_size=1,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    )
    sound = seeded(
        diffusers.AutoencoderKLLTX2Audio,
        base_channels=8,
        output_channels=2,
        ch_mult=(1, 1, 1),
        num_res_blocks=1,
        in_channels=2,
        resolution=32,
        latent_channels=2,
        norm_type="pixel",
        causality_axis="height",
        mid_block_add_attention=False,
        sample_rate=1600,
        mel_hop_length=16,
        mel_bins=16,
    )
    for coder in (autoencoder, sound):
        coder.latents_mean.copy_(torch.linspace(-0.5, 0.5, 8))
        coder.latents_std.copy_(torch.linspace(0.5, 1.5, 8))
    connectors = seeded(
        diffusers.pipelines.ltx2.LTX2TextConnectors,
        caption_channels=16,
        text_proj_in_factor=3,
        **{
            f"{part}_connector_{name}": value
            for part in ("video", "audio")
            for name, value in (
                ("num_attention_heads", 2),
                ("attention_head_dim", 8),
                ("num_layers", 1),
                ("num_learnable_registers", 8),
            )
        },
        rope_double_precision=False,
    )
    vocoder = seeded(
        diffusers.pipelines.ltx2.LTX2Vocoder,
        in_channels=32,
        hidden_channels=8,
        upsample_kernel_sizes=[4],
        upsample_factors=[2],
        resnet_kernel_sizes=[3],
        resnet_dilations=[[1]],
        output_sampling_rate=200,
    )
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.95,
        max_shift=2.05,
        base_image_seq_len=1024,
        max_image_seq_len=4096,
        shift_terminal=0.1,
    )
    return diffusers.LTX2Pipeline(
        transformer=lively(network),
        vae=lively(autoencoder),
        audio_vae=sound,
        scheduler=scheduler,
        text_encoder=gemma_3(),
        tokenizer=gemma_tokenizer(),
        connectors=connectors,
        vocoder=vocoder,
    )
