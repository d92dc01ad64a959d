"""From a model's reference, as given to ``--model``, to what is known of it before it is loaded."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gen.checkpoints.pipeline import SCHEME, PipelineCheckpoint
from gen.checks import unknown
from gen.errors import ModelError, PluginError, UsageError
from gen.model import ModelFile, ModelSource, find_model
from gen.plugin.specs import FamilySpec

if TYPE_CHECKING:
    from gen.checkpoints.additions import Addition
    from gen.checkpoints.pulled import Pulled
    from gen.plugin.host import Host

HUB = "hf:"
"""What the reference of a checkpoint of the hub starts with."""


@dataclass(frozen=True)
class Reading:
    """How the files of a checkpoint of another program are read.

    Args:
        variant: Of the weights: ``"fp16"``; None takes those without, or the only one.
        allow_pickle: Whether weights in pickles are read, by torch and as weights only.
        additions: Files that change it.
    """

    variant: str | None = None
    allow_pickle: bool = False
    additions: tuple[Addition, ...] = ()


PLAIN = Reading()


def find_source(reference: str, modality: str, host: Host, reading: Reading = PLAIN) -> ModelSource:
    """The model that a reference means: a name, a file of ours, or a checkpoint.

    Args:
        reference: Name of a registered model, path of a model file or of a checkpoint, a folder or a single
            file, or ``hf:OWNER/NAME[/FILE][@REVISION]``, one of the hub, which is downloaded where it is
            not there; or ``diffusers:FOLDER``, a checkpoint that diffusers' own pipeline runs.
        modality: Name of the modality that must be able to drive it.
        host: Where plugins come from.
        reading: How a checkpoint is read.

    Raises:
        ModelError: There is no such model, it is damaged or cannot be downloaded, or another modality drives
            it.
        PluginError: The modality is unknown or cannot be used.
        UsageError: It is no checkpoint, and the reading says what only checkpoints have.
    """
    if reference.startswith(SCHEME):
        return _driving(_pipeline(reference, host, reading), modality)
    specs = host.models(modality)
    known = {spec.name for spec in specs}
    if reference not in known and _is_checkpoint(reference):
        return _checkpoint(reference, modality, host, reading)
    if reading != PLAIN:
        name = "variant" if reading.variant is not None else "allow_pickle"
        name = reading.additions[0].kind if reading.additions else name
        raise UsageError(
            f"{name} is for checkpoints of other programs, and {reference} is none", "leave it out"
        )
    if reference not in known and not Path(reference).is_file():
        for record in host.modalities:
            with suppress(PluginError):
                if reference in {spec.name for spec in host.models(record.name)}:
                    raise ModelError(
                        f"model {reference} makes {record.name}, not {modality}",
                        f"use it with `gen {record.name}`",
                    )
    return find_model(reference, modality, specs)


def modality_of(reference: str, host: Host, reading: Reading = PLAIN) -> str:
    """The modality that drives a model.

    Args:
        reference: As of ``find_source``.
        host: Where plugins come from.
        reading: How a checkpoint is read.

    Raises:
        ModelError: The model is unknown or cannot be downloaded, or several modalities have one of that name.
    """
    if reference.startswith(SCHEME):
        return _pipeline(reference, host, reading).modality
    if Path(reference).is_file() and not _is_foreign(Path(reference)):
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
    if _is_checkpoint(reference):
        return _checkpoint(reference, "", host, reading).modality
    if reference.endswith(".safetensors"):
        raise ModelError(f"no model file {reference}", "`gen models list` shows what is installed")
    error = unknown("model", reference, sorted(set().union(*names.values())))
    raise ModelError(error.message, error.hint)


def _is_checkpoint(reference: str) -> bool:
    path = Path(reference)
    return reference.startswith(HUB) or path.is_dir() or (path.is_file() and _is_foreign(path))


def _is_foreign(path: Path) -> bool:
    """Whether a file holds weights that are no model of ours; what is damaged counts as ours."""
    from gen.checkpoints.header import read_header
    from gen.checkpoints.weights import PICKLED

    if path.suffix in PICKLED:
        return True
    with suppress(ModelError):
        return "gen.config" not in read_header(path).metadata
    return False


def pull_checkpoint(
    reference: str,
    host: Host,
    reading: Reading = PLAIN,
    *,
    modality: str = "",
    single: bool = False,
    anew: bool = False,
) -> Pulled:
    """A checkpoint of the hub, downloaded where it is not there yet; see ``gen.checkpoints.hub.pull``.

    Args:
        reference: ``hf:OWNER/NAME[/FILE][@REVISION]``.
        host: Where plugins come from.
        reading: How it is read.
        modality: That must be able to drive it; empty for any.
        single: As of ``gen.checkpoints.hub.pull``.
        anew: Whether the hub is asked for a newer commit.

    Raises:
        ModelError: It cannot be downloaded, or no family of the modality drives it.
    """
    from gen.checkpoints.hub import pull
    from gen.checkpoints.pulled import HubReference

    wanted = HubReference.parse(reference)
    families = [family for family in _families("", host) if modality in ("", family.modality)]
    if not families:
        raise ModelError(
            f"cannot use {reference!r} as a model: no checkpoints of other programs make {modality}",
            "use a name from `gen models list`",
        )
    return pull(
        wanted,
        {pipeline for family in families for pipeline in family.pipelines},
        variant=reading.variant,
        allow_pickle=reading.allow_pickle,
        single=single,
        anew=anew,
    )


def _families(modality: str, host: Host) -> list[FamilySpec]:
    """All families that are known, those of a modality first."""
    families: list[FamilySpec] = []
    for name in (modality, *(record.name for record in host.modalities if record.name != modality)):
        with suppress(PluginError):
            families += host.families(name) if name else ()
    return families


def _checkpoint(reference: str, modality: str, host: Host, reading: Reading) -> ModelSource:
    """The checkpoint of a folder, a file or the hub; of any modality where none is named.

    Raises:
        ModelError: It is no checkpoint, cannot be downloaded, or is of no known family or another modality.
    """
    from gen.checkpoints.family import FamilyCheckpoint

    families = _families(modality, host)
    path, name, card = Path(reference), "", dict[str, object]()
    if reference.startswith(HUB):
        pulled = pull_checkpoint(reference, host, reading, modality=modality)
        path, name, card = pulled.path, pulled.name, {"licence": pulled.licence}
    found = FamilyCheckpoint(
        path,
        families,
        host.resolve,
        name=name,
        variant=reading.variant,
        allow_pickle=reading.allow_pickle,
        additions=reading.additions,
        card=card,
    )
    return _driving(found, modality)


def _pipeline(reference: str, host: Host, reading: Reading) -> ModelSource:
    """The folder that diffusers' own pipeline runs.

    Raises:
        ModelError: It is no checkpoint, or of no pipeline that can be run.
    """
    folder = reference.removeprefix(SCHEME)
    if folder.startswith(HUB):
        raise ModelError(
            f"{SCHEME} takes a folder, not {folder}",
            f"`hf download {folder.removeprefix(HUB)} --local-dir FOLDER` makes one",
        )
    specs = []
    for record in host.modalities:
        with suppress(PluginError):
            specs.append(host.modality(record.name))
    return PipelineCheckpoint(folder, specs, variant=reading.variant, allow_pickle=reading.allow_pickle)


def _driving(found: ModelSource, modality: str) -> ModelSource:
    """A model, if a modality can drive it; empty stands for any.

    Raises:
        ModelError: Another modality drives it.
    """
    if modality and found.modality != modality:
        raise ModelError(
            f"model {found.name} makes {found.modality}, not {modality}",
            f"use it with `gen {found.modality}`",
        )
    return found
