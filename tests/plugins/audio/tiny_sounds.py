"""Tiny checkpoints that make sound, with random weights, of diffusers' and transformers' own classes."""

from __future__ import annotations

from typing import Any

import tiny
import tiny_languages
import torch
from tokenizers import pre_tokenizers

diffusers, transformers = tiny.diffusers, tiny.transformers


def roberta_tokenizer() -> Any:
    """Bytes without merges."""
    letters = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "<mask>"]
    vocabulary = {letter: index for index, letter in enumerate(letters)}
    return transformers.RobertaTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def clap() -> Any:
    """CLAP: both of its branches, though only that of texts is used."""
    text = {
        "vocab_size": 300,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "projection_dim": 16,
    }
    audio = {
        "spec_size": 8,
        "window_size": 4,
        "num_mel_bins": 8,
        "depths": [1, 1],
        "num_attention_heads": [1, 1],
        "num_hidden_layers": 2,
        "patch_embeds_hidden_size": 8,
        "hidden_size": 16,
        "projection_dim": 16,
        "patch_size": 2,
        "patch_stride": 2,
    }
    config = transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=16)
    return tiny.seeded(transformers.ClapModel, config=config)


def audioldm_2(**schedule: Any) -> Any:
    gpt = transformers.GPT2Config(n_embd=8, n_layer=2, n_head=2, n_positions=96, vocab_size=4)
    gpt.max_new_tokens = 4
    vocoder = transformers.SpeechT5HifiGanConfig(
        model_in_dim=8,
        sampling_rate=1000,
        upsample_initial_channel=8,
        upsample_rates=[4, 4],
        upsample_kernel_sizes=[8, 8],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 3]],
        normalize_before=False,
    )
    network = tiny.seeded(
        diffusers.AudioLDM2UNet2DConditionModel,
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=((None, 8, 16),) * 2,
        attention_head_dim=4,
    )
    projection = tiny.seeded(
        diffusers.AudioLDM2ProjectionModel,
        text_encoder_dim=16,
        text_encoder_1_dim=16,
        langauge_model_dim=8,
    )
    return diffusers.AudioLDM2Pipeline(
        vae=tiny.vae(4, in_channels=1, out_channels=1),
        text_encoder=clap(),
        text_encoder_2=tiny.t5(16),
        projection_model=projection,
        language_model=tiny.seeded(transformers.GPT2LMHeadModel, config=gpt),
        tokenizer=roberta_tokenizer(),
        tokenizer_2=tiny.t5_tokenizer(),
        feature_extractor=transformers.ClapFeatureExtractor(),
        unet=network,
        scheduler=diffusers.DDIMScheduler(
            **tiny.SD_CHAIN, clip_sample=False, set_alpha_to_one=False, steps_offset=1, **schedule
        ),
        vocoder=tiny.seeded(transformers.SpeechT5HifiGan, config=vocoder),
    )


def ace_step(turbo: bool = True) -> Any:
    sizes = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "sliding_window": 8,
    }
    fusion = tiny.seeded(
        diffusers.pipelines.ace_step.AceStepConditionEncoder,
        **sizes,
        text_hidden_dim=16,
        timbre_hidden_dim=3,
        num_lyric_encoder_hidden_layers=2,
        num_timbre_encoder_hidden_layers=2,
    )
    fusion.silence_latent = torch.randn(1, 15_000, 3, generator=torch.manual_seed(8)) / 2
    network = tiny.seeded(
        diffusers.AceStepTransformer1DModel,
        **sizes,
        num_hidden_layers=2,
        in_channels=9,
        audio_acoustic_hidden_dim=3,
        is_turbo=turbo,
    )
    return diffusers.AceStepPipeline(
        vae=tiny.stable_audio().vae,
        text_encoder=tiny_languages.qwen_3(2).model,
        tokenizer=tiny_languages.qwen_tokenizer(),
        transformer=network,
        condition_encoder=fusion,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    )
