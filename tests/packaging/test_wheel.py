"""The wheel: everything that is shipped is in it, and it works where no source is."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import gen, gen_image
assert "unpacked" in gen.__file__ and "unpacked" in gen_image.__file__
gen.image("a red apple", steps=2, seed=1).save("apple.png")
gen.audio("rain", duration=1, steps=2, seed=1).save("rain.wav")
gen.audio("Yes.", model="voice", steps=2, seed=1).save("yes.wav")
gen.video("a ball bounces", frames=2, steps=2, seed=1).save("ball.mp4")
gen.mesh("a cube", steps=2, seed=1).save("cube.glb")
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the content of the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_weights_licences_and_type_markers_are_in_it(unpacked: Path) -> None:
    packages = [ROOT / "core" / "gen", *ROOT.glob("plugins/*/gen_*")]
    for package in packages:
        if not (package / "__init__.py").exists():
            continue
        for file in package.rglob("*"):
            if file.suffix in {".py", ".safetensors", ".LICENSE", ".typed", ".json", ".txt"}:
                inside = unpacked / file.relative_to(package.parent)
                assert inside.read_bytes() == file.read_bytes()
    [licences] = unpacked.glob("*.dist-info/licenses")
    found = {path.name for path in licences.rglob("*") if path.is_file()}
    assert found == {"LICENSE", *(path.name for package in packages for path in package.rglob("*.LICENSE"))}
    assert len(list(unpacked.glob("gen_*/weights/*.safetensors"))) >= 5


def test_nothing_else_is_in_it(unpacked: Path) -> None:
    names = {path.name for path in unpacked.iterdir() if path.suffix != ".dist-info"}
    assert names == {"gen", "gen_image", "gen_audio", "gen_video", "gen_mesh"}
    assert not list(unpacked.rglob("__pycache__"))


def test_every_modality_works_without_the_source(unpacked: Path, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GEN_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": str(unpacked), "GEN_CONFIG": str(tmp_path / "none.toml")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert made.keys() == {"apple.png", "rain.wav", "yes.wav", "ball.mp4", "cube.glb"}
    assert min(made.values()) > 500
