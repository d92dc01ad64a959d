"""The forward chain and the Markov posterior agree with the marginals and with Bayes' rule."""

import itertools
import math

import pytest
import torch

from gen.diffusion import (
    Cosine,
    DiscreteBetas,
    Level,
    Process,
    RectifiedFlow,
    VarianceExploding,
    VariancePreserving,
    posterior,
    shifted,
    transition,
)

BETAS = [0.02, 0.1, 0.3, 0.5]
PROCESSES: dict[str, Process] = {
    "linear": VariancePreserving(),
    "cosine": Cosine(),
    "exploding": VarianceExploding(),
    "flow": RectifiedFlow(),
    "discrete": DiscreteBetas(BETAS),
    "shifted": shifted(RectifiedFlow(), 3.0),
}
TIMES = [0.0, 0.1, 0.35, 0.8, 1.0]


@pytest.fixture(params=PROCESSES, name="process")
def _process(request: pytest.FixtureRequest) -> Process:
    return PROCESSES[request.param]


def test_a_transition_carries_one_marginal_to_the_other(process: Process) -> None:
    for times in itertools.combinations(TIMES, 2):
        a, b = map(process.level, times)
        scale, std = transition(a, b)
        assert scale * a.alpha == pytest.approx(b.alpha, rel=1e-9, abs=1e-12), times
        assert math.hypot(scale * a.sigma, std) == pytest.approx(b.sigma), times


def test_two_transitions_are_one(process: Process) -> None:
    for times in itertools.combinations(TIMES, 3):
        a, b, c = map(process.level, times)
        first, second, both = transition(a, b), transition(b, c), transition(a, c)
        assert both.scale == pytest.approx(first.scale * second.scale, rel=1e-9, abs=1e-12), times
        assert both.std == pytest.approx(math.hypot(second.scale * first.std, second.std)), times


def test_the_posterior_is_bayes_rule(process: Process) -> None:
    for times in itertools.combinations(TIMES, 2):
        a, b = map(process.level, times)
        scale, std = transition(a, b)
        of_x, of_x0, deviation = posterior(b, a)
        # The joint of (x_s, x_t) given x0 has one covariance; both factorings must give it.
        known = pytest.approx(a.sigma**2, rel=1e-12, abs=1e-14)
        assert deviation**2 + (of_x * b.sigma) ** 2 == known, times
        assert of_x * b.sigma**2 == pytest.approx(scale * a.sigma**2, rel=1e-12, abs=1e-14), times
        assert of_x * b.alpha + of_x0 == pytest.approx(a.alpha, rel=1e-9, abs=1e-12), times
        if a.sigma > 0 and std > 0:
            assert 1 / deviation**2 == pytest.approx(1 / a.sigma**2 + (scale / std) ** 2), times


def test_neighbours_of_a_discrete_chain_differ_by_their_beta() -> None:
    levels = [PROCESSES["discrete"].level(i / 4) for i in range(5)]
    for beta, (near, far) in zip(BETAS, itertools.pairwise(levels), strict=True):
        scale, std = transition(near, far)
        assert scale == pytest.approx(math.sqrt(1 - beta))
        assert std == pytest.approx(math.sqrt(beta))
    # Ho et al. 2020, eq. 7.
    last = math.prod(1 - beta for beta in BETAS)
    before = math.prod(1 - beta for beta in BETAS[:-1])
    of_x, of_x0, std = posterior(levels[4], levels[3])
    assert of_x == pytest.approx(math.sqrt(1 - BETAS[-1]) * (1 - before) / (1 - last))
    assert of_x0 == pytest.approx(math.sqrt(before) * BETAS[-1] / (1 - last))
    assert std**2 == pytest.approx((1 - before) / (1 - last) * BETAS[-1])


def test_tensors_agree_with_floats(process: Process) -> None:
    near, far = zip(*itertools.combinations_with_replacement(TIMES, 2), strict=True)
    levels = [process.level(torch.tensor(times, dtype=torch.float64)) for times in (near, far)]
    moves = [(process.level(a), process.level(b)) for a, b in zip(near, far, strict=True)]
    singles = torch.tensor([transition(a, b) for a, b in moves], dtype=torch.float64)
    torch.testing.assert_close(torch.stack(list(transition(*levels)), 1), singles, rtol=1e-9, atol=1e-9)
    singles = torch.tensor([posterior(b, a) for a, b in moves], dtype=torch.float64)
    torch.testing.assert_close(torch.stack(list(posterior(*levels[::-1])), 1), singles, rtol=1e-9, atol=1e-9)
    assert singles.isfinite().all()


def test_staying_changes_nothing(process: Process) -> None:
    for t in TIMES[1:]:
        level = process.level(t)
        assert transition(level, level) == pytest.approx((1, 0), abs=1e-7)
        assert posterior(level, level) == pytest.approx((1, 0, 0), abs=1e-7)


def test_the_wrong_direction_is_refused() -> None:
    low, high, data = Level(0.2, 0.9, 0.3), Level(0.5, 0.5, 0.7), Level(0.0, 1.0, 0.0)
    for near, far in ((high, low), (high, data), (Level(1.0, 0.0, 1.0), low)):
        with pytest.raises(ValueError, match="swap the two levels"):
            transition(near, far)
        with pytest.raises(ValueError, match="swap the two levels"):
            posterior(far, near)
