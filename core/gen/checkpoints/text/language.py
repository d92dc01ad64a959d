"""Language models as text encoders: Qwen and Gemma, of transformers' classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gen.checkpoints.checkpoint import Component
from gen.checkpoints.libraries import library_class, without_broken_libraries
from gen.checkpoints.networks import filled
from gen.errors import ModelError, line_of

VOCABULARIES = ("tokenizer.json", "vocab.json", "tokenizer.model")
"""Files that hold the words of a tokenizer."""


@dataclass(frozen=True, eq=False)
class LanguagePrompts:
    """A language model with its tokenizer.

    Args:
        tokenizer: Of transformers.
        network: The model without the layer that predicts words.
        eyes: What makes patches of pictures, of transformers; None where the model reads texts alone.
    """

    tokenizer: Any
    network: Any
    eyes: Any = None

    def chat(self, text: str, **options: object) -> str:
        """A text as the message of a user, in the words of the model's template.

        Args:
            text: The message.
            options: Of the template, such as ``enable_thinking``.
        """
        messages = [{"role": "user", "content": text}]
        return str(
            self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, **options
            )
        )

    def __call__(
        self, texts: Sequence[str], length: int, *, padded: bool = False, side: str = "right"
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """The states of texts, and a mask, False at padding.

        Args:
            texts: One per row.
            length: Tokens of the longest text; what is behind is cut off.
            padded: Whether all are padded to ``length``, in place of to the longest of them.
            side: Where they are padded, ``"left"`` or ``"right"``.

        Returns:
            The states before each layer, and after the last normalised: n + 1 tensors (B, L, D); and
            (B, L) bool.
        """
        read = self.tokenizer(
            list(texts),
            padding="max_length" if padded else True,
            padding_side=side,
            truncation=True,
            max_length=length,
            return_tensors="pt",
        )
        return self._states(read)

    def look(self, texts: Sequence[str], pictures: Sequence[Any]) -> tuple[tuple[Tensor, ...], Tensor]:
        """The states of texts that speak of pictures, and a mask, as of a call.

        Args:
            texts: One per row, with the model's mark where each picture stands.
            pictures: Of PIL; every text has all of them.
        """
        seen = self.eyes(images=list(pictures), return_tensors="pt")
        counts = seen["image_grid_thw"].prod(1) // self.eyes.merge_size**2
        mark = self.network.config.image_token_id
        word = self.tokenizer.convert_ids_to_tokens(mark)
        pieces = [text.split(word) for text in texts]
        whole = [
            "".join(piece + word * count for piece, count in zip(parts, [*counts.tolist(), 0], strict=True))
            for parts in pieces
        ]
        read = self.tokenizer(whole, padding=True, padding_side="right", return_tensors="pt")
        read["mm_token_type_ids"] = (read["input_ids"] == mark).int()
        for name in ("pixel_values", "image_grid_thw"):
            read[name] = seen[name].repeat(len(texts), 1)
        return self._states(read)

    def _states(self, read: Any) -> tuple[tuple[Tensor, ...], Tensor]:
        given = read.to(next(self.network.parameters()).device)
        output = self.network(**given, output_hidden_states=True, use_cache=False)
        return output.hidden_states, given["attention_mask"].bool()


def load_language(
    component: Component, tokenizer: Component, device: str = "cpu", dtype: torch.dtype | None = None
) -> LanguagePrompts:
    """The language model of a part of a checkpoint, with its tokenizer.

    Args:
        component: The model, of a class of transformers.
        tokenizer: The tokenizer, of a class of transformers.
        device: Where the model goes.
        dtype: Of its numbers; None keeps what is stored.

    Raises:
        ModelError: A class is unknown, or files are missing or do not fit.
    """
    network = load_reader(component, device, dtype)
    return LanguagePrompts(load_words(tokenizer), network)


def load_reader(
    component: Component, device: str = "cpu", dtype: torch.dtype | None = None, *, alone: bool = False
) -> nn.Module:
    """The language model of a part, without the layer that predicts words.

    Args:
        component, device, dtype: As of ``load_language``.
        alone: Whether the piece that sees pictures is left out, of models that have one.

    Raises:
        ModelError: The class is unknown, or files are missing or do not fit.
    """
    if alone and isinstance(config := component.config.get("text_config"), Mapping):
        name = f"{component.class_name.removesuffix('ForConditionalGeneration')}TextModel"
        reader = library_class("transformers", name, component.name)

        def build_reader() -> nn.Module:
            model: nn.Module = reader(reader.config_class.from_dict(dict(config)))
            return model

        return filled(build_reader, component.weights, component.name, device, dtype, rename=_read)
    made = library_class("transformers", component.class_name, component.name)

    def build() -> nn.Module:
        model: nn.Module = made(made.config_class.from_dict(dict(component.config))).base_model
        return model

    return filled(build, component.weights, component.name, device, dtype, rename=_renamed(component.config))


def load_eyes(component: Component) -> Any:
    """What makes patches of pictures for Qwen 2.5 VL, from its part ``processor``: without torchvision.

    Raises:
        ModelError: Its file is missing or unreadable.
    """
    made = library_class("transformers", "Qwen2VLImageProcessorPil", component.name)
    return _loaded(made, component)


def load_words(component: Component) -> Any:
    """The tokenizer of a part, as transformers reads it.

    Raises:
        ModelError: The class is unknown, or its files are missing or unreadable.
    """
    made = library_class("transformers", component.class_name, component.name)
    if not any((component.folder / name).is_file() for name in VOCABULARIES):
        # transformers would make an empty one.
        raise ModelError(f"{component.name} has no vocabulary", "download the checkpoint again")
    return _loaded(made, component)


def _loaded(made: Any, component: Component) -> Any:
    try:
        with without_broken_libraries():
            return made.from_pretrained(component.folder, local_files_only=True)
    except Exception as error:  # transformers has no narrower one
        raise ModelError(f"{component.name} cannot be read: {line_of(error)}", "download it again") from None


def _renamed(config: Mapping[str, object]) -> Any:
    """From a name in the files to one in the model, without the layer that predicts words.

    Models that also see keep the part that reads under ``language_model``, which older files leave out.
    """
    sees = "vision_config" in config

    def rename(name: str) -> str | None:
        name = name.removeprefix("model.")
        if name.startswith("lm_head."):
            return None
        reads = name.startswith(("embed_tokens.", "layers.", "norm."))
        return f"language_model.{name}" if sees and reads else name

    return rename


def _read(name: str) -> str | None:
    """From a name in the files to one in the piece that reads; newer files call it ``model.language_model``,
    older ones ``language_model.model``.
    """
    if not name.startswith(("model.language_model.", "language_model.")):
        return None
    name = name.removeprefix("model.").removeprefix("language_model.").removeprefix("model.")
    return None if name.startswith("lm_head.") else name
