"""Plugins: what they declare, and the host that finds, checks and isolates them."""

from gen.plugin.hookspecs import hookimpl
from gen.plugin.specs import API, FormatSpec, ModalitySpec, ModelSpec, Param, RecipeSpec

__all__ = ["API", "FormatSpec", "ModalitySpec", "ModelSpec", "Param", "RecipeSpec", "hookimpl"]
