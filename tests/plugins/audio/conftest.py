"""A tiny model of sounds that was never trained."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def write_model() -> Callable[..., Path]:
    """Writes the model to a path; its configuration can be changed."""
    from gen.model import save_model
    from gen.nn import Subwords
    from gen_audio.autoencoder import Autoencoder, CodecShape
    from gen_audio.denoiser import Shape, SoundTransformer
    from gen_audio.model import ARCHITECTURE
    from gen_audio.vocoder import Vocoder, VocoderShape

    def write(path: Path, **changes: object) -> Path:
        torch.manual_seed(0)
        words = ["a", "piano", "melody", "rain", "in", "c", "d", "minor", "major", "bpm", "120"]
        subwords = Subwords.train(words, words, 40)
        shape = Shape(vocabulary=len(subwords), width=32, depth=2, heads=2, hidden=64)
        codec_shape = CodecShape(fine=32, coarse=48, fine_hidden=64, coarse_hidden=64)
        vocoder_shape = VocoderShape(width=48, depth=2, hidden=64)
        network, codec, vocoder = SoundTransformer(shape), Autoencoder(codec_shape), Vocoder(vocoder_shape)
        for layer in (network.sound_out, network.modulation.project):  # both start at zero
            torch.nn.init.normal_(layer.weight, std=0.1)
        tensors = {"latents.mean": torch.zeros(128), "latents.std": torch.ones(128)}
        for name, module in (("denoiser", network), ("codec", codec), ("vocoder", vocoder)):
            tensors |= {f"{name}.{key}": value.half() for key, value in module.state_dict().items()}
        config = {
            "modality": "audio",
            "architecture": ARCHITECTURE,
            "defaults": {"solver": "dpmpp_2m", "grid": "uniform", "steps": 3, "guidance": 2.0},
            "shape": asdict(shape),
            "codec": asdict(codec_shape),
            "vocoder": asdict(vocoder_shape),
            "subwords": subwords.to_json(),
            "names": "piano|rain",
            "words": " ".join(words),
            **changes,
        }
        save_model(path, tensors, config, {"licence": "Apache-2.0"})
        return path

    return write
