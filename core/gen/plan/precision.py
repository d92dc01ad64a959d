"""The precision of a model: as somebody chose it, or as it is fast on the machine."""

from __future__ import annotations

from gen.checks import dtypes_of, unknown
from gen.errors import UsageError
from gen.model import ModelSource


def check_precision(text: str, file: ModelSource) -> str:
    """A dtype as somebody gave it: of the whole model, and of parts of a checkpoint.

    Args:
        text: ``"bfloat16"``, ``"bfloat16,vae=float32"``.
        file: The model.

    Raises:
        UsageError: A dtype or a part is unknown, or the model has no parts.
    """
    from gen.checkpoints import Checkpoint

    _, own = dtypes_of(text)
    if own and not isinstance(file, Checkpoint):
        raise UsageError(f"model {file.name} has no parts with a dtype of their own", "give one dtype")
    for part in own:
        assert isinstance(file, Checkpoint)
        if part not in file:
            raise unknown("part", part, sorted(file.components))
    return text


def own_precision(file: ModelSource, device: str) -> str:
    """The dtype of a model for which nobody has chosen one; see ``gen.hardware.profile.choose_dtype``."""
    from gen.hardware.profile import choose_dtype, machine_profile

    return choose_dtype(file.parameters, device, machine_profile)
