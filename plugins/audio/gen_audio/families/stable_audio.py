"""Stable Audio Open (Evans et al. 2024, arXiv 2407.14358): music and sounds from text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import CheckpointStage, called, sampled, two_sides
from gen.checkpoints.text import T5Prompts
from gen.diffusion import Condition, Conditioning
from gen.diffusion.denoiser import Network
from gen.model import Model, Task
from gen_audio.families import defaults
from gen_audio.families.codec import Oobleck, WaveCodec


@dataclass(frozen=True, kw_only=True, eq=False)
class StableAudio(CheckpointStage):
    """A transformer on latents of waves, conditioned by T5 and the seconds of start and end.

    Args:
        text: T5.
        projection: Brings the states of T5 and the seconds to one width.
        codec: Knows how long the sound is.
    """

    text: T5Prompts
    projection: Any
    codec: WaveCodec

    def encode(self, task: Task) -> Conditioning:
        """The states of the prompt and the seconds; zeros stand for no negative prompt."""
        rows = len(task.prompts)
        seconds = self.projection(
            start_seconds=torch.zeros(rows), end_seconds=torch.full((rows,), self.codec.duration(task))
        )
        ends = (seconds.seconds_start_hidden_states, seconds.seconds_end_hidden_states)
        prompt = torch.cat([self._states(task.prompts), *ends], 1)
        negative = torch.zeros_like(prompt)
        if task.negatives is not None:
            negative = torch.cat([self._states(task.negatives), *ends], 1)
        made = two_sides(text=Condition(torch.cat([prompt, negative]), "cross_attention"))
        return made.with_conditions(length=Condition(torch.cat(ends, 2)[:, 0], "global"))

    def _states(self, texts: Sequence[str]) -> Tensor:
        """The projected states of texts, zero behind their ends."""
        states, shown = self.text(texts, self.text.tokenizer.length, masked=True)
        shown = shown[..., None]
        projected: Tensor = self.projection(text_hidden_states=states * shown).text_hidden_states
        return projected * shown


def network(transformer: nn.Module, size: int) -> Network:
    """The transformer as a network of the core; ``size`` numbers of a head turn with the place."""
    rates = 10_000.0 ** (-torch.arange(0, size, 2) / size)

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> object:
        angles = torch.outer(torch.arange(x.shape[2] + 1), rates).repeat(1, 2).to(x.device)
        return transformer(
            x,
            t,
            encoder_hidden_states=conditioning["text"].value,
            global_hidden_states=conditioning["length"].value[:, None],
            rotary_embedding=(angles.cos(), angles.sin()),
            return_dict=False,
        )

    return called(transformer, call)


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of Stable Audio Open.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    config, waves = checkpoint["transformer"].config, checkpoint["vae"].config
    hop = math.prod(map(int, waves["downsampling_ratios"]))  # type: ignore[call-overload]
    rate = whole(waves, "sampling_rate", 44_100)
    longest = whole(config, "sample_size", 1024) * hop / rate
    codec = WaveCodec(
        coder=Oobleck(parts.autoencoder()),
        cell=(whole(config, "in_channels", 64),),
        hop=hop,
        sample_rate=rate,
        channels=whole(waves, "audio_channels", 2),
        longest=longest,
        seconds=longest,
        whole=True,
    )
    stage = StableAudio(
        **sampled(parts.schedule()),
        network=network(parts.network("transformer"), whole(config, "attention_head_dim", 64) // 2),
        text=parts.t5(),
        projection=parts.network("projection_model"),
        codec=codec,
    )
    return parts.model("audio", stage, codec, defaults.stable_audio)
