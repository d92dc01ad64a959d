"""What a recipe writes in the end: weights in half precision, and a card that says how they came about."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def halves(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """All tensors of some modules, each under its module's name: ``codec.decoder.0.weight``.

    Those of floating-point numbers are cast to float16, counts and the like are left as they are.
    """
    return {
        f"{name}.{key}": value.half() if value.is_floating_point() else value
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }


def trained(
    card: Mapping[str, object], preset: str, history: Mapping[str, Mapping[str, float]]
) -> dict[str, object]:
    """A card with the preset and the history of a run.

    Args:
        card: What is known before: data, licences, what is held out.
        preset: Name of the sizes that were used.
        history: Stage to its steps, seconds and last loss.
    """
    rounded = {stage: {key: round(value, 4) for key, value in of.items()} for stage, of in history.items()}
    return {**card, "preset": preset, "training": rounded}
