"""Qwen-Image and its models that edit (Wu et al. 2025, arXiv 2508.02324)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor, nn

from gen.checkpoints import Checkpoint
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import called, negatives, sampled, two_sides
from gen.checkpoints.text import LanguagePrompts
from gen.diffusion import ClassifierFree, Condition, Conditioning
from gen.diffusion.denoiser import Network
from gen.errors import UsageError
from gen.model import Model, Task
from gen.model.stage import AnyGuidance
from gen_image.families import defaults
from gen_image.families.building import PictureStage, codec_of, model_of
from gen_image.families.cells import cells_of
from gen_image.families.codec import PictureCodec, size_of
from gen_image.families.references import beside, conditions, of_area, references, shown

LENGTH = 1024
"""Tokens of a prompt."""
DRAW = (
    "Describe the image by detailing the color, shape, size, texture, quantity, text, spatial relationships "
    "of the objects and background:"
)
EDIT = (
    "Describe the key features of the input image (color, shape, size, texture, objects, background), then "
    "explain how the user's text instruction should alter or modify the image. Generate a new image that "
    "meets the user's requirements while maintaining consistency with the original input where appropriate."
)
CHAT = "<|im_start|>system\n{}<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
HEAD = {DRAW: 34, EDIT: 64}
"""Tokens of the chat before the prompt, whose states are left out."""
PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
SIDE, GLANCE = 1024, 384
"""Pictures to edit have an area of SIDE²; the text encoder of a model for several sees GLANCE²."""


@dataclass(frozen=True, kw_only=True, eq=False)
class QwenImage(PictureStage):
    """A transformer on packed latents and text together, conditioned by Qwen 2.5 VL.

    Args:
        text: Qwen 2.5 VL.
        codec: Encodes pictures that are to be edited.
        pictures: How many it edits at once; 0 where it only draws.
    """

    text: LanguagePrompts
    codec: PictureCodec
    pictures: int = 0

    def encode(self, task: Task) -> Conditioning:
        """The states of both prompts, without those of the words that introduce them.

        Raises:
            UsageError: There is no picture to edit.
        """
        texts = (*task.prompts, *(text or " " for text in negatives(task)))
        if self.pictures:
            states, mask = self.look(texts, task)
            head, given = HEAD[EDIT], conditions(self.codec, task)
        else:
            head, given = HEAD[DRAW], {}
            states, mask = self.text([CHAT.format(DRAW, text) for text in texts], LENGTH + head)
        text = Condition(states[-1][:, head:], "cross_attention", mask[:, head:])
        return two_sides(text=text).with_conditions(**given)

    def look(self, texts: Sequence[str], task: Task) -> tuple[tuple[Tensor, ...], Tensor]:
        """The states of texts with the pictures that they speak of."""
        given, several = references(task), self.pictures > 1
        if not given:
            raise UsageError("this model edits a picture, and none is given", "name one: --reference FILE")
        numbers = range(1, 1 + len(given))
        marks = [f"Picture {number}: {PICTURE}" if several else PICTURE for number in numbers]
        seen = [shown(one, *of_area(*size_of(one), GLANCE if several else SIDE)) for one in given]
        return self.text.look([CHAT.format(EDIT, "".join(marks) + text) for text in texts], seen)

    def guidance(self, task: Task, chosen: AnyGuidance) -> AnyGuidance:  # noqa: ARG002
        """Classifier-free guidance keeps the length of the output at each token."""
        if isinstance(chosen, ClassifierFree) and chosen.rescale == 0:
            return replace(chosen, renorm=-3)
        return chosen


def network(transformer: nn.Module) -> Network:
    """The transformer as a network of the core."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        height, width = x.shape[2:]
        tokens, sizes = beside(x, conditioning)
        text = conditioning["text"]
        found = transformer(
            hidden_states=tokens,
            timestep=t / 1000,
            encoder_hidden_states=text.value,
            encoder_hidden_states_mask=text.mask,
            img_shapes=[[(1, *size) for size in sizes]] * len(x),
            return_dict=False,
        )[0]
        return cells_of(found, height, width)

    return called(transformer, call)


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of Qwen-Image, for drawing or editing.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    edits = checkpoint.pipeline.startswith("QwenImageEdit")
    codec = codec_of(parts, 128, packing=2, fit=partial(of_area, side=SIDE) if edits else None)
    stage = QwenImage(
        **sampled(parts.schedule(even=True)),
        network=network(parts.network("transformer")),
        text=parts.language(),
        codec=codec,
        pictures=(3 if "Plus" in checkpoint.pipeline else 1) if edits else 0,
        patch=1,
    )
    return model_of(parts, stage, codec, defaults.qwen_image)
