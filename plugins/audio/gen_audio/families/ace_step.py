"""ACE-Step 1.5 (Gong et al. 2026, published code): music from a description and lyrics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import CheckpointStage, called, sampled, two_sides
from gen.checkpoints.text import LanguagePrompts
from gen.diffusion import Condition, Conditioning, TimeGrid
from gen.diffusion.denoiser import Network
from gen.model import Model, Task
from gen_audio.families import defaults
from gen_audio.families.codec import Oobleck, WaveCodec

SHIFT = 3.0
TEXT, LYRICS = 256, 2048
"""Tokens of a description and of lyrics."""
TIMBRE = 30
"""Seconds of silence that stand for a sound whose timbre is taken."""
PEAK = 10 ** (-1 / 20)
WHOLE = "Fill the audio semantic mask based on the given conditions:"
PART = "Repaint the mask area based on the given conditions:"


class Levelled(Oobleck):
    """The autoencoder, whose waves all have their peak at -1 dB."""

    def waves(self, latents: Tensor) -> Tensor:
        """What it decodes, levelled."""
        found = super().waves(latents).float()
        return found * (PEAK / found.abs().amax((1, 2), keepdim=True).clamp(min=1e-6))


@dataclass(frozen=True, kw_only=True, eq=False)
class AceStep(CheckpointStage):
    """A transformer on latents of waves, conditioned by Qwen 3, the tokens of lyrics, and a timbre.

    Args:
        text: Qwen 3.
        fusion: Joins what conditions the network to one sequence.
        codec: Knows how long the sound is.
    """

    text: LanguagePrompts
    fusion: Any
    codec: WaveCodec

    def own_grid(self, task: Task) -> TimeGrid:
        """Even times, shifted by 3."""
        return TimeGrid.uniform(task.steps).shift(SHIFT)

    def encode(self, task: Task) -> Conditioning:
        """The sequence of each prompt, read by itself; guidance leads away from what was learned as null."""
        rows = [self._read(prompt, task) for prompt in task.prompts]
        size = max(map(len, rows))
        states = torch.stack([nn.functional.pad(row, (0, 0, 0, size - len(row))) for row in rows])
        shown = torch.tensor([[place < len(row) for place in range(size)] for row in rows]).to(states.device)
        null = self.fusion.null_condition_emb.to(states).expand_as(states)
        return two_sides(text=Condition(torch.cat([states, null]), "cross_attention", shown.repeat(2, 1)))

    def _read(self, prompt: str, task: Task) -> Tensor:
        """(L, D)."""
        params = task.params
        anew = task.mask is not None or "extend" in params
        key = str(params.get("key") or "N/A")
        if key != "N/A":
            key = f"{key[:-1]} minor" if key.endswith("m") else f"{key} major"
        metas = (
            f"- bpm: {params.get('bpm', 'N/A')}\n- timesignature: {params.get('timesignature', 'N/A')}\n"
            f"- keyscale: {key}\n- duration: {int(self.codec.duration(task))} seconds\n"
        )
        described = (
            f"# Instruction\n{PART if anew else WHOLE}\n\n# Caption\n{prompt}\n\n"
            f"# Metas\n{metas}<|endoftext|>\n"
        )
        sung = (
            f"# Languages\n{params.get('language', 'en')}\n\n# Lyric\n{params.get('lyrics', '')}<|endoftext|>"
        )
        states, shown = self.text([described], TEXT)
        ids = self.text.tokenizer([sung], truncation=True, max_length=LYRICS, return_tensors="pt")[
            "input_ids"
        ]
        lyrics = self.text.network.get_input_embeddings()(ids.to(shown.device))
        silence = self.fusion.silence_latent
        frames = math.ceil(TIMBRE * self.codec.sample_rate / self.codec.hop)
        joined, _ = self.fusion(
            states[-1], shown, lyrics, torch.ones_like(ids).bool().to(shown.device),
            silence[:, :frames].to(lyrics), torch.zeros(1, dtype=torch.long, device=shown.device),
        )  # fmt: skip
        return torch.as_tensor(joined[0])


def network(transformer: nn.Module, silence: Tensor) -> Network:
    """The transformer as a network of the core; ``silence`` (1, L, C) stands where nothing is given."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        text, known = conditioning["text"], conditioning.get("known")
        cells = x.shape[2]
        quiet = silence.repeat(1, -(-cells // silence.shape[1]), 1)[:, :cells].mT.to(x)
        source, kept = quiet.expand_as(x), torch.zeros_like(x)
        if known is not None:
            kept = known.value[:, :1].expand_as(x)
            source = torch.where(kept > 0.5, known.value[:, 1:], source)
        context = torch.cat([source, 1 - kept], 1).mT
        # It knows no padding: rows of other lengths go by themselves.
        made = [
            transformer(row[None], time, time, states[shown][None], around[None], return_dict=False)[0]
            for row, time, states, shown, around in zip(
                x.mT, t[:, None], text.value, text.present, context, strict=True
            )
        ]
        return torch.cat(made).mT

    return called(transformer, call)


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of ACE-Step 1.5.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    waves, fusion = checkpoint["vae"].config, parts.network("condition_encoder")
    codec = WaveCodec(
        coder=Levelled(parts.autoencoder()),
        cell=(whole(checkpoint["transformer"].config, "audio_acoustic_hidden_dim", 64),),
        hop=math.prod(map(int, waves["downsampling_ratios"])),  # type: ignore[call-overload]
        sample_rate=whole(waves, "sampling_rate", 48_000),
        channels=whole(waves, "audio_channels", 2),
        longest=600.0,
        seconds=60.0,
        knows=("bpm", "key"),
    )
    stage = AceStep(
        **sampled(parts.schedule(even=True)),
        network=network(parts.network("transformer"), fusion.silence_latent),  # type: ignore[arg-type]
        text=parts.language(),
        fusion=fusion,
        codec=codec,
    )
    return parts.model("audio", stage, codec, defaults.ace_step)
