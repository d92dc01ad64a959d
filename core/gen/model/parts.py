"""The encoder and the codec of a model, each call inside the boundary of plugins, each result checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from gen.checks import check_param
from gen.errors import UsageError
from gen.model.codec import (
    CompletingCodec,
    CompositingCodec,
    CroppingCodec,
    EncodingCodec,
    FieldCodec,
    MaskingCodec,
)
from gen.model.encoder import LimitedEncoder, RemarkingEncoder, SettlingEncoder, VocabularyEncoder
from gen.model.model import Model
from gen.model.task import Shape, State, Task
from gen.plugin.boundary import Call, calling
from gen.plugin.specs import Param

if TYPE_CHECKING:
    from torch import Tensor

    from gen.artifact import Artifact
    from gen.diffusion import Conditioning

Params: TypeAlias = Mapping[str, object]
Values: TypeAlias = Mapping[str, int | float | bool | str]


@dataclass(frozen=True, eq=False)
class Parts:
    """What the core requires of a model's encoder and codec.

    Every method raises UsageError where the part refuses a value of the user, and PluginError where it fails
    or returns something else than its protocol in ``gen.model`` says.

    Args:
        model: The model.
        plugin: Label of the plugin that made it, for errors.
    """

    model: Model
    plugin: str

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """See ``VocabularyEncoder.unknown_words``; empty for other encoders."""
        if not isinstance(self.model.encoder, VocabularyEncoder):
            return ()
        with calling(self.plugin, "encoder.unknown_words") as call:
            return _texts(call, self.model.encoder.unknown_words(prompt))

    def suggestions(self, prompt: str, count: int) -> tuple[str, ...]:
        """See ``VocabularyEncoder.suggestions``; empty for other encoders."""
        if not isinstance(self.model.encoder, VocabularyEncoder):
            return ()
        with calling(self.plugin, "encoder.suggestions") as call:
            return _texts(call, self.model.encoder.suggestions(prompt, count))[:count]

    def remarks(self, prompt: str, params: Params) -> tuple[str, ...]:
        """See ``RemarkingEncoder.remarks``; empty for other encoders."""
        if not isinstance(self.model.encoder, RemarkingEncoder):
            return ()
        with calling(self.plugin, "encoder.remarks") as call:
            return _texts(call, self.model.encoder.remarks(prompt, params))

    def unread(self, prompt: str, params: Params) -> str:
        """See ``LimitedEncoder.unread``; empty for other encoders."""
        if not isinstance(self.model.encoder, LimitedEncoder):
            return ""
        with calling(self.plugin, "encoder.unread") as call:
            return _text(call, self.model.encoder.unread(prompt, params))

    def cropped(self, artifact: Artifact, params: Params) -> str:
        """See ``CroppingCodec.cropped``; empty for other codecs."""
        if not isinstance(self.model.codec, CroppingCodec):
            return ""
        with calling(self.plugin, "codec.cropped") as call:
            return _text(call, self.model.codec.cropped(artifact, params))

    def settle(self, prompt: str, params: Params, seed: int, own: Sequence[Param], about: str = "") -> Values:
        """See ``SettlingEncoder.settle``; empty for other encoders.

        Args:
            prompt: The prompt of an item.
            params: The parameters that are given.
            seed: That of the item.
            own: What can be decided, with its bounds.
            about: What messages about the prompt start with.
        """
        if not isinstance(self.model.encoder, SettlingEncoder):
            return {}
        known = {param.name: param for param in own}
        with calling(self.plugin, "encoder.settle", about=about) as call:
            found = self.model.encoder.settle(prompt, params, seed)
            if not isinstance(found, Mapping):
                raise call.returned(found, "parameters by name")
            for name, value in found.items():
                if name not in known:
                    raise call.fault(f"decided {name!r}, which is no parameter")
                kinds = (int, float) if known[name].type is float else known[name].type
                if not isinstance(value, kinds) or (isinstance(value, float) and not math.isfinite(value)):
                    raise call.fault(f"decided that {name} is {value!r}, not {known[name].type.__name__}")
            return {name: check_param(known[name], value) for name, value in found.items()}

    def shape(self, task: Task) -> Shape:
        """See ``Codec.shape``."""
        with calling(self.plugin, "codec.shape") as call:
            return checked_shape(call, self.model.codec.shape(task))

    def encode(self, artifact: Artifact, task: Task, about: str = "") -> State:
        """The state of an artifact, (1, *shape).

        Args:
            artifact: The input.
            task: With the shape of the state of one item.
            about: What messages about the artifact start with.

        Raises:
            UsageError: The codec reads no input.
        """
        codec = self.model.codec
        if not isinstance(codec, EncodingCodec):
            raise UsageError(f"model {self.model.name} starts from noise alone", "leave out init")
        with calling(self.plugin, "codec.encode", about=about) as call:
            return _state(call, codec.encode([artifact], task), task.shape)

    def mask(self, mask: Artifact, task: Task, about: str = "") -> State:
        """Where the state is kept, in [0, 1]: see ``MaskingCodec.mask``; arguments as for ``encode``."""
        codec = self.model.codec
        if not isinstance(codec, MaskingCodec):
            raise UsageError(f"model {self.model.name} keeps no part of an input", "leave out mask")
        with calling(self.plugin, "codec.mask", about=about) as call:
            return _state(call, codec.mask(mask, task), task.shape, share=True)

    def given(self, task: Task) -> tuple[State, State] | None:
        """See ``CompletingCodec.given``; None for other codecs."""
        if not isinstance(self.model.codec, CompletingCodec):
            return None
        with calling(self.plugin, "codec.given") as call:
            found: object = self.model.codec.given(task)
            if found is None:
                return None
            if not isinstance(found, tuple) or len(found) != 2:
                raise call.returned(found, "a mask and a state, or None")
            return _state(call, found[0], task.shape, share=True), _state(call, found[1], task.shape)

    def decode(self, state: State, task: Task) -> Artifact:
        """The artifact of a clean state (1, *shape), see ``Codec.decode``."""
        with calling(self.plugin, "codec.decode") as call:
            made: object = self.model.codec.decode(state, task)
            if not isinstance(made, Sequence) or len(made) != 1:
                raise call.returned(made, "a list of one artifact")
            return _artifact(call, made[0])

    def measured(self, artifact: Artifact, task: Task) -> Tensor | None:
        """See ``FieldCodec.measured``; None for other codecs."""
        if not isinstance(self.model.codec, FieldCodec):
            return None
        with calling(self.plugin, "codec.measured") as call:
            return _field(call, self.model.codec.measured(artifact, task))

    def decode_field(self, state: Tensor, task: Task) -> Tensor:
        """See ``FieldCodec.decode_field``."""
        codec = self.model.codec
        assert isinstance(codec, FieldCodec)
        with calling(self.plugin, "codec.decode_field") as call:
            return _field(call, codec.decode_field(state, task))

    def encode_field(self, field: Tensor, task: Task) -> Tensor:
        """See ``FieldCodec.encode_field``."""
        codec = self.model.codec
        assert isinstance(codec, FieldCodec)
        assert isinstance(task.shape, tuple)
        with calling(self.plugin, "codec.encode_field") as call:
            return _tensor(call, codec.encode_field(field, task), task.shape, share=False)

    def composite(self, made: Artifact, task: Task) -> Artifact:
        """See ``CompositingCodec.composite``; ``made`` itself for other codecs."""
        if not isinstance(self.model.codec, CompositingCodec):
            return made
        with calling(self.plugin, "codec.composite") as call:
            return _artifact(call, self.model.codec.composite(made, task))


def checked_shape(call: Call, found: object) -> Shape:
    """The shape of a state, which a model has returned."""
    shapes = tuple(found.values()) if isinstance(found, Mapping) else (found,)
    for shape in shapes:
        if not isinstance(shape, tuple) or not all(isinstance(size, int) and size > 0 for size in shape):
            raise call.returned(shape, "a tuple of whole numbers above 0")
    return found  # type: ignore[return-value]


def checked_conditioning(call: Call, found: object, batch: int) -> Conditioning:
    """The conditioning of a batch of so many items, which a model has returned."""
    from gen.diffusion import Conditioning

    if not isinstance(found, Conditioning):
        raise call.returned(found, "a Conditioning")
    for part in filter(None, (found, found.uncond)):
        for name, condition in part.items():
            if condition.value.shape[0] != batch:
                raise call.returned(condition.value, f"{batch} items of the condition {name!r}")
            if condition.value.is_floating_point() and not condition.value.isfinite().all():
                raise call.fault(f"returned values of the condition {name!r} that are not finite")
    return found


def _artifact(call: Call, found: object) -> Artifact:
    import numpy as np

    from gen.artifact import Artifact

    if not isinstance(found, Artifact):
        raise call.returned(found, "an Artifact")
    for name, array in found.arrays.items():
        if not isinstance(array, np.ndarray):
            raise call.returned(array, f"a numpy array as {name}")
        if np.issubdtype(array.dtype, np.inexact) and not np.isfinite(array).all():
            raise call.fault(f"returned values of {name} that are not finite")
    return found


def _state(call: Call, found: object, shape: Shape, *, share: bool = False) -> State:
    """A state (1, *shape), or of each part; a share of it in [0, 1] may have one channel in place of all."""
    if not isinstance(shape, Mapping):
        return _tensor(call, found, shape, share)
    if not isinstance(found, Mapping) or found.keys() != shape.keys():
        raise call.returned(found, f"a mapping with {', '.join(shape)}")
    return {name: _tensor(call, part, shape[name], share) for name, part in found.items()}


def _tensor(call: Call, found: object, shape: tuple[int, ...], share: bool) -> Tensor:
    import torch

    allowed = [(1, *shape), *([(1, 1, *shape[1:])] if share else [])]
    if not isinstance(found, torch.Tensor) or tuple(found.shape) not in allowed or found.is_complex():
        raise call.returned(found, f"a tensor of shape {' or '.join(map(str, allowed))}")
    if found.is_floating_point() and not found.isfinite().all():
        raise call.fault("returned values that are not finite")
    if share:
        low, high = (float(end) for end in found.aminmax())
        if low < 0 or high > 1:
            raise call.fault(f"returned values from {low:g} to {high:g}, outside [0, 1]")
    return found


def _field(call: Call, found: object) -> Tensor:
    import torch

    if not isinstance(found, torch.Tensor) or found.ndim < 3 or len(found) != 1:
        raise call.returned(found, "a tensor (1, C, ...)")
    if not found.isfinite().all():
        raise call.fault("returned values that are not finite")
    return found


def _texts(call: Call, found: object) -> tuple[str, ...]:
    if isinstance(found, str) or not isinstance(found, Sequence):
        raise call.returned(found, "a tuple of texts")
    return tuple(_text(call, text) for text in found)


def _text(call: Call, found: object) -> str:
    if not isinstance(found, str):
        raise call.returned(found, "a text")
    return found
