"""The U-Net of the Stable Diffusion line as a network of the core."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gen.checkpoints.stage import called
from gen.diffusion import Conditioning
from gen.diffusion.denoiser import Network


def network(unet: nn.Module) -> Network:
    """A ``UNet2DConditionModel`` with the conditions ``text``, and where they are there ``vector`` and
    ``sizes`` (SDXL), ``scale`` (latent consistency) and ``hole`` (inpainting).
    """

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> object:
        values = {name: condition.value for name, condition in conditioning.items()}
        if "hole" in values:
            x = torch.cat([x, values["hole"]], 1)
        added = {"text_embeds": values["vector"], "time_ids": values["sizes"]} if "sizes" in values else None
        return unet(
            x,
            t,
            encoder_hidden_states=values["text"],
            timestep_cond=values.get("scale"),
            added_cond_kwargs=added,
            return_dict=False,
        )

    return called(unet, call, exact=("sizes",))
