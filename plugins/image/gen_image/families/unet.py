"""The U-Net of the Stable Diffusion line as a network of the core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from gen.checkpoints.stage import CheckpointStage, called
from gen.diffusion import Condition, Conditioning, Denoiser
from gen.diffusion.denoiser import Network
from gen.diffusion.joint import JointDenoiser
from gen.model import Task
from gen.nn import circular
from gen_image.families.control import Control, Controls, residuals


@dataclass(frozen=True, kw_only=True, eq=False)
class UNetStage(CheckpointStage):
    """A stage of a U-Net, with further networks beside it where a task names some.

    Args:
        unet: The U-Net.
        controls: What is beside it.
    """

    unet: nn.Module
    controls: Controls

    def denoiser(self, task: Task) -> Denoiser | JointDenoiser:
        """The U-Net as a denoiser, with the networks and the edges that meet that the task names.

        All of its layers move with the picture, but for the padding, which is changed here.
        """
        drawn = network(self.unet, self.controls.of(task))

        def closed(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
            with circular(self.unet, task.tile):
                return drawn(x, t, conditioning)

        return super(UNetStage, replace(self, network=closed if task.tile else drawn)).denoiser(task)

    def beside(self, task: Task) -> dict[str, Condition]:
        """The conditions of the networks beside the U-Net."""
        found: dict[str, Condition] = {}
        for control in self.controls.of(task):
            found |= control.conditions(len(task.prompts))
        return found


CHAIN = 1000
"""Steps of the chain that its networks were trained on."""


def network(unet: nn.Module, controls: Sequence[Control] = (), *, learned: bool = False) -> Network:
    """A ``UNet2DConditionModel`` as a network of the core.

    Its conditions are ``text``, and where they are there ``vector`` and ``sizes`` (SDXL), ``scale`` (latent
    consistency), ``hole`` (inpainting), ``small`` and ``step`` (a small picture, and how much noise is on it)
    and those of ``controls``.

    Args:
        unet: The U-Net.
        controls: What is beside it.
        learned: Whether the variance that it gives is kept.
    """

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        channels = x.shape[1]
        values = {name: condition.value for name, condition in conditioning.items()}
        added = {"text_embeds": values["vector"], "time_ids": values["sizes"]} if "sizes" in values else None
        more = residuals(controls, x, t, (float(t[0]) + 1) / CHAIN, values, added) if controls else {}
        x = torch.cat([x, *(values[name] for name in ("hole", "small") if name in values)], 1)
        output: Tensor = unet(
            x,
            t,
            encoder_hidden_states=values["text"],
            timestep_cond=values.get("scale"),
            class_labels=values["step"][:, 0] if "step" in values else None,
            added_cond_kwargs=added,
            **more,
            return_dict=False,
        )[0]
        return output if learned else output[:, :channels]

    return called(unet, call, exact=("sizes", "step"))
