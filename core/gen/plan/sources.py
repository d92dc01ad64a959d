"""From a model's reference, as given to ``--model``, to what is known of it before it is loaded."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gen.checks import unknown
from gen.errors import ModelError, PluginError
from gen.model import ModelFile, ModelSource, find_model
from gen.plugin.specs import FamilySpec

if TYPE_CHECKING:
    from gen.plugin.host import Host


def find_source(reference: str, modality: str, host: Host) -> ModelSource:
    """The model that a reference means: a name, a file of ours, or the folder of a checkpoint.

    Raises:
        ModelError: There is no such model, it is damaged, or another modality drives it.
        PluginError: The modality is unknown or cannot be used.
    """
    specs = host.models(modality)
    known = {spec.name for spec in specs}
    if reference not in known and Path(reference).is_dir():
        return _checkpoint(reference, modality, host)
    if reference not in known and not Path(reference).is_file():
        for record in host.modalities:
            with suppress(PluginError):
                if reference in {spec.name for spec in host.models(record.name)}:
                    raise ModelError(
                        f"model {reference} makes {record.name}, not {modality}",
                        f"use it with `gen {record.name}`",
                    )
    return find_model(reference, modality, specs)


def modality_of(reference: str, host: Host) -> str:
    """The modality that drives a model.

    Args:
        reference: Name of a registered model, path of a model file, or folder of a checkpoint.
        host: Where plugins come from.

    Raises:
        ModelError: The model is unknown, or several modalities have one of that name.
    """
    if Path(reference).is_file():
        return ModelFile(reference).modality
    names: dict[str, set[str]] = {}
    for record in host.modalities:
        with suppress(PluginError):
            names[record.name] = {spec.name for spec in host.models(record.name)}
    found = [name for name, models in names.items() if reference in models]
    if len(found) == 1:
        return found[0]
    if found:
        raise ModelError(
            f"{' and '.join(found)} both have a model {reference!r}", f"add modality={found[0]!r}"
        )
    if Path(reference).is_dir():
        return _checkpoint(reference, "", host).modality
    if reference.endswith(".safetensors"):
        raise ModelError(f"no model file {reference}", "`gen models list` shows what is installed")
    error = unknown("model", reference, sorted(set().union(*names.values())))
    raise ModelError(error.message, error.hint)


def _checkpoint(reference: str, modality: str, host: Host) -> ModelSource:
    """The checkpoint in a folder; of any modality where none is named.

    Raises:
        ModelError: It is no checkpoint, of no known family, or of another modality.
    """
    from gen.checkpoints.family import FamilyCheckpoint

    families: list[FamilySpec] = []
    for name in (modality, *(record.name for record in host.modalities if record.name != modality)):
        with suppress(PluginError):
            families += host.families(name) if name else ()
    found = FamilyCheckpoint(reference, families, host.resolve)
    if modality and found.modality != modality:
        raise ModelError(
            f"model {found.name} makes {found.modality}, not {modality}",
            f"use it with `gen {found.modality}`",
        )
    return found
