"""A model as the road of a generation sees it: five parts, defaults and a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

    from gen.artifact import Artifact
    from gen.diffusion import Conditioning, Network, Parameterization, Process


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
            Conditioning of ``len(prompts)`` items, without its ``null``.
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
    card: Mapping[str, object] = field(default_factory=dict)
