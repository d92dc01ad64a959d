"""A network in its fast form: precision, layout and order of its weights, changed in place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar
from typing import cast as typed

import torch
from torch import Tensor, nn

from gen.errors import UsageError
from gen.hardware.memory import Freed
from gen.hardware.packing import packed

Module = TypeVar("Module", bound=nn.Module)

_LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}
_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def check_dtype(dtype: str, device: str) -> torch.dtype:
    """A dtype by its name.

    Args:
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``.
        device: Where the network runs, as torch spells it.

    Raises:
        UsageError: float16 on a CPU.
    """
    if dtype == "float16" and device.startswith("cpu"):
        raise UsageError("no CPU runs float16 at a useful speed", "use bfloat16 or float32")
    return getattr(torch, dtype)


def prepare(module: Module, dtype: torch.dtype, *, pack: bool = False) -> Module:
    """Put a network into the form in which it runs fast, in place: layer by layer, without a second copy.

    In float32, values and layout stay as they are, so that results keep their bits. In 16 bits, weights of
    convolutions in two and three dimensions become channels-last, which rounds sums differently: the dtype
    alone decides, so that a recipe with a dtype says all. ``pack`` changes no bits.

    Args:
        module: On the device where it is to run. It is put into evaluation mode and gets no gradients.
        dtype: Of its parameters and saved buffers, but for those that stay in float32 (``islands``). It must
            cast its own inputs, or get them in ``network_dtype(module)``, as from ``ModelDenoiser``.
        pack: Whether weights are reordered for oneDNN once: for 16 bits on a CPU where
            ``machine_profile().packs``, for a network that is called often. Weights that several layers share
            stay plain. A packed network can be neither saved, copied nor changed any more.

    Returns:
        The module itself, or its packed form where it is a single layer.
    """
    module.eval().requires_grad_(False)
    kept = islands(module, dtype)

    def cast(places: list[Place], tensor: Tensor) -> Tensor:
        island = kept.intersection(place.full_name for place in places)
        return tensor.to(torch.float32 if island else dtype)

    with torch.no_grad():
        _change(module, cast)
        if dtype.itemsize > 2:
            return module
        # Weights are reordered from either layout, but sooner from the one that they have.
        module = _packed(module, dtype) if pack else module
        _change(module, _channels_last)
    return module


def _change(module: nn.Module, change: Callable[[list[Place], Tensor], Tensor]) -> None:
    """Put what ``change`` makes of each saved floating-point tensor into the tensor's places."""
    with Freed() as freed:
        for places in saved_tensors(module):
            tensor = places[0].tensor
            if tensor.is_floating_point() and not tensor.is_mkldnn:
                changed = change(places, tensor)
                if changed is not tensor:
                    fill(places, changed)
                    freed.add(tensor.nbytes)


def network_dtype(module: nn.Module) -> torch.dtype:
    """The dtype of a network's inputs: that of its first floating-point parameter which is no island."""
    kept = islands(module, torch.bfloat16)
    names = ((name, value.dtype) for name, value in module.named_parameters() if value.is_floating_point())
    return next((dtype for name, dtype in names if name not in kept), torch.float32)


def islands(module: nn.Module, dtype: torch.dtype) -> set[str]:
    """Full names of the parameters and buffers that stay in float32 in a network of ``dtype``.

    A class declares them as those of diffusers and transformers do: ``_keep_in_fp32_modules`` lists parts of
    dotted names. Classes of transformers mean float16 alone by it; what they keep in bfloat16 as well is in
    ``_keep_in_fp32_modules_strict``.
    """
    if dtype.itemsize > 2:
        return set()
    found = set()
    for prefix, owner in module.named_modules():
        parts = set(getattr(owner, "_keep_in_fp32_modules_strict", None) or ())
        if dtype == torch.float16 or not hasattr(owner, "_keep_in_fp32_modules_strict"):
            parts |= set(getattr(owner, "_keep_in_fp32_modules", None) or ())
        if parts:
            names = (place.full_name for places in saved_tensors(owner) for place in places)
            found |= {
                f"{prefix}.{name}" if prefix else name
                for name in names
                if not parts.isdisjoint(name.split("."))
            }
    return found


@dataclass(frozen=True)
class Place:
    """Where a module holds a tensor.

    Args:
        owner: The module or the part of it that holds the tensor itself.
        name: The parameter's or buffer's name there.
        full_name: Its name in the whole module, as in a file of its weights.
    """

    owner: nn.Module
    name: str
    full_name: str

    @property
    def tensor(self) -> Tensor:
        """The parameter or buffer."""
        return getattr(self.owner, self.name)


def saved_tensors(module: nn.Module) -> list[list[Place]]:
    """The places of each parameter and buffer that a file would hold; several where parts share one."""
    found: dict[int, list[Place]] = {}
    for prefix, owner in module.named_modules():
        for name in (*owner._parameters, *owner._buffers):
            tensor = getattr(owner, name)
            if tensor is not None and name not in owner._non_persistent_buffers_set:
                place = Place(owner, name, f"{prefix}.{name}" if prefix else name)
                found.setdefault(id(tensor), []).append(place)
    return list(found.values())


def fill(places: Iterable[Place], tensor: Tensor) -> None:
    """Put one tensor into all of its places, without gradients."""
    shared: nn.Parameter | None = None
    for place in places:
        if place.name in place.owner._buffers:
            place.owner._buffers[place.name] = tensor
        else:
            shared = nn.Parameter(tensor, requires_grad=False) if shared is None else shared
            place.owner._parameters[place.name] = shared


def _channels_last(places: list[Place], tensor: Tensor) -> Tensor:
    """The weight of a convolution of two or three dimensions channels-last, all else as it is."""
    layout = _LAYOUTS.get(tensor.ndim) if isinstance(places[0].owner, _CONVOLUTIONS) else None
    if layout is None or tensor.dtype.itemsize > 2:
        return tensor
    # Not tensor.contiguous(...): it leaves the strides of 1 × 1 kernels, from which torch reads no layout.
    return torch.empty_like(tensor, memory_format=layout).copy_(tensor)


def _packed(module: Module, dtype: torch.dtype) -> Module:
    """With packed layers in place of those that have a weight of ``dtype`` to themselves."""
    parts = [part for _, part in module.named_modules(remove_duplicate=False)]
    uses = Counter(id(value) for part in parts for value in part._parameters.values())
    del parts

    def fast(part: nn.Module, freed: Freed) -> nn.Module:
        weight = part._parameters.get("weight")
        if weight is not None and weight.dtype == dtype and uses[id(weight)] == 1:
            changed = packed(part)
            if changed is not part:
                freed.add(weight.nbytes)
                return changed
        # By name: a list of the layers would keep all their plain weights until the end.
        for name in list(part._modules):
            if part._modules[name] is not None:
                part._modules[name] = fast(typed(nn.Module, part._modules[name]), freed)
        return part

    with Freed() as freed:
        return typed(Module, fast(module, freed))
