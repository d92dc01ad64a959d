"""Settings from the environment and from files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gen.config import MAX_FILE_BYTES, Setting, convert, misspelled, read_settings
from gen.errors import UsageError

OWN = {"width": int, "gain": float, "invert": bool}


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GEN_CONFIG", str(tmp_path / "user.toml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_is_set_without_files() -> None:
    assert read_settings("toy", OWN) == {}


def test_the_environment_wins_over_the_project_and_that_over_the_user(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folders / "user.toml").write_text('steps = 1\nsolver = "ddim"\n[toy]\nwidth = 8\ngain = 1\n')
    (folders / "gen.toml").write_text("steps = 2\n[toy]\nwidth = 16\n")
    monkeypatch.setenv("GEN_STEPS", "3")
    monkeypatch.setenv("GEN_TOY_INVERT", "yes")
    assert read_settings("toy", OWN) == {
        "steps": Setting(3, "GEN_STEPS"),
        "solver": Setting("ddim", "user.toml"),
        "width": Setting(16, "gen.toml"),
        "gain": Setting(1.0, "user.toml"),
        "invert": Setting(True, "GEN_TOY_INVERT"),
    }


def test_the_entry_of_a_modality_wins_over_that_of_all(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folders / "gen.toml").write_text("steps = 2\n[toy]\nsteps = 4\n[image]\nsteps = 5\n")
    assert read_settings("toy", OWN)["steps"].value == 4
    monkeypatch.setenv("GEN_STEPS", "6")
    monkeypatch.setenv("GEN_TOY_STEPS", "7")
    assert read_settings("toy", OWN)["steps"].value == 7


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("steps = 'many'", "steps must be a whole number, not 'many' in gen.toml"),
        ("steps = 2.5", "steps must be a whole number"),
        ("steps = true", "steps must be a whole number"),
        ("model = true", "model must be a text"),
        ("stepz = 3", "did you mean 'steps'"),
        ("[toy]\nwidht = 3", "did you mean 'width'"),
        ("steps = ", "cannot read the settings in gen.toml"),
        ("steps = 1\n\x00", "cannot read the settings in gen.toml"),
    ],
)
def test_a_wrong_entry_is_named_with_its_file(folders: Path, content: str, message: str) -> None:
    (folders / "gen.toml").write_text(content)
    with pytest.raises(UsageError, match=message):
        read_settings("toy", OWN)


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEN_GUIDANCE", "much")
    with pytest.raises(UsageError, match="guidance must be a number, not 'much' in GEN_GUIDANCE"):
        read_settings("toy", OWN)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [("7", int, 7), (7, float, 7.0), ("0.5", float, 0.5), ("off", bool, False), (True, bool, True)],
)
def test_texts_and_whole_numbers_are_converted(value: object, kind: type, expected: object) -> None:
    converted = convert(value, kind, "x", "")
    assert converted == expected
    assert type(converted) is kind


def test_a_number_will_do_where_a_text_is_asked_for(folders: Path) -> None:
    (folders / "gen.toml").write_text("[toy]\nrate = 24\n")
    assert read_settings("toy", {"rate": str})["rate"].value == "24"
    assert convert(29.97, str, "rate", "") == "29.97"


def test_a_byte_order_mark_is_no_part_of_a_file(folders: Path) -> None:
    (folders / "gen.toml").write_text("steps = 3\n", "utf-8-sig")
    assert read_settings("toy", OWN)["steps"].value == 3


def test_pipes_devices_and_endless_files_are_refused_at_once(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEN_CONFIG", "/dev/zero")
    with pytest.raises(UsageError, match="cannot read the settings in /dev/zero: not a plain file"):
        read_settings("toy", {})
    monkeypatch.delenv("GEN_CONFIG")
    os.mkfifo("gen.toml")
    with pytest.raises(UsageError, match=r"cannot read the settings in gen\.toml: not a plain file"):
        read_settings("toy", {})
    Path("gen.toml").unlink()
    Path("gen.toml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        read_settings("toy", {})


def test_a_home_that_is_no_folder_holds_no_settings(monkeypatch: pytest.MonkeyPatch, folders: Path) -> None:
    monkeypatch.setenv("GEN_CONFIG", "/dev/null/gen/config.toml")
    assert read_settings("toy", {}) == {}


def test_every_variable_without_effect_and_a_missing_file_are_named(
    monkeypatch: pytest.MonkeyPatch, folders: Path
) -> None:
    for name in ("GEN_OUTPUT", "GEN_STPES", "GEN_ZOO_STEPS", "GEN_STEPS", "GEN_CACHE", "GEN_TOY_SEED"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("GEN_CONFIG", "/nowhere/config.toml")
    assert list(misspelled("toy", {}, ["toy", "zoo"])) == [
        "GEN_OUTPUT is no setting (it has no effect)",
        "GEN_STPES is no setting (did you mean GEN_STEPS?)",
        "GEN_CONFIG names /nowhere/config.toml, which does not exist",
    ]
