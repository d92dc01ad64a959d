"""Files that are converted by the command line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gen
from gen.cli.main import main


def test_a_file_is_made_for_each_value_of_a_parameter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    frames = np.linspace(0, 1, 8, dtype=np.float32)[:, None, None, None] * np.ones((1, 16, 16, 3), np.float32)
    gen.Artifact("video", {"frames": frames}, {"fps": "8"}).save("clip.zip")
    monkeypatch.setattr("sys.argv", ["gen", "convert", "clip.zip", "-o", "at-{index}.png", "-p", "at=0,0.5"])
    assert main() == 0, capfd.readouterr().err
    first, second = (np.asarray(Image.open(f"at-{number}.png")).mean() / 255 for number in (1, 2))
    assert first < 0.1
    assert second > 0.4
    monkeypatch.setattr("sys.argv", ["gen", "convert", "clip.zip", "-o", "more-{index}.png", "-p", "at=0,9"])
    assert main() == 7
    assert Path("more-1.png").exists()
    assert "1 of 2 were written, then: clip.zip: the clip has no picture at 9 s" in capfd.readouterr().err


def test_a_text_is_read_aloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").write_text("  ")
    Path("story.txt").write_text("Hello.")
    monkeypatch.setattr("sys.argv", ["gen", "convert", "empty.txt", "-o", "empty.wav"])
    assert main() == 2
    assert not Path("empty.wav").exists()
    monkeypatch.setattr("sys.argv", ["gen", "convert", "story.txt", "-o", "story.wav"])
    assert main() == 0
    assert Path("story.wav").stat().st_size > 20_000


def test_a_background_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.full((128, 128, 3), 255, np.uint8)
    pixels[40:90, 40:90] = (220, 30, 30)
    Image.fromarray(pixels).save("square.png")
    monkeypatch.setattr("sys.argv", ["gen", "image", "--alpha", "square.png", "-o", "cut.png"])
    assert main() == 0
    cut = np.asarray(Image.open("cut.png"))
    assert cut.shape == (128, 128, 4)
    assert cut[:20, :20, 3].mean() < 25
    assert cut[55:75, 55:75, 3].mean() > 230
