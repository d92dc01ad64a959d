"""The training objective against what it must be."""

import pytest
import torch
from torch import nn

from gen.diffusion import Conditioning, Epsilon, RectifiedFlow, Sample, VariancePreserving, Velocity
from gen.train import DiffusionLoss, LogitNormalTimes


class Oracle(nn.Module):
    """Knows the data, and answers what the parameterization asks for."""

    def __init__(self, x0, process, parameterization):
        super().__init__()
        self.x0, self.process, self.parameterization = x0, process, parameterization

    def forward(self, x, c_noise, conditioning):
        level = self.process.level(c_noise.double())
        alpha, sigma = (v.to(x)[:, None] for v in (level.alpha, level.sigma))
        return self.parameterization.target(self.x0, (x - alpha * self.x0) / sigma, level)


@pytest.mark.parametrize("process", [RectifiedFlow(), VariancePreserving()])
@pytest.mark.parametrize("parameterization", [Velocity(), Epsilon(), Sample()])
def test_an_oracle_has_no_loss_and_a_liar_has(process, parameterization) -> None:
    torch.manual_seed(0)
    x0 = torch.randn(64, 5)
    objective = DiffusionLoss(process, parameterization)
    oracle = Oracle(x0, process, parameterization)
    assert objective(oracle, x0, Conditioning(), torch.Generator().manual_seed(1)) < 1e-6
    liar = Oracle(x0.flip(0), process, parameterization)
    assert objective(liar, x0, Conditioning(), torch.Generator().manual_seed(1)) > 0.05


def test_times_are_logit_normal_and_stratified() -> None:
    times = LogitNormalTimes(mean=0.8, std=1.2)(4096, torch.Generator().manual_seed(0))
    logits = torch.logit(times)
    assert times.dtype == torch.float64
    assert logits.mean() == pytest.approx(0.8, abs=0.01)
    assert logits.std() == pytest.approx(1.2, abs=0.01)
    # One draw in each of 4,096 strata: every quantile is met, far closer than independent draws would.
    assert (times < torch.sigmoid(torch.tensor(0.8, dtype=torch.float64))).float().mean() == pytest.approx(
        0.5, abs=1 / 4096
    )
