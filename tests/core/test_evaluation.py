from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from gen.errors import UsageError
from gen.evaluation import Trial, frechet_distance, kept_judge
from gen.plugin.cache import cache_folder

CLASSES = ("left", "right")


def judge(examples: Iterator[tuple[Tensor, Tensor]], classes=CLASSES, version=1) -> nn.Linear:
    return kept_judge(
        "sides",
        version,
        classes,
        lambda: nn.Linear(1, len(classes)),
        examples,
        steps=60,
        report=lambda _: None,
        rate=0.1,
    )


def sides() -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        x = torch.randn(32, 1)
        yield x, (x[:, 0] > 0).long()


def untouched() -> Iterator[tuple[Tensor, Tensor]]:
    raise AssertionError("the judge is in the cache")
    yield


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GEN_CACHE", str(tmp_path / "cache"))


def test_a_judge_learns_once_and_is_kept():
    first, second = judge(sides()), judge(untouched())
    assert not first.training
    assert not second.training
    assert first(torch.tensor([[-2.0], [2.0]])).argmax(1).tolist() == [0, 1]
    assert torch.equal(first.weight, second.weight)


def test_judges_of_other_classes_or_versions_are_others():
    judge(sides())
    for changes in ({"version": 2}, {"classes": ("up", "down")}):
        judge(sides(), **changes)
    assert len(list(cache_folder().iterdir())) == 3


def test_a_judge_comes_from_its_own_seed_and_leaves_the_caller_s(monkeypatch, tmp_path):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = judge(sides())
    assert torch.equal(torch.get_rng_state(), before)
    monkeypatch.setenv("GEN_CACHE", str(tmp_path / "another"))
    torch.manual_seed(2)
    assert torch.equal(judge(sides()).weight, first.weight)


def test_a_judge_that_cannot_be_kept_judges_all_the_same(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GEN_CACHE", str(tmp_path / "file"))
    assert judge(sides()).out_features == 2


def test_frechet_distance_of_shifted_and_scaled_gaussians() -> None:
    features = torch.randn(500, 4, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-6)
    shift = torch.tensor([1.0, 2.0, 0.0, -1.0])
    assert frechet_distance(features, features + shift) == pytest.approx(6, rel=1e-4)
    # Scaled by 2 about the mean: the trace of (2 - 1)^2 times the covariance.
    scaled = (features - features.mean(0)) * 2 + features.mean(0)
    expected = float(torch.cov(features.T).trace())
    assert frechet_distance(features, scaled) == pytest.approx(expected, rel=1e-3)


def test_a_trial_measures_the_groups_that_are_wanted_and_no_others() -> None:
    called = []
    groups = {name: lambda name=name: called.append(name) or len(called) for name in ("a", "b", "c")}

    def trial(*wanted: str) -> Trial:
        return Trial(
            model=None,  # type: ignore[arg-type]
            draw=None,  # type: ignore[arg-type]
            samples=None,
            report=lambda _: None,
            groups=frozenset(wanted) or None,
        )

    assert trial("c", "a").measure(groups) == {"a": 1, "c": 2}
    assert called == ["a", "c"]
    assert list(trial().measure(groups)) == ["a", "b", "c"]
    with pytest.raises(UsageError, match="no group 'd'"):
        trial("a", "d").measure(groups)
