"""Tiny autoencoders, such as TAESD, which decode latents roughly in a fraction of the time."""

from __future__ import annotations

from pathlib import Path

from gen.checkpoints.checkpoint import Component, open_folder, whole
from gen.checkpoints.weights import Weights
from gen.errors import ModelError

CLASS = "AutoencoderTiny"


def tiny_autoencoder(path: Path, channels: int, model: str) -> Component:
    """The part in a folder, or in a single file with the names of diffusers.

    Args:
        path: The folder or the file.
        channels: Of the latents that it is to decode.
        model: Whose latents they are, for messages.

    Raises:
        ModelError: It is something else, or decodes other latents.
    """
    part = open_folder(path, "decoder") if path.is_dir() else _in_file(path)
    if not isinstance(part, Component) or part.class_name != CLASS:
        raise _other(path)
    found = whole(part.config, "latent_channels", 4)
    if found != channels:
        raise ModelError(
            f"{path.name} decodes latents of {found} channels, and those of {model} have {channels}",
            "use one that was made for this family",
        )
    return part


def _in_file(path: Path) -> Component:
    weights = Weights((path,), path.name)
    first = weights.shapes.get("decoder.layers.0.weight")
    if first is None:
        raise _other(path)
    config = {"latent_channels": first[1]}
    return Component("decoder", "diffusers", CLASS, path.parent, given_config=config, given_weights=weights)


def _other(path: Path) -> ModelError:
    return ModelError(f"{path.name} is no {CLASS}", "name one such as TAESD, in the layout of diffusers")
