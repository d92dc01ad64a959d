"""Several tensors in one state."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest
import torch
from exact import Gaussian, Mixture, denoiser_of
from torch import Tensor

from gen import presets
from gen.diffusion import (
    DDIM,
    DDNM,
    ClassifierFree,
    Condition,
    Conditioning,
    Cosine,
    Heun,
    JointLevel,
    LossGuidance,
    Mask,
    Measurement,
    Memory,
    ModelDenoiser,
    NoiseSource,
    Prediction,
    RectifiedFlow,
    Streams,
    TimeGrid,
    VarianceExploding,
    Velocity,
    VPrediction,
    cached,
    constrained,
    guided,
    iterate,
    sample,
    shifted,
)

STREAMS = Streams(
    {"picture": RectifiedFlow(), "sound": shifted(Cosine(), 3.0)}, {"picture": (2, 3, 5), "sound": (7,)}
)
NOISE = NoiseSource([4, 2**40, 9])
GRID = TimeGrid.uniform(6)
TRAVELLING = TimeGrid((1.0, 0.7, 0.4, 0.7, 0.4, 0.0), (2,))
DENOISERS = {"picture": denoiser_of(Mixture()), "sound": denoiser_of(Gaussian(), VPrediction())}


class Named(NoiseSource):
    """The noise that one of several streams sees."""

    def __init__(self, source: NoiseSource, name: str) -> None:
        super().__init__(source.seeds)
        object.__setattr__(self, "name", name)

    def normal(self, shape, stream, index=0):
        return super().normal(shape, f"{self.name}/{stream}", index)


def _independent(x, levels, conditioning, memory):
    return {name: DENOISERS[name](part, levels[name], conditioning, memory) for name, part in x.items()}


@pytest.mark.parametrize("grid", [GRID, TRAVELLING, TimeGrid((0.9, 0.3))], ids=["uniform", "travel", "one"])
@pytest.mark.parametrize("name", presets.SOLVERS)
def test_streams_that_do_not_meet_equal_separate_runs_bit_for_bit(name: str, grid: TimeGrid) -> None:
    solver, x = presets.solver(name), STREAMS.prior(grid, NOISE)
    steps = list(
        iterate(STREAMS.denoiser(_independent), STREAMS.clock, grid, STREAMS.solver(solver), x=x, noise=NOISE)
    )
    for stream, process in STREAMS.processes.items():
        start, noise = STREAMS.unpack(x)[stream], Named(NOISE, stream)
        alone = list(iterate(DENOISERS[stream], process, grid, solver, x=start, noise=noise))
        for one, all_ in zip(alone, steps, strict=True):
            assert torch.equal(one.x, STREAMS.unpack(all_.x)[stream])
            assert torch.equal(one.x0, STREAMS.unpack(all_.x0)[stream])
            assert one.nfe == all_.nfe if name != "dpm_adaptive" else one.nfe <= all_.nfe
            if one.z is None:
                assert not all_.z or not STREAMS.unpack(all_.z)[stream].any()
            else:
                assert torch.equal(one.z, STREAMS.unpack(all_.z)[stream])
                torch.testing.assert_close(
                    torch.full_like(one.x, 1.0) * one.std, STREAMS.unpack(all_.std)[stream]
                )


def test_the_noise_of_a_stream_is_its_own() -> None:
    other = Streams({**STREAMS.processes, "text": RectifiedFlow()}, {**STREAMS.shapes, "text": (7,)})
    one, two = STREAMS.unpack(STREAMS.prior(GRID, NOISE)), other.unpack(other.prior(GRID, NOISE))
    assert torch.equal(one["sound"], two["sound"])
    assert (two["text"] - two["sound"]).abs().min() > 0


def test_a_finished_run_resumes_to_the_same_bits() -> None:
    x, solver = STREAMS.prior(GRID, NOISE), STREAMS.solver(presets.solver("dpmpp_2m_sde"))

    def run(**options):
        return list(
            iterate(STREAMS.denoiser(_independent), STREAMS.clock, GRID, solver, x=x, noise=NOISE, **options)
        )

    steps = run()
    copy = pickle.loads(pickle.dumps(steps[2]))
    assert torch.equal(run(after=copy)[-1].x, steps[-1].x)


def test_streams_that_depend_on_each_other_end_where_theory_says() -> None:
    """a and b = a + N(0, 0.5**2) as two streams of different processes: the joint law has to come out."""
    streams = Streams({"a": RectifiedFlow(), "b": VarianceExploding(0.002, 80.0)}, {"a": (1,), "b": (1,)})
    covariance = torch.tensor([[1.0, 1.0], [1.0, 1.25]], dtype=torch.float64)

    def joint(x, levels, _, memory):
        alpha = torch.tensor([levels["a"].alpha, levels["b"].alpha], dtype=torch.float64)
        sigma = torch.tensor([levels["a"].sigma, levels["b"].sigma], dtype=torch.float64)
        noisy = alpha[:, None] * covariance * alpha + torch.diag(sigma**2)
        gain = (covariance * alpha) @ torch.linalg.inv(noisy)
        x0 = torch.cat([x["a"], x["b"]], 1) @ gain.T
        return {"a": Prediction(x0[:, :1]), "b": Prediction(x0[:, 1:])}

    # The flow is linear, so that it is known from where it takes the unit vectors.
    grid = TimeGrid.karras(400, streams.clock)
    basis = torch.eye(2, dtype=torch.float64)
    scale = torch.tensor([p.prior_scale(p.level(1.0)) for p in streams.processes.values()]).double()
    for solver in (DDIM(), Heun()):
        end = sample(
            streams.denoiser(joint), streams.clock, grid, streams.solver(solver),
            x=basis * scale, noise=NoiseSource([0, 0]),
        ).x  # fmt: skip
        torch.testing.assert_close(end.T @ end, covariance, rtol=0.03, atol=0.03)


def _shared(x, levels, conditioning, memory):
    """Each stream's prediction depends on the other stream and on the prompt."""
    mean = (x["picture"].flatten(1).mean(1) + x["sound"].mean(1))[:, None] + conditioning["prompt"].value
    return {
        name: Prediction(torch.tanh(part + mean.reshape(-1, *(1,) * (part.ndim - 1))))
        for name, part in x.items()
    }


def test_guidance_is_put_around_it_as_around_any_other() -> None:
    prompts = Conditioning({"prompt": Condition(torch.tensor([[0.5], [1.0], [2.0]]), "global")})
    null = prompts.map(torch.zeros_like)
    x = STREAMS.prior(GRID, NOISE)
    level = JointLevel(STREAMS.levels(0.6), STREAMS.sizes, x)
    strong = guided(STREAMS.denoiser(_shared), ClassifierFree(2.5))
    found = strong(x, level, prompts.contrasting(null), Memory()).x0
    one, none = (STREAMS.denoiser(_shared)(x, level, which, Memory()).x0 for which in (prompts, null))
    torch.testing.assert_close(found, none + 2.5 * (one - none))
    end = sample(
        strong, STREAMS.clock, GRID, STREAMS.solver(Heun()),
        x=x, noise=NOISE, conditioning=prompts.contrasting(null),
    ).x  # fmt: skip
    assert end.isfinite().all()


def test_a_wrapper_sees_the_level_of_each_element() -> None:
    x = STREAMS.prior(GRID, NOISE).double()
    levels = STREAMS.levels(0.6)
    joint = JointLevel(levels, STREAMS.sizes, x)
    assert (joint.t, joint.log_snr) == (0.6, levels["picture"].log_snr)
    eps = STREAMS.unpack(Prediction(x / 3).noise(x, joint))
    for name, part in STREAMS.unpack(x).items():
        torch.testing.assert_close(eps[name], Prediction(part / 3).noise(part, levels[name]))


def test_networks_of_their_own_are_denoisers_of_streams() -> None:
    models = {
        name: ModelDenoiser(lambda x, c, _: torch.tanh(x) * 0.5, process, Velocity())
        for name, process in STREAMS.processes.items()
    }

    def joint(x, levels, conditioning, memory):
        return {name: models[name](part, levels[name], conditioning, memory) for name, part in x.items()}

    x = STREAMS.prior(GRID, NOISE)
    end = sample(STREAMS.denoiser(joint), STREAMS.clock, GRID, STREAMS.solver(Heun()), x=x, noise=NOISE)
    assert end.x.isfinite().all()
    assert end.nfe == 10


def test_a_prediction_with_its_own_noise_reaches_its_stream() -> None:
    seen = {}

    class Spy(DDIM):
        def step(self, state, x, denoise, here, there, *, noise):
            seen[tuple(x.shape[1:])] = denoise(x, here)
            return super().step(state, x, denoise, here, there, noise=noise)

    def joint(x, levels, _, memory):
        own = {"picture": torch.ones_like(x["picture"]), "sound": None}
        return {name: Prediction(part / 2, own[name], part * 0 + 0.5) for name, part in x.items()}

    x = STREAMS.prior(GRID, NOISE)
    next(iterate(STREAMS.denoiser(joint), STREAMS.clock, GRID, STREAMS.solver(Spy()), x=x, noise=NOISE))
    assert (seen[2, 3, 5].eps == 1).all()
    sound, level = STREAMS.unpack(x)["sound"], STREAMS.levels(1.0)["sound"]
    torch.testing.assert_close(seen[7,].eps, Prediction(sound / 2).noise(sound, level))
    assert (seen[7,].variance == 0.5).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Streams({}, {}), "at least one name"),
        (lambda: Streams({"a": RectifiedFlow()}, {"b": (1,)}), "at least one name"),
        (lambda: STREAMS.unpack(torch.zeros(2, 36)), r"must be \(B, 37\)"),
        (lambda: STREAMS.pack({"picture": torch.zeros(1, 2, 3, 5)}), "'sound' must be .* not nothing"),
        (lambda: STREAMS.pack({"picture": torch.zeros(1, 2, 3, 4)}), "'picture' must be"),
        (
            lambda: sample(
                STREAMS.denoiser(_independent), STREAMS.clock, GRID, DDIM(), noise=NOISE, shape=(37,)
            ),
            "needs a solver of streams",
        ),
    ],
)
def test_streams_that_do_not_fit_are_refused(wrong: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


def _brownian(solver: str) -> Tensor:
    return sample(
        STREAMS.denoiser(_independent), STREAMS.clock, GRID, STREAMS.solver(presets.solver(solver)),
        x=STREAMS.prior(GRID, NOISE), noise=NoiseSource(NOISE.seeds, brownian=True),
    ).x  # fmt: skip


def test_a_brownian_path_is_of_one_state() -> None:
    for solver in ("ddpm", "dpmpp_2s_ancestral"):
        with pytest.raises(ValueError, match="no Brownian noise"):
            _brownian(solver)
    assert _brownian("ddim").isfinite().all()


def test_guidance_by_a_gradient_sees_the_level_of_each_element() -> None:
    guidance = LossGuidance(lambda x0, level, _: x0.square().sum(1), 0.5)
    x = STREAMS.prior(GRID, NOISE).double()
    levels = STREAMS.levels(0.6)
    joint = guided(STREAMS.denoiser(_independent), guidance)
    found = STREAMS.unpack(joint(x, JointLevel(levels, STREAMS.sizes, x), Conditioning(), Memory()).x0)
    for name, part in STREAMS.unpack(x).items():
        alone = guided(DENOISERS[name], LossGuidance(lambda x0, level, _: x0.square().flatten(1).sum(1), 0.5))
        torch.testing.assert_close(found[name], alone(part, levels[name], Conditioning(), Memory()).x0)
    end = sample(joint, STREAMS.clock, GRID, STREAMS.solver(DDIM()), x=x, noise=NOISE).x
    assert end.isfinite().all()


def test_what_needs_one_level_refuses_streams() -> None:
    x = STREAMS.prior(GRID, NOISE)
    measurement = Measurement(Mask(torch.ones(1, x.shape[1])), x)
    for wrapped in (
        cached(STREAMS.denoiser(_independent), 0.05),
        constrained(STREAMS.denoiser(_independent), measurement, DDNM()),
    ):
        with pytest.raises(ValueError, match="needs one level for the whole state"):
            sample(wrapped, STREAMS.clock, GRID, STREAMS.solver(DDIM()), x=x, noise=NOISE)
