"""Solvers, grids, guidances, caches and noise rules of plugins: collected, checked, and conflicts noted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sample_plugins import Install

from gen.diffusion import NoiseSource, RectifiedFlow
from gen.diffusion.noise import NamedNoise
from gen.plan.choice import choose, choose_solver
from gen.plan.guarded import guarded_noise
from gen.plugin.host import Host
from gen.plugin.specs import CacheSpec, GridSpec, GuidanceSpec, NoiseSpec, SolverSpec
from gen.testing.conformance import check_plugin

LIGHT = """
from gen.plugin import CacheSpec, GridSpec, GuidanceSpec, NoiseSpec, Param, SolverSpec, hookimpl

ETA = Param(name="eta", type=float, help="Share of new noise.", default=0.5, minimum=0, maximum=1)

@hookimpl
def gen_solvers():
    return [SolverSpec(name="half", summary="Half of the noise.", factory="half_work:solver", order=1,
                       settings=(ETA,), stochastic=True, aliases=("half-ancestral", "Euler"))]

@hookimpl
def gen_grids():
    return [GridSpec(name="halves", summary="Halves.", factory="half_work:grid")]

@hookimpl
def gen_guidances():
    return [GuidanceSpec(name="cfg", summary="Another.", factory="half_work:guidance"),
            GuidanceSpec(name="double", summary="Twice.", factory="half_work:guidance")]

@hookimpl
def gen_caches():
    return [CacheSpec(name="none", summary="No cache.", factory="half_work:cache")]

@hookimpl
def gen_noises():
    return [NoiseSpec(name="same", summary="The first item's.", factory="half_work:noise")]
"""

WORK = """
from gen.diffusion import DDIM, ClassifierFree, NoiseSource, TimeGrid

def solver(eta):
    return DDIM(eta)

def grid(steps):
    return TimeGrid((*(2.0 ** -i for i in range(steps)), 0.0))

def guidance(scale):
    return ClassifierFree(2 * scale)

def cache(denoiser):
    return denoiser

def noise(seeds):
    return NoiseSource([seeds[0]] * len(seeds))
"""


@pytest.fixture
def half(install: Install) -> None:
    install("gen-half", {"half_plugin": LIGHT, "half_work": WORK}, plugins={"half": "half_plugin"})


@pytest.mark.usefixtures("half")
def test_all_five_come_through_the_hooks() -> None:
    from gen.diffusion import DDIM, NoiseSource, TimeGrid

    host = Host.discover()
    solver, _ = choose_solver(host.choices(SolverSpec), host.choices(GridSpec), "Half Ancestral:eta=0.25")
    assert str(solver) == "half:eta=0.25"
    assert solver.build() == DDIM(0.25)
    grid = choose(host.choices(GridSpec), "halves:shift=2", "grid").build(steps=3)
    assert grid == TimeGrid((1.0, 0.5, 0.25, 0.0)).shift(2.0)
    assert choose(host.choices(GuidanceSpec), "double", "guidance").build(scale=3.0).scale == 6.0
    assert choose(host.choices(CacheSpec), "none", "cache").build(denoiser=len) is len
    noise = choose(host.choices(NoiseSpec), "same", "noise").build(seeds=[4, 5])
    assert noise == NoiseSource([4, 4])
    owner = host.owner(solver.spec)
    assert owner is not None
    assert owner.label == "half (gen-half 1.0)"
    assert host.owner(choose(host.choices(SolverSpec), "ddim", "solver").spec) is None


@pytest.mark.usefixtures("half")
def test_what_is_taken_stays_and_the_conflict_is_noted() -> None:
    host = Host.discover()
    specs = {spec.name: spec for spec in host.choices(GuidanceSpec)}
    assert specs["cfg"].factory.startswith("gen.")
    assert choose(host.choices(SolverSpec), "euler", "solver").spec.name == "ddim"
    notes = host.record("half").notes
    assert "guidance 'cfg' is left out, gen has it already" in notes
    assert "solver 'half' has no alias 'euler', gen has it already" in notes


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ('name="half"->name="Half!"', "the name must be lower-case letters"),
        ('factory="half_work:solver"->factory="half_work"', "factory must be an import string"),
        ("settings=(ETA,)->settings=[ETA]", "settings must be a tuple of Param"),
        ('name="eta"->name="churn"', "setting 'churn': the core gives something else by that name"),
        ("default=0.5->default=2.0", "setting 'eta': default 2.0 is out of range"),
        ("order=1->order=0", "order must be a whole number of at least 1, not 0"),
        ('stochastic=True->needs=("seed",)', "needs names 'seed'; a solver may need process"),
        ('name="double"->role="rule\'s", name="double"', "role must be 'rule' or 'modifier'"),
        ('name="double"->scales=(3, 1), name="double"', "scales must be two numbers"),
        ('GridSpec(name="halves"->NoiseSpec(name="halves"', "gen_grids returns NoiseSpec"),
    ],
)
def test_a_faulty_spec_breaks_its_plugin_alone(install: Install, change: str, reason: str) -> None:
    old, _, new = change.partition("->")
    source = LIGHT.replace(old, new)
    assert source != LIGHT
    install("gen-half", {"half_plugin": source, "half_work": WORK}, plugins={"half": "half_plugin"})
    host = Host.discover()
    assert len(host.choices(SolverSpec)) > 40
    record = host.record("half")
    assert record.status == "broken"
    assert reason in record.reason


def test_a_modality_brings_its_own(install: Install, site: Path) -> None:
    from sample_plugins import modality

    source = modality("music", "music_plugin") + LIGHT
    modules = {"music_plugin": source, "half_work": WORK}
    install("gen-music", modules, modalities={"music": "music_plugin"})
    host = Host.discover()
    assert "half" in {spec.name for spec in host.choices(SolverSpec, "music")}
    assert "half" in {spec.name for spec in host.choices(SolverSpec)}
    assert "half" not in {spec.name for spec in Host.discover().choices(SolverSpec, "image")}


def test_the_example_drives_a_run_and_stands_in_the_recipe(install: Install, monkeypatch) -> None:
    example = Path(__file__).resolve().parents[3] / "examples" / "gen-fading"
    monkeypatch.syspath_prepend(str(example))
    install("gen-fading", {}, plugins={"fading": "gen_fading.plugin"})
    import gen
    from gen.artifact import distance

    plain, made = (
        gen.image("a fox", seed=1, steps=3, guidance=3.0, guide=guide)
        for guide in ("cfg", gen.Choice("fading", until=0.5))
    )
    assert distance(plain, made) > 0
    assert made.recipe is not None
    assert made.recipe.guides == ("fading:until=0.5",)
    assert made.recipe.versions["gen-fading"] == "1.0"
    assert distance(made, gen.rerun(made)) == 0


@pytest.mark.parametrize(
    ("body", "code", "line"),
    [
        ("return 3", 3, "the factory of guidance double of plugin half (gen-half 1.0) returned 3, not a"),
        ("raise ValueError('no')", 3, "plugin half (gen-half 1.0) raised ValueError: no"),
        ("import sys; sys.exit(0)", 3, "plugin half (gen-half 1.0) raised SystemExit"),
        ("from gen.errors import UsageError; raise UsageError('too much', 'take less')", 2, "too much"),
    ],
)
def test_a_factory_that_fails_is_named(
    install: Install, capfd: pytest.CaptureFixture[str], tmp_path: Path, body: str, code: int, line: str
) -> None:
    from gen.cli.main import main

    work = WORK.replace("return ClassifierFree(2 * scale)", body)
    install("gen-half", {"half_plugin": LIGHT, "half_work": work}, plugins={"half": "half_plugin"})
    output = tmp_path / "x.png"
    assert main(["image", "a fox", "--steps", "1", "--guide", "double", "-o", str(output)]) == code
    assert line in capfd.readouterr().err
    assert not output.exists()


def test_the_check_imports_what_is_declared(install: Install) -> None:
    work = WORK.replace("def noise(", "def noises(")
    install("gen-half", {"half_plugin": LIGHT, "half_work": work}, plugins={"half": "half_plugin"})
    findings = check_plugin(Host.discover(), "half")
    assert [finding.level for finding in findings] == ["error"]
    assert "half_work:noise" in findings[0].message


def test_the_noise_of_a_plugin_has_parts_of_a_step() -> None:
    class Twice(NoiseSource):
        def at(self, index, t=None, s=None, *, path=None):
            return NamedNoise(lambda like, name: 2 * NoiseSource.at(self, index, path=path)(like, name))

    noise = guarded_noise(Twice([1]), "gen-twice", "twice")
    like, level = torch.zeros(1, 3), RectifiedFlow().level(0.5)
    whole = NoiseSource([1]).at(0).part("stage", level, level)(like, "step")
    assert torch.equal(noise.at(0).part("stage", level, level)(like, "step"), 2 * whole)
