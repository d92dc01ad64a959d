"""The doctor's trial of modalities: what fails is named, whatever way it fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_plugins import Install, modality

from gen.cli.commands import doctor
from gen.cli.faulty_libraries import fault_of
from gen.cli.imported_libraries import libraries_behind
from gen.cli.main import main
from gen.cli.probe import Outcome, try_modalities

MODELS = """
from gen.plugin import ModelSpec

@hookimpl
def gen_models():
    return [ModelSpec(name="tiny", modality="broken", summary="x", source={path!r}, sha256={digest!r},
                      size=1, licence="CC0-1.0")]
"""
FAULTS = {
    "raises": ("raise RuntimeError('no flux')", "no flux"),
    "exits": ("import os; os._exit(3)", "the process ended with exit code 3"),
    "crashes": (
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "the process was ended by SIGSEGV",
    ),
    "hangs": ("import time; time.sleep(600)", "is not done after 10 s"),
    "lacks": ("import no_such_library", "no_such_library is not installed"),
    "gives-nothing": ("return None", "returned None, not a gen.model.Model"),
}


@pytest.fixture
def broken(install: Install, site: Path, tmp_path: Path) -> None:
    """Takes the source of a loader."""
    from gen.model import ModelFile, save_model

    path = tmp_path / "tiny.safetensors"
    defaults = {"solver": "ddim", "grid": "uniform", "steps": 1, "guidance": 1.0}
    save_model(path, {}, {"modality": "broken", "defaults": defaults}, {})
    source = modality("broken", "broken", 'evaluation="broken_measures:measure",')
    source += MODELS.format(path=str(path), digest=ModelFile(path).sha256)
    install("gen-broken", {"broken_plugin": source}, modalities={"broken": "broken_plugin"})
    (site / "broken_measures.py").write_text("def measure(trial):\n    import vain_library\n")


def load(site: Path, body: str) -> None:
    (site / "broken_work.py").write_text(f"def load(file, device, dtype):\n    print('talks')\n    {body}\n")


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize(
    "fault",
    [
        # The doctor's own test has one that raises.
        fault if fault == "crashes" else pytest.param(fault, marks=pytest.mark.slow)
        for fault in FAULTS
    ],
)
def test_a_model_that_cannot_be_made_is_named(site: Path, fault: str) -> None:
    body, said = FAULTS[fault]
    load(site, body)
    limit = 10 if fault == "hangs" else 120
    found = [outcome for outcome in try_modalities(["broken"], limit)["broken"] if outcome.fault]
    assert found[0].what == "model tiny"
    assert said in found[0].fault
    assert not found[0].optional
    assert (found[0].remedy == "pip install no_such_library") == (fault == "lacks")


def trial_of(bodies: dict[str, str], install: Install, site: Path) -> dict[str, list[tuple[str, str]]]:
    """Try modalities, each of which needs one library of this source; gives each one's faults."""
    log = site / "starts"
    for name, body in bodies.items():
        (site / f"{name}_library.py").write_text(f"import os\n{body}\n")
        source = f"import os\nopen({str(log)!r}, 'a').write(f'{name}:{{os.getpid()}} ')\n"
        source += modality(name, name, f'requires=("{name}_library",),')
        install(f"gen-{name}", {f"{name}_plugin": source}, modalities={name: f"{name}_plugin"})
    outcomes = try_modalities(list(bodies), 120)
    assert list(outcomes) == list(bodies)
    return {
        name: [(part.what, part.fault) for part in parts if part.fault] for name, parts in outcomes.items()
    }


def processes(site: Path) -> int:
    """How many processes have read the plugins."""
    return len({entry.partition(":")[2] for entry in (site / "starts").read_text().split()})


def test_modalities_share_a_process(install: Install, site: Path) -> None:
    assert trial_of({"one": "", "two": "", "three": ""}, install, site) == {"one": [], "two": [], "three": []}
    assert processes(site) == 1


@pytest.mark.parametrize(
    "place", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(2, marks=pytest.mark.slow)]
)
def test_a_crash_is_the_one_modality_s(install: Install, site: Path, place: int) -> None:
    names = ["one", "two", "three"]
    bodies = {name: "os.kill(os.getpid(), 11)" if name == names[place] else "" for name in names}
    crash = [(f"library {names[place]}_library", "the process was ended by SIGSEGV")]
    assert trial_of(bodies, install, site) == {name: crash if name == names[place] else [] for name in names}


def test_no_modality_answers_for_another(install: Install, site: Path) -> None:
    """The second modality bears not what the first one leaves behind: alone, it works."""
    bodies = {"one": "os.environ['SPOILT'] = '1'", "two": "assert 'SPOILT' not in os.environ", "three": ""}
    assert trial_of(bodies, install, site) == {"one": [], "two": [], "three": []}
    assert processes(site) == 2


def test_a_crash_at_the_end_is_its_cause_s(install: Install, site: Path) -> None:
    """The process breaks off after all trials are done."""
    bodies = {"one": "import atexit; atexit.register(os._exit, 5)", "two": ""}
    fault = [("modality one", "the process ended with exit code 5")]
    assert trial_of(bodies, install, site) == {"one": fault, "two": []}


@pytest.mark.usefixtures("broken")
def test_a_library_that_does_not_load_is_named_with_versions(site: Path, install: Install) -> None:
    source = "import torch\nraise OSError('libvain.so: cannot open shared object file')"
    install("vain-library", {"vain_library": source}, version="7.1", requires=["torch>=2"])
    (site / "vain_library-7.1.dist-info" / "top_level.txt").write_text("vain_library\n")
    load(site, "raise RuntimeError('no flux')")
    (note,) = [
        outcome
        for outcome in try_modalities(["broken"], 120)["broken"]
        if outcome.optional and "vain" in outcome.fault
    ]
    assert note.what == "gen eval broken"
    assert note.fault.startswith("vain-library 7.1 does not load beside torch 2")
    assert note.fault.endswith("OSError: libvain.so: cannot open shared object file")
    assert note.remedy.startswith("pip install --upgrade --force-reinstall vain-library torch")


@pytest.mark.usefixtures("broken")
def test_the_doctor_leaves_with_3_and_names_notes(
    site: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GEN_PLUGINS", "broken")
    load(site, "raise RuntimeError('no flux')")
    assert main(["doctor"]) == 3
    out, err = capfd.readouterr()
    assert "fault: broken, model tiny: " in out
    assert "no flux" in err
    assert "note: vain_library is not installed; needed for gen eval broken (pip install vain_library)" in out
    assert "talks" not in out


def test_notes_alone_are_no_fault(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], site: Path
) -> None:
    monkeypatch.setenv("GEN_PLUGINS", "image")
    monkeypatch.delenv("GEN_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(site))
    outcome = Outcome("gen eval image", "judge 1 does not load", "pip install judge", optional=True)
    monkeypatch.setattr(doctor, "try_modalities", lambda names, limit: {"image": [outcome]})
    assert main(["doctor"]) == 0
    out, _ = capfd.readouterr()
    assert "note: judge 1 does not load; needed for gen eval image (pip install judge)" in out


def test_libraries_are_found_at_any_depth(site: Path) -> None:
    package = site / "deep"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("import json\nfrom . import b\nif TYPE_CHECKING:\n    import typing_only\n")
    (package / "b.py").write_text("def f():\n    from deep.c import x\n    import outer.part\n")
    (package / "c.py").write_text("import gen\nfrom numpy import array\nimport deep.a\n")
    assert libraries_behind("deep.a") == {"outer", "numpy"}
    assert libraries_behind("deep.none") == set()


def test_a_fault_without_a_library_is_reported_as_it_is() -> None:
    assert fault_of(ValueError("x\ny"), lambda modules: "") == ("ValueError: x y", "")
