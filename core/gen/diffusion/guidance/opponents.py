"""Opponents: the worse prediction that guidance leads away from."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from gen.diffusion.conditioning import Conditioning
from gen.diffusion.denoiser import Denoiser, Memory, Prediction
from gen.diffusion.guidance.base import Ask, unguided
from gen.diffusion.level import Level


class Opponent(Protocol):
    """Where the worse prediction comes from."""

    def predictions(
        self, ask: Ask, x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
    ) -> tuple[Prediction, Prediction]:
        """(better, worse); for the arguments see ``Guidance.predict``."""


@dataclass(frozen=True)
class Null:
    """The same denoiser told the conditioning's null: the empty or the negative prompt.

    Both answers come from one batch where prompt and null have the same names and routes.

    Raises:
        ValueError: (when asked) The conditioning has no null.
    """

    def predictions(
        self,
        ask: Ask,
        x: Tensor,
        level: Level[float],
        conditioning: Conditioning,
        memory: Memory,  # noqa: ARG002
    ) -> tuple[Prediction, Prediction]:
        """(told the prompt, told the null)."""
        if conditioning.null is None:
            raise ValueError("guidance needs a conditioning with a null to contrast with, or scale 1")
        answers = ask(x, level, {"prompt": conditioning.plain, "null": conditioning.null.plain})
        return answers["prompt"], answers["null"]


@dataclass(frozen=True)
class Weaker:
    """Another denoiser told the same: autoguidance (Karras et al. 2024, arXiv 2406.02507, eq. 3).

    It may be a smaller or less trained model, or the same network damaged on purpose (see ``perturbed``),
    which makes perturbed attention guidance of strength scale - 1 (Ahn et al. 2024, arXiv 2403.17377)
    and its relatives (skipped layers, blurred attention).

    Args:
        denoiser: The weaker one. It may be guided or cached itself.
    """

    denoiser: Denoiser

    def predictions(
        self, ask: Ask, x: Tensor, level: Level[float], conditioning: Conditioning, memory: Memory
    ) -> tuple[Prediction, Prediction]:
        """(the denoiser's, the weaker one's)."""
        better = unguided(ask, x, level, conditioning)
        return better, self.denoiser(x, level, conditioning, memory.child("weaker"))


def perturbed(
    network: nn.Module, names: Sequence[str], change: Callable[[nn.Module], nn.Module]
) -> nn.Module:
    """``network`` with some submodules replaced; all weights are shared, and the original stays as it is.

    Args:
        network: Any module, already on its device.
        names: Dotted names of submodules, for instance of the attention layers.
        change: Gets each of them, returns what stands in its place: for perturbed attention a module that
            uses the identity as attention map.

    Raises:
        AttributeError: There is no submodule of a name.
    """
    tensors = itertools.chain(network.parameters(), network.buffers())
    twin = copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})
    for name in names:
        twin.set_submodule(name, change(twin.get_submodule(name)))
    return twin
