"""Networks of diffusers and transformers, built without values and filled from a checkpoint's files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from gen.checkpoints.checkpoint import Component
from gen.checkpoints.libraries import library_class
from gen.checkpoints.weights import Weights
from gen.errors import ModelError, line_of

if TYPE_CHECKING:
    import torch
    from torch import nn

Module = TypeVar("Module", bound="nn.Module")


def load_network(component: Component, device: str = "cpu", dtype: torch.dtype | None = None) -> nn.Module:
    """The network of a part, of its class in diffusers, in evaluation mode and without gradients.

    Args:
        component: The part.
        device: Where it goes.
        dtype: Of its numbers; None keeps what is stored.

    Raises:
        ModelError: The class is unknown, a library is missing, or configuration and weights do not fit.
    """
    made = library_class(component.library, component.class_name, component.name)
    config = {key: value for key, value in component.config.items() if key[0] != "_"}

    def build() -> nn.Module:
        network: nn.Module = made.from_config(config)
        return network

    return filled(build, component.weights, component.name, device, dtype)


def filled(
    build: Callable[[], Module],
    weights: Weights,
    where: str,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    *,
    rename: Callable[[str], str | None] = lambda name: name,
) -> Module:
    """What ``build`` makes, with tensors from files, mapped where type and device allow.

    Args:
        build: Makes the network; its own values are never used.
        weights: Where the tensors are.
        where: Name of the part, for messages.
        device: Where it goes.
        dtype: Of floating-point tensors; None keeps what is stored.
        rename: From a name in the files to one in the network; None leaves a tensor out.

    Raises:
        ModelError: The network cannot be built of its configuration, or tensors are missing, left over or of
            other shapes.
    """
    from gen.model.skeleton import skeleton

    try:
        with skeleton():
            network = build()
    except Exception as error:  # what a library raises about a configuration is up to it
        raise ModelError(
            f"{where} cannot be built of its config.json: {line_of(error)}", "the file may be damaged"
        ) from None
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    state: dict[str, torch.Tensor] = {}
    for stored, tensor in weights.tensors():
        name = rename(stored)
        if name is None or name not in wanted:
            if name is not None:
                raise ModelError(
                    f"{where} has a tensor {stored!r} that its config.json has no place for",
                    "config.json belongs to other weights, or a newer library knows it",
                )
            continue
        if tuple(tensor.shape) != wanted[name]:
            raise ModelError(
                f"the shapes of {where} do not fit its config.json: {stored} is {list(tensor.shape)}, "
                f"not {list(wanted[name])}",
                "config.json belongs to other weights",
            )
        kind = dtype if tensor.is_floating_point() else None
        state[name] = tensor.to(device=device, dtype=kind)
    if missing := sorted(wanted.keys() - state.keys()):
        raise ModelError(
            f"{where} lacks {len(missing)} tensors, {missing[0]!r} among them",
            "download the checkpoint again",
        )
    network.load_state_dict(state, assign=True)
    _place(network, device)
    return network.eval().requires_grad_(False)


def _place(network: nn.Module, device: str) -> None:
    """Buffers that are no weights go to the device, too."""
    if device != "cpu":
        network.to(device)
