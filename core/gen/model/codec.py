"""What turns artifacts into the state that is sampled, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from gen.artifact import Artifact
    from gen.model.task import Shape, State, Task


class Codec(Protocol):
    """Turns states into artifacts.

    Where a state is joint, shapes and states are mappings by the name of the part.
    """

    def shape(self, task: Task) -> Shape:
        """Shape of the state of one item, e.g. ``(16, 16, 16)``.

        Raises:
            UsageError: If the model cannot make such a thing.
        """
        ...

    def decode(self, state: Any, task: Task) -> Sequence[Artifact]:
        """Artifacts of clean states (B, *shape); they carry no recipe yet.

        The run decodes one item at a time, so that no item depends on the others.

        Args:
            state: The end of the last stage, a tensor or a mapping of tensors.
            task: That of these items; what is left to chance is drawn from ``task.noise.child("decode")``.
        """
        ...


@runtime_checkable
class EncodingCodec(Codec, Protocol):
    """A codec that reads what the user gives to start from: the ability "init"."""

    def encode(self, artifacts: Sequence[Artifact], task: Task) -> State:
        """Clean states (B, *shape), float32 or tokens, of artifacts that are fitted to the parameters.

        Raises:
            UsageError: If an artifact cannot be used.
        """
        ...


@runtime_checkable
class MaskingCodec(EncodingCodec, Protocol):
    """A codec that knows which part of a state a mask keeps: the ability "mask"."""

    def mask(self, mask: Artifact, task: Task) -> State:
        """1 where the state is kept, from a mask whose bright parts change: (1, 1, *spatial), or (1, *shape)
        where channels are kept one by one.

        Raises:
            UsageError: If the mask cannot be used.
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

    The network gets them as it gets ``--init`` with ``--mask``: by the condition ``known`` on the route
    "channels", (B, 1 + C, *spatial), a mask that is 1 where the state is given, and the state there. For each
    part of a joint state the condition ``known/NAME`` has (B, 2, *shape).
    """

    def given(self, task: Task) -> tuple[State, State] | None:
        """Where the state is given, as ``mask`` says it, and a state (1, *shape); None: nowhere.

        Raises:
            UsageError: If what is given cannot be used.
        """
        ...


@runtime_checkable
class FieldCodec(EncodingCodec, Protocol):
    """A codec whose artifacts are read off numbers of fixed places, such as the distances around a shape.

    The operators of ``--restore`` measure these numbers, along all axes behind the second. Kinds whose own
    arrays have fixed places declare a ``Signal`` in place of it.
    """

    def measured(self, artifact: Artifact, task: Task) -> Tensor:
        """The field of an artifact, (1, C, *grid), in [-1, 1].

        Args:
            artifact: What a user gave.
            task: ``task.noise_std`` states its noise, which may be averaged out before the field is made.

        Raises:
            UsageError: If the artifact cannot be used.
        """
        ...

    def decode_field(self, state: Tensor, task: Task) -> Tensor:
        """The field of a clean state (1, *shape), (1, C, *grid)."""
        ...

    def encode_field(self, field: Tensor, task: Task) -> Tensor:
        """The clean state (1, *shape) of a field (1, C, *grid)."""
        ...


@runtime_checkable
class CompositingCodec(Codec, Protocol):
    """A codec that puts the input's own samples back where they are kept.

    Codecs are lossy: a state that is kept exactly is still decoded to something else. The functions of
    ``gen.run.compositing`` do the work for pictures, frames and sounds. Without this method the core applies
    them itself where the inputs have the size of what is made, and to ``init`` with ``mask`` alone.
    """

    def composite(self, made: Artifact, task: Task) -> Artifact:
        """``made`` with all that is kept as the inputs have it, bit for bit.

        Args:
            made: One artifact that ``decode`` has returned.
            task: With ``init`` and ``mask``, and the artifacts among the parameters that give parts of what
                is made (``CompletingCodec``).

        Raises:
            UsageError: If an input cannot be used.
        """
        ...
