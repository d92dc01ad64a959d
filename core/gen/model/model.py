"""A model as the road of a generation sees it: five parts, defaults and a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch

    from gen.artifact import Artifact
    from gen.diffusion import Conditioning, Parameterization, Process
    from gen.diffusion.denoiser import Network


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """How a model is sampled when nobody says otherwise.

    Args:
        solver: Name in ``gen.presets.SOLVERS``.
        grid: Name in ``gen.presets.GRIDS``.
        steps: Steps of the grid, at least 1.
        guidance: Classifier-free guidance scale; 1 is no guidance.
    """

    solver: str
    grid: str
    steps: int
    guidance: float


class Encoder(Protocol):
    """Turns prompts into what the network is conditioned on."""

    def __call__(self, prompts: Sequence[str], params: Mapping[str, object]) -> Conditioning:
        """Encode prompts.

        Args:
            prompts: One text per item; the empty text is the unconditional case.
            params: The modality's own parameters; one that is absent is for the model to decide.

        Returns:
            Conditioning of ``len(prompts)`` items, without its ``uncond``.
        """
        ...

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Words of a prompt that the model never met, in order of appearance."""
        ...

    def suggestions(self, prompt: str, count: int) -> tuple[str, ...]:
        """Up to ``count`` things that the model does know, those nearest to the prompt first."""
        ...


class Codec(Protocol):
    """Turns artifacts into the state that is sampled, and back."""

    def shape(self, params: Mapping[str, object]) -> tuple[int, ...]:
        """Shape of the state of one item, e.g. ``(16, 16, 16)``.

        Raises:
            ValueError: If the model cannot make such a thing.
        """
        ...

    def encode(self, artifacts: Sequence[Artifact], params: Mapping[str, object]) -> torch.Tensor:
        """Clean states (B, *shape), float32, of artifacts that are fitted to the parameters.

        Raises:
            ValueError: If an artifact cannot be used.
        """
        ...

    def decode(self, x0: torch.Tensor, params: Mapping[str, object]) -> list[Artifact]:
        """Artifacts of clean states (B, *shape); they carry no recipe yet."""
        ...

    def mask(self, mask: Artifact, params: Mapping[str, object]) -> torch.Tensor:
        """What of the state is kept, (B, 1, *spatial) with 1 = keep, from a mask whose bright parts change.

        Raises:
            ValueError: If the mask cannot be used.
        """
        ...


@runtime_checkable
class SettlingEncoder(Encoder, Protocol):
    """An encoder whose texts decide parameters: how long it takes to say a sentence, for instance."""

    def settle(self, prompt: str, params: Mapping[str, object]) -> Mapping[str, int | float | bool | str]:
        """Parameters that nobody has given and the prompt decides, by name; they go into the recipe.

        Raises:
            ValueError: If the prompt cannot be made with the parameters given.
        """
        ...


@runtime_checkable
class LimitedEncoder(Encoder, Protocol):
    """An encoder that reads no more than the beginning of a long prompt."""

    def unread(self, prompt: str, params: Mapping[str, object]) -> str:
        """The end of a prompt that is too long for the network; empty where it reads all of it."""
        ...


@runtime_checkable
class RemarkingEncoder(Encoder, Protocol):
    """An encoder that reads some of what prompts hold otherwise than it is written."""

    def remarks(self, prompt: str, params: Mapping[str, object]) -> tuple[str, ...]:
        """One line about each part of a prompt that is read otherwise, or that a parameter overrides."""
        ...


@runtime_checkable
class CroppingCodec(Codec, Protocol):
    """A codec that does not see all of every input."""

    def cropped(self, artifact: Artifact, params: Mapping[str, object]) -> str:
        """One line about the part of an input that is used; empty where it is used as a whole."""
        ...


@runtime_checkable
class CompletingCodec(Codec, Protocol):
    """A codec for parameters that give parts of what is made: the first frame of a clip, for instance.

    The network is told of them as it is of ``--init`` with ``--mask``: by the condition ``known`` on the
    route "channels", (B, 1 + C, *spatial), a mask that is 1 where the state is given, and the state there.
    """

    def given(self, params: Mapping[str, object]) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Where the state is given, (1, 1, *spatial) with 1 = given, and a state (1, *shape); None: nowhere.

        Raises:
            ValueError: If what is given cannot be used.
        """
        ...


@runtime_checkable
class CompositingCodec(Codec, Protocol):
    """A codec that puts the input's own samples back where they are kept.

    Codecs are lossy, so that a state that is kept exactly is still decoded to something else. The functions
    of ``gen.compositing`` do the work for pictures, frames and sounds. Without this method the core applies
    them itself where the inputs have the size of what is made, and to ``init`` with ``mask`` alone.
    """

    def composite(
        self, made: Artifact, init: Artifact | None, mask: Artifact | None, params: Mapping[str, object]
    ) -> Artifact:
        """``made`` with all that is kept as the inputs have it, bit for bit.

        Args:
            made: One artifact that ``decode`` has returned.
            init: What it started from; None where there is no mask.
            mask: What is made anew of it is bright.
            params: With the artifacts that give parts of what is made (``CompletingCodec``).

        Raises:
            ValueError: If an input cannot be used.
        """
        ...


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
class Model:
    """A model that is loaded and ready to be sampled.

    Args:
        name: As given to ``--model``, or the stem of the file.
        modality: Name of the modality that drives it.
        sha256: Hex digest of its file.
        process: The diffusion process that it was trained on.
        parameterization: What its network predicts.
        network: ``(x_in (B, *shape), c_noise (B,), conditioning) -> (B, *shape)``.
        encoder: Prompts to conditioning.
        codec: Artifacts to states and back.
        defaults: How it is sampled.
        window: How it makes what is longer than a piece; None where the codec's shapes fit the network.
        card: Data, licence and metrics.
    """

    name: str
    modality: str
    sha256: str
    process: Process
    parameterization: Parameterization
    network: Network
    encoder: Encoder
    codec: Codec
    defaults: Defaults
    window: Window | None = None
    card: Mapping[str, object] = field(default_factory=dict)
