"""Networks damaged on purpose, as the weak model of guidance."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence

from torch import nn


def perturbed(
    network: nn.Module, names: Sequence[str], change: Callable[[nn.Module], nn.Module]
) -> nn.Module:
    """A copy of ``network`` with some submodules replaced; it shares all weights.

    Args:
        network: Any module, already on its device.
        names: Dotted names of submodules.
        change: Submodule to the module that stands in its place.

    Raises:
        AttributeError: There is no submodule of a name.
    """
    tensors = itertools.chain(network.parameters(), network.buffers())
    twin = copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})
    for name in names:
        twin.set_submodule(name, change(twin.get_submodule(name)))
    return twin
