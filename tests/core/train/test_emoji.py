"""Sprites: their hue is found and turned, and their edges keep their colour."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gen.errors import PluginError, UsageError
from gen.train.data_files import locate
from gen.train.emoji import ANNOTATIONS, FONT, dominant_hue, load, scaled, turned, with_sequences
from training_data import names as names_of_clips


def disc(*colour: int) -> np.ndarray:
    """A disc on transparent black, (64, 64, 4)."""
    y, x = np.mgrid[-31.5:32, -31.5:32]
    return np.where((x**2 + y**2 < 700)[..., None], np.array([*colour, 255]), 0).astype(np.uint8)


@pytest.mark.parametrize(
    ("colour", "hue"), [((220, 40, 40), 0), ((40, 200, 40), 120), ((40, 40, 200), 240 - 360)]
)
def test_the_hue_of_one_colour_is_found(colour, hue) -> None:
    assert dominant_hue(disc(*colour)) == pytest.approx(hue, abs=2)


def test_grey_and_many_colours_have_no_hue() -> None:
    assert dominant_hue(disc(120, 120, 120)) is None
    striped = disc(220, 40, 40)
    striped[::2] = disc(40, 200, 40)[::2]
    assert dominant_hue(striped) is None


def test_named_bitmaps_are_read_in_the_order_of_their_characters(training_data: Path) -> None:
    found = load(training_data / "NotoColorEmoji.ttf", training_data / "en.xml")
    names = [one.name for one in found.emoji]
    assert len(set(names)) == len(names) == len(found.sprites) > 300
    assert [one.character for one in found.emoji] == sorted(one.character for one in found.emoji)
    assert found.sprites.shape[1:] == (128, 128, 4)
    sprites = dict(zip(names, found.sprites, strict=True))
    assert dominant_hue(sprites["yellow circle"]) == pytest.approx(50, abs=3)
    # A bitmap of 136 x 128 pixels is centred in the square.
    assert not sprites["yellow circle"][:4].any()
    assert not sprites["yellow circle"][-4:].any()
    assert "apple" in found.emoji[names.index("red apple")].keywords
    assert "red apple" not in found.emoji[names.index("red apple")].keywords


def test_a_folder_of_ones_own_comes_before_the_installed_files(
    training_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "NotoColorEmoji.ttf"
    assert locate(installed, packages="a-font") == training_data / "NotoColorEmoji.ttf"
    installed.touch()
    monkeypatch.setenv("GEN_TRAINING_DATA", str(tmp_path / "nowhere"))
    assert locate(tmp_path / "other.ttf", installed, packages="a-font") == installed
    installed.unlink()
    with pytest.raises(UsageError, match=r"apt-get install a-font.*GEN_TRAINING_DATA.*NotoColorEmoji.ttf"):
        locate(installed, packages="a-font")


def test_a_missing_font_names_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEN_TRAINING_DATA", raising=False)
    monkeypatch.setattr("gen.train.emoji.FONT", tmp_path / "no.ttf")
    with pytest.raises(UsageError, match="apt-get install fonts-noto-color-emoji unicode-cldr-core"):
        load()


@pytest.mark.data("fonts-noto-color-emoji", "unicode-cldr-core")
def test_the_installed_font_has_what_the_models_learned() -> None:
    found = load(FONT, ANNOTATIONS)
    assert len(found.emoji) > 1300
    # What clips show, by the names of CLDR.
    assert set(names_of_clips()) <= {one.name for one in found.emoji}


def test_without_the_extra_the_line_for_pip_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fontTools.ttLib", None)
    with pytest.raises(PluginError, match=r"fontTools is not installed.*gen-toolkit\[train\]"):
        load()


def test_turning_changes_the_hue_alone() -> None:
    red = disc(220, 40, 40)
    green = turned(red, 120)
    assert dominant_hue(green) == pytest.approx(120, abs=2)
    assert np.array_equal(green[..., 3], red[..., 3])
    assert np.abs(turned(green, -120).astype(int) - red).max() <= 4


def test_scaling_keeps_the_colour_of_edges() -> None:
    small = scaled(disc(220, 40, 40), 20, Image.Resampling.LANCZOS)
    assert small.shape == (20, 20, 4)
    edge = small[(small[..., 3] > 60) & (small[..., 3] < 200)]
    assert len(edge) > 8
    assert np.abs(edge[:, :3].astype(int) - [220, 40, 40]).max() < 12


def test_sequences_are_read_with_their_skin_tone(
    training_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fontTools.feaLib.builder import addOpenTypeFeaturesFromString
    from fontTools.ttLib import TTFont

    font = tmp_path / "usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
    font.parent.mkdir(parents=True)
    with TTFont(training_data / "NotoColorEmoji.ttf") as file:
        rules = "sub u1F300 u1F301 by u1F303; sub u1F302 u1F300 by u1F304; sub u1F302 u1F301 by u1F305;"
        cmap = file.getBestCmap()
        cmap[0x1F3FF] = "u1F301"
        addOpenTypeFeaturesFromString(file, f"feature ccmp {{ {rules} }} ccmp;")
        file.save(font)
    for folder, entries in (
        ("annotations", [("\U0001f300", "swirl", "round | storm")]),
        (
            "annotationsDerived",
            [
                ("\U0001f300\U0001f3ff", "swirl: dark skin tone", "swirl | dark skin tone"),
                ("\U0001f302\U0001f300", "swirl with umbrella", "umbrella"),
                ("\U0001f302\U0001f302", "no bitmap", "none"),
            ],
        ),
    ):
        path = tmp_path / f"usr/share/unicode/cldr/common/{folder}/en.xml"
        path.parent.mkdir(parents=True)
        lines = "".join(
            f'<annotation cp="{cp}">{words}</annotation><annotation cp="{cp}" type="tts">{name}</annotation>'
            for cp, name, words in entries
        )
        path.write_text(f"<ldml><annotations>{lines}</annotations></ldml>", encoding="utf-8")
    monkeypatch.setenv("GEN_TRAINING_DATA", str(tmp_path))
    found = with_sequences(load())
    assert [(one.name, one.tone) for one in found.emoji] == [
        ("swirl", ""),
        ("swirl", "dark skin tone"),
        ("swirl with umbrella", ""),
    ]
    assert len(found.sprites) == 3
    assert (found.sprites[1] != found.sprites[0]).any()
    assert found.emoji[2].keywords == ("umbrella",)
