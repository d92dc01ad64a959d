"""A batch in one call of a network, or in several where the memory does not suffice."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gen.diffusion import Conditioning
from gen.hardware.memory import held_bytes, items_at_once, total_memory, with_peak
from gen.hardware.precision import network_dtype


class FittingNetwork:
    """A network that evaluates as many items of a batch at once as fit: both sides of guidance, for instance.

    For each shape of an item, the first call evaluates one item alone and measures the tensors that it takes,
    unless a batch fits in any case. What fits follows from that and from the machine's whole memory, not from
    what is free at the moment: all runs on a machine divide batches alike, and round alike.

    Args:
        network: ``(x (B, ...), c_noise (B,), conditioning) -> (B, ...)``, each item by itself.
        device: Where it is, as torch spells it.
        held: Bytes that are taken in any case; those of the network by default.
        total: Bytes of the machine's memory, or None where they are not known; measured by default.
        most: Shape of an item -> more bytes of tensors than one item takes; None where no bound is known.
    """

    def __init__(
        self,
        network: Callable[[Tensor, Tensor, Conditioning], Tensor],
        device: str = "cpu",
        *,
        held: int | None = None,
        total: int | None = None,
        most: Callable[[torch.Size], int] | None = None,
    ) -> None:
        self.network = network
        self._held = (
            held if held is not None else held_bytes(network) if isinstance(network, nn.Module) else 0
        )
        self._total = total_memory(device) if total is None else total
        self._most = most
        self._limits: dict[torch.Size, int] = {}

    @property
    def dtype(self) -> torch.dtype | None:
        """The dtype of the network's inputs; None where it has none."""
        declared = getattr(self.network, "dtype", None)
        if isinstance(declared, torch.dtype):
            return declared
        return network_dtype(self.network) if isinstance(self.network, nn.Module) else None

    def __call__(self, x: Tensor, c_noise: Tensor, conditioning: Conditioning) -> Tensor:
        def part(begin: int, end: int) -> Tensor:
            rows = slice(begin, end)
            return self.network(x[rows], c_noise[rows], conditioning.select(rows))

        count, item = x.shape[0], x.shape[1:]
        if count == 1:
            return self.network(x, c_noise, conditioning)
        if self._most and items_at_once(self._most(item), self._held, self._total) >= count:
            return self.network(x, c_noise, conditioning)
        done: list[Tensor] = []
        if item not in self._limits:
            first, peak = with_peak(lambda: part(0, 1))
            self._limits[item] = items_at_once(peak, self._held, self._total)
            # As in every later call: in a larger part, the item may round differently.
            done = [first] if self._limits[item] == 1 else []
            del first
        limit = self._limits[item]
        if limit >= count:
            return self.network(x, c_noise, conditioning)
        begins = range(len(done), count, limit)
        return torch.cat([*done, *(part(begin, min(begin + limit, count)) for begin in begins)])
