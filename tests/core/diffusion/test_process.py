"""Forward processes: boundary values, derivatives and the inverse of log_snr, floats and tensors alike."""

import itertools
import math

import pytest
import torch

from gen.diffusion import (
    Cosine,
    DiscreteBetas,
    Process,
    RectifiedFlow,
    VarianceExploding,
    VariancePreserving,
    shifted,
)

BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64).tolist()
PROCESSES: dict[str, Process] = {
    "linear": VariancePreserving(),
    "scaled_linear": VariancePreserving(0.85, 12.0, "scaled_linear"),
    "cosine": Cosine(),
    "exploding": VarianceExploding(),
    "flow": RectifiedFlow(),
    "discrete": DiscreteBetas(BETAS),
    "zero_snr": DiscreteBetas([*BETAS[:-1], 1.0]),
    "shifted_flow": shifted(RectifiedFlow(), 3.0),
    "shifted_cosine": shifted(Cosine(), 0.5),
}
TIMES = [0.0133, 0.2004, 0.4567, 0.5003, 0.8106, 0.9871]


@pytest.fixture(params=PROCESSES, name="process")
def _process(request: pytest.FixtureRequest) -> Process:
    return PROCESSES[request.param]


def test_starts_at_data(process: Process) -> None:
    level = process.level(0.0)
    assert (level.alpha, level.sigma) == (1.0, 0.0)
    assert level.log_snr == math.inf


def test_log_snr_falls(process: Process) -> None:
    log_snr = [process.level(i / 200).log_snr for i in range(201)]
    assert all(a > b for a, b in itertools.pairwise(log_snr))


@pytest.mark.parametrize("t", [*TIMES, 1.0])
def test_time_of_log_snr_inverts(process: Process, t: float) -> None:
    assert process.t_of_log_snr(process.level(t).log_snr) == pytest.approx(t, abs=1e-9)


def test_infinite_log_snr_has_a_time(process: Process) -> None:
    assert process.t_of_log_snr(math.inf) == pytest.approx(0, abs=1e-12)
    assert process.t_of_log_snr(-math.inf) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("t", TIMES)
def test_derivatives(process: Process, t: float) -> None:
    h = 1e-6
    for value, slope in ((process.alpha, process.d_alpha), (process.sigma, process.d_sigma)):
        difference = (value(t + h) - value(t - h)) / (2 * h)
        assert slope(t) == pytest.approx(difference, rel=1e-5, abs=1e-7)


def test_tensors_agree_with_floats(process: Process) -> None:
    t = torch.tensor([0.0, *TIMES, 1.0], dtype=torch.float64)
    log_snr = process.level(t).log_snr
    for name in ("alpha", "sigma", "d_alpha", "d_sigma"):
        expected = [getattr(process, name)(value) for value in t.tolist()]
        torch.testing.assert_close(getattr(process, name)(t).tolist(), expected, rtol=1e-10, atol=1e-12)
    expected = [process.t_of_log_snr(value) for value in log_snr.tolist()]
    torch.testing.assert_close(process.t_of_log_snr(log_snr).tolist(), expected, rtol=1e-10, atol=1e-12)


def test_diffuse_has_the_stated_variance_per_item(process: Process) -> None:
    t = torch.tensor([0.1, 0.9], dtype=torch.float64)
    level = process.level(t)
    x0 = torch.full((2, 20000), 2.0)
    x = process.diffuse(x0, torch.randn(2, 20000, generator=torch.Generator().manual_seed(0)), level)
    assert x.dtype == torch.float32
    torch.testing.assert_close(
        x.mean(1).double(), level.alpha * 2, rtol=0, atol=0.03 * float(level.sigma.max())
    )
    torch.testing.assert_close(x.std(1).double(), level.sigma, rtol=0.02, atol=0)


def test_discrete_chain_is_the_product_of_its_steps() -> None:
    process, survival = PROCESSES["discrete"], 1.0
    for i, beta in enumerate(BETAS):
        survival *= 1 - beta
        assert process.alpha((i + 1) / 1000) ** 2 == pytest.approx(survival, rel=1e-9)


def test_many_small_steps_are_the_continuous_process() -> None:
    steps = 20000
    chain = DiscreteBetas([(0.1 + (i + 0.5) / steps * 19.9) / steps for i in range(steps)])
    for t in TIMES:
        assert chain.level(t).log_snr == pytest.approx(VariancePreserving().level(t).log_snr, abs=2e-3)


def test_shift_lowers_log_snr() -> None:
    for t in TIMES:
        assert PROCESSES["shifted_flow"].level(t).log_snr == pytest.approx(
            RectifiedFlow().level(t).log_snr - math.log(3)
        )
        assert PROCESSES["shifted_flow"].sigma(t) == pytest.approx(3 * t / (1 + 2 * t))


def test_prior_of_a_variance_preserving_process_is_standard_normal() -> None:
    for name in ("linear", "scaled_linear", "cosine", "discrete", "flow"):
        assert PROCESSES[name].prior_scale(PROCESSES[name].level(1.0)) == pytest.approx(1)
    exploding = PROCESSES["exploding"]
    assert exploding.prior_scale(exploding.level(1.0)) == pytest.approx(80, rel=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VariancePreserving(2, 1), "beta_min < beta_max"),
        (lambda: VariancePreserving(1, 2, "square"), "scaled_linear"),
        (lambda: VarianceExploding(0, 1), "sigma_min"),
        (lambda: DiscreteBetas([]), "at least one"),
        (lambda: DiscreteBetas([0.1, 1.2]), "each in"),
        (lambda: shifted(Cosine(), float("nan")), "shift"),
    ],
)
def test_impossible_processes_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
