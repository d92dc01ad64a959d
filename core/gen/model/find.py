"""From a model's reference, as given to ``--model``, to its file."""

from __future__ import annotations

import difflib
import importlib.resources
from collections.abc import Iterable
from pathlib import Path

from gen.errors import ModelError
from gen.model.file import ModelFile
from gen.model.remote import fetch, is_remote
from gen.plugin.specs import ModelSpec

SUFFIX = ".safetensors"


def find_model(reference: str, modality: str, specs: Iterable[ModelSpec]) -> ModelFile:
    """Find and check a model's file.

    Args:
        reference: The name of a registered model, or the path of a model file.
        modality: The modality that must be able to drive it.
        specs: The models that plugins registered for the modality.

    Returns:
        The opened file; a registered model's bytes have been checked against its digest.

    Raises:
        ModelError: If there is no such model, its file is damaged, or it belongs to another modality.
    """
    known = {spec.name: spec for spec in specs}
    if reference in known:
        spec = known[reference]
        file = ModelFile(_locate(spec), name=spec.name)
        file.check(spec.sha256)
    else:
        _refuse_other_forms(reference, modality, known)
        file = ModelFile(reference)
    if file.modality != modality:
        raise ModelError(
            f"model {file.name} makes {file.modality}, not {modality}", f"use it with `gen {file.modality}`"
        )
    return file


def _locate(spec: ModelSpec) -> Path:
    if is_remote(spec):
        return fetch(spec)
    scheme, separator, rest = spec.source.partition(":")
    if not separator or scheme != "package":
        return Path(spec.source)
    package, _, inside = rest.partition("/")
    try:
        path = importlib.resources.files(package).joinpath(inside)
    except ModuleNotFoundError:
        raise ModelError(f"model {spec.name} is not installed: there is no package {package}") from None
    if not isinstance(path, Path):
        raise ModelError(f"model {spec.name} lies in an archive", "install its package unzipped")
    return path


def _refuse_other_forms(reference: str, modality: str, known: Iterable[str]) -> None:
    supported = (
        f"a model is a name from `gen models list`, the path of a {SUFFIX} file made by `gen train`, "
        "the folder of a checkpoint, or hf:OWNER/NAME"
    )
    if reference.startswith(("hf:", "http:", "https:")) or Path(reference).is_dir():
        raise ModelError(f"cannot use {reference!r} as a model", supported)
    if not reference.endswith(SUFFIX) and not Path(reference).is_file():
        close = difflib.get_close_matches(reference, list(known), n=1)
        hint = f"did you mean {close[0]!r}?" if close else supported
        raise ModelError(f"unknown model {reference!r} for {modality}", hint)
