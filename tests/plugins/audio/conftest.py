"""A tiny model of sounds and a tiny voice that were never trained, and the command line with the plugin."""

import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def write_model() -> Callable[..., Path]:
    """Writes the model to a path; it may read scores, and its configuration can be changed."""
    from gen.model import save_model
    from gen.nn import Subwords
    from gen_audio import score
    from gen_audio.autoencoder import Autoencoder, CodecShape
    from gen_audio.denoiser import Shape, SoundTransformer
    from gen_audio.model import ARCHITECTURE
    from gen_audio.vocoder import Vocoder, VocoderShape

    def write(path: Path, plays: bool = False, **changes: object) -> Path:
        torch.manual_seed(0)
        words = ["a", "piano", "melody", "rain", "in", "c", "d", "minor", "major", "bpm", "120"]
        subwords = Subwords.train(words, words, 40)
        shape = Shape(vocabulary=len(subwords), width=32, depth=2, heads=2, hidden=64)
        if plays:
            shape = replace(shape, score=score.SIZE)
            changes = {"params": {"duration": None}, **changes}
        codec_shape = CodecShape(fine=32, coarse=48, fine_hidden=64, coarse_hidden=64)
        vocoder_shape = VocoderShape(width=48, depth=2, hidden=64)
        network, codec, vocoder = SoundTransformer(shape), Autoencoder(codec_shape), Vocoder(vocoder_shape)
        zeros = [network.sound_out, network.modulation.project, *([network.score_in] if plays else [])]
        for layer in zeros:  # they start at zero
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


@pytest.fixture(scope="session")
def write_voice() -> Callable[..., Path]:
    """Writes the voice to a path; its configuration can be changed."""
    from gen.model import save_model
    from gen_audio.mel import BANDS
    from gen_audio.vocoder import Vocoder, VocoderShape
    from gen_audio.voice.denoiser import Shape, SpeechTransformer
    from gen_audio.voice.durations import Durations, DurationsShape
    from gen_audio.voice.model import ARCHITECTURE
    from gen_audio.voice.pronouncer import Pronouncer, PronouncerShape, packed

    words = {
        **{"the": ("dh", "ax0"), "fox": ("f", "aa1", "k", "s"), "a": ("ax0",), "an": ("ae1", "n")},
        **{"apple": ("ae1", "p", "ax0", "l")},
    }

    def write(path: Path, **changes: object) -> Path:
        torch.manual_seed(0)
        small = {"width": 32, "depth": 2, "heads": 2, "hidden": 48}
        parts = {
            "pronouncer": Pronouncer(PronouncerShape(**small)),
            "durations": Durations(DurationsShape(2, **small)),
            "denoiser": SpeechTransformer(Shape(2, **small)),
            "vocoder": Vocoder(VocoderShape(width=32, depth=1, hidden=48)),
        }
        for layer in (parts["denoiser"].speech_out, parts["denoiser"].body.modulation.project):
            torch.nn.init.normal_(layer.weight, std=0.1)  # both start at zero
        tensors = {"latents.mean": torch.zeros(BANDS), "latents.std": torch.ones(BANDS)}
        tensors["exceptions"] = packed(words)
        for name, part in parts.items():
            tensors |= {f"{name}.{key}": value.half() for key, value in part.state_dict().items()}
        config = {
            "modality": "audio",
            "architecture": ARCHITECTURE,
            "params": {"duration": None},
            "defaults": {"solver": "dpmpp_2m", "grid": "uniform", "steps": 2, "guidance": 1.0},
            "voices": ["female", "male"],
            **{name: asdict(part.shape) for name, part in parts.items()},
            **changes,
        }
        save_model(path, tensors, config, {"licence": "Apache-2.0"})
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plugin is installed, settings are empty, and the working folder is an empty one, which is given."""
    from gen.plugin.host import Host

    for name in [name for name in os.environ if name.startswith("GEN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GEN_CONFIG", str(tmp_path / "config" / "config.toml"))
    monkeypatch.setenv("GEN_CACHE", str(tmp_path / "cache"))
    if "audio" not in {record.name for record in Host.discover().modalities}:
        info = tmp_path / "site" / "gen_audio-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gen-audio\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[gen.modalities]\naudio = gen_audio.plugin\n")
        monkeypatch.syspath_prepend(str(info.parent))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def gen_cli(folder: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line in this process: exit code, stdout, stderr."""
    from gen.cli.main import main

    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        return code, *capfd.readouterr()

    return run
