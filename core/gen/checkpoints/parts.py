"""The parts of a checkpoint, loaded for one device and precision: what a family builds its stages of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from gen.checkpoints.checkpoint import Checkpoint, Component
from gen.checkpoints.networks import load_network, load_transformers_network
from gen.checkpoints.schedule import Schedule, read_schedule
from gen.checkpoints.stage import CheckpointStage
from gen.checkpoints.text import (
    ClipPrompts,
    ClipText,
    LanguagePrompts,
    T5Encoder,
    T5Prompts,
    load_clip,
    load_eyes,
    load_reader,
    load_t5,
    load_tokenizer,
    load_words,
)
from gen.checkpoints.text.embeddings import read_words, with_words
from gen.checkpoints.tiny_autoencoder import tiny_autoencoder
from gen.checkpoints.weights import numbers_of
from gen.checks import dtypes_of
from gen.hardware.precision import check_dtype
from gen.hardware.residency import Residents
from gen.model import Codec, Defaults, Model

if TYPE_CHECKING:
    from gen.checkpoints.vision import ClipPictures


@dataclass(frozen=True)
class Parts:
    """Loads parts by their names.

    Args:
        checkpoint: Where they are.
        device: Where they go, as torch spells it.
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``: of the networks; parts with another have it
            behind a comma: ``"bfloat16,vae=float32"``.
        residents: Decides which of them are in memory; shared by checkpoints that are used together.
    """

    checkpoint: Checkpoint
    device: str
    dtype: str
    residents: Residents = field(default_factory=Residents)

    def precision(self, name: str) -> str:
        """The dtype of a part: its own, or that of all.

        Raises:
            UsageError: float16 on a CPU.
        """
        whole, own = dtypes_of(self.dtype)
        found = own.get(name, whole)
        check_dtype(found, self.device)
        return found

    def network(
        self, part: str | Component, changed: Callable[[nn.Module], nn.Module] | None = None
    ) -> nn.Module:
        """A network of diffusers that is called often, in its fast form.

        Args:
            part: Its name in the checkpoint, or a part of another one.
            changed: Makes another network of it, before it gets its precision; None leaves it.

        Raises:
            ModelError: The part is missing or damaged.
        """
        from gen.hardware.precision import prepare
        from gen.hardware.profile import choose_packing, machine_profile

        component = self.checkpoint[part] if isinstance(part, str) else part
        dtype = self.precision(component.name)
        pack = choose_packing(dtype, self.device, machine_profile)

        def load(dtype: torch.dtype) -> nn.Module:
            if changed is None:
                return load_network(component, self.device, dtype, pack=pack)
            return prepare(changed(load_network(component, self.device)), dtype, pack=pack)

        return self._resident(component, dtype, load)

    def autoencoder(self, name: str = "vae") -> nn.Module:
        """An autoencoder, in float32 where its configuration says that it needs that.

        Raises:
            ModelError: The part is missing or damaged.
        """
        part, dtype = self.checkpoint[name], self.precision(name)
        if part.config.get("force_upcast", False) and dtype == "float16":
            dtype = "float32"
        return self._resident(part, dtype, partial(load_network, part, self.device))

    def decoder(self, channels: int) -> nn.Module | None:
        """A tiny autoencoder that decodes in place of the checkpoint's own; None where none is given.

        Args:
            channels: Of the latents.

        Raises:
            ModelError: It is none, or one of other latents.
        """
        path = next((one.path for one in self.checkpoint.additions if one.kind == "decoder"), None)
        if path is None:
            return None
        part = tiny_autoencoder(path, channels, self.checkpoint.name)
        return load_network(part, self.device, getattr(torch, self.precision(part.name)))

    def clip(self, number: str = "") -> ClipPrompts:
        """CLIP's text encoder ``text_encoder{number}`` with its tokenizer, and the words of embeddings.

        Raises:
            ModelError: A part is missing or damaged.
        """
        tokenizer = load_tokenizer(self.checkpoint[f"tokenizer{number}"])
        part = self.checkpoint[f"text_encoder{number}"]
        words = read_words(self.checkpoint.additions, number, "text_encoder_2" in self.checkpoint)
        reading = tokenizer

        def load(dtype: torch.dtype) -> nn.Module:
            nonlocal reading
            prompts = ClipPrompts(tokenizer, load_clip(part, self.device, dtype))
            prompts = with_words(prompts, words) if words else prompts
            reading = prompts.tokenizer
            return prompts.network

        network = self._resident(part, self.precision(part.name), load)
        return ClipPrompts(reading, cast(ClipText, network))

    def clip_vision(self, processor: str, name: str = "image_encoder") -> ClipPictures:
        """CLIP's encoder of pictures.

        Args:
            processor: Name of the part that says how pictures are standardised.
            name: Of the encoder.

        Raises:
            ModelError: A part is missing or damaged.
        """
        from gen.checkpoints.vision import load_clip_vision

        dtype = getattr(torch, self.precision(name))
        return load_clip_vision(self.checkpoint[name], self.checkpoint[processor], self.device, dtype)

    def t5(self, number: str = "") -> T5Prompts:
        """T5's encoder ``text_encoder{number}`` with its tokenizer.

        Raises:
            ModelError: A part is missing or damaged.
        """
        tokenizer = load_tokenizer(self.checkpoint[f"tokenizer{number}"])
        part = self.checkpoint[f"text_encoder{number}"]
        network = self._resident(part, self.precision(part.name), partial(load_t5, part, self.device))
        return T5Prompts(tokenizer, cast(T5Encoder, network))

    def _resident(self, part: Component, dtype: str, load: Callable[[torch.dtype], nn.Module]) -> nn.Module:
        """A network that is in memory as long as there is room; see ``Residents``."""
        kind: torch.dtype = getattr(torch, dtype)
        size = numbers_of(part.weights) * kind.itemsize
        return self.residents.network(lambda: load(kind), size, self.device)

    def model(
        self,
        modality: str,
        stage: CheckpointStage,
        codec: Codec,
        defaults: Callable[[Checkpoint], Defaults],
    ) -> Model:
        """The model of one stage.

        Args:
            modality: Name of the modality that drives it.
            stage: What is sampled.
            codec: Of its states.
            defaults: How its family is sampled.
        """
        return Model(
            name=self.checkpoint.name,
            modality=modality,
            sha256=self.checkpoint.sha256,
            codec=codec,
            defaults=defaults(self.checkpoint),
            stages=(stage,),
        )

    def encoder(self, name: str, class_name: str = "", section: str = "") -> nn.Module:
        """An encoder of transformers, or a piece of it: see ``load_transformers_network``.

        Raises:
            ModelError: The part is missing or damaged.
        """
        part = self.checkpoint[name]

        def load(dtype: torch.dtype) -> nn.Module:
            return load_transformers_network(part, self.device, dtype, class_name=class_name, section=section)

        return self._resident(part, self.precision(name), load)

    def language(self, name: str = "text_encoder", *, alone: bool = False) -> LanguagePrompts:
        """A language model as text encoder, with its tokenizer and, where there is one, its ``processor``.

        Args:
            name: Of the part.
            alone: Whether it reads texts alone, without ``processor`` and without the piece that sees.

        Raises:
            ModelError: A part is missing or damaged.
        """
        tokenizer = self.checkpoint[name.replace("text_encoder", "tokenizer")]
        part = self.checkpoint[name]
        load = partial(load_reader, part, self.device, alone=alone)
        network = self._resident(part, self.precision(name), load)
        sees = not alone and "processor" in self.checkpoint
        eyes = load_eyes(self.checkpoint["processor"]) if sees else None
        return LanguagePrompts(load_words(tokenizer), network, eyes)

    def schedule(self, *, even: bool = False) -> Schedule:
        """How the checkpoint is sampled; ``even`` as of ``read_schedule``.

        Raises:
            ModelError: The part is missing or damaged.
        """
        part = self.checkpoint["scheduler"]
        return read_schedule(part.config, part.class_name, even=even)
