"""Conditioning: the named tensors that a network is conditioned on, each with its route into the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from gen.diffusion.arguments import check_choice

Route = Literal["cross_attention", "global", "prepend", "channels"]


@dataclass(frozen=True, eq=False)
class Condition:
    """One tensor that the network is conditioned on.

    Args:
        value: (B, L, D) for "cross_attention" and "prepend" (L tokens), (B, D) for "global", (B, C, *spatial)
            for "channels".
        route: Its way into the network: attended to, put before the tokens of the state, added to the time
            embedding, or concatenated to the channels of the state.
        mask: (B, L) bool, True where a token counts; None when all do.

    Raises:
        ValueError: The route is unknown, or the mask has another shape.
    """

    value: Tensor
    route: Route
    mask: Tensor | None = None

    def __post_init__(self) -> None:
        check_choice("a condition's route", self.route, Route)
        if self.value.ndim == 0:
            raise ValueError("a condition's value needs a batch dimension")
        if self.mask is not None and self.mask.shape != self.value.shape[:2]:
            raise ValueError(
                f"a condition's mask must be {tuple(self.value.shape[:2])}, not {tuple(self.mask.shape)}"
            )

    @property
    def has_tokens(self) -> bool:
        """Whether the value is a sequence of tokens, whose length may differ from prompt to prompt."""
        return self.route in ("cross_attention", "prepend")

    def map(self, change: Callable[[Tensor], Tensor]) -> Condition:
        """``change`` applied to value and mask."""
        return replace(self, value=change(self.value), mask=None if self.mask is None else change(self.mask))

    @property
    def present(self) -> Tensor:
        """The mask, or one that is True everywhere, (B, L)."""
        return self.value.new_ones(self.value.shape[:2], dtype=torch.bool) if self.mask is None else self.mask

    def padded(self, length: int) -> Condition:
        """With empty, masked-out tokens up to ``length``."""
        batch, tokens, *rest = self.value.shape
        if tokens == length:
            return self
        value = torch.cat([self.value, self.value.new_zeros(batch, length - tokens, *rest)], 1)
        mask = torch.cat([self.present, self.present.new_zeros(batch, length - tokens)], 1)
        return replace(self, value=value, mask=mask)


@dataclass(frozen=True, eq=False)
class Conditioning(Mapping[str, Condition]):
    """An immutable mapping from names to conditions of one batch; empty for an unconditional network.

    Args:
        conditions: Name to condition, all with the same batch size.
        uncond: The empty or the negative prompt of guidance, with the same names; None without guidance.
        others: Further prompts of the same items, for guidance that weighs several.

    Raises:
        ValueError: Batch sizes differ.
    """

    conditions: Mapping[str, Condition] = field(default_factory=dict)
    uncond: Conditioning | None = None
    others: tuple[Conditioning, ...] = ()

    def __post_init__(self) -> None:
        sizes = {name: condition.value.shape[0] for name, condition in self.conditions.items()}
        if self.uncond is not None and self.uncond.batch is not None:
            sizes["uncond"] = self.uncond.batch
        for number, other in enumerate(self.others):
            if other.batch is not None:
                sizes[f"others[{number}]"] = other.batch
        if len(set(sizes.values())) > 1:
            raise ValueError(f"conditions must share one batch size, not {sizes}")

    def __getitem__(self, name: str) -> Condition:
        return self.conditions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.conditions)

    def __len__(self) -> int:
        return len(self.conditions)

    @property
    def batch(self) -> int | None:
        """Number of items; None when there is no condition."""
        return next((condition.value.shape[0] for condition in self.values()), None)

    @property
    def cond(self) -> Conditioning:
        """The conditions alone, without uncond and other prompts, as a network gets them."""
        return self if self.uncond is None and not self.others else Conditioning(self.conditions)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Every value and mask, of uncond and other prompts too."""
        own = [tensor for one in self.conditions.values() for tensor in (one.value, one.mask)]
        parts = (self.uncond, *self.others)
        rest = [tensor for part in parts if part is not None for tensor in part.tensors]
        return (*(tensor for tensor in own if tensor is not None), *rest)

    def with_conditions(self, **conditions: Condition) -> Conditioning:
        """With further conditions, the same for uncond and other prompts."""
        return self._each(lambda part: {**part.conditions, **conditions})

    def with_uncond(self, uncond: Conditioning | None) -> Conditioning:
        """With another ``uncond``."""
        return replace(self, uncond=uncond)

    def with_others(self, *others: Conditioning) -> Conditioning:
        """With these other prompts."""
        return replace(self, others=others)

    def map(self, change: Callable[[Tensor], Tensor]) -> Conditioning:
        """``change`` applied to every value and mask, of uncond and other prompts too."""
        return self._each(lambda part: {name: condition.map(change) for name, condition in part.items()})

    def _each(self, change: Callable[[Conditioning], Mapping[str, Condition]]) -> Conditioning:
        """With changed conditions, those of uncond and other prompts too."""
        uncond = None if self.uncond is None else self.uncond._each(change)
        return Conditioning(change(self), uncond, tuple(other._each(change) for other in self.others))

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Conditioning:
        """On ``device``, floating-point tensors as ``dtype``."""
        return self.map(lambda tensor: tensor.to(device, dtype if tensor.is_floating_point() else None))

    def select(self, rows: Sequence[int] | slice | Tensor) -> Conditioning:
        """The items ``rows``, in that order."""
        index = rows if isinstance(rows, slice | Tensor) else torch.as_tensor(rows, dtype=torch.int64)
        return self.map(lambda tensor: tensor[index])

    def repeat(self, count: int) -> Conditioning:
        """Each item ``count`` times in a row."""
        return self.map(lambda tensor: tensor.repeat_interleave(count, 0))


def concatenate(parts: Sequence[Conditioning]) -> Conditioning:
    """One batch out of several; tokens are padded to the longest, with a mask.

    Raises:
        ValueError: The parts differ in names, routes or the number of other prompts, or some have an uncond
            and some have not.
    """
    if len({frozenset((name, part[name].route) for name in part) for part in parts}) > 1:
        names = " and ".join(str(sorted(part)) for part in parts)
        raise ValueError(f"conditionings to concatenate must share names and routes, not {names}")
    unconds = [part.uncond for part in parts if part.uncond is not None]
    if unconds and len(unconds) < len(parts):
        raise ValueError("conditionings to concatenate must all have an uncond, or none")
    if len({len(part.others) for part in parts}) > 1:
        raise ValueError("conditionings to concatenate must have equally many other prompts")
    joined = {name: _join([part[name] for part in parts]) for name in (parts[0] if parts else ())}
    others = tuple(concatenate(column) for column in zip(*(part.others for part in parts), strict=True))
    return Conditioning(joined, concatenate(unconds) if unconds else None, others)


def _join(conditions: Sequence[Condition]) -> Condition:
    if conditions[0].has_tokens:
        length = max(condition.value.shape[1] for condition in conditions)
        conditions = [condition.padded(length) for condition in conditions]
    mask = None
    if any(condition.mask is not None for condition in conditions):
        mask = torch.cat([condition.present for condition in conditions])
    value = torch.cat([condition.value for condition in conditions])
    return Condition(value, conditions[0].route, mask)
