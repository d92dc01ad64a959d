"""Images, audio, video and 3D meshes from one diffusion core.

``gen.image("a red apple", seed=7)`` gives a ``gen.Artifact``; so does ``gen.NAME`` of any modality that is
installed. ``gen.load`` keeps a model in memory, ``gen.rerun`` makes a file again. Nothing is imported before
it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gen import errors
    from gen.api import Generator, LoadedModel
    from gen.api import load_model as load
    from gen.artifact import Artifact
    from gen.chains import Chain, Step, chain
    from gen.plan.choice import Choice
    from gen.recipe import Recipe
    from gen.rerunning import rerun

    __version__: str

    def __getattr__(name: str) -> Generator: ...


_LAZY = {
    "Artifact": ("gen.artifact", "Artifact"),
    "Chain": ("gen.chains", "Chain"),
    "Choice": ("gen.plan.choice", "Choice"),
    "LoadedModel": ("gen.api", "LoadedModel"),
    "Step": ("gen.chains", "Step"),
    "chain": ("gen.chains", "chain"),
    "Recipe": ("gen.recipe", "Recipe"),
    "load": ("gen.api", "load_model"),
    "rerun": ("gen.rerunning", "rerun"),
}

__all__ = [
    "Artifact",
    "Chain",
    "Choice",
    "LoadedModel",
    "Recipe",
    "Step",
    "__version__",
    "chain",
    "errors",
    "load",
    "rerun",
]


def _attribute(name: str) -> object:
    import importlib
    import importlib.util

    if name == "__version__":
        from importlib.metadata import version

        return version("gen-toolkit")
    if name in _LAZY:
        module, attribute = _LAZY[name]
        return getattr(importlib.import_module(module), attribute)
    if not name.startswith("_"):
        if importlib.util.find_spec(f"gen.{name}"):
            return importlib.import_module(f"gen.{name}")
        if name in _modalities():
            from gen.api import Generator

            return Generator(_modalities()[name])
    raise AttributeError(f"module 'gen' has no attribute {name!r}")


if not TYPE_CHECKING:
    __getattr__ = _attribute


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_modalities()})


def _modalities() -> dict[str, str]:
    """Names of modalities by how Python spells them."""
    from gen.plugin.host import Host

    return {record.name.replace("-", "_"): record.name for record in Host.discover().modalities}
