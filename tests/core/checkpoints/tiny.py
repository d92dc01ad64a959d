"""Tiny checkpoints with random weights, of diffusers' and transformers' own classes, saved as they save.

The weights are larger than those that training starts from, so that every part of a network shows in what it
gives.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from tokenizers import pre_tokenizers

from gen.checkpoints.libraries import without_broken_libraries

with without_broken_libraries():
    import diffusers
    import transformers

    # What they import, they import when a first network is asked for.
    assert diffusers.AutoencoderKL
    assert transformers.CLIPTextModel

diffusers.utils.logging.set_verbosity_error()
transformers.utils.logging.set_verbosity_error()

WORDS = ("red", "fox", "a", "on", "grass", "tall")


def seeded(build: Any, **options: Any) -> Any:
    """A network with weights that depend on nothing but its class."""
    with torch.random.fork_rng():
        torch.manual_seed(sum(map(ord, build.__name__)))
        network = build(**options).eval()
        for name, parameter in network.named_parameters():
            if parameter.ndim == 1 and "norm" in name and name.endswith("weight"):
                torch.nn.init.normal_(parameter, 1.0, 0.1)
            else:
                inputs = parameter[0].numel() if parameter.ndim else 1
                torch.nn.init.normal_(parameter, 0.0, 0.5 / max(1, inputs) ** 0.5)
    return network


def lively(network: Any, weights: float = 2.0, biases: float = 0.2) -> Any:
    """A deep network whose inputs show in its outputs: biases would drown them layer by layer."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(weights if parameter.ndim > 1 else biases)
    return network


@functools.cache
def clip_vocabulary() -> tuple[dict[str, int], list[str]]:
    """Bytes, their forms at the end of a word, and a few words made of them."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters)]
    merges = []
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            merges.append(f"{parts[-2]} {parts[-1]}")
            parts[-2:] = ["".join(parts[-2:])]
            vocabulary.append(parts[-1])
    entries = dict.fromkeys([*vocabulary, "<|startoftext|>", "<|endoftext|>"])
    return {entry: index for index, entry in enumerate(entries)}, list(dict.fromkeys(merges))


def clip_tokenizer(**options: Any) -> Any:
    vocabulary, merges = clip_vocabulary()
    return transformers.CLIPTokenizer(
        vocab=vocabulary, merges=[tuple(pair.split()) for pair in merges], model_max_length=77, **options
    )


def clip_config(width: int = 16, **options: Any) -> Any:
    vocabulary, _ = clip_vocabulary()
    return transformers.CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        bos_token_id=vocabulary["<|startoftext|>"],
        eos_token_id=vocabulary["<|endoftext|>"],
        **options,
    )


def clip(width: int = 16, projected: bool = False, **options: Any) -> Any:
    made = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    return seeded(made, config=clip_config(width, projection_dim=width, **options))


def t5_tokenizer(length: int = 24) -> Any:
    letters = [(letter, -4.0) for letter in "abcdefghijklmnopqrstuvwxyz,.0123456789"]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *letters]
    pieces += [(f"▁{word}", -3.0) for word in WORDS]
    return transformers.T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=length)


def t5(width: int = 16, **options: Any) -> Any:
    sizes = {"vocab_size": 64, "d_model": width, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
    return seeded(
        transformers.T5EncoderModel,
        config=transformers.T5Config(**{**sizes, "feed_forward_proj": "gated-gelu", **options}),
    )


def umt5(width: int = 16) -> Any:
    sizes = {"vocab_size": 64, "d_model": width, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
    return seeded(transformers.UMT5EncoderModel, config=transformers.UMT5Config(**sizes))


SD_CHAIN = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def unet(**options: Any) -> Any:
    sizes = {**UNET_SIZES, "sample_size": 8, "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")}
    return seeded(diffusers.UNet2DConditionModel, **{**sizes, **options})


def vae(channels: int = 4, **options: Any) -> Any:
    """An autoencoder of two levels, whose latents have next to no variance."""
    made = seeded(
        diffusers.AutoencoderKL,
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=4,
        **options,
    )
    last = made.encoder.conv_out if made.quant_conv is None else made.quant_conv
    with torch.no_grad():
        last.weight[channels:] = 0
        last.bias[channels:] = -40
    return made


def stable_diffusion(scheduler: Any, **options: Any) -> Any:
    """A pipeline of Stable Diffusion with these options of its U-Net."""
    kind = diffusers.StableDiffusionPipeline
    if options.get("in_channels") == 9:
        kind = diffusers.StableDiffusionInpaintPipeline
    return kind(
        vae=vae(),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        unet=unet(**options),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


UNET_SIZES = {
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "cross_attention_dim": 16,
    "attention_head_dim": 4,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
}
XL_SIZES = {
    "block_out_channels": (8, 16, 16),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "cross_attention_dim": 40,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 4,
    "projection_class_embeddings_input_dim": 24 + 6 * 4,
    "transformer_layers_per_block": (1, 2, 1),
    "use_linear_projection": True,
}


def controlnet(**options: Any) -> Any:
    """A ControlNet for a U-Net of the same options."""
    sizes = {**UNET_SIZES, "conditioning_embedding_out_channels": (4, 8)}
    return seeded(diffusers.ControlNetModel, **{**sizes, **options})


def adapter(**options: Any) -> Any:
    """A T2I-Adapter for the U-Net of Stable Diffusion."""
    sizes = {"channels": [8, 16], "num_res_blocks": 1, "downscale_factor": 2}
    return seeded(diffusers.T2IAdapter, **{**sizes, **options})


def saved(pipeline: Any, folder: Any) -> Any:
    """The folder, with the pipeline in it."""
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder)
    return folder


def stable_diffusion_xl(scheduler: Any, in_channels: int = 4, **options: Any) -> Any:
    """A pipeline of Stable Diffusion XL: two text encoders, sizes and a vector."""
    up = ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D")
    inner = unet(**XL_SIZES, up_block_types=up, in_channels=in_channels, out_channels=4)
    kind = diffusers.StableDiffusionXLPipeline
    if in_channels == 9:
        kind = diffusers.StableDiffusionXLInpaintPipeline
    return kind(
        vae=vae(),
        text_encoder=clip(),
        text_encoder_2=clip(24, projected=True, hidden_act="gelu"),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(pad_token="!"),
        unet=inner,
        scheduler=scheduler,
        **options,
    )


def refiner(scheduler: Any) -> Any:
    """The refiner of Stable Diffusion XL: the second text encoder alone, and a score in place of a size."""
    sizes = {**XL_SIZES, "cross_attention_dim": 24, "projection_class_embeddings_input_dim": 24 + 5 * 4}
    return diffusers.StableDiffusionXLImg2ImgPipeline(
        vae=vae(),
        text_encoder=None,
        text_encoder_2=clip(24, projected=True, hidden_act="gelu"),
        tokenizer=None,
        tokenizer_2=clip_tokenizer(pad_token="!"),
        unet=unet(**sizes, up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D")),
        scheduler=scheduler,
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
    )


def stable_diffusion_3(with_t5: bool = True) -> Any:
    transformer = seeded(
        diffusers.SD3Transformer2DModel,
        sample_size=8,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=48,
        caption_projection_dim=16,
        pooled_projection_dim=40,
        pos_embed_max_size=16,
        qk_norm="rms_norm",
    )
    return diffusers.StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=vae(scaling_factor=1.5, shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=clip(16, projected=True),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip(24, projected=True),
        tokenizer_2=clip_tokenizer(pad_token="!"),
        text_encoder_3=t5(48) if with_t5 else None,
        tokenizer_3=t5_tokenizer() if with_t5 else None,
    )


def flux(distilled: bool) -> Any:
    transformer = seeded(
        diffusers.FluxTransformer2DModel,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=distilled,
    )
    shift = {"use_dynamic_shifting": True, "shift": 3.0} if distilled else {"shift": 1.0}
    return diffusers.FluxPipeline(
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(**shift),
        vae=vae(scaling_factor=0.36, shift_factor=0.12, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        text_encoder_2=t5(32),
        tokenizer_2=t5_tokenizer(),
    )


def pixart(sigma: bool) -> Any:
    transformer = seeded(
        diffusers.PixArtTransformer2DModel,
        sample_size=8 if sigma else 128,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=3,
        cross_attention_dim=24,
        caption_channels=16,
        out_channels=8,
    )
    kind = diffusers.PixArtSigmaPipeline if sigma else diffusers.PixArtAlphaPipeline
    return kind(
        transformer=transformer,
        scheduler=diffusers.DPMSolverMultistepScheduler(timestep_spacing="leading"),
        vae=vae(),
        text_encoder=t5(16),
        tokenizer=t5_tokenizer(),
    )


def dit() -> Any:
    transformer = seeded(
        diffusers.DiTTransformer2DModel,
        sample_size=8,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        in_channels=4,
        out_channels=8,
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_zero",
        norm_elementwise_affine=False,
    )
    return diffusers.DiTPipeline(
        transformer=transformer,
        scheduler=diffusers.DDIMScheduler(clip_sample=False),
        vae=vae(),
        id2label={"207": "golden retriever", "281": "tabby, tabby cat"},
    )


def latent_consistency() -> Any:
    return diffusers.LatentConsistencyModelPipeline(
        vae=vae(),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        unet=unet(time_cond_proj_dim=8),
        scheduler=diffusers.LCMScheduler(**SD_CHAIN),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def wan(stages: int = 1, **options: Any) -> Any:
    """A pipeline of Wan with one transformer or two."""
    sizes = {
        "patch_size": (1, 2, 2),
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": 16,
        "out_channels": 16,
        "text_dim": 16,
        "freq_dim": 32,
        "ffn_dim": 24,
        "num_layers": 2,
        "rope_max_seq_len": 32,
    }
    network = lively(seeded(diffusers.WanTransformer3DModel, **sizes))
    second = lively(seeded(diffusers.WanTransformer3DModel, **sizes, eps=1e-5)) if stages == 2 else None
    if second is not None:
        for parameter in second.parameters():
            parameter.data.mul_(0.9)
    return diffusers.WanPipeline(
        transformer=network,
        transformer_2=second,
        vae=lively(
            seeded(
                diffusers.AutoencoderKLWan,
                base_dim=4,
                z_dim=16,
                dim_mult=[1, 1, 1, 1],
                num_res_blocks=1,
                temperal_downsample=[False, True, True],
            ),
            1.2,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        text_encoder=umt5(),
        tokenizer=t5_tokenizer(),
        **options,
    )


def ltx() -> Any:
    network = lively(
        seeded(
            diffusers.LTXVideoTransformer3DModel,
            in_channels=8,
            out_channels=8,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            num_layers=1,
            caption_channels=16,
        )
    )
    autoencoder = seeded(
        diffusers.AutoencoderKLLTXVideo,
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        decoder_inject_noise=(False,) * 5,
        upsample_residual=(False,) * 4,
        upsample_factor=(1,) * 4,
        timestep_conditioning=False,
        patch_size=1,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    )
    autoencoder.latents_mean.copy_(torch.linspace(-0.5, 0.5, 8))
    autoencoder.latents_std.copy_(torch.linspace(0.5, 1.5, 8))
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.95,
        max_shift=2.05,
        base_image_seq_len=1024,
        max_image_seq_len=4096,
        shift_terminal=0.1,
    )
    return diffusers.LTXPipeline(
        transformer=network,
        vae=autoencoder,
        scheduler=scheduler,
        text_encoder=t5(16),
        tokenizer=t5_tokenizer(),
    )


def stable_audio() -> Any:
    network = seeded(
        diffusers.StableAudioDiTModel,
        sample_size=20,
        in_channels=3,
        out_channels=3,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        num_key_value_attention_heads=2,
        cross_attention_dim=16,
        time_proj_dim=8,
        global_states_input_dim=32,
        cross_attention_input_dim=16,
    )
    autoencoder = seeded(
        diffusers.AutoencoderOobleck,
        encoder_hidden_size=6,
        downsampling_ratios=[2, 4],
        decoder_channels=3,
        decoder_input_channels=3,
        audio_channels=2,
        channel_multiples=[2, 4],
        sampling_rate=100,
    )
    projection = seeded(
        diffusers.pipelines.stable_audio.modeling_stable_audio.StableAudioProjectionModel,
        text_encoder_dim=16,
        conditioning_dim=16,
        min_value=0,
        max_value=32,
    )
    scheduler = diffusers.CosineDPMSolverMultistepScheduler(
        solver_order=2, prediction_type="v_prediction", sigma_data=1.0, sigma_schedule="exponential"
    )
    return diffusers.StableAudioPipeline(
        vae=autoencoder,
        text_encoder=t5(16),
        projection_model=projection,
        tokenizer=t5_tokenizer(),
        transformer=network,
        scheduler=scheduler,
    )
