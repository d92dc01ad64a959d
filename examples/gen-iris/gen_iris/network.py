"""The best denoiser of rows whose numbers are normal given the species, in closed form."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gen.diffusion import Conditioning


class Network:
    """(states, times, conditioning) -> the expected numbers (B, R, 4), and logits of the species (B, R, K).

    Args:
        means, stds: Of each species, (K, 4), in the units of the state.
    """

    def __init__(self, means: Tensor, stds: Tensor) -> None:
        self.means, self.stds = means, stds

    def __call__(
        self, x: Mapping[str, Tensor], times: Mapping[str, Tensor], conditioning: Conditioning
    ) -> dict[str, Tensor]:
        """Bayes' rule over the species, with x_t = (1 - t) x0 + t eps of the numbers."""
        numbers, species = x["measures"][..., None, :], x["species"]
        sigma = times["measures"].to(numbers)[:, None, None, None].expand(*numbers.shape[:2], 1, 4)
        alpha = 1 - sigma
        if "known/measures" in conditioning:
            keep, data = conditioning["known/measures"].value.unbind(1)
            # Cells that are given have no noise.
            given = keep[..., None, :] > 0
            numbers = torch.where(given, data[..., None, :], numbers)
            alpha, sigma = torch.where(given, 1.0, alpha), torch.where(given, 0.0, sigma)
        variance = alpha**2 * self.stds**2 + sigma**2
        rest = numbers - alpha * self.means
        logits = -(rest**2 / variance + variance.log()).sum(-1) / 2
        named = torch.nn.functional.one_hot(species, len(self.means) + 1)[..., :-1].bool()
        certain = named.any(-1, keepdim=True)
        logits = torch.where(certain & ~named, -torch.inf, logits)
        x0 = self.means + alpha * self.stds**2 / variance * rest
        expected = (logits.softmax(-1)[..., None] * x0).sum(-2)
        return {"measures": expected, "species": logits.clamp(min=-1e4)}
