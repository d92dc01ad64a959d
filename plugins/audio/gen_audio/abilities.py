"""The two abilities of audio, sounds and speech: a model's architecture says which one it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gen.evaluation import Trial
from gen.model import Model, ModelFile
from gen_audio import model as sounds
from gen_audio.voice import model as voice

LOADERS: Mapping[str, Callable[[ModelFile, str, str], Model]] = {
    sounds.ARCHITECTURE: sounds.load,
    voice.ARCHITECTURE: voice.load,
}


def load(file: ModelFile, device: str, dtype: str) -> Model:
    """Load a model of sounds or a voice.

    Args:
        file: An open model file.
        device: ``"cpu"``, ``"cuda"`` …
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``.

    Raises:
        ModelError: Another architecture, or tensors that do not fit it.
    """
    return LOADERS[file.require_architecture(*LOADERS)](file, device, dtype)


def evaluate(trial: Trial) -> Mapping[str, object]:
    """Measure a model by the yardstick of its ability.

    Args:
        trial: The model.

    Returns:
        Metric to its value as text, in groups.

    Raises:
        UsageError: What the ability is measured with is not installed.
    """
    if isinstance(trial.model.encoder, voice.SpeechEncoder):
        from gen_audio.voice.training.evaluate import evaluate as measure
    else:
        from gen_audio.training.evaluate import evaluate as measure
    return measure(trial)
