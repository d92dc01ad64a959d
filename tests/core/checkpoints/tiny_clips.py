"""Tiny checkpoints that make clips, see ``tiny``."""

from __future__ import annotations

from typing import Any

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


def cogvideox(timestep_spacing: str = "trailing", **options: Any) -> Any:
    """A pipeline of CogVideoX with these options of its transformer."""
    sizes = {
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "in_channels": 4,
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
    )
    scheduler = diffusers.CogVideoXDDIMScheduler(
        prediction_type="v_prediction",
        timestep_spacing=timestep_spacing,
        rescale_betas_zero_snr=True,
        clip_sample=False,
        snr_shift_scale=1.0,
    )
    return diffusers.CogVideoXPipeline(
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
