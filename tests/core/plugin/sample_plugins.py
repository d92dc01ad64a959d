"""Sources of light modules, and how a distribution is installed in a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

SPEC = """
from gen.plugin import ModalitySpec, hookimpl

@hookimpl
def gen_modality():
    return ModalitySpec(
        name="{name}", kind="{name}", summary="Make some {name}.", loader="{module}_work:load",
        default_model="tiny", default_format="txt",{more}
    )
"""


class Install(Protocol):
    def __call__(
        self,
        distribution: str,
        modules: Mapping[str, str],
        *,
        modalities: Mapping[str, str] | None = None,
        plugins: Mapping[str, str] | None = None,
        requires: Sequence[str] = (),
        version: str = "1.0",
    ) -> None: ...


def modality(name: str, module: str, more: str = "") -> str:
    """Source of a light module that declares a modality."""
    return SPEC.format(name=name, module=module, more=more)
