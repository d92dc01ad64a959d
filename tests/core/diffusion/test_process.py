"""Forward processes: boundary values, derivatives and the inverse of log_snr, floats and tensors alike."""

import itertools
import math

import numpy as np
import pytest
import torch

from gen.diffusion import (
    Cosine,
    DiscreteBetas,
    EDMProcess,
    Process,
    RectifiedFlow,
    TrigFlow,
    VarianceExploding,
    VariancePreserving,
    VPrediction,
    shifted,
    zero_terminal_snr,
)
from gen.diffusion.level import derivative
from gen.diffusion.process import OffsetCosine, SubVariancePreserving
from gen.diffusion.schedule import exponential_shift, linear_shift, resolution_shift

BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64).tolist()
PROCESSES: dict[str, Process] = {
    "linear": VariancePreserving(),
    "scaled_linear": VariancePreserving(0.85, 12.0, "scaled_linear"),
    "sub": SubVariancePreserving(),
    "sub_scaled_linear": SubVariancePreserving(0.85, 12.0, "scaled_linear"),
    "cosine": Cosine(),
    "offset_cosine": OffsetCosine(),
    "exploding": VarianceExploding(),
    "flow": RectifiedFlow(),
    "discrete": DiscreteBetas(BETAS),
    "zero_snr": DiscreteBetas([*BETAS[:-1], 1.0]),
    "cosine_chain": DiscreteBetas.cosine(),
    "zero_linear": zero_terminal_snr(VariancePreserving()),
    "zero_discrete": zero_terminal_snr(DiscreteBetas(BETAS)),
    "shifted_flow": shifted(RectifiedFlow(), 3.0),
    "shifted_cosine": shifted(Cosine(), 0.5),
}
TIMES = [0.0133, 0.2004, 0.4567, 0.5003, 0.8106, 0.9871]


@pytest.fixture(params=PROCESSES, name="process")
def _process(request: pytest.FixtureRequest) -> Process:
    return PROCESSES[request.param]


def test_starts_at_data(process: Process) -> None:
    level = process.level(0.0)
    assert level.alpha == 1
    if isinstance(process, VarianceExploding):
        assert level.sigma == process.sigma_min
    else:
        assert level.sigma == 0
        assert level.log_snr == math.inf


def test_the_exploding_process_has_one_formula_for_every_time() -> None:
    process, t = VarianceExploding(0.002, 80.0), torch.linspace(0, 1, 5, dtype=torch.float64)
    torch.testing.assert_close(process.sigma(t), 0.002 * 40_000**t)
    assert process.sigma(1e-300) == process.sigma(0.0) == 0.002


def test_log_snr_falls(process: Process) -> None:
    log_snr = [process.level(i / 200).log_snr for i in range(201)]
    assert all(a > b for a, b in itertools.pairwise(log_snr))


def test_time_of_log_snr_inverts(process: Process) -> None:
    times = [*TIMES, 1.0]
    assert [process.t_of_log_snr(process.level(t).log_snr) for t in times] == pytest.approx(times, abs=1e-9)


def test_infinite_log_snr_has_a_time(process: Process) -> None:
    assert process.t_of_log_snr(math.inf) == pytest.approx(0, abs=1e-12)
    assert process.t_of_log_snr(-math.inf) == pytest.approx(1, abs=1e-12)


def test_derivatives(process: Process) -> None:
    h = 1e-6
    for value in (process.alpha, process.sigma):
        differences = [(value(t + h) - value(t - h)) / (2 * h) for t in TIMES]
        assert [derivative(value, t) for t in TIMES] == pytest.approx(differences, rel=1e-5, abs=1e-7)


def test_derivatives_are_finite_at_the_ends(process: Process) -> None:
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    with torch.inference_mode():
        for value in (process.alpha, process.sigma):
            assert derivative(value, ends).isfinite().all()


def test_tensors_agree_with_floats(process: Process) -> None:
    t = torch.tensor([0.0, *TIMES, 1.0], dtype=torch.float64)
    log_snr = process.level(t).log_snr
    for name in ("alpha", "sigma"):
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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_diffuse_rounds_once(dtype: torch.dtype) -> None:
    t = torch.linspace(0.05, 0.95, 64, dtype=torch.float64)
    x0, eps = torch.randn(2, 64, 50, generator=torch.Generator().manual_seed(0)).to(dtype)
    level = Cosine().level(t)
    exact = level.alpha[:, None] * x0.double() + level.sigma[:, None] * eps.double()
    x = Cosine().diffuse(x0, eps, level)
    assert x.dtype == dtype
    assert (x.double() - exact).abs().le(exact.abs() * torch.finfo(dtype).eps * 0.51 + 1e-7).all()
    for i in (0, 31, 63):
        assert torch.equal(Cosine().diffuse(x0[i], eps[i], Cosine().level(float(t[i]))), x[i])


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
    for name in ("linear", "scaled_linear", "cosine", "discrete", "flow", "zero_linear", "offset_cosine"):
        assert PROCESSES[name].prior_scale(PROCESSES[name].level(1.0)) == pytest.approx(1)
    exploding = PROCESSES["exploding"]
    assert exploding.prior_scale(exploding.level(1.0)) == pytest.approx(80, rel=1e-4)


def test_the_sub_process_never_has_more_noise() -> None:
    for t in TIMES:
        preserving, sub = PROCESSES["linear"].level(t), PROCESSES["sub"].level(t)
        assert sub.alpha == preserving.alpha
        assert sub.sigma == pytest.approx(preserving.sigma**2)  # Song et al. 2021, eq. 29


def test_trig_flow_and_edm_are_other_names() -> None:
    assert TrigFlow is Cosine
    assert EDMProcess is VarianceExploding
    level = TrigFlow().level(0.3)
    angle = VPrediction(time_scale=math.pi / 2).c_noise(level)
    assert (level.alpha, level.sigma) == pytest.approx((math.cos(angle), math.sin(angle)))


def test_a_small_offset_is_the_cosine_process() -> None:
    for t in [*TIMES, 1.0]:
        offset, none = OffsetCosine(1e-9).level(t), Cosine().level(t)
        assert (offset.alpha, offset.sigma) == pytest.approx((none.alpha, none.sigma), abs=1e-7)


def test_offset_cosine_is_the_published_formula() -> None:
    for s in (0.008, 0.3):
        for t in TIMES:
            survival = [math.cos((u + s) / (1 + s) * math.pi / 2) ** 2 for u in (t, 0)]
            assert OffsetCosine(s).alpha(t) ** 2 == pytest.approx(survival[0] / survival[1])


def test_the_cosine_chain_stands_on_the_offset_cosine() -> None:
    chain, continuous = DiscreteBetas.cosine(100), OffsetCosine()
    for i in range(99):  # the last beta is capped
        assert chain.alpha((i + 1) / 100) == pytest.approx(continuous.alpha((i + 1) / 100))
    assert chain.betas[-1] == 0.999
    assert chain.alpha(1.0) == pytest.approx(continuous.alpha(0.99) * math.sqrt(0.001))


def test_chains_have_the_betas_that_they_are_named_for() -> None:
    linear = DiscreteBetas.linear(5, 0.1, 0.5).betas
    assert linear == pytest.approx((0.1, 0.2, 0.3, 0.4, 0.5))
    roots = [math.sqrt(beta) for beta in DiscreteBetas.scaled_linear(4, 0.01, 0.16).betas]
    assert roots == pytest.approx([0.1, 0.2, 0.3, 0.4])
    sigmoid = DiscreteBetas.sigmoid(3, 0.1, 0.5).betas
    assert sigmoid[1] == pytest.approx(0.3)
    assert 0.1 < sigmoid[0] < 0.102
    assert sigmoid[0] + sigmoid[2] == pytest.approx(0.6)


def test_steps_of_a_chain_may_be_of_any_integer_type() -> None:
    assert DiscreteBetas.linear(np.int64(7)) == DiscreteBetas.linear(7)


def test_laplace_chain_has_laplace_quantiles() -> None:
    chain = DiscreteBetas.laplace(1000, mean=0.4, scale=0.7)
    for t in (0.1, 0.25, 0.5, 0.8):
        quantile = 0.4 + (-0.7 * math.log(2 * t) if t <= 0.5 else 0.7 * math.log(2 - 2 * t))
        assert 2 * chain.level(t).log_snr == pytest.approx(quantile, abs=1e-9)


@pytest.mark.parametrize("process", [DiscreteBetas.linear(), VariancePreserving(), OffsetCosine()], ids=repr)
def test_zero_terminal_snr_moves_and_stretches_alpha(process: Process) -> None:
    zero = zero_terminal_snr(process)
    assert zero.level(1.0).log_snr == -math.inf
    near, middle, far = 0.001, 0.4, 0.9
    spread = [(p.alpha(middle) - p.alpha(far)) / (p.alpha(near) - p.alpha(far)) for p in (zero, process)]
    assert spread[0] == pytest.approx(spread[1])
    first = 1 / 1000 if isinstance(process, DiscreteBetas) else 0.0
    assert zero.alpha(first) == pytest.approx(process.alpha(first))


def test_shift_by_resolution() -> None:
    assert resolution_shift(4096, 1024) == 2
    assert exponential_shift(256) == pytest.approx(math.exp(0.5))
    assert exponential_shift(4096) == pytest.approx(math.exp(1.15))
    assert linear_shift(2176, (256, 1.0), (4096, 3.0)) == pytest.approx(2.0)
    flow = shifted(RectifiedFlow(), exponential_shift(1024))
    assert flow.level(0.5).log_snr == pytest.approx(-linear_shift(1024))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VariancePreserving(2, 1), "beta_min < beta_max"),
        (lambda: VariancePreserving(1, 2, "square"), "scaled_linear"),
        (lambda: VarianceExploding(0, 1), "sigma_min"),
        (lambda: DiscreteBetas([]), "at least one"),
        (lambda: DiscreteBetas([0.1, 1.2]), "each in"),
        (lambda: shifted(Cosine(), float("nan")), "shift"),
        (lambda: SubVariancePreserving(2, 1), "beta_min < beta_max"),
        (lambda: OffsetCosine(0), "Cosine"),
        (lambda: DiscreteBetas.linear(0), "steps of a chain must be at least 1"),
        (lambda: DiscreteBetas.of_survival(lambda t: 1 + t, 3), "each in"),
        (lambda: zero_terminal_snr(RectifiedFlow()), "variance-preserving"),
        (lambda: zero_terminal_snr(SubVariancePreserving()), "variance-preserving"),
        (lambda: zero_terminal_snr(DiscreteBetas([0.1])), "one step"),
        (lambda: linear_shift(0), "tokens"),
        (lambda: exponential_shift(9, (4, 1.0), (4, 2.0)), "tokens"),
        (lambda: resolution_shift(0, 4), "at least 1"),
    ],
)
def test_impossible_processes_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
