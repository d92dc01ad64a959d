"""Networks of diffusers and transformers, built without values and filled from a checkpoint's files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from gen.checkpoints.checkpoint import Component
from gen.checkpoints.libraries import library_class
from gen.checkpoints.weights import Tensors
from gen.errors import ModelError, line_of

if TYPE_CHECKING:
    import torch
    from torch import nn

Module = TypeVar("Module", bound="nn.Module")


def load_network(
    component: Component, device: str = "cpu", dtype: torch.dtype | None = None, *, pack: bool = False
) -> nn.Module:
    """The network of a part, of its class in diffusers, in evaluation mode and without gradients.

    Args:
        component: The part.
        device: Where it goes.
        dtype: Of its numbers; None keeps what is stored.
        pack: As of ``filled``.

    Raises:
        ModelError: The class is unknown, a library is missing, or configuration and weights do not fit.
    """
    made = library_class(component.module, component.class_name, component.name)
    config = {key: value for key, value in component.config.items() if key[0] != "_"}

    def build() -> nn.Module:
        network: nn.Module = made.from_config(config)
        return network

    return filled(build, component.weights, component.name, device, dtype, pack=pack)


OLD = (".position_ids", ".attn.bias", ".attn.masked_bias", "lm_head.weight")
"""Ends of the names of tensors that older files of transformers hold, and that a network does without."""


def load_transformers_network(
    component: Component,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    *,
    class_name: str = "",
    section: str = "",
) -> nn.Module:
    """The network of a part, of its class in transformers, or of another that is a piece of it.

    Tensors may be named as in a class that wraps it: ``transformer.wte.weight`` for ``wte.weight``.

    Args:
        component: The part.
        device: Where it goes.
        dtype: Of its numbers; None keeps what is stored.
        class_name: The piece that is wanted, such as the text branch of CLAP: all other tensors are left out.
        section: Of the configuration, that of the piece.

    Raises:
        ModelError: As of ``load_network``.
    """
    made = library_class("transformers", class_name or component.class_name, component.name)
    found = component.config.get(section) if section else component.config
    names: set[str] = set()

    def build() -> nn.Module:
        network: nn.Module = made(made.config_class.from_dict(found))
        names.update(network.state_dict())
        return network

    def rename(name: str) -> str | None:
        inner = name.partition(".")[2]
        own = name if name in names or inner not in names else inner
        return None if own not in names and (class_name or name.endswith(OLD)) else own

    return filled(build, component.weights, component.name, device, dtype, rename=rename)


def filled(
    build: Callable[[], Module],
    weights: Tensors,
    where: str,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    *,
    pack: bool = False,
    rename: Callable[[str], str | None] = lambda name: name,
) -> Module:
    """What ``build`` makes, with tensors from files, in the form in which it runs fast.

    On the CPU, tensors that stay as they are stored are mapped; all others are converted one by one, so that
    the memory needed is that of the network as it runs.

    Args:
        build: Makes the network; its own values are never used.
        weights: Where the tensors are.
        where: Name of the part, for messages.
        device: Where it goes.
        dtype: Of floating-point tensors, but for those that the network keeps in float32
            (``gen.hardware.precision.islands``); None keeps what is stored.
        pack: Whether weights are reordered for oneDNN, as in ``gen.hardware.precision.prepare``.
        rename: From a name in the files to one in the network; None leaves a tensor out.

    Raises:
        ModelError: The network cannot be built of its configuration, or tensors are missing, left over or of
            other shapes.
    """
    from gen.hardware.precision import prepare
    from gen.skeleton import skeleton

    try:
        with skeleton():
            network = build()
    except Exception as error:  # what a library raises about a configuration is up to it
        raise ModelError(
            f"{where} cannot be built of its config.json: {line_of(error)}", "the file may be damaged"
        ) from None
    # Reordered weights are copies: of mapped ones, the pages of the file would stay beside them.
    copied = pack and dtype is not None and dtype.itemsize == 2
    _fill(network, weights, where, device, dtype, rename, copied)
    _place(network, device)
    return network.eval().requires_grad_(False) if dtype is None else prepare(network, dtype, pack=pack)


def _fill(
    network: nn.Module,
    weights: Tensors,
    where: str,
    device: str,
    dtype: torch.dtype | None,
    rename: Callable[[str], str | None],
    copied: bool,
) -> None:
    """Put the tensors of files into their places, each by itself.

    Raises:
        ModelError: Some are missing, left over or of other shapes.
    """
    import torch

    from gen.hardware.precision import fill, islands, saved_tensors

    # By place in the network, since one tensor may have several: files hold it once, or as often.
    places = {place.full_name: shared for shared in saved_tensors(network) for place in shared}
    kept = islands(network, dtype) if dtype is not None else set()
    found: set[str] = set()
    for stored, tensor in weights.tensors():
        name = rename(stored)
        if name is None:
            continue
        if name not in places:
            raise ModelError(
                f"{where} has a tensor {stored!r} that its config.json has no place for",
                "config.json belongs to other weights, or a newer library knows it",
            )
        shape = places[name][0].tensor.shape
        if tensor.shape != shape:
            raise ModelError(
                f"the shapes of {where} do not fit its config.json: {stored} is {list(tensor.shape)}, "
                f"not {list(shape)}",
                "config.json belongs to other weights",
            )
        own = None if not tensor.is_floating_point() else torch.float32 if name in kept else dtype
        fill(places[name], tensor.to(device=device, dtype=own, copy=copied))
        found |= {place.full_name for place in places[name]}
        del tensor  # the part of the file that is mapped for it
    if missing := sorted(places.keys() - found):
        raise ModelError(
            f"{where} lacks {len(missing)} tensors, {missing[0]!r} among them",
            "download the checkpoint again",
        )


def _place(network: nn.Module, device: str) -> None:
    """Buffers that are no weights go to the device, too."""
    if device != "cpu":
        network.to(device)
