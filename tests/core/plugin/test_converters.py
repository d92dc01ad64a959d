"""Converters of plugins: collected, checked, and the shortest way between two kinds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sample_plugins import Install

from gen.artifact import Artifact
from gen.cli.main import main
from gen.conversion import convert, route
from gen.errors import PluginError, UsageError
from gen.plugin import ConverterSpec
from gen.plugin.host import Host

LIGHT = """
from gen.plugin import ConverterSpec, Param, hookimpl

@hookimpl
def gen_converters():
    gain = Param(name="gain", type=float, help="Factor.", default=1.0, minimum=0, maximum=2)
    return [ConverterSpec(name="row", source="audio", target="image", summary="A row of pixels.",
                          convert="row_work:row", params=(gain,))]
"""
WORK = """
from gen.artifact import Artifact

def row(artifact, params):
    return Artifact("image", {"pixels": (artifact.arrays["samples"][:, :, None] * params["gain"]).clip(0, 1)})
"""


def edge(name: str, source: str, target: str, *, lossless: bool = False) -> ConverterSpec:
    return ConverterSpec(
        name=name, source=source, target=target, summary="x", convert="a:b", lossless=lossless
    )


def test_the_shortest_way_is_found_and_lossless_comes_first() -> None:
    specs = [edge("ab", "a", "b"), edge("bc", "b", "c"), edge("ac", "a", "c"), edge("cd", "c", "d")]
    specs.append(edge("exact", "a", "c", lossless=True))
    assert [spec.name for spec in route(specs, "a", "d")] == ["exact", "cd"]
    assert [spec.name for spec in route(specs, "a", "c", ["ab", "bc"])] == ["ab", "bc"]
    assert route(specs, "a", "a") == ()
    with pytest.raises(UsageError, match="there is no way from d to a"):
        route(specs, "d", "a")
    with pytest.raises(UsageError, match="converter bc takes b, not a"):
        route(specs, "a", "c", ["bc"])
    with pytest.raises(UsageError, match="converter ab makes b, not c"):
        route(specs, "a", "c", ["ab"])
    with pytest.raises(UsageError, match="unknown converter 'abc'"):
        route(specs, "a", "c", ["abc"])


def test_a_converter_of_a_plugin(install: Install) -> None:
    install("gen-row", {"row_plugin": LIGHT, "row_work": WORK}, plugins={"row": "row_plugin"})
    host = Host.discover()
    way = route(host.converters(), "audio", "image", ["row"])
    sound = Artifact("audio", {"samples": np.full((1, 4), 0.5, np.float32)}, {"sample_rate": 8000})
    assert (convert(sound, way, {"gain": "1.5"}, host).arrays["pixels"] == 0.75).all()
    with pytest.raises(UsageError, match="gain must be at least 0 and at most 2"):
        convert(sound, way, {"gain": 3}, host)
    with pytest.raises(UsageError, match="unknown parameter 'gian'"):
        convert(sound, way, {"gian": 1}, host)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("return None", "converter row of plugin row (gen-row 1.0) returned None"),
        ("return artifact", "not an artifact of the kind image"),
        ("raise KeyError('x')", "raised KeyError"),
    ],
)
def test_a_converter_that_fails_is_named(install: Install, body: str, line: str) -> None:
    work = f"def row(artifact, params):\n    {body}\n"
    install("gen-row", {"row_plugin": LIGHT, "row_work": work}, plugins={"row": "row_plugin"})
    sound = Artifact("audio", {"samples": np.zeros((1, 4), np.float32)}, {"sample_rate": 8000})
    with pytest.raises(PluginError) as caught:
        convert(sound, route(Host.discover().converters(), "audio", "image", ["row"]), {}, Host.discover())
    assert line in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"row_work:row"', '"row"', "convert must be an import string"),
        ("maximum=2", "maximum=0.5", "parameter 'gain': default 1.0 is out of range"),
    ],
)
def test_a_faulty_spec_breaks_its_plugin_alone(install: Install, old: str, new: str, reason: str) -> None:
    source = LIGHT.replace(old, new)
    install("gen-row", {"row_plugin": source, "row_work": WORK}, plugins={"row": "row_plugin"})
    host = Host.discover()
    assert "row" not in {spec.name for spec in host.converters()}
    assert reason in host.record("row").reason


def test_a_sound_becomes_a_picture_and_comes_back(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gen import formats

    monkeypatch.chdir(tmp_path)
    time = np.arange(16_000, dtype=np.float32) / 16_000
    tone = (0.3 * np.sin(2 * np.pi * (200 + 400 * time) * time)).astype(np.float32)[None]
    Artifact("audio", {"samples": tone}, {"sample_rate": 16_000}).save("tone.wav")
    assert main(["convert", "tone.wav", "-o", "tone.png"]) == 0
    assert main(["convert", "tone.png", "-o", "back.wav", "-p", "sample_rate=16000", "--json"]) == 0
    envelope = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert envelope["data"]["via"] == ["sound-of-spectrogram"]
    back = formats.read("back.wav", Host.discover().formats())
    assert back.attributes["sample_rate"] == 16_000
    samples = back.arrays["samples"]
    error = np.square(samples - tone[:, : samples.shape[1]]).mean() / np.square(tone).mean()
    # A picture has 8 bits for magnitude and phase.
    assert error < 0.01**2
    # In memory, the attributes tell rate and length, and only what is below -100 dB is lost.
    way = route(Host.discover().converters(), "audio", "image")
    picture = convert(Artifact("audio", {"samples": tone}, {"sample_rate": 16_000}), way, {}, Host.discover())
    again = convert(picture, route(Host.discover().converters(), "image", "audio"), {}, Host.discover())
    assert again.attributes["sample_rate"] == 16_000
    assert again.arrays["samples"].shape == tone.shape
    assert np.abs(again.arrays["samples"] - tone).max() < 5e-4


def test_mistakes_of_gen_convert(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Artifact("image", {"pixels": np.zeros((8, 8, 3), np.float32)}).save("black.png")
    for words, line in (
        (["black.png", "-o", "x.wav"], "one row higher than a power of two, and the picture has 8 rows"),
        (["black.png", "-o", "x.glb"], "black.png: nothing stands out"),
        (["black.png", "-o", "x.zzz"], "unknown file ending"),
        (["none.png", "-o", "x.webp"], "none.png"),
    ):
        assert main(["convert", *words]) == 2
        assert line in capfd.readouterr().err
    assert main(["convert", "black.png", "-o", "black.webp"]) == 0
    assert main(["convert", "black.png", "-o", "black.webp"]) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["black.png", "black.webp"]
