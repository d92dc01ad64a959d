"""AudioLDM 2 (Liu et al. 2023, arXiv 2308.05734): sounds and music from text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import CheckpointStage, called, negatives, sampled, two_sides
from gen.checkpoints.text import T5Prompts
from gen.checkpoints.text.language import load_words
from gen.diffusion import Condition, Conditioning
from gen.diffusion.denoiser import Network
from gen.model import Model, Task
from gen_audio.families import defaults
from gen_audio.families.codec import WaveCodec
from gen_audio.families.mel_coder import MelCoder

STEP = 64
"""The states of T5 are padded to multiples of so many, so that prompts of any length fit one batch."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AudioLDM2(CheckpointStage):
    """A U-Net on latents of a mel spectrogram, conditioned by T5 and by what GPT-2 makes of CLAP and T5.

    Args:
        words, clap: The tokenizer and the text branch of CLAP.
        t5: T5.
        projection: Brings both to the width of GPT-2.
        gpt: GPT-2, which goes on from what both say.
        count: States that it adds.
    """

    words: Any
    clap: Any
    t5: T5Prompts
    projection: Any
    gpt: Any
    count: int

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts, each read by itself, whatever the length of the others."""
        rows = [self._read(text) for text in (*task.prompts, *negatives(task))]
        size = -(-max(len(states) for states, _ in rows) // STEP) * STEP
        text = torch.stack([nn.functional.pad(states, (0, 0, 0, size - len(states))) for states, _ in rows])
        shown = torch.tensor([[place < len(states) for place in range(size)] for states, _ in rows])
        return two_sides(
            text=Condition(text, "cross_attention", shown.to(text.device)),
            sound=Condition(torch.cat([generated for _, generated in rows]), "cross_attention"),
        )

    def _read(self, text: str) -> tuple[Tensor, Tensor]:
        """The states (L, D) of T5, and those (1, count, D') that GPT-2 adds."""
        length = min(len(self.t5.tokenizer.encode(text)) + 1, self.t5.tokenizer.length)
        states, _ = self.t5([text], length, masked=True)
        words = self.words([text], truncation=True, return_tensors="pt").to(states.device)
        vector = nn.functional.normalize(self.clap(**words).text_embeds, dim=-1)
        said = self.projection(hidden_states=vector[:, None], hidden_states_1=states).hidden_states
        for _ in range(self.count):
            said = torch.cat([said, self.gpt(inputs_embeds=said, use_cache=False)[0][:, -1:]], 1)
        return states[0], said[:, -self.count :]


def network(unet: nn.Module) -> Network:
    """The U-Net as a network of the core."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> object:
        text, sound = conditioning["text"], conditioning["sound"]
        return unet(
            x,
            t,
            encoder_hidden_states=sound.value,
            encoder_hidden_states_1=text.value,
            encoder_attention_mask_1=text.present,
            return_dict=False,
        )

    return called(unet, call)


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of AudioLDM 2 for sounds and music; of speech, T5 is missing.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    coder = MelCoder.of(parts)
    unet = checkpoint["unet"].config
    seconds = whole(unet, "sample_size", 256) * coder.hop / coder.sample_rate
    codec = WaveCodec(
        coder=coder,
        cell=(whole(unet, "in_channels", 8), coder.bands),
        hop=coder.hop,
        sample_rate=coder.sample_rate,
        channels=1,
        longest=60.0,
        seconds=seconds,
    )
    stage = AudioLDM2(
        **sampled(parts.schedule()),
        network=network(parts.network("unet")),
        words=load_words(checkpoint["tokenizer"]),
        clap=parts.encoder("text_encoder", "ClapTextModelWithProjection", "text_config"),
        t5=parts.t5("_2"),
        projection=parts.network("projection_model"),
        gpt=parts.encoder("language_model", "GPT2Model"),
        count=whole(checkpoint["language_model"].config, "max_new_tokens", 8),
    )
    return parts.model("audio", stage, codec, defaults.audioldm_2)
