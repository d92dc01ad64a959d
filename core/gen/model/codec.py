"""What turns artifacts into the state that is sampled, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch

    from gen.artifact import Artifact


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

    Codecs are lossy: a state that is kept exactly is still decoded to something else. The functions of
    ``gen.run.compositing`` do the work for pictures, frames and sounds. Without this method the core applies
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
