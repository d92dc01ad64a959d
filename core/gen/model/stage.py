"""A stage of a model: one network that is sampled once, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from gen.errors import UsageError
from gen.model.task import Edits, Shape, State, Task

if TYPE_CHECKING:
    from torch import Tensor

    from gen.diffusion import (
        Conditioning,
        Denoiser,
        Guidance,
        NoiseSource,
        Parameterization,
        Process,
        TimeGrid,
    )
    from gen.diffusion.categorical import CategoricalProcess, TokenNetwork
    from gen.diffusion.denoiser import Network
    from gen.diffusion.guidance import Chain
    from gen.diffusion.joint import JointDenoiser, JointNetwork
    from gen.model.encoder import Encoder

AnyProcess: TypeAlias = "Process | CategoricalProcess"
AnyGuidance: TypeAlias = "Guidance | Chain"


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """How a model is sampled when nobody says otherwise.

    Args:
        solver: Name in ``gen.presets.SOLVERS``.
        grid: Name in ``gen.presets.GRIDS``.
        steps: Steps of the grid, at least 1.
        guidance: Classifier-free guidance scale; 1 is no guidance.
        token_solver: Of tokens: a name in ``gen.presets.TOKEN_SOLVERS``, with settings; empty where there are
            none, or for ``"posterior"``.
    """

    solver: str
    grid: str
    steps: int
    guidance: float
    token_solver: str = ""


@dataclass(frozen=True, kw_only=True)
class Window:
    """How a model makes what is longer than it was trained on: piece by piece along one axis of the state.

    Every piece is given the end of the one before it, by the condition ``known``. Where the modality has a
    parameter ``loop`` and it is true, the place where the end meets the beginning is drawn anew, given what
    is on both sides of it.

    A state may begin with cells that hold for the whole of what is made: a head. Every piece has it, the
    first draws it, the others are given it. No seam is in it.

    Args:
        axis: The axis of the state of one item, (C, T) -> 1; conditions on the route "channels" are cut along
            it too, and have the head as the state has.
        size: Cells of a piece behind the head.
        overlap: Cells behind the head that a piece is given, and that are drawn anew at the seam of a loop;
            less than ``size``.
        head: Cells at the beginning of the axis that belong to every piece, so that the network takes up to
            ``head + size``.

    Raises:
        ValueError: If the numbers are none of a window.
    """

    axis: int
    size: int
    overlap: int
    head: int = 0

    def __post_init__(self) -> None:
        if self.axis < 1 or not 0 < self.overlap < self.size or self.head < 0:
            raise ValueError(f"a window needs axis >= 1, 0 < overlap < size and head >= 0, not {self}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """One network that is sampled once: all of a model, or one of several that follow each other.

    The run calls its methods in this order: ``shape``, ``edits``, ``grid``, ``encode``, ``denoiser``,
    ``guidance``, then ``init`` or ``prior``. Those of the next stage are called only when this one is done,
    so that components can be loaded when they are needed and freed when the next stage begins. Each method
    has a default; a model overrides those that differ.

    A joint state has several parts, each with a process of its own (numbers or tokens): ``process``,
    ``parameterization`` and the network's arguments then are mappings by the name of the part.

    Args:
        name: How messages and progress name it; empty where the model has no other.
        process: The diffusion process that the network was trained on, or one for each part.
        parameterization: What the network predicts of numbers, or of each part that is no tokens; None for
            tokens, whose logits it predicts.
        network: ``(x_in (B, *shape), c_noise (B,), conditioning) -> (B, *shape)``; of tokens
            ``(B, *shape, K)``. Of a joint state ``x_in``, ``c_noise`` and the result are mappings.
        encoder: Prompts to conditioning; None where the network is not conditioned on a text.
        window: How it makes what is longer than a piece; None where its shapes fit the network.
        defaults: How it is sampled whatever the plan says; None leaves it to the plan.
        learned_variance: Whether the network returns twice the channels, see ``gen.diffusion.ModelDenoiser``.
        clipping: Keeps the guided prediction within the range of the data: ``gen.diffusion.clipped``, or
            ``functools.partial(gen.diffusion.thresholded, cap=1.5)``; None leaves it as it is.

    Raises:
        ValueError: Parts of a joint state lack a parameterization, or it has a window, a learned variance or
            clipping, which only a state of one tensor of numbers can have.
    """

    name: str = ""
    process: AnyProcess | Mapping[str, AnyProcess]
    parameterization: Parameterization | Mapping[str, Parameterization] | None = None
    network: Network | TokenNetwork | JointNetwork
    encoder: Encoder | None = None
    window: Window | None = None
    defaults: Defaults | None = None
    learned_variance: bool = False
    clipping: Callable[[Denoiser], Denoiser] | None = None

    @property
    def completes(self) -> bool:
        """Whether the network was trained to be given parts of the state, and sees what a mask keeps.

        By default what the network says as ``completes``. Others are guided by what is kept.
        """
        return bool(getattr(self.network, "completes", False))

    def __post_init__(self) -> None:
        if isinstance(self.process, Mapping) and (self.window or self.learned_variance or self.clipping):
            raise ValueError("a joint state has no window, learned variance or clipping")

    def shape(self, task: Task) -> Shape:
        """The shape of the state of one item; by default that of the codec, ``task.shape``.

        Raises:
            UsageError: The model cannot make what the parameters ask for.
        """
        return task.shape

    def edits(self, task: Task, edits: Edits) -> Edits | None:  # noqa: ARG002
        """What the user gave, as the codec encoded it, in the state of this stage.

        The default takes it as it is. A stage whose state is not the codec's returns None, or converts it.
        The first stage with a ``start`` begins with it; the others begin with ``prior``.
        """
        return edits

    def encode(self, task: Task) -> Conditioning:
        """The conditions of the network, with ``uncond`` where it can be guided.

        The default encodes the prompts, and the negative prompts, or the empty text, as ``uncond``.

        Raises:
            UsageError: A prompt or a parameter cannot be used.
        """
        from gen.diffusion import Conditioning

        if self.encoder is None:
            return Conditioning()
        negatives = task.negatives or ("",) * len(task.prompts)
        uncond = self.encoder(negatives, task.params)
        return self.encoder(task.prompts, task.params).with_uncond(uncond)

    def grid(self, task: Task, named: Callable[[], TimeGrid]) -> TimeGrid | None:  # noqa: ARG002
        """The times to stop at; None passes the stage over.

        Args:
            task: With the shape of the state, on which a grid may depend.
            named: Makes the grid that the plan names, or ``defaults``: its last part, ``strength``, where
                the stage starts from something given.
        """
        return named()

    def own_grid(self, task: Task) -> TimeGrid:  # noqa: ARG002
        """The grid that the model is made for, which the name ``model`` stands for.

        Raises:
            UsageError: It brings none, as by default.
        """
        raise UsageError("the model brings no grid of its own", "name a grid: see `gen solvers`")

    def guidance(self, task: Task, chosen: AnyGuidance) -> AnyGuidance | Mapping[str, AnyGuidance]:
        """The guidance of the network, or one for each part of a joint state that is guided.

        The default is the one that the plan chose. Tokens have classifier-free guidance of the same scale,
        which is linear in their logits. A network that takes the scale as an input returns
        ``ClassifierFree(1.0)`` here and makes a condition of ``task.guidance`` in ``encode``.
        """
        from gen.diffusion import ClassifierFree
        from gen.diffusion.categorical import CategoricalProcess

        def of(process: AnyProcess) -> AnyGuidance:
            tokens = isinstance(process, CategoricalProcess)
            return ClassifierFree(task.guidance) if tokens else chosen

        if isinstance(self.process, Mapping):
            return {name: of(process) for name, process in self.process.items()}
        return of(self.process)

    def denoiser(self, task: Task) -> Denoiser | JointDenoiser:  # noqa: ARG002
        """The network as a denoiser, without guidance."""
        from gen.diffusion import ModelDenoiser, joint
        from gen.diffusion.categorical import CategoricalProcess, TokenDenoiser

        network, meaning = cast(Any, self.network), cast(Any, self.parameterization)
        if isinstance(self.process, Mapping):
            return joint.ModelDenoiser(network, self.process, meaning or {})
        if isinstance(self.process, CategoricalProcess):
            return TokenDenoiser(network, self.process)
        return ModelDenoiser(network, self.process, meaning, self.learned_variance)

    def prior(self, task: Task, grid: TimeGrid) -> State:
        """The state (B, *shape) at the grid's first level; by default pure noise.

        A refiner returns ``task.previous``. With a window it is called once for each piece, whose shape,
        noise and, where it is as long as the state, previous state the task then has.
        """
        from gen.diffusion import prior

        if isinstance(self.process, Mapping):
            shapes = cast(Mapping[str, tuple[int, ...]], task.shape)
            return {
                name: prior(process, grid, task.noise.child(name), shapes[name], task.device)
                for name, process in self.process.items()
            }
        return prior(self.process, grid, task.noise, cast(tuple[int, ...], task.shape), task.device)

    def init(self, task: Task, grid: TimeGrid, start: State) -> State:
        """The state (B, *shape) at the grid's first level: ``start`` (1, *shape) with noise."""
        if isinstance(self.process, Mapping):
            parts = cast("Mapping[str, Tensor]", start)
            return {
                name: _noised(process, grid.times[0], task.noise.child(name), parts[name])
                for name, process in self.process.items()
            }
        return _noised(self.process, grid.times[0], task.noise, cast("Tensor", start))


def _noised(process: AnyProcess, time: float, noise: NoiseSource, start: Tensor) -> Tensor:
    """One for each seed of the noise."""
    from gen.diffusion.categorical import CategoricalProcess, uniform

    rows = start.expand(len(noise.seeds), *start.shape[1:])
    if isinstance(process, CategoricalProcess):
        return process.diffuse(rows, uniform(noise.at(0), rows, "init"), process.level(time))
    eps = noise.prior(start.shape[1:]).to(start)
    return process.diffuse(rows, eps, process.level(time))
