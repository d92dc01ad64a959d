"""LTX-2 and LTX-2.3 (HaCohen et al. 2026, arXiv 2601.03233): clips with their sound, from text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from gen.artifact import Artifact
from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import CheckpointStage, called, negatives, two_sides, with_scale
from gen.checkpoints.text import LanguagePrompts
from gen.diffusion import Condition, Conditioning
from gen.diffusion.denoiser import Network
from gen.diffusion.joint import JointNetwork
from gen.model import Model, Task
from gen.model.stage import AnyGuidance
from gen_video.families import defaults
from gen_video.families.codec import FrameCodec

LENGTH = 1024
"""Tokens of a prompt."""
FRAMES, SOUND = "frames", "sound"
"""Parts of the state."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LTX2(CheckpointStage):
    """A transformer on latents of frames and of sound, conditioned by Gemma.

    Args:
        text: Gemma.
        connectors: Makes the states for either part of Gemma's.
        codec: Knows the rate of the frames.
    """

    text: LanguagePrompts
    connectors: nn.Module
    codec: FrameCodec

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts, of all layers, as either part sees them; and the rate of the frames."""
        texts = [text.strip() for text in (*task.prompts, *negatives(task))]
        states, mask = self.text(texts, LENGTH, padded=True, side="left")
        layers = torch.stack(states, 3).to(next(self.connectors.parameters()))
        frames, sound, shown = self.connectors(layers, mask.long(), padding_side="left")
        rate = torch.tensor([[float(self.codec.timing(task)[1])]] * len(task.prompts))
        return two_sides(
            text=Condition(frames.float(), "cross_attention", shown.bool()),
            sound=Condition(sound.float(), "cross_attention", shown.bool()),
        ).with_conditions(rate=Condition(rate, "global"))

    def guidance(self, task: Task, chosen: AnyGuidance) -> dict[str, AnyGuidance]:
        """The one that is chosen; that of the sound has the scale ``sound_guidance``."""
        scale = float(str(task.params.get("sound_guidance") or task.guidance))
        return {FRAMES: chosen, SOUND: with_scale(chosen, scale)}

    def tokens(self, task: Task) -> int:
        """Cells of the frames' latents."""
        return math.prod(cast("Mapping[str, tuple[int, ...]]", task.shape)[FRAMES][1:])


def network(transformer: nn.Module, config: Mapping[str, object]) -> JointNetwork:
    """The transformer as a network of the core; ``config`` is its ``config.json``."""
    # Of LTX-2.3 each part is modulated by the time of the other.
    crossed = bool(config.get("cross_attn_mod"))

    @cache
    def of(frames: torch.Size, sound: torch.Size) -> Network:
        """The network on both parts in one row, (B, 1, numbers), for shapes of one item."""

        def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
            pictures, waves = x[:, 0].split([frames.numel(), sound.numel()], 1)
            pictures, waves = pictures.unflatten(1, frames), waves.unflatten(1, sound)
            text, known, times = conditioning["text"], conditioning.get(f"known/{FRAMES}"), t
            if known is not None:
                keep, value = known.value[:, 0], known.value[:, 1]
                pictures = torch.where(keep > 0, value.to(pictures), pictures)
                times = t[:, None] * (1 - keep[:, 0]).flatten(1).to(t)
            made = transformer(
                hidden_states=pictures.flatten(2).mT,
                audio_hidden_states=waves.transpose(1, 2).flatten(2),
                encoder_hidden_states=text.value,
                audio_encoder_hidden_states=conditioning["sound"].value,
                timestep=times,
                audio_timestep=t,
                sigma=t,
                encoder_attention_mask=text.mask,
                audio_encoder_attention_mask=text.mask,
                num_frames=frames[1],
                height=frames[2],
                width=frames[3],
                fps=float(conditioning["rate"].value[0, 0]),
                audio_num_frames=sound[1],
                use_cross_timestep=crossed,
                return_dict=False,
            )
            heard = made[1].unflatten(2, (sound[0], -1)).transpose(1, 2)
            return torch.cat([made[0].mT.flatten(1), heard.flatten(1)], 1)[:, None]

        return called(transformer, call, exact=("rate",))

    def joint(
        x: Mapping[str, Tensor], t: Mapping[str, Tensor], conditioning: Conditioning
    ) -> dict[str, Tensor]:
        shapes = [x[name].shape[1:] for name in (FRAMES, SOUND)]
        row = torch.cat([x[name].flatten(1) for name in (FRAMES, SOUND)], 1)[:, None]
        made = of(*shapes)(row, t[FRAMES], conditioning)[:, 0]
        parts = made.split([shape.numel() for shape in shapes], 1)
        return {
            name: part.unflatten(1, shape)
            for name, part, shape in zip((FRAMES, SOUND), parts, shapes, strict=True)
        }

    return joint


@dataclass(frozen=True, eq=False)
class SoundingCodec:
    """Clips with sound, as latents of two autoencoders.

    Args:
        pictures: That of the frames.
        sound: That of the sound's log-mels.
        vocoder: Makes sound of log-mels.
    """

    pictures: FrameCodec
    sound: Any
    vocoder: Any

    @property
    def begins(self) -> bool:
        """Whether the frame ``first`` is kept as the first of the clip."""
        return self.pictures.begins

    def shape(self, task: Task) -> dict[str, tuple[int, ...]]:
        """Of the frames (C, t, h, w), of the sound (C, cells, bands).

        Raises:
            UsageError: The frames or the size do not fit the cells, or a parameter is not for this model.
        """
        config, frames = self.sound.config, self.pictures.shape(task)
        per_second = Fraction(
            config.sample_rate, config.mel_hop_length * self.sound.temporal_compression_ratio
        )
        bands = config.mel_bins // self.sound.mel_compression_ratio
        cells = max(1, round(self._seconds(task) * per_second))
        return {FRAMES: frames, SOUND: (config.latent_channels, cells, bands)}

    def given(self, task: Task) -> tuple[dict[str, Tensor], dict[str, Tensor]] | None:
        """The frame ``first``: masks and states by the part."""
        found = self.pictures.given(task)
        if found is None:
            return None
        nothing = torch.zeros(1, *self.shape(task)[SOUND])
        return {FRAMES: found[0], SOUND: nothing}, {FRAMES: found[1], SOUND: nothing}

    def decode(self, state: Mapping[str, Tensor], task: Task) -> list[Artifact]:
        """Clips of latents, with the sound as long as the frames."""
        rate = int(self.vocoder.config.output_sampling_rate)
        length = round(self._seconds(task) * rate)
        waves = self.waves(state[SOUND]).cpu().numpy()[..., :length]
        waves = np.pad(waves, ((0, 0), (0, 0), (0, length - waves.shape[2])))
        return [
            Artifact("video", {**clip.arrays, "samples": wave}, {**clip.attributes, "sample_rate": rate})
            for clip, wave in zip(self.pictures.decode(state[FRAMES], task), waves, strict=True)
        ]

    def waves(self, latents: Tensor) -> Tensor:
        """Sound (B, channels, samples) of latents (B, C, cells, bands)."""
        mean, std = (
            one.to(latents).unflatten(0, (latents.shape[1], 1, -1))
            for one in (self.sound.latents_mean, self.sound.latents_std)
        )
        z = (latents * std + mean).to(next(self.sound.parameters()))
        mel = self.sound.decode(z, return_dict=False)[0]
        made: Tensor = self.vocoder(mel.to(next(self.vocoder.parameters())))
        return made.float()

    def composite(self, made: Artifact, task: Task) -> Artifact:
        """The clip with the given first frame."""
        frames = self.pictures.composite(made, task).arrays["frames"]
        return Artifact("video", {**made.arrays, "frames": frames}, made.attributes)

    def _seconds(self, task: Task) -> Fraction:
        frames, rate = self.pictures.timing(task)
        return frames / rate


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of LTX-2.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    vae, schedule = parts.autoencoder(), parts.schedule()
    scale = float(str(checkpoint["vae"].config.get("scaling_factor", 1.0)))
    step = int(vae.spatial_compression_ratio)  # type: ignore[arg-type]
    pictures = FrameCodec(
        vae,
        cast(Tensor, vae.latents_mean).float(),
        cast(Tensor, vae.latents_std).float() / scale,
        step=step,
        stride=int(vae.temporal_compression_ratio),  # type: ignore[arg-type]
        multiple=step * whole(checkpoint["transformer"].config, "patch_size", 1),
        size=(768, 512),
        frames=121,
        fps=Fraction(24),
    )
    codec = SoundingCodec(pictures, parts.autoencoder("audio_vae"), parts.autoencoder("vocoder"))
    stage = LTX2(
        schedule=schedule,
        process=dict.fromkeys((FRAMES, SOUND), schedule.process),
        parameterization=dict.fromkeys((FRAMES, SOUND), schedule.parameterization),
        network=network(parts.network("transformer"), checkpoint["transformer"].config),
        text=parts.language(alone=True),
        connectors=parts.network("connectors"),
        codec=pictures,
    )
    return parts.model("video", stage, codec, defaults.ltx_2)
