"""Joint states: several tensors and tokens, denoised together."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
import torch
from exact import Gaussian, Mixture, denoiser_of

from gen import presets
from gen.diffusion import (
    DDIM,
    AdaptiveProjected,
    ClassifierFree,
    Condition,
    Conditioning,
    Cosine,
    Heun,
    Measurement,
    Memory,
    ModelDenoiser,
    NoiseSource,
    Prediction,
    RectifiedFlow,
    TimeGrid,
    VarianceExploding,
    Velocity,
    VPrediction,
    clipped,
    constrained,
    guided,
    iterate,
    joint,
    shifted,
)
from gen.diffusion.categorical import EntropyBound, Masked, PosteriorSample, Uniform, Unmask, given
from gen.diffusion.guidance import LossGuidance
from gen.diffusion.inverse import Mask, MaskBlend
from gen.diffusion.joint import Part

PROCESSES = {"picture": RectifiedFlow(), "sound": shifted(Cosine(), 3.0)}
SHAPES = {"picture": (2, 3, 5), "sound": (7,)}
NOISE = NoiseSource([4, 2**40, 9])
GRID = TimeGrid.uniform(6)
RESTARTING = TimeGrid((1.0, 0.7, 0.4, 0.7, 0.4, 0.0), (2,))
DENOISERS = {"picture": denoiser_of(Mixture()), "sound": denoiser_of(Gaussian(), VPrediction())}


def _parts(solver, **others) -> dict[str, Part]:
    return {name: Part(process, solver) for name, process in PROCESSES.items()} | others


def _independent(x, levels, conditioning, memory):
    return {
        name: DENOISERS[name](part, levels[name], conditioning, memory.child(name))
        for name, part in x.items()
    }


@pytest.mark.parametrize("name", presets.SOLVERS)
def test_independent_parts_equal_separate_runs_bit_for_bit(name: str) -> None:
    solver = presets.solver(name)
    runs = [(GRID, False), (RESTARTING, False), (TimeGrid((0.9, 0.3)), False)]
    for grid, brownian in [*runs, (GRID, True)] if solver.stochastic else runs:
        noise = NoiseSource(NOISE.seeds, brownian)
        x = joint.prior(_parts(solver), grid, noise, SHAPES)
        together = list(joint.iterate(_independent, _parts(solver), grid, x=x, noise=noise))
        alone = {
            part: list(iterate(DENOISERS[part], process, grid, solver, x=x[part], noise=noise.child(part)))
            for part, process in PROCESSES.items()
        }
        for index, steps in enumerate(together):
            for part, step in steps.items():
                single = alone[part][index]
                assert torch.equal(step.x, single.x)
                assert torch.equal(step.x0, single.x0)
                assert step.z is single.z is None or torch.equal(step.z, single.z)
                assert torch.equal(torch.as_tensor(step.std), torch.as_tensor(single.std))
                assert step.nfe == max(run[index].nfe for run in alone.values())
                assert step.level == single.level


MIXED = Masked(3, mask_token=3), Uniform(3)


@pytest.mark.parametrize("process", MIXED, ids=["masked", "uniform"])
@pytest.mark.parametrize("make", [PosteriorSample, Unmask, EntropyBound], ids=lambda make: make.__name__)
def test_tokens_beside_numbers_equal_separate_runs(process, make) -> None:
    if make is not PosteriorSample and not isinstance(process, Masked):
        return
    solver = Unmask(process, "margin") if make is Unmask else make(process)
    parts = _parts(Heun(), text=Part(process, solver))
    shapes = SHAPES | {"text": (5,)}
    table = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))

    def words(x, level, conditioning, memory):
        return Prediction(table[x])

    def denoiser(x, levels, conditioning, memory):
        numbers = _independent({name: x[name] for name in SHAPES}, levels, conditioning, memory)
        return numbers | {"text": words(x["text"], levels["text"], conditioning, memory)}

    x = joint.prior(parts, GRID, NOISE, shapes)
    steps = list(joint.iterate(denoiser, parts, GRID, x=x, noise=NOISE))
    for name, part in parts.items():
        single = words if name == "text" else DENOISERS[name]
        run = iterate(single, part.process, GRID, part.solver, x=x[name], noise=NOISE.child(name))
        for step, alone in zip(steps, run, strict=True):
            assert torch.equal(step[name].x, alone.x)
    assert steps[-1]["text"].x.max() < 3


@pytest.mark.parametrize("process", MIXED, ids=["masked", "uniform"])
def test_a_number_and_a_token_that_depend_on_each_other_come_out_together(process) -> None:
    """kind ~ (.2, .3, .5) and place | kind ~ N(2 (kind - 1), 0.3**2), with their exact joint denoiser."""
    shares, means, n = torch.tensor([0.2, 0.3, 0.5]), torch.tensor([-2.0, 0.0, 2.0]), 4000

    def denoiser(x, levels, conditioning, memory):
        place, kind = levels["place"], levels["kind"]
        variance = (place.alpha * 0.3) ** 2 + place.sigma**2
        offset = x["place"] - place.alpha * means
        # p(x_kind | kind): kept with probability alpha, or drawn from the noise.
        is_kind = torch.nn.functional.one_hot(x["kind"][:, 0], 4)[:, :3]
        if isinstance(process, Masked):
            likelihood = torch.where(x["kind"] == 3, kind.sigma, kind.alpha * is_kind)
        else:
            likelihood = kind.alpha * is_kind + kind.sigma / 3
        logits = (shares * likelihood).log() - offset.square() / (2 * variance)
        given_kind = means + place.alpha * 0.09 / variance * offset
        p = logits.softmax(1)
        return {
            "place": Prediction((p * given_kind).sum(1, keepdim=True)),
            "kind": Prediction(logits.clamp(min=-1e4)[:, None]),
        }

    noise, grid = NoiseSource(range(n)), TimeGrid.uniform(60)
    parts = {
        "place": Part(RectifiedFlow(), DDIM(1.0)),
        "kind": Part(process, PosteriorSample(process)),
    }
    end = joint.sample(denoiser, parts, grid, noise=noise, shapes={"place": (1,), "kind": (1,)})
    place, kind = end.x["place"][:, 0], end.x["kind"][:, 0]
    assert end.nfe == 60
    for value in range(3):
        chosen = place[kind == value]
        assert len(chosen) / n == pytest.approx(float(shares[value]), abs=0.04)
        assert float(chosen.mean()) == pytest.approx(float(means[value]), abs=0.06)
        assert float(chosen.std()) == pytest.approx(0.3, abs=0.06)


def test_numbers_that_depend_on_each_other_end_where_theory_says() -> None:
    """a and b = a + N(0, 0.5**2) as two parts of different processes: the joint law has to come out."""
    processes = {"a": RectifiedFlow(), "b": VarianceExploding(0.002, 80.0)}
    covariance = torch.tensor([[1.0, 1.0], [1.0, 1.25]], dtype=torch.float64)

    def denoiser(x, levels, _, memory):
        alpha = torch.tensor([levels["a"].alpha, levels["b"].alpha], dtype=torch.float64)
        sigma = torch.tensor([levels["a"].sigma, levels["b"].sigma], dtype=torch.float64)
        noisy = alpha[:, None] * covariance * alpha + torch.diag(sigma**2)
        gain = (covariance * alpha) @ torch.linalg.inv(noisy)
        x0 = torch.cat([x["a"], x["b"]], 1) @ gain.T
        return {"a": Prediction(x0[:, :1]), "b": Prediction(x0[:, 1:])}

    # The flow is linear, so that it is known from where it takes the unit vectors.
    grid, basis = TimeGrid.karras(400, RectifiedFlow()), torch.eye(2, dtype=torch.float64)
    x = {name: basis[:, [i]] * p.prior_scale(p.level(1.0)) for i, (name, p) in enumerate(processes.items())}
    for solver in (DDIM(), Heun()):
        parts = {name: Part(process, solver) for name, process in processes.items()}
        end = joint.sample(denoiser, parts, grid, x=x, noise=NoiseSource([0, 0])).x
        ends = torch.cat([end["a"], end["b"]], 1)
        torch.testing.assert_close(ends.T @ ends, covariance, rtol=0.03, atol=0.03)


def test_a_batch_equals_its_single_runs_bit_for_bit() -> None:
    parts = _parts(presets.solver("dpmpp_2m_sde"), text=Part(MIXED[0], Unmask(MIXED[0], "entropy")))

    def denoiser(x, levels, conditioning, memory):
        own = _independent({name: x[name] for name in SHAPES}, levels, conditioning, memory)
        shift = x["sound"][:, :1, None].float()
        return own | {"text": Prediction(torch.arange(3.0) * shift.expand(-1, 5, -1))}

    def run(seeds):
        shapes = SHAPES | {"text": (5,)}
        return joint.sample(denoiser, parts, GRID, noise=NoiseSource(seeds), shapes=shapes).x

    batch, singles = run([1, 2, 3]), [run([seed]) for seed in (1, 2, 3)]
    for name in parts:
        assert torch.equal(batch[name], torch.cat([single[name] for single in singles]))


def _shared(x, levels, conditioning, memory):
    """Each part's prediction depends on the other part and on the prompt."""
    memory.values["evaluations"] = memory.values.get("evaluations", 0) + 1
    mean = (x["picture"].flatten(1).mean(1) + x["sound"].mean(1))[:, None] + conditioning["prompt"].value
    return {
        name: Prediction(torch.tanh(part + mean.reshape(-1, *(1,) * (part.ndim - 1))))
        for name, part in x.items()
    }


UNCOND = Conditioning({"prompt": Condition(torch.zeros(3, 1), "global")})
PROMPTS = Conditioning({"prompt": Condition(torch.tensor([[0.5], [1.0], [2.0]]), "global")}, UNCOND)


def test_each_part_has_its_own_guidance_for_one_evaluation() -> None:
    x = joint.prior(_parts(DDIM()), GRID, NOISE, SHAPES)
    levels = {name: process.level(0.6) for name, process in PROCESSES.items()}
    one, none = (_shared(x, levels, which, Memory()) for which in (PROMPTS, UNCOND))
    rules = {"picture": ClassifierFree(2.5), "sound": ClassifierFree(4.0)}
    for chosen in (rules, {"sound": rules["sound"]}, {}):
        found = joint.guided(_shared, chosen)(x, levels, PROMPTS, memory := Memory())
        for name in x:
            scale = chosen[name].scale if name in chosen else 1.0
            expected = none[name].x0 + scale * (one[name].x0 - none[name].x0)
            torch.testing.assert_close(found[name].x0, expected)
        assert sum(child.values.get("evaluations", 0) for child in memory.children.values()) == 1
    early = ClassifierFree(4.0, interval=(-99.0, -98.0))
    found = joint.guided(_shared, {"picture": early})(x, levels, PROMPTS, Memory())
    assert torch.equal(found["picture"].x0, one["picture"].x0)


def test_parts_are_wrapped_one_by_one() -> None:
    process, known = MIXED[0], torch.tensor([True, False, True, False, False])
    tokens = torch.tensor([2, 0, 1, 0, 0])

    def denoiser(x, levels, conditioning, memory):
        own = _independent({name: x[name] for name in SHAPES}, levels, conditioning, memory)
        return own | {"text": Prediction(torch.zeros(*x["text"].shape, 3))}

    parts = _parts(Heun(), text=Part(process, PosteriorSample(process)))
    wrappers = {"sound": lambda one: clipped(one, -0.1, 0.2), "text": lambda one: given(one, tokens, known)}
    run = joint.iterate(
        joint.wrapped(denoiser, wrappers), parts, GRID,
        x=joint.prior(parts, GRID, NOISE, SHAPES | {"text": (5,)}), noise=NOISE,
    )  # fmt: skip
    *_, last = run
    alone = iterate(
        clipped(DENOISERS["sound"], -0.1, 0.2), PROCESSES["sound"], GRID, Heun(),
        x=joint.prior(_parts(Heun()), GRID, NOISE, SHAPES)["sound"], noise=NOISE.child("sound"),
    )  # fmt: skip
    *_, expected = alone
    assert torch.equal(last["sound"].x, expected.x)
    assert (last["text"].x[:, known] == tokens[known]).all()
    assert last["text"].nfe == expected.nfe
    strong = joint.wrapped(_shared, {"sound": lambda one: guided(one, ClassifierFree(2.0))})
    with pytest.raises(ValueError, match=r"put guidance into joint\.guided"):
        _sampled(strong, shapes=SHAPES, conditioning=PROMPTS)


@pytest.mark.parametrize("solver", ["ddim", "lms", "unipc_2"])
def test_known_numbers_of_a_part_end_bit_for_bit(solver: str) -> None:
    mask = torch.arange(7) < 3
    y = torch.linspace(-1, 1, 7).expand(3, -1)
    wrap = {"sound": lambda one: constrained(one, Measurement(Mask(mask), mask * y), MaskBlend())}
    end = joint.sample(
        joint.wrapped(_independent, wrap), _parts(presets.solver(solver)), GRID, noise=NOISE, shapes=SHAPES
    )
    assert torch.equal(end.x["sound"][:, :3], y[:, :3])
    assert not torch.equal(end.x["sound"][:, 3:], y[:, 3:])


def test_guidance_by_a_gradient_is_that_of_its_part() -> None:
    x = {name: part.double() for name, part in joint.prior(_parts(DDIM()), GRID, NOISE, SHAPES).items()}
    levels = {name: process.level(0.6) for name, process in PROCESSES.items()}
    wish = LossGuidance(lambda x0, level, _: x0.square().flatten(1).sum(1), 0.5)
    found = joint.guided(_independent, {"sound": wish})(x, levels, Conditioning(), Memory())
    expected = guided(DENOISERS["sound"], wish)(x["sound"], levels["sound"], Conditioning(), Memory())
    torch.testing.assert_close(found["sound"].x0, expected.x0)
    plain = _independent(x, levels, Conditioning(), Memory())["picture"].x0
    torch.testing.assert_close(found["picture"].x0, plain)


@pytest.mark.parametrize("solver", ["dpmpp_2m_sde", "heun", "unipc_2", "dpmpp_2s_ancestral"])
def test_runs_resume_to_the_same_bits_with_what_guidance_remembers(solver: str) -> None:
    parts = _parts(presets.solver(solver))
    x = joint.prior(parts, RESTARTING, NOISE, SHAPES)
    denoiser = joint.guided(_shared, {"sound": AdaptiveProjected(3.0, momentum=-0.6)})

    def run(**options):
        return list(
            joint.iterate(denoiser, parts, RESTARTING, x=x, noise=NOISE, conditioning=PROMPTS, **options)
        )

    steps = run()
    for index in (0, 1, 2, 3):
        copy = pickle.loads(pickle.dumps(steps[index]))
        for name, step in run(after=copy)[-1].items():
            assert torch.equal(step.x, steps[-1][name].x)
    forgotten = {name: replace(step, memory=Memory()) for name, step in steps[3].items()}
    assert not torch.equal(run(after=forgotten)[-1]["sound"].x, steps[-1]["sound"].x)


def test_networks_of_their_own_make_a_joint_denoiser() -> None:
    models = {
        name: ModelDenoiser(lambda x, c, _: torch.tanh(x) * 0.5, process, Velocity())
        for name, process in PROCESSES.items()
    }

    def denoiser(x, levels, conditioning, memory):
        return {name: models[name](part, levels[name], conditioning, memory) for name, part in x.items()}

    end = joint.sample(denoiser, _parts(Heun()), GRID, noise=NOISE, shapes=SHAPES)
    assert all(part.isfinite().all() for part in end.x.values())
    assert end.nfe == 11


def test_a_network_may_overwrite_its_outputs_whatever_steps_are_kept() -> None:
    """A part with one evaluation per step beside one with two."""
    buffers: dict[str, torch.Tensor] = {}

    def careful(x, c_noise, _conditioning):
        return {name: torch.tanh(part) * 0.5 for name, part in x.items()}

    def careless(*inputs):
        return {
            name: buffers.setdefault(name, torch.empty_like(output)).copy_(output)
            for name, output in careful(*inputs).items()
        }

    parts = _parts(Heun(), sound=Part(PROCESSES["sound"], DDIM()))
    kinds, x = dict.fromkeys(parts, Velocity()), joint.prior(parts, GRID, NOISE, SHAPES)
    models = [joint.ModelDenoiser(network, PROCESSES, kinds) for network in (careful, careless)]
    kept = [list(joint.iterate(model, parts, GRID, x=x, noise=NOISE)) for model in models]
    for expected, found in zip(*kept, strict=True):
        assert all(torch.equal(found[name].x0, expected[name].x0) for name in parts)


def test_a_part_that_fails_is_named() -> None:
    def denoiser(x, levels, conditioning, memory):
        return {name: Prediction(part * (torch.nan if name == "sound" else 1)) for name, part in x.items()}

    with pytest.raises(FloatingPointError, match="step 1 of 6, sound"):
        joint.sample(denoiser, _parts(DDIM()), GRID, noise=NOISE, shapes=SHAPES)


def _sampled(denoiser=_independent, solver=None, grid=GRID, **options):
    return joint.sample(denoiser, _parts(solver or DDIM()), grid, noise=NOISE, **options)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: joint.sample(_independent, {}, GRID, noise=NOISE, x={}), "at least one part"),
        (lambda: joint.prior(_parts(DDIM()), GRID, NOISE, {"sound": (7,)}), "shapes must have the parts"),
        (lambda: _sampled(x={"sound": torch.ones(3, 7)}), "must have the parts picture, sound, not sound"),
        (
            lambda: _sampled(lambda x, *_: {"a": Prediction(x["sound"])}, shapes=SHAPES),
            "the predictions must",
        ),
        (_sampled, "give either x"),
        (lambda: _sampled(shapes=SHAPES, conditioning=PROMPTS.select([0])), "conditioning is for 1 items"),
        (lambda: _sampled(grid=GRID.reverse(), shapes=SHAPES), "must start above t = 0"),
    ],
)
def test_joint_states_that_do_not_fit_are_refused(wrong, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()
