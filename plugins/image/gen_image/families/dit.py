"""DiT (Peebles & Xie 2022, arXiv 2212.09748): pictures of classes by name or number."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.stage import CheckpointStage, called, sampled, two_sides
from gen.diffusion import Condition, Conditioning
from gen.diffusion.denoiser import Network
from gen.errors import UsageError
from gen.model import Model, Task
from gen_image.families import defaults
from gen_image.families.building import codec_of, model_of


@dataclass(frozen=True, kw_only=True, eq=False)
class DiT(CheckpointStage):
    """A transformer on latents, conditioned by a class.

    Args:
        labels: Name of a class to its number.
        null: The number that stands for no class.
    """

    labels: Mapping[str, int]
    null: int

    def encode(self, task: Task) -> Conditioning:
        """The class of each prompt; guidance leads away from no class.

        Raises:
            UsageError: A prompt is neither the name nor the number of a class.
        """
        found = torch.tensor([[self.number(prompt)] for prompt in task.prompts])
        both = torch.cat([found, torch.full_like(found, self.null)])
        return two_sides(label=Condition(both, "global"))

    def number(self, prompt: str) -> int:
        """The number of the class that a prompt names.

        Raises:
            UsageError: There is none.
        """
        name = prompt.strip().lower()
        if name.isdigit() and int(name) < self.null:
            return int(name)
        if name not in self.labels:
            close = difflib.get_close_matches(name, self.labels, n=3)
            hint = f"did you mean {', '.join(close)}?" if close else f"or give a number below {self.null}"
            raise UsageError(f"the model knows no class {prompt[:60]!r}", hint)
        return self.labels[name]


def network(transformer: nn.Module) -> Network:
    """The transformer as a network of the core."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> object:
        return transformer(x, timestep=t, class_labels=conditioning["label"].value[:, 0], return_dict=False)

    return called(transformer, call)


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of DiT.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts = Parts(checkpoint, device, dtype)
    config, names = checkpoint["transformer"].config, checkpoint.settings.get("id2label")
    numbers = names.items() if isinstance(names, Mapping) else ()
    stage = DiT(
        **sampled(parts.schedule()),
        network=network(parts.network("transformer")),
        learned_variance=config.get("out_channels", 8) != config.get("in_channels", 4),
        labels={
            name.strip().lower(): int(number) for number, text in numbers for name in str(text).split(",")
        },
        null=whole(config, "num_embeds_ada_norm", 1000),
    )
    codec = codec_of(parts, whole(config, "sample_size", 32), patch=whole(config, "patch_size", 2))
    return model_of(parts, stage, codec, defaults.dit)
