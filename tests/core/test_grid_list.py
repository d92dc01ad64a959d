"""Grids given as lists of numbers, on the command line or in a file."""

from __future__ import annotations

import pathlib

import pytest

from gen import presets
from gen.diffusion import DiscreteBetas, RectifiedFlow, TimeGrid
from gen.errors import UsageError


def test_a_list_of_sigmas_is_a_grid() -> None:
    chain = DiscreteBetas.scaled_linear()
    built = presets.grid("14.6, 7.1,0.5", 3, chain)
    assert built == TimeGrid.of_sigmas([14.6, 7.1, 0.5, 0.0], chain)
    assert presets.grid("inf 3 0", 2, RectifiedFlow()).times == pytest.approx((1.0, 0.75, 0.0))
    assert presets.grid("times: 1, .5, .25, 0", 3, chain) == TimeGrid((1.0, 0.5, 0.25, 0.0))
    assert presets.grid("times: 1, .5", 2, chain, shift=3.0) == TimeGrid((1.0, 0.5, 0.0)).shift(3.0)


@pytest.mark.parametrize("text", ["14.6, 7.1, 0.5", "[14.6, 7.1, 0.5, 0]", "sigmas: 14.6\n7.1\n0.5\n"])
def test_a_list_in_a_file_is_kept_as_text(text: str, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "sigmas.txt"
    file.write_text(text)
    assert presets.grid_name(str(file)) == presets.grid_name(text) == "14.6, 7.1, 0.5, 0"
    assert presets.grid_name(presets.grid_name(text)) == presets.grid_name(text)
    assert presets.grid_name("times: 1,0.5") == "times: 1, 0.5, 0"
    assert presets.grid_name("Karras") == "karras"


@pytest.mark.parametrize("name", ["./levels.txt", "info.txt", "inf.txt", "~/levels.txt"])
def test_paths_that_begin_as_numbers_do_are_paths(
    name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / pathlib.Path(name).name).write_text("2, 1")
    assert presets.grid_name(name) == "2, 1, 0"


def test_a_file_with_the_name_of_a_grid_is_not_read(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "karras").write_text("2, 1")
    assert presets.grid_name("karras") == "karras"
    assert presets.grid_list("karras") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1, two", "'two', which is no number"),
        ("1, 2", "the numbers of the grid must fall"),
        ("1, 1", "must fall"),
        ("0", "must fall"),
        ("1, -2", "outside 0 to inf"),
        ("1, nan", "outside 0 to inf"),
        ("times: 2, 1", "outside 0 to 1"),
        ("times:", "no number"),
        ("1, " * 9000, "more than 10,000 characters"),
        ("sigmas.txt", "unknown grid 'sigmas.txt'"),
    ],
)
def test_what_is_no_falling_list_is_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        presets.grid_name(text)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_list_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(UsageError, match=r"cannot read the grid in .*picture\.png: it is no text"):
        presets.grid_name(str(tmp_path / "picture.png"))
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(UsageError, match=r"empty\.txt"):
        presets.grid_name(str(tmp_path / "empty.txt"))


def test_levels_that_a_process_lacks_are_named() -> None:
    with pytest.raises(UsageError, match="the sigmas of a grid must differ and lie within the levels"):
        presets.grid("900, 800, 1", 3, DiscreteBetas.scaled_linear())
    with pytest.raises(UsageError, match="the list of the grid has 2 steps, not 5"):
        presets.grid("2, 1", 5, RectifiedFlow())
