"""A model as the road of a generation sees it: its stages, its codec, defaults and a card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from gen.model.codec import Codec
from gen.model.encoder import Encoder
from gen.model.stage import AnyProcess, Defaults, Stage, Window
from gen.model.task import State, Task

if TYPE_CHECKING:
    from gen.diffusion import Parameterization
    from gen.diffusion.categorical import TokenNetwork
    from gen.diffusion.denoiser import Network
    from gen.diffusion.joint import JointNetwork

Loop: TypeAlias = Callable[[Task, Callable[[int, int], object]], State]
"""Makes the state (1, *shape) of a task of one item; it calls its second argument after each step, with the
number of steps that are done, and of all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A model that is loaded and ready to be sampled.

    A model that is sampled once needs ``process``, ``parameterization`` and ``network``; one that is sampled
    several times, or otherwise than ``Stage`` does it by default, has ``stages`` in place of them.

    Args:
        name: As given to ``--model``, or the stem of the file.
        modality: Name of the modality that drives it.
        sha256: Hex digest of its file.
        codec: Artifacts to states and back.
        defaults: How it is sampled.
        process, parameterization, network, window: Those of the only stage, see ``Stage``.
        encoder: What reads the prompts; with ``stages`` by default that of the first that has one. None where
            no text is read.
        stages: What is sampled, one after another; each gets the end of the one before as ``task.previous``.
        loop: Makes the states by itself, in place of stages.
        batch: How many items are always made at once. A smaller number is filled up with copies, so that the
            network always sees arrays of the same sizes and an item's bits do not depend on how many are made
            together. For networks that are so small that many items cost little more than one.
        card: Data, licence and metrics.

    Raises:
        ValueError: It has more than one of stages, a loop and the parts of one stage, or none, or ``batch``
            is below 1.
    """

    name: str
    modality: str
    sha256: str
    codec: Codec
    defaults: Defaults
    process: AnyProcess | Mapping[str, AnyProcess] | None = None
    parameterization: Parameterization | Mapping[str, Parameterization] | None = None
    network: Network | TokenNetwork | JointNetwork | None = None
    encoder: Encoder | None = None
    window: Window | None = None
    stages: tuple[Stage, ...] = ()
    loop: Loop | None = None
    batch: int = 1
    card: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = (self.process, self.parameterization, self.network, self.window)
        if self.stages and any(part is not None for part in parts):
            raise ValueError("a model with stages has process, parameterization, network and window in them")
        if self.loop is not None and (self.stages or any(part is not None for part in parts)):
            raise ValueError("a model with a loop of its own has neither stages nor the parts of one")
        if not self.stages and self.loop is None and (self.process is None or self.network is None):
            raise ValueError("a model needs a process and a network, or stages that have them, or a loop")
        if self.batch < 1:
            raise ValueError(f"batch must be at least 1, not {self.batch}")
        if self.encoder is None:
            found = next((stage.encoder for stage in self.stages if stage.encoder is not None), None)
            object.__setattr__(self, "encoder", found)

    @property
    def path(self) -> tuple[Stage, ...]:
        """What is sampled, one after another; nothing where a loop makes the states."""
        if self.stages or self.loop is not None:
            return self.stages
        assert self.process is not None
        assert self.network is not None
        only = Stage(
            process=self.process,
            parameterization=self.parameterization,
            network=self.network,
            encoder=self.encoder,
            window=self.window,
        )
        return (only,)
