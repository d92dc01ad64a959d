"""The loop: batches, threads, resuming, guidance, evaluations, ends and errors."""

from __future__ import annotations

import itertools
import math
import pickle
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from exact import PROCESSES, Gaussian, denoiser_of
from exponential_oracle import ExponentialMultistep
from packaging.version import Version
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from gen import presets
from gen.diffusion import (
    DDIM,
    EDM,
    Adaptive,
    AdaptiveProjected,
    ClassifierFree,
    Condition,
    Conditioning,
    Cosine,
    DiscreteBetas,
    Epsilon,
    FlowAdams,
    Heun,
    Memory,
    ModelDenoiser,
    NoiseSource,
    Prediction,
    RectifiedFlow,
    Sample,
    Step,
    TimeGrid,
    VariancePreserving,
    Velocity,
    VPrediction,
    guided,
    iterate,
    posterior,
    prior,
    sample,
    transition,
)
from gen.diffusion.categorical import Masked, Unmask
from gen.diffusion.guidance import Chain, Perturbed

SHAPE = (3, 8, 8)
FLOW = RectifiedFlow()


def _network(x, c_noise, conditioning):
    """Not linear, and each element depends on itself, its item's level and its item's condition alone."""
    shift = conditioning["prompt"].value[:, :1, None, None] if conditioning else 0.0
    return torch.tanh(x * 1.3 + shift) - 0.4 * x * c_noise[:, None, None, None]


def _prompts(count: int) -> Conditioning:
    value = torch.linspace(-1, 1, count * 2).reshape(count, 2)
    uncond = Conditioning({"prompt": Condition(torch.zeros(count, 2), "global")})
    return Conditioning({"prompt": Condition(value, "global")}, uncond)


def _run(name: str, seeds, conditioning, **options):
    guidance = ClassifierFree(3.0, 0.5, interval=(-2.0, 2.0))
    denoiser = guided(ModelDenoiser(_network, FLOW, Velocity()), guidance)
    return sample(
        denoiser, FLOW, TimeGrid.uniform(7), presets.solver(name), noise=NoiseSource(seeds),
        shape=SHAPE, conditioning=conditioning, **options,
    ).x  # fmt: skip


# A solver that chooses its own steps (0 evaluations in the table) chooses them for the whole batch.
@pytest.mark.parametrize("name", [name for name, preset in presets.SOLVERS.items() if preset.evaluations])
def test_a_batch_equals_its_single_runs_bit_for_bit(name: str) -> None:
    seeds, prompts = [3, 2**63 - 1, 0, 17, 3], _prompts(5)
    batch = _run(name, seeds, prompts)
    for i, seed in enumerate(seeds):
        assert torch.equal(batch[i : i + 1], _run(name, [seed], prompts.select([i])))
    assert not torch.equal(batch[0], batch[4])  # same seed, other prompt


def test_threads_share_one_configuration() -> None:
    denoiser, grid, solver = (
        ModelDenoiser(_network, FLOW, Velocity()),
        TimeGrid.uniform(9),
        ExponentialMultistep(3, 1.0),
    )

    def run(seed: int):
        return sample(denoiser, FLOW, grid, solver, noise=NoiseSource([seed]), shape=SHAPE).x

    serial = [run(seed) for seed in range(40)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(run, range(40)))
    assert all(torch.equal(a, b) for a, b in zip(serial, together, strict=True))


@pytest.mark.parametrize("name", presets.SOLVERS)
def test_a_pickled_step_resumes_to_the_same_bits(name: str) -> None:
    noise, grid, solver = NoiseSource([5, 6]), TimeGrid.uniform(6), presets.solver(name)
    denoiser = ModelDenoiser(_network, FLOW, Velocity())
    x = prior(FLOW, grid, noise, SHAPE)
    steps = list(iterate(denoiser, FLOW, grid, solver, x=x, noise=noise))
    assert [step.index for step in steps] == list(range(6))
    assert {step.total for step in steps} == {6}
    for step in steps[:-1]:
        copy = pickle.loads(pickle.dumps(step))
        *_, last = iterate(denoiser, FLOW, grid, solver, x=torch.zeros_like(x), noise=noise, after=copy)
        assert torch.equal(last.x, steps[-1].x)


RENOISING = TimeGrid((1.0, 0.8, 0.5, 0.8, 0.5, 0.2, 0.5, 0.2, 0.0), (2, 5))


@pytest.mark.parametrize("name", presets.SOLVERS)
def test_a_run_that_renoises_resumes_to_the_same_bits(name: str) -> None:
    noise, solver = NoiseSource([5, 6]), presets.solver(name)
    denoiser = ModelDenoiser(_network, FLOW, Velocity())
    x = prior(FLOW, RENOISING, noise, SHAPE)
    steps = list(iterate(denoiser, FLOW, RENOISING, solver, x=x, noise=noise))
    for step in steps[:-1]:
        copy = pickle.loads(pickle.dumps(step))
        *_, last = iterate(denoiser, FLOW, RENOISING, solver, x=x, noise=noise, after=copy)
        assert torch.equal(last.x, steps[-1].x)
    for before, renoised in ((steps[1], steps[2]), (steps[4], steps[5])):
        assert (renoised.nfe, renoised.state) == (0, ())
        assert torch.equal(renoised.x0, before.x0)
        scale, std = transition(before.level, renoised.level)
        assert renoised.std == std
        torch.testing.assert_close(renoised.mean, scale * before.x)
    assert not torch.equal(steps[2].z, steps[5].z)


def test_restarts_keep_the_law_of_the_data() -> None:
    """Down, up and down again: exact steps of a Gaussian's posterior and its forward chain end at its law."""
    count, data, solver = 4000, Gaussian(), DDIM(1.0)
    fine = TimeGrid.uniform(200).times
    down = tuple(t for t in fine if t >= 0.3)
    grid = TimeGrid((*down, *(t for t in fine if t <= down[-40])), (len(down) - 1,))
    end = sample(denoiser_of(data), FLOW, grid, solver, noise=NoiseSource([0]), shape=(count,)).x
    assert end.mean().item() == pytest.approx(data.mean, abs=4 * data.std / count**0.5 + 0.005)
    assert end.std().item() == pytest.approx(data.std, rel=4 / (2 * count) ** 0.5 + 0.01)


@pytest.mark.parametrize("name", [name for name in presets.SOLVERS if presets.solver(name).stochastic])
def test_a_step_knows_its_density(name: str) -> None:
    noise, grid = NoiseSource([5, 6]), TimeGrid.uniform(4)
    x = prior(FLOW, grid, noise, SHAPE)
    denoiser = ModelDenoiser(_network, FLOW, Velocity())
    for step in iterate(denoiser, FLOW, grid, presets.solver(name), x=x, noise=noise):
        if step.z is None:
            with pytest.raises(ValueError, match="no density"):
                step.log_prob()
            continue
        law = torch.distributions.Normal(step.mean.double(), torch.as_tensor(step.std).double())
        torch.testing.assert_close(step.log_prob(), law.log_prob(step.x).sum((1, 2, 3)).float())
        other = torch.randn_like(x)
        torch.testing.assert_close(step.log_prob(other), law.log_prob(other).sum((1, 2, 3)).float())


def test_elements_that_are_certain_do_not_count_in_the_density() -> None:
    x, std = torch.zeros(1, 2), torch.tensor([[0.0, 2.0]])
    step = Step(0, 1, FLOW.level(0.5), x, x, 1, (), std, torch.tensor([[0.0, 0.5]]))
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(torch.tensor([0.5])) - math.log(2)
    torch.testing.assert_close(step.log_prob(), expected)


def test_the_density_of_an_old_step_can_be_differentiated_by_a_new_network() -> None:
    """For x0 = w x the mean of a DDPM step is linear in w, so that the derivative is known."""
    weight = torch.tensor(0.3, requires_grad=True)
    noise, grid = NoiseSource([5]), TimeGrid((0.9, 0.5, 0.2))

    def denoiser(x, _level, _conditioning, memory):
        return Prediction(x * weight)

    def run(**options):
        x = prior(FLOW, grid, noise, (3,))
        return list(iterate(denoiser, FLOW, grid, DDIM(1.0), x=x, noise=noise, **options))

    old = run()
    assert not old[-1].x.requires_grad
    (new,) = run(after=old[0], gradients=True)
    (found,) = torch.autograd.grad(new.log_prob(old[1].x).sum(), weight)
    of_x0 = posterior(old[0].level, old[1].level).of_x0
    torch.testing.assert_close(found, (old[1].z * of_x0 * old[0].x / old[1].std).sum())


def test_gradients_stay_on_for_whoever_iterates() -> None:
    noise, grid = NoiseSource([5]), TimeGrid.uniform(2)
    for _ in iterate(
        ModelDenoiser(_network, FLOW, Velocity()),
        FLOW,
        grid,
        DDIM(),
        x=prior(FLOW, grid, noise, SHAPE),
        noise=noise,
    ):
        assert torch.is_grad_enabled()


@pytest.mark.parametrize("name", presets.SOLVERS)
def test_runs_from_pure_noise_to_clean_data_are_finite(name: str) -> None:
    denoiser, solver = denoiser_of(Gaussian(), VPrediction()), presets.solver(name)
    for process in (*PROCESSES.values(), DiscreteBetas([0.1, 0.2, 1.0])):
        for steps in (1, 2, 3, 10):
            grid = TimeGrid.uniform(steps)
            end = sample(denoiser, process, grid, solver, noise=NoiseSource([1]), shape=(4,))
            assert end.x.isfinite().all(), (process, steps)


@pytest.mark.parametrize("solver", [DDIM(), Heun(), ExponentialMultistep(2)], ids=str)
def test_running_backwards_undoes_a_run(solver) -> None:
    """From data to noise and back on a fine grid; the end at alpha = 0 is finite."""
    grid = TimeGrid(TimeGrid.uniform(400).times[:-8])
    x = torch.linspace(-1.5, 2, 20, dtype=torch.float64)[None]
    denoiser, noise = denoiser_of(Gaussian()), NoiseSource([0])
    latent = sample(denoiser, FLOW, grid.reverse(), solver, noise=noise, x=x)
    assert latent.x.isfinite().all()
    back = sample(denoiser, FLOW, grid, solver, noise=noise, x=latent.x).x
    torch.testing.assert_close(back, x, rtol=0, atol=0.03)


def _end(network, x, parameterization=None):
    model = ModelDenoiser(network, FLOW, parameterization or Sample())
    return sample(model, FLOW, TimeGrid.uniform(4), DDIM(), noise=NoiseSource([0] * len(x)), x=x).x


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_predictions_whose_sum_overflows_are_finite(dtype) -> None:
    large = torch.finfo(dtype).max / 4
    end = _end(lambda x, _c, _k: torch.full_like(x, large), torch.ones(1, 64, dtype=dtype))
    assert (end == large).all()


def _shrinks(x, *_) -> Prediction:
    return Prediction(x * 0.4)


@pytest.mark.parametrize("name", [name for name in presets.SOLVERS if name != "dpm_adaptive"])
def test_complex_states_are_sampled_as_their_real_and_imaginary_parts(name: str) -> None:
    """Their noise is complex, too; Brownian, and between restarts."""
    grid = TimeGrid((0.9, 0.6, 0.3, 0.6, 0.2, 0.0), renoise_steps=(2,))
    x = prior(FLOW, grid, NoiseSource([3, 4]), (5, 2)).double()
    for brownian in (False, True):
        noise = NoiseSource([3, 4], brownian=brownian)
        ends = [
            sample(_shrinks, FLOW, grid, presets.solver(name), noise=noise, x=state).x
            for state in (x, torch.view_as_complex(x))
        ]
        torch.testing.assert_close(torch.view_as_real(ends[1]), ends[0], rtol=0, atol=1e-12)


def test_complex_velocities_that_go_to_and_fro_are_those_of_both_parts() -> None:
    """The solver of the default, whose items take Euler's step where they are stable."""
    grid, noise = TimeGrid.uniform(9), NoiseSource([3, 4])
    x = prior(FLOW, grid, noise, (5, 2)).double()
    solver = FlowAdams(3, corrector=True, stable_above=0.9)
    ends = [
        sample(_shrinks, FLOW, grid, solver, noise=noise, x=state).x
        for state in (x, torch.view_as_complex(x))
    ]
    torch.testing.assert_close(torch.view_as_real(ends[1]), ends[0], rtol=0, atol=1e-12)


def test_the_density_of_a_complex_step_is_that_of_both_parts() -> None:
    grid, noise = TimeGrid.uniform(4), NoiseSource([5, 6])
    x = prior(FLOW, grid, noise, (3, 2))
    real, other = (
        next(iterate(_shrinks, FLOW, grid, DDIM(1.0), x=state, noise=noise))
        for state in (x, torch.view_as_complex(x))
    )
    torch.testing.assert_close(other.log_prob(), real.log_prob())
    torch.testing.assert_close(other.log_prob(torch.view_as_complex(x)), real.log_prob(x))


def test_a_network_gets_both_parts_of_a_complex_state_whatever_its_dtype() -> None:
    conditioning = Conditioning({"a": Condition(torch.ones(2, 1, dtype=torch.float64), "global")})

    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(0.5))

        def forward(self, x, c_noise, conditioning):
            assert conditioning["a"].value.dtype == torch.float32
            return x * self.scale

    x = torch.randn(2, 3, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    run = {"process": FLOW, "grid": TimeGrid.uniform(2), "solver": DDIM(), "noise": NoiseSource([1, 2])}
    found = sample(ModelDenoiser(Half(), FLOW, Velocity()), **run, x=x, conditioning=conditioning).x
    expected = sample(ModelDenoiser(lambda x, *_: x * 0.5, FLOW, Velocity()), **run, x=x).x
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_a_complex_output_for_a_real_state_is_refused() -> None:
    model = ModelDenoiser(lambda x, *_: torch.complex(x, x), FLOW, Velocity())
    with pytest.raises(TypeError, match="must return floating-point numbers, not torch"):
        sample(model, FLOW, TimeGrid.uniform(2), DDIM(), noise=NoiseSource([1]), shape=(3,))


@pytest.mark.parametrize("order", [2, 3])
def test_adaptive_steps_of_complex_states_are_as_accurate_as_real_ones(order) -> None:
    """Where one part is 0, the absolute value is that of the other: the same steps."""
    x = prior(FLOW, TimeGrid((0.9, 0.1)), NoiseSource([3, 4]), (5,)).double()
    real, imaginary = (
        sample(
            _shrinks,
            FLOW,
            TimeGrid((0.9, 0.1)),
            Adaptive(order, rtol=1e-3),
            noise=NoiseSource([3, 4]),
            x=state,
        )
        for state in (x, torch.complex(torch.zeros_like(x), x))
    )
    assert imaginary.nfe == real.nfe > 4
    torch.testing.assert_close(imaginary.x.imag, real.x, rtol=0, atol=1e-12)
    assert not imaginary.x.real.any()


def test_complex_states_are_sampled_and_checked_in_both_parts() -> None:
    x = torch.complex(torch.ones(1, 3), torch.full((1, 3), 2.0))
    torch.testing.assert_close(_end(lambda x, _c, _k: torch.full_like(x, 1 - 1j), x), x * 0 + 1 - 1j)
    with pytest.raises(FloatingPointError, match="step 1 of 4"):
        _end(lambda x, _c, _k: torch.full_like(x, complex(1.0, math.nan)), x)


@pytest.mark.parametrize("parameterization", [Velocity(), Sample(), EDM()], ids=str)
def test_a_network_that_changes_the_state_in_place_is_refused(parameterization) -> None:
    def careless(x, c, _):
        return x.mul_(0.5).add_(c[:, None]).tanh_()

    x = torch.linspace(-1, 1, 6).reshape(2, 3)
    with pytest.raises(ValueError, match=r"in place.*x\.clone\(\)"):
        _end(careless, x, parameterization=parameterization)
    # A copy of the state is the network's own, as is the input where it is scaled.
    expected = _end(lambda x, c, _: (x * 0.5 + c[:, None]).tanh(), x, parameterization=parameterization)
    kept = x.clone()
    end = _end(lambda x, c, k: careless(x.clone(), c, k), x, parameterization=parameterization)
    assert torch.equal(end, expected)
    assert torch.equal(x, kept)


PROMPT = Conditioning(
    {"prompt": Condition(torch.ones(2, 1), "global")},
    # Of other shapes, so that it is evaluated by itself.
    Conditioning(
        {"prompt": Condition(torch.zeros(2, 1), "global"), "no": Condition(torch.ones(2, 1), "global")}
    ),
)


def _careful(x, c, conditioning):
    return torch.tanh(x) * c[:, None] + conditioning["prompt"].value


def _steps(denoiser, solver="ddim", inference=False) -> list[torch.Tensor]:
    """The states of a run and its predicted data, read after its end."""
    with torch.inference_mode(inference):
        x, prompts = torch.linspace(-1, 1, 6).reshape(2, 3), PROMPT.map(torch.clone)
        made = list(iterate(
            denoiser, FLOW, TimeGrid.uniform(4), presets.solver(solver), x=x, noise=NoiseSource([0, 1]),
            conditioning=prompts,
        ))  # fmt: skip
        return [tensor for step in made for tensor in (step.x, step.x0)]


def _flow_model(network) -> ModelDenoiser:
    return ModelDenoiser(network, FLOW, Velocity())


def _writes_into_the_prompt(x, c, conditioning):
    conditioning["prompt"].value.mul_(2)
    return _careful(x, c, conditioning)


def _writes_into_the_state(x, *_):
    return Prediction(x.mul_(0.5).tanh())


BUFFER = torch.empty(2, 3)


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("solver", ["ddim", "heun", "dpmpp_2m"])
@pytest.mark.parametrize(
    "denoiser",
    [
        _flow_model(lambda x, *_: x.mul_(0.5).tanh()),
        _flow_model(_writes_into_the_prompt),
        _writes_into_the_state,
        lambda x, *_: Prediction(torch.tanh(x, out=BUFFER)),
    ],
    ids=["network, state", "network, condition", "denoiser, state", "denoiser, prediction"],
)
def test_denoisers_that_write_into_tensors_of_the_run_are_refused(denoiser, solver, inference) -> None:
    with pytest.raises(ValueError, match=r"in place.*clone\(\)"):
        _steps(denoiser, solver, inference)


def _into_a_buffer():
    buffer = torch.empty(2, 3)
    return lambda *inputs: buffer.copy_(_careful(*inputs))


def _into_an_array():
    """Written past torch, as by a CUDA graph."""
    array = np.empty((2, 3), np.float32)
    buffer = torch.from_numpy(array)

    def network(*inputs):
        array[:] = _careful(*inputs).numpy()
        return buffer

    return network


def _in_its_own_inference_mode():
    with torch.inference_mode():
        buffer = torch.empty(2, 3)
    return torch.inference_mode()(lambda *inputs: buffer.copy_(_careful(*inputs)))


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("solver", ["ddim", "heun", "dpmpp_2m"])
@pytest.mark.parametrize("make", [_into_a_buffer, _into_an_array, _in_its_own_inference_mode])
def test_a_network_may_overwrite_its_earlier_outputs(make, solver, inference) -> None:
    for guidance in (Chain(), ClassifierFree(2.0)):
        expected = _steps(guided(_flow_model(_careful), guidance), solver)
        found = _steps(guided(_flow_model(make()), guidance), solver, inference)
        assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize("make", [_into_a_buffer, _into_an_array])
def test_a_weak_model_may_overwrite_the_output_of_its_twin(make) -> None:
    """Both have one network, and so one buffer."""

    def ends(network):
        strong = ModelDenoiser(network, FLOW, Velocity())
        weak = ModelDenoiser(network, Cosine(), VPrediction())
        return [
            torch.stack(_steps(guided(strong, guidance), "heun"))
            for guidance in (ClassifierFree(2.0, weak=weak), Perturbed(2.0, weak))
        ]

    assert all(map(torch.equal, ends(make()), ends(_careful)))


class _Writes(TorchDispatchMode):
    """Counts the operations that write a tensor as large as ``numel``."""

    def __init__(self, numel: int) -> None:
        super().__init__()
        self.numel, self.count = numel, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.count += isinstance(out, torch.Tensor) and out.numel() == self.numel
        return out


def test_reading_the_predicted_data_changes_no_bit_of_a_run() -> None:
    x = torch.linspace(-1, 1, 12).reshape(2, 6)
    model = ModelDenoiser(lambda x, c, _: torch.tanh(x) * c[:, None], FLOW, Velocity())

    def read(x, level, conditioning, memory):
        prediction = model(x, level, conditioning, memory)
        # c_skip = 1 and c_out = -t for this network.
        expected = x - level.t * torch.tanh(x) * torch.tensor(level.t, dtype=torch.float32)
        torch.testing.assert_close(prediction.x0, expected)
        return prediction

    def run(denoiser):
        grid, noise = TimeGrid.uniform(5), NoiseSource([0, 1])
        return [(step.x, step.x0) for step in iterate(denoiser, FLOW, grid, DDIM(), x=x, noise=noise)]

    for (end, x0), (read_end, read_x0) in zip(run(model), run(read), strict=True):
        assert torch.equal(end, read_end)
        assert torch.equal(x0, read_x0)


def test_predicted_data_that_overflow_in_the_last_step_are_refused() -> None:
    model = ModelDenoiser(lambda x, _c, _k: -x, FLOW, Epsilon())
    x = torch.full((1, 4), 3e38)
    with pytest.raises(FloatingPointError, match="step 1 of 1"):
        sample(model, FLOW, TimeGrid((0.9, 0.0)), DDIM(), noise=NoiseSource([0]), x=x)


def test_euler_on_a_flow_writes_one_tensor_of_the_state_per_step() -> None:
    """The next state, nothing else: the predicted data are made when they are read."""
    x = torch.ones(1, 4, 8, 8)
    with _Writes(x.numel()) as writes:
        _end(lambda x, _c, _k: x, x, Velocity())
    assert writes.count == 4


@pytest.mark.parametrize("steps", [np.int64(5), np.uint8(5), torch.tensor(5)], ids=str)
def test_numbers_of_steps_may_be_of_any_integer_type(steps) -> None:
    assert TimeGrid.uniform(steps) == TimeGrid.uniform(5)
    assert type(TimeGrid.uniform(steps).times[1]) is float
    with pytest.raises(ValueError, match="whole number"):
        TimeGrid.uniform(np.float64(5.0))


def _failing_run(bad: float, failing: int, steps: int) -> tuple[int, str]:
    """(steps before the error, its message) where evaluation ``failing`` has one bad number."""
    calls, found = itertools.count(), []

    def network(x, _c_noise, _conditioning):
        output = x.clone()
        output[0, 0] *= bad if next(calls) == failing else 1.0
        return output

    model, noise = ModelDenoiser(network, FLOW, Velocity()), NoiseSource([0, 1])
    run = iterate(model, FLOW, TimeGrid.uniform(steps), DDIM(), x=torch.ones(2, 3), noise=noise)
    with pytest.raises(FloatingPointError) as error:
        deque(map(found.append, run), maxlen=0)
    return len(found), str(error.value)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_network_that_fails_is_named_by_its_steps_and_level(bad: float, monkeypatch) -> None:
    assert "in step 1 of 20 (t = 1, log_snr = -inf)" in _failing_run(bad, 0, 20)[1]
    assert "in one of the steps 2 to 4 of 20 (from t = 0.95, log_snr = -2.944)" in _failing_run(bad, 2, 20)[1]
    assert "one of the steps 17 to 20 of 20 (from t = 0.2," in _failing_run(bad, 19, 20)[1]
    assert _failing_run(bad, 5, 40)[0] == 15
    monkeypatch.setattr("gen.diffusion.sampling.SMALL", 5)
    steps, message = _failing_run(bad, 2, 4)
    assert steps == 2
    assert "in step 3 of 4 (t = 0.5, log_snr = 0)" in message


class _Reads(TorchDispatchMode):
    """Counts the numbers that are read from tensors."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_few_numbers_are_read_from_small_states() -> None:
    """On a GPU each of them waits for all work before it."""
    with _Reads() as reads:
        sample(
            ModelDenoiser(_network, FLOW, Velocity()), FLOW, TimeGrid.uniform(50), Heun(),
            noise=NoiseSource([0]), shape=SHAPE,
        )  # fmt: skip
    assert reads.count == 6


def test_evaluations_are_counted_as_they_happen() -> None:
    calls = []

    def denoiser(x, level, _, memory):
        calls.append(level.t)
        return Prediction(x * level.alpha)

    for solver, expected in ((DDIM(), 10), (Heun(), 19), (ExponentialMultistep(3), 10)):
        calls.clear()
        result = sample(denoiser, FLOW, TimeGrid.uniform(10), solver, noise=NoiseSource([0]), shape=(2,))
        assert result.nfe == len(calls) == expected


def test_guidance_outside_its_interval_costs_nothing() -> None:
    sizes = []

    def network(x, c_noise, conditioning):
        sizes.append(x.shape[0])
        assert conditioning.uncond is None
        return _network(x, c_noise, conditioning)

    denoiser = guided(ModelDenoiser(network, FLOW, Velocity()), ClassifierFree(2.0, interval=(-1.0, 1.0)))
    grid = TimeGrid.uniform(10)
    sample(denoiser, FLOW, grid, DDIM(), noise=NoiseSource([0, 1]), shape=SHAPE, conditioning=_prompts(2))
    assert sizes == [4 if abs(FLOW.level(t).log_snr) <= 1 else 2 for t in grid.times[:-1]]
    sizes.clear()
    unguided = guided(ModelDenoiser(network, FLOW, Velocity()), ClassifierFree(1.0))
    sample(unguided, FLOW, grid, DDIM(), noise=NoiseSource([0, 1]), shape=SHAPE, conditioning=_prompts(2))
    assert set(sizes) == {2}


def test_guidance_extrapolates_from_uncond() -> None:
    level, prompts, x = FLOW.level(0.5), _prompts(3), torch.randn(3, *SHAPE)
    model = ModelDenoiser(_network, FLOW, Velocity())
    conditional, uncond = model(x, level, prompts, Memory()).x0, model(x, level, prompts.uncond, Memory()).x0
    result = guided(model, ClassifierFree(4.0))(x, level, prompts, Memory()).x0
    torch.testing.assert_close(result, uncond + 4 * (conditional - uncond))
    rescaled = guided(model, ClassifierFree(4.0, rescale=1.0))(x, level, prompts, Memory()).x0
    # The network's output is (x - x0) / t.
    torch.testing.assert_close((x - rescaled).std((1, 2, 3)), (x - conditional).std((1, 2, 3)))
    torch.testing.assert_close(guided(model, ClassifierFree(0.0))(x, level, prompts, Memory()).x0, uncond)


def test_only_what_the_network_sees_has_its_dtype() -> None:
    seen = {}

    class Half(torch.nn.Linear):
        def forward(self, x, c_noise, _):
            seen.update(x=x.dtype, c_noise=c_noise.dtype)
            return super().forward(x)

    model = ModelDenoiser(Half(4, 4, dtype=torch.bfloat16), FLOW, Velocity())
    result = sample(model, FLOW, TimeGrid.uniform(3), DDIM(), noise=NoiseSource([0]), shape=(4,)).x
    assert seen == {"x": torch.bfloat16, "c_noise": torch.float32}
    assert result.dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (2,), "x": torch.zeros(1, 2)}, "either x"),
        ({}, "either x"),
        ({"x": torch.zeros(2, 2)}, "one seed per item"),
        ({"shape": (2,), "conditioning": _prompts(2)}, "for 2 items"),
        ({"shape": (2,), "grid": TimeGrid.uniform(3).reverse()}, "above t = 0"),
        ({"shape": (2,), "grid": TimeGrid((0.5, 0.9)), "solver": DDIM(1.0)}, "data to noise"),
        ({"shape": (2,), "parameterization": Epsilon()}, "does not determine x0 at alpha"),
        ({"shape": (2,), "solver": Unmask(Masked(5, 5))}, "Unmask needs a state of tokens, int64, not torch"),
        ({"x": torch.zeros(1, 2, dtype=torch.int64)}, "DDIM needs a state of floating-point numbers"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: dict, message: str) -> None:
    grid, solver = arguments.pop("grid", TimeGrid.uniform(3)), arguments.pop("solver", DDIM())
    model = ModelDenoiser(lambda x, _c, _k: x, FLOW, arguments.pop("parameterization", Velocity()))
    with pytest.raises(ValueError, match=message):
        sample(model, FLOW, grid, solver, noise=NoiseSource([0]), **arguments)


def test_a_network_of_the_wrong_shape_is_refused() -> None:
    model = ModelDenoiser(lambda x, _c, _k: x[..., :1], FLOW, Velocity())
    with pytest.raises(ValueError, match="must return"):
        sample(model, FLOW, TimeGrid.uniform(3), DDIM(), noise=NoiseSource([0]), shape=(2,))


@pytest.mark.parametrize(
    "make",
    [
        lambda: DDIM(1.5),
        lambda: ExponentialMultistep(4),
        lambda: ExponentialMultistep(2, math.nan),
        lambda: ExponentialMultistep(3, corrector=5),
        lambda: ExponentialMultistep(2, quadrature="simpson"),
        lambda: ClassifierFree(math.nan),
        lambda: ClassifierFree(2.0, 1.5),
        lambda: ClassifierFree(2.0, interval=(1.0, -1.0)),
    ],
)
def test_impossible_settings_are_refused(make) -> None:
    with pytest.raises(ValueError, match="must"):
        make()


# Dynamo of torch 2.8 can trace neither.
traceable = pytest.mark.skipif(Version(torch.__version__) < Version("2.9"), reason="needs torch 2.9")


@traceable
@pytest.mark.parametrize("name", ["ddim", "heun", "dpmpp_2m", "dpmpp_2m_sde", "unipc_2", "lms"])
def test_a_step_compiles_as_one_graph(name: str) -> None:
    model = ModelDenoiser(lambda x, c, k: torch.tanh(x) * c[:, None] + k["prompt"].value, FLOW, Velocity())
    denoiser = guided(model, AdaptiveProjected(3.0, momentum=-0.5))
    uncond = Conditioning({"prompt": Condition(torch.zeros(2, 1), "global")})
    prompts = Conditioning({"prompt": Condition(torch.ones(2, 1), "global")}, uncond)
    levels = TimeGrid.uniform(6).levels(FLOW)
    solver = presets.solver(name).on(levels)

    def step(x):
        memory = Memory()
        return solver.step(
            (), x, lambda x, level: denoiser(x, level, prompts, memory), levels[1], levels[2],
            noise=lambda like, _: torch.ones_like(like),
        ).x  # fmt: skip

    x = torch.linspace(-1, 1, 6).reshape(2, 3)
    torch.testing.assert_close(torch.compile(step, fullgraph=True, backend="eager")(x), step(x))


class _Graphs:
    """A backend that counts the graphs that it gets, and needs no compiler."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, graph, _inputs):
        self.count += 1
        return graph.forward


@traceable
@pytest.mark.parametrize("process", [FLOW, VariancePreserving()], ids=["flow", "vp"])
@pytest.mark.parametrize("name", ["ddim", "heun", "dpmpp_2m"])
def test_a_whole_run_compiles_once_as_one_graph(name: str, process) -> None:
    model = ModelDenoiser(lambda x, c, _: torch.tanh(x) * c[:, None], process, VPrediction())
    grid, noise, solver, graphs = TimeGrid.uniform(6), NoiseSource([0]), presets.solver(name), _Graphs()

    def run(x):
        return sample(model, process, grid, solver, noise=noise, x=x).x

    compiled = torch.compile(run, fullgraph=True, backend=graphs)
    for scale in (1.0, 0.5):
        x = torch.linspace(-scale, scale, 6)[None]
        torch.testing.assert_close(compiled(x), run(x))
    assert graphs.count == 1


@pytest.mark.parametrize("name", ["ddim", "heun", "dpmpp_2m", "dpmpp_2m_sde", "unipc_2", "lms"])
def test_a_compiled_network_is_compiled_once_in_a_run(name: str) -> None:
    graphs = _Graphs()
    network = torch.compile(lambda x, c, _: torch.tanh(x) * c[:, None], fullgraph=True, backend=graphs)
    model, grid = ModelDenoiser(network, FLOW, Velocity()), TimeGrid.uniform(12)
    sample(model, FLOW, grid, presets.solver(name), noise=NoiseSource([0]), shape=(6,))
    assert graphs.count == 1


class Declared:
    """A network that declares a dtype, and notes what it gets."""

    dtype = torch.bfloat16

    def __init__(self) -> None:
        self.seen: dict[str, torch.dtype] = {}

    def __call__(self, x, c_noise, conditioning):
        self.seen = {name: condition.value.dtype for name, condition in conditioning.items()}
        self.seen |= {"x": x.dtype, "c_noise": c_noise.dtype, "mask": conditioning["text"].mask.dtype}
        return x


def test_a_network_declares_the_dtype_of_its_inputs() -> None:
    """Conditions too; but time and integers keep their digits: bfloat16 has no 999."""
    network = Declared()
    conditioning = Conditioning(
        {
            "text": Condition(torch.ones(1, 2, 3), "cross_attention", torch.ones(1, 2, dtype=torch.bool)),
            "size": Condition(torch.tensor([[1023]]), "global"),
        }
    )
    result = sample(
        ModelDenoiser(network, FLOW, Velocity()),
        FLOW,
        TimeGrid.uniform(2),
        DDIM(),
        noise=NoiseSource([0]),
        shape=(4,),
        conditioning=conditioning,
    ).x
    assert network.seen == {
        "x": torch.bfloat16,
        "text": torch.bfloat16,
        "size": torch.int64,
        "mask": torch.bool,
        "c_noise": torch.float32,
    }
    assert result.dtype == torch.float32
