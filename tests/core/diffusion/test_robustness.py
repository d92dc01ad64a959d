"""What may go wrong, and what must go well: failing networks, odd shapes, ends of grids, threads, memory."""

from __future__ import annotations

import gc
import itertools
import math
import threading
import weakref

import pytest
import torch
from exact import PROCESSES, Gaussian, denoiser_of
from exponential_oracle import ExponentialMultistep

from gen import presets
from gen.diffusion import (
    EDM,
    ClassifierFree,
    Condition,
    Conditioning,
    ModelDenoiser,
    NoiseSource,
    TimeGrid,
    Velocity,
    VPrediction,
    guided,
    iterate,
    prior,
    sample,
)
from thinning import striped

FLOW = PROCESSES["flow"]
SHAPE = (2, 3)


def _network(x, c_noise, conditioning):
    shift = conditioning["prompt"].value[:, :1] if conditioning else 0.0
    return torch.tanh(x * 1.3 + shift) - 0.4 * x * c_noise.reshape(-1, *(1,) * (x.ndim - 1)).to(x.dtype)


MODEL = ModelDenoiser(_network, FLOW, Velocity())


@pytest.mark.parametrize(("name", "bad"), striped(presets.SOLVERS, [math.nan, math.inf, -math.inf], 3))
def test_one_bad_number_stops_any_solver_and_is_placed(name: str, bad: float) -> None:
    """One element of one item is enough."""

    def network(x, c_noise, conditioning):
        output = _network(x, c_noise, conditioning).clone()
        if c_noise[0] < 0.6:
            output[1, 0, 2] = bad
        return output

    steps = iterate(
        ModelDenoiser(network, FLOW, Velocity()), FLOW, TimeGrid.uniform(4), presets.solver(name),
        x=prior(FLOW, TimeGrid.uniform(4), NoiseSource([0, 1]), SHAPE), noise=NoiseSource([0, 1]),
    )  # fmt: skip
    with pytest.raises(FloatingPointError, match=r"steps 2 to 4 of 4 \(from t = 0\.\d+, log_snr ="):
        list(steps)


@pytest.mark.parametrize("name", presets.SOLVERS)
def test_grids_that_restart_lead_to_data(name: str) -> None:
    """Of the Gaussian: all within 5 of its deviations."""
    denoiser, noise = denoiser_of(Gaussian(), VPrediction()), NoiseSource(list(range(64)))
    grid = TimeGrid.uniform(17).restart(3, 2)
    end = sample(denoiser, PROCESSES["preserving"], grid, presets.solver(name), noise=noise, shape=(4,)).x
    assert float((end - Gaussian().mean).abs().max()) < 5 * Gaussian().std


@pytest.mark.parametrize("times", [(), (0.5,), (1.0, 0.5, 0.7, 0.0), (1.0, 1.0), (1.0, math.nan), (2.0, 0.0)])
def test_grids_that_lead_nowhere_are_refused(times) -> None:
    with pytest.raises(ValueError, match="time"):
        TimeGrid(times)


@pytest.mark.parametrize(("name", "process"), striped(presets.SOLVERS, list(PROCESSES), 12))
def test_a_thousand_steps(name: str, process: str) -> None:
    denoiser, noise = denoiser_of(Gaussian(), VPrediction()), NoiseSource([3])
    end = sample(
        denoiser, PROCESSES[process], TimeGrid.uniform(1000), presets.solver(name), noise=noise, shape=(2,)
    )
    assert end.x.isfinite().all()


class _Layer(torch.nn.Linear):
    def forward(self, x, _c_noise, _conditioning):
        return super().forward(x) * 0.1


@pytest.mark.parametrize("name", presets.SOLVERS)
def test_networks_of_any_precision_leave_the_state_in_its_own(name: str) -> None:
    """In float32."""
    dtypes = (torch.float16, torch.bfloat16, torch.float64)
    for dtype, parameterization in itertools.product(dtypes, (Velocity(), EDM())):
        model = ModelDenoiser(_Layer(3, 3, dtype=dtype).requires_grad_(False), FLOW, parameterization)
        grid = TimeGrid.uniform(3) if parameterization == Velocity() else TimeGrid((0.9, 0.5, 0.1))
        end = sample(model, FLOW, grid, presets.solver(name), noise=NoiseSource([0]), shape=SHAPE).x
        assert end.dtype == torch.float32, dtype
        assert end.isfinite().all(), dtype


@pytest.mark.parametrize("name", presets.SOLVERS)
def test_an_empty_batch_stays_empty(name: str) -> None:
    end = sample(MODEL, FLOW, TimeGrid.uniform(3), presets.solver(name), noise=NoiseSource([]), shape=SHAPE)
    assert end.x.shape == (0, *SHAPE)


@pytest.mark.parametrize("name", presets.SOLVERS)
def test_a_state_that_is_not_contiguous_is_as_good(name: str) -> None:
    noise, grid = NoiseSource([0, 1]), TimeGrid.uniform(4)
    x = prior(FLOW, grid, noise, SHAPE)
    strided = x.transpose(1, 2).contiguous().transpose(1, 2)
    assert not strided.is_contiguous()
    ends = [sample(MODEL, FLOW, grid, presets.solver(name), noise=noise, x=start).x for start in (x, strided)]
    torch.testing.assert_close(*ends, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", presets.SOLVERS)
def test_another_device_gives_the_same_run(name: str) -> None:
    noise, grid = NoiseSource([0, 1]), TimeGrid.uniform(6)
    ends = [
        sample(
            MODEL, FLOW, grid, presets.solver(name), noise=noise, x=prior(FLOW, grid, noise, SHAPE, device)
        ).x
        for device in ("cpu", "cuda")
    ]
    torch.testing.assert_close(ends[1].cpu(), ends[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["ddim", "dpmpp_2m", "dpmpp_2m_sde", "heun"])
def test_two_hundred_threads_share_one_configuration(name: str) -> None:
    uncond = Conditioning({"prompt": Condition(torch.zeros(1, 2), "global")})
    prompts = Conditioning({"prompt": Condition(torch.ones(1, 2), "global")}, uncond)
    denoiser, solver, grid = guided(MODEL, ClassifierFree(3.0)), presets.solver(name), TimeGrid.uniform(5)

    def run(seed: int):
        noise = NoiseSource([seed])
        return sample(denoiser, FLOW, grid, solver, noise=noise, shape=(3,), conditioning=prompts).x

    count = 200
    serial, together = [run(seed) for seed in range(count)], [torch.empty(0)] * count
    barrier = threading.Barrier(count)

    def work(seed: int) -> None:
        barrier.wait()
        together[seed] = run(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(a, b) for a, b in zip(serial, together, strict=True))


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("parameterization", [Velocity(), EDM()], ids=["velocity", "edm"])
def test_no_more_states_are_alive_than_the_order_and_two(order: int, parameterization) -> None:
    """While the network works, when it has answered and after the step, of tensors as large as a state."""
    size, alive = 4099, []

    def count() -> int:
        tensors = (thing for thing in gc.get_objects() if type(thing) is torch.Tensor)
        return len({tensor.data_ptr() for tensor in tensors if tensor.numel() == size})

    def network(x, _c_noise, _conditioning):
        alive.append(count())
        output = x * 0.5
        alive.append(count())
        return output

    grid, solver = TimeGrid(tuple(0.9 - 0.1 * i for i in range(9))), ExponentialMultistep(order)
    model = ModelDenoiser(network, FLOW, parameterization)
    gc.freeze()  # objects from before are not looked at
    try:
        sample(
            model, FLOW, grid, solver,
            noise=NoiseSource([0]), shape=(size,), on_step=lambda _: alive.append(count()),
        )  # fmt: skip
    finally:
        gc.unfreeze()
    assert order + 1 <= max(alive) <= order + 2


def test_a_step_that_nobody_keeps_is_gone() -> None:
    noise, grid = NoiseSource([0]), TimeGrid.uniform(4)
    kept = []
    steps = iterate(
        MODEL, FLOW, grid, ExponentialMultistep(1), x=prior(FLOW, grid, noise, SHAPE), noise=noise
    )
    for step in steps:
        assert all(reference() is None for reference in kept)
        kept = [weakref.ref(step.x0)]
        del step
        assert kept[0]() is not None  # while the generator waits
