"""Choices: names with settings, for all that comes through the hooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn

from gen import presets
from gen.diffusion import (
    Condition,
    Conditioning,
    Cosine,
    Guidance,
    ModelDenoiser,
    NoiseSource,
    Prediction,
    RectifiedFlow,
    Solver,
    TimeGrid,
    Velocity,
    guided,
    sample,
)
from gen.diffusion.guidance import Chain
from gen.errors import UsageError
from gen.nn.text_transformer import TextTransformer, TextTransformerShape
from gen.plan.choice import Choice, Chosen, choose, choose_grid, choose_solver
from gen.plugin.host import Host
from gen.plugin.specs import CacheSpec, ChoiceSpec, GridSpec, GuidanceSpec, NoiseSpec, Param, SolverSpec
from gen.presets.specs import settings_of
from solvers_on_flows import NOT_ON_FLOWS

HOST = Host([], None)  # type: ignore[arg-type]
FLOW = RectifiedFlow()
STEPS = 40


def _settings(spec: ChoiceSpec) -> Iterator[dict[str, object]]:
    """The defaults; then each setting at its limits, or at each of its choices."""
    yield {}
    for param in settings_of(spec):
        values = [
            *param.choices,
            param.minimum,
            param.maximum,
            *((False, True) if param.type is bool else ()),
        ]
        yield from ({param.name: value} for value in values if value is not None)


CHOICES = {kind: HOST.choices(kind) for kind in (SolverSpec, GridSpec, GuidanceSpec, CacheSpec, NoiseSpec)}
ALL = [
    pytest.param(kind, spec, id=f"{kind.__name__} {spec.name}")
    for kind, specs in CHOICES.items()
    for spec in specs
    if spec not in (presets.DEFAULT_SOLVER, presets.DEFAULT_GRID)  # A plan puts others in their place.
]


def _denoise(x, level, conditioning, memory) -> Prediction:
    return Prediction(x * level.alpha, c_skip=0.0)


class Network(TextTransformer[TextTransformerShape]):
    """A network with two blocks and 16 tokens, for what changes layers."""

    def add_input(self) -> None:
        self.input = nn.Linear(5 * 256, self.shape.width)

    def add_output(self) -> nn.Linear:
        self.output = nn.Linear(self.shape.width, 2 * 256)
        return self.output

    def tokens(self, x: Tensor) -> Tensor:
        return self.input(x.reshape(len(x), 16, 5 * 256))

    def state(self, tokens: Tensor) -> Tensor:
        return self.output(tokens).reshape(len(tokens), 2, 16, 16, 16)

    def token_grid(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (4, 4)


LAYERED = ModelDenoiser(Network(TextTransformerShape(4, 16, 2, 2, 24, 2)).eval(), FLOW, Velocity())
TEXT = Conditioning({"text": Condition(torch.ones(1, 1, dtype=torch.long), "prepend")})


@pytest.mark.parametrize(("kind", "spec"), ALL)
def test_a_factory_takes_every_setting_at_its_limits(kind: type[ChoiceSpec], spec: ChoiceSpec) -> None:
    for settings in _settings(spec):
        _take(kind, spec, settings)


def _take(kind: type[ChoiceSpec], spec: ChoiceSpec, settings: dict[str, object]) -> None:
    """Choose, build and run it."""
    chosen = choose(CHOICES[kind], Choice(spec.name, **settings), "thing")
    again = choose(CHOICES[kind], str(chosen), "thing")
    assert again == chosen
    state = torch.randn(1, 2, 16, 16, 16)
    plain = LAYERED if "layers" in spec.needs else _denoise
    solver, grid, denoiser, noise = DDIMS, TimeGrid.uniform(3), plain, NoiseSource([0])
    conditioning = TEXT.with_uncond(TEXT)
    parts = {"process": FLOW, "model": LAYERED, "layers": LAYERED.network.declare_layers(state.shape[1:])}
    if "layers" in spec.needs and 1000 in (settings.get("first"), settings.get("last")):
        with pytest.raises(UsageError, match="the network has the layers 0 to 1, not "):
            chosen.build(scale=0.7, **parts)
        return
    if kind is SolverSpec and settings.get("churn") and choose(CHOICES[kind], spec.name, "").build().corrects:
        with pytest.raises(UsageError, match="it must have no corrector"):
            chosen.build(process=FLOW)
        return
    if kind is SolverSpec:
        if spec.name in NOT_ON_FLOWS:
            with pytest.raises(UsageError, match="adds more noise than the flow has"):
                chosen.build(process=FLOW)
        solver = chosen.build(process=Cosine() if spec.name in NOT_ON_FLOWS else FLOW)
        assert isinstance(solver, Solver)
        return
    if kind is GridSpec:
        grid = chosen.build(steps=STEPS, process=FLOW, own=lambda: TimeGrid.uniform(STEPS))
        assert isinstance(grid, TimeGrid)
        assert grid.steps >= 1
        return
    if kind is GuidanceSpec:
        part = "guidance" if spec.role == "modifier" else "scale"
        before = choose(CHOICES[kind], "cfg", "guidance").build(scale=2.0)
        guidance = chosen.build(**parts, **{part: before if part == "guidance" else 0.7})
        assert isinstance(guidance, Guidance | Chain)
        denoiser = guided(plain, guidance)
    elif kind is CacheSpec:
        denoiser = chosen.build(**parts, denoiser=plain)
    else:
        noise = chosen.build(seeds=[3])
        assert isinstance(noise, NoiseSource)
    made = sample(denoiser, FLOW, grid, solver, noise=noise, x=state, conditioning=conditioning).x
    assert made.isfinite().all()


DDIMS = choose(HOST.choices(SolverSpec), "ddim", "solver").build(Solver)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("euler", "ddim"),
        ("DPM++ 2M SDE : eta = 0.5", "dpmpp_2m_sde:eta=0.5"),
        ("dpmpp_2m_sde:eta=1", "dpmpp_2m_sde"),
        ("dpmpp_2m:kind=HEUN,eta=1", "dpmpp_2m:eta=1,kind=heun"),
        ("ddim:0.25", "ddim:eta=0.25"),
        ("unipc_3:lower-order-final=no", "unipc_3:lower_order_final=false"),
        ("heun:churn=0.4,s-noise=1.003", "heun:churn=0.4,s_noise=1.003"),
    ],
)
def test_texts_become_canonical(text: str, canonical: str) -> None:
    chosen, _ = choose_solver(HOST.choices(SolverSpec), HOST.choices(GridSpec), text)
    assert str(chosen) == canonical
    assert choose(HOST.choices(SolverSpec), canonical, "solver") == chosen


def test_settings_are_heeded() -> None:
    def solver(text: str) -> object:
        return choose(HOST.choices(SolverSpec), text, "solver").build()

    assert solver("ddim:eta=1") == solver("ddpm")
    assert solver("dpmpp_2m:eta=1,kind=heun") == solver("dpmpp_2m_sde_heun")
    assert solver("heun:churn=0.3").stochastic  # type: ignore[attr-defined]
    assert solver("heun:churn=0.3") != solver("heun:churn=0.2")
    grid = choose_grid(HOST.choices(GridSpec), "karras:rho=3,shift=2")
    assert isinstance(grid, Chosen)
    assert grid.build(steps=5, process=FLOW) == TimeGrid.karras(5, FLOW, rho=3.0).shift(2.0)
    restarted = choose(HOST.choices(GridSpec), "uniform:restarts=3,restart_length=2", "grid").build(steps=9)
    assert restarted == TimeGrid.uniform(9).restart(2, 3)


def test_a_name_with_its_grid_takes_settings_of_the_solver() -> None:
    chosen, found = choose_solver(
        HOST.choices(SolverSpec), HOST.choices(GridSpec), "DPM++ 2M SDE Karras:eta=0.3"
    )
    assert (str(chosen), found.grid) == ("dpmpp_2m_sde:eta=0.3", "karras")


def test_a_choice_is_its_text() -> None:
    choice = Choice("apg", momentum=-0.5, eta=0.0)
    assert str(choice) == "apg:momentum=-0.5,eta=0"
    assert str(choose(HOST.choices(GuidanceSpec), choice, "guidance")) == "apg:momentum=-0.5"
    assert str(Choice.parse("easycache:0.1")) == "easycache:0.1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ddim:eto=1", r"unknown setting 'eto' of solver ddim \(it has eta, churn"),
        ("ddim:eta=2", "solver ddim: eta must be at least 0 and at most 1, not 2"),
        ("ddim:eta=much", "solver ddim: eta must be a number"),
        ("ddim:eta=nan", "solver ddim: eta must be"),
        ("ddim:0.5,eta=0.5", "eta of solver ddim is given twice"),
        ("ddim:eta=1,eta=1", "eta is given twice"),
        ("ddim:", "is no name with settings"),
        ("ddim:eta=1,2", "is no name with settings"),
        ("ddim:=1", "is no name with settings"),
        ("dpmpp_2m:kind=midpint", "unknown kind 'midpint'"),
        ("ddin", "unknown solver 'ddin'"),
    ],
)
def test_wrong_texts_are_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choose_solver(HOST.choices(SolverSpec), HOST.choices(GridSpec), text)


def test_settings_that_do_not_fit_each_other_are_a_usage_error() -> None:
    both = choose(HOST.choices(GuidanceSpec), "cfg:rescale=0.5,renorm=-1", "guidance")
    with pytest.raises(UsageError, match=r"guidance cfg:renorm=-1,rescale=0.5: renorm is an axis"):
        both.build(scale=3.0)


def test_every_default_is_within_its_bounds() -> None:
    for kind in (SolverSpec, GridSpec, GuidanceSpec, CacheSpec, NoiseSpec):
        for spec in HOST.choices(kind):
            for param in settings_of(spec):
                assert isinstance(param, Param)
                assert param.default is None or param.minimum is None or param.minimum <= param.default
