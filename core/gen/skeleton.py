"""Modules without values, to be filled from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


@contextmanager
def skeleton() -> Iterator[None]:
    """Modules that are built inside draw no random weights, and leave torch's random state as it was.

    Fill them with ``module.load_state_dict(tensors, assign=True)``: what memory they have until then is never
    touched. (On the meta device they would have none, but its arithmetic loads all of torch's compiler, which
    takes seconds.)
    """
    with torch.random.fork_rng(devices=[]), _WithoutRandomValues():
        yield


class _WithoutRandomValues(TorchFunctionMode):
    """In-place random functions, which torch's own end in an underscore, leave their tensor as it is."""

    NAMES = frozenset({"normal_", "uniform_", "trunc_normal_", "kaiming_uniform_", "kaiming_normal_"})

    def __torch_function__(
        self,
        func: Callable[..., Any],
        _types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in self.NAMES:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
