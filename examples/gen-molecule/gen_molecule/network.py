"""The best denoiser of molecules that are known up to a normal deviation of their places, in closed form."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn.functional import one_hot

from gen.diffusion import Conditioning

SPREAD = 0.05
"""Standard deviation of each coordinate in angstroms."""


class Network:
    """(states, times, conditioning) -> expected places (B, N, 3), and logits of the elements (B, N, K).

    Args:
        places, elements, sizes: Of M molecules: (M, 5, 3), (M, 5) and (M,); the rest of a row is filled up.
        count: K, how many elements there are.
    """

    def __init__(self, places: Tensor, elements: Tensor, sizes: Tensor, count: int) -> None:
        self.places, self.elements, self.sizes, self.count = places, elements, sizes, count

    def __call__(
        self, x: Mapping[str, Tensor], times: Mapping[str, Tensor], conditioning: Conditioning
    ) -> dict[str, Tensor]:
        """Bayes' rule over the molecules of this size, with x_t = (1 - t) x0 + t eps of the places."""
        places, elements = x["places"][:, None], x["elements"][:, None]
        atoms = places.shape[2]
        means, kinds = self.places[None, :, :atoms], self.elements[None, :, :atoms]
        sigma = times["places"].to(places)[:, None, None, None]
        alpha = 1 - sigma
        variance = alpha**2 * SPREAD**2 + sigma**2
        rest = places - alpha * means
        fits = ((elements == kinds) | (elements == self.count)).all(-1) & (self.sizes == atoms)
        named = conditioning["named"].value.bool()
        logits = -(rest**2 / variance).sum((-1, -2)) / 2
        logits = logits.masked_fill(~(fits & named), -1e4)
        weight = logits.softmax(-1)[..., None, None]
        expected = (weight * (means + alpha * SPREAD**2 / variance * rest)).sum(1)
        share = (weight * one_hot(kinds, self.count)).sum(1)
        return {"places": expected, "elements": share.clamp(min=1e-9).log()}
