"""The examples, from their own wheels: joint columns of a table, molecules, and hooks around a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from environment import Environment, make_environment
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

pytestmark = pytest.mark.slow


def table(path: Path) -> dict[str, np.ndarray]:
    arrays = json.loads(path.read_text())["arrays"]
    return {name: np.array(one["data"]).reshape(one["shape"]) for name, one in arrays.items()}


def test_the_tests_of_each_example_pass(environment: Environment) -> None:
    for folder in sorted(EXAMPLES.glob("gen-*")):
        environment.install(folder)
        if (folder / "tests").exists() and any((folder / "tests").glob("*.py")):
            done = environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "tests"))
            assert done.returncode == 0, done.stdout + done.stderr


def test_rows_have_the_measures_of_their_species(environment: Environment) -> None:
    environment.install(EXAMPLES / "gen-iris")
    environment.gen("iris", "--rows", "600", "-o", "rows.json", "--seed", "1")
    found = table(environment.work / "rows.json")
    counts = np.bincount(found["species"], minlength=3)
    assert counts.min() > 150
    for species, petal in enumerate((1.462, 4.260, 5.552)):
        measured = found["measures"][found["species"] == species, 2]
        assert abs(measured.mean() - petal) < 0.15
    environment.gen("rerun", "rows.json", "-o", "again.json")
    again = table(environment.work / "again.json")
    assert np.array_equal(again["measures"], found["measures"])
    assert np.array_equal(again["species"], found["species"])


def test_missing_cells_are_filled_in_and_given_ones_kept(environment: Environment) -> None:
    environment.install(EXAMPLES / "gen-iris")
    given = {"measures": [[5.0, 3.4, 1.4, 0.2], [6.6, 3.0, 5.6, 2.1]], "species": [0, 0]}
    # The species of both is asked for, and the sepal of the second.
    mask = {"measures": [[0, 0, 0, 0], [1, 1, 0, 0]], "species": [1, 1]}
    for name, arrays in (("given", given), ("mask", mask)):
        content = {
            "schema": "gen.artifact/1",
            "kind": "iris",
            "attributes": {},
            "arrays": {
                "measures": {
                    "dtype": "float32",
                    "shape": [2, 4],
                    "data": np.ravel(arrays["measures"]).tolist(),
                },
                "species": {"dtype": "int64", "shape": [2], "data": arrays["species"]},
            },
        }
        (environment.work / f"{name}.json").write_text(json.dumps(content))
    words = ["iris", "--rows", "2", "--init", "given.json", "--mask", "mask.json", "--seed", "3", "-n", "20"]
    environment.gen(*words, "-o", "filled-{index}.json")
    filled = [table(path) for path in sorted(environment.work.glob("filled-*.json"))]
    assert len(filled) == 20
    kept = np.array(mask["measures"]) == 0
    for one in filled:
        assert np.array_equal(one["measures"].astype(np.float32)[kept], np.float32(given["measures"])[kept])
    species = np.array([one["species"] for one in filled])
    assert (species[:, 0] == 0).all()
    assert (species[:, 1] == 2).mean() > 0.9
    sepals = np.array([one["measures"][1, 0] for one in filled])
    assert sepals.std() > 0.1
    assert abs(sepals.mean() - 6.59) < 0.5


def test_a_prompt_is_refused_where_none_is_taken(environment: Environment) -> None:
    environment.install(EXAMPLES / "gen-iris")
    assert "prompt" in environment.gen("iris", "a flower", "-o", "x.json", code=2).stderr
    assert "--negative" not in environment.gen("iris", "--help").stdout


def test_molecules_have_the_atoms_of_their_seed_and_the_bonds_of_their_name(environment: Environment) -> None:
    environment.install(EXAMPLES / "gen-molecule")
    environment.gen("molecule", "-n", "12", "--seed", "1", "-o", "any-{index}.xyz")
    atoms = {path.read_text().split()[0] for path in environment.work.glob("any-*.xyz")}
    assert atoms == {"3", "4", "5"}
    environment.gen("molecule", "water", "-o", "water.xyz", "--seed", "2")
    lines = (environment.work / "water.xyz").read_text().splitlines()[2:]
    assert [line.split()[0] for line in lines] == ["O", "H", "H"]
    oxygen, *hydrogens = (np.array(line.split()[1:], float) for line in lines)
    for hydrogen in hydrogens:
        assert abs(np.linalg.norm(hydrogen - oxygen) - 0.958) < 0.2
    environment.gen("rerun", "water.xyz", "-o", "again.xyz")
    again = (environment.work / "again.xyz").read_text().splitlines()[2:]
    assert again == lines


def test_wheels_of_the_day_on_which_the_contract_was_fixed_go_on_working(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    old = make_environment(tmp_path_factory.mktemp("api1"))
    for wheel in sorted((Path(__file__).parent / "api1").glob("*.whl")):
        old.install_wheel(wheel)
    old.gen("palette", "ocean sunset", "-o", "palette.png", "--seed", "1")
    old.gen("palette", "ember", "--init", "palette.png", "--strength", "0.5", "-o", "warmer.png")
    old.gen("palette", "ember", "--guidance", "3", "--guide", "fading:until=0.5", "-o", "faded.png")
    old.gen("iris", "--rows", "3", "-o", "rows.json")
    old.gen("image", "a red apple", "--steps", "2", "-o", "marked.png")
    assert old.gen("x", "watermark", "marked.png").stdout == "marked: True\n"
    for file in ("palette.png", "warmer.png", "faded.png", "rows.json"):
        extra = ("--init", "palette.png") if file == "warmer.png" else ()
        old.gen("rerun", file, *extra, "-o", f"again-{file}")
    for name in ("palette", "fading", "iris", "house-rules"):
        assert json.loads(old.gen("plugins", "check", name, "--json").stdout)["data"]["findings"] == []


def test_hooks_refuse_prompts_and_mark_pictures(environment: Environment) -> None:
    environment.install(EXAMPLES / "gen-house-rules")
    environment.gen("image", "a red apple", "--steps", "2", "--seed", "1", "-o", "marked.png")
    with Image.open(environment.work / "marked.png") as picture:
        bits = np.asarray(picture)[..., 0].ravel()[: 8 * len(b"made with gen")] & 1
    assert np.packbits(bits).tobytes() == b"made with gen"
    recipe = json.loads(environment.gen("info", "marked.png", "--json").stdout)["data"]["recipe"]
    assert recipe["provenance"]["watermark"] == {"text": "made with gen"}
    assert recipe["versions"]["gen-house-rules"] == "1.0"
    assert "the same" in environment.gen("rerun", "marked.png", "--check").stdout
    assert environment.gen("x", "watermark", "marked.png").stdout == "marked: True\n"
    Image.new("RGB", (64, 64)).save(environment.work / "plain.png")
    assert environment.gen("x", "watermark", "plain.png").stdout == "marked: False\n"
    refused = environment.run(
        "-c",
        "import os, sys; os.environ['GEN_REFUSED_WORDS'] = 'apple, tank'\n"
        "from gen.cli.main import main; sys.exit(main(['image', 'a red apple', '-o', 'no.png']))",
    )
    assert refused.returncode == 2
    assert "the house rules refuse 'apple'" in refused.stderr
    assert not (environment.work / "no.png").exists()
