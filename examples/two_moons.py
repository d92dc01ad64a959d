"""Two moons: train a flow on points in the plane and sample it, with nothing but gen.diffusion."""

import math

import torch
from torch import nn

from gen import diffusion as gd


def moons(count: int) -> torch.Tensor:
    angle, upper = math.pi * torch.rand(count), torch.rand(count) < 0.5
    x = torch.where(upper, angle.cos(), 1 - angle.cos()) - 0.5
    y = torch.where(upper, angle.sin(), 0.5 - angle.sin()) - 0.25
    return torch.stack([x, y], 1) + 0.05 * torch.randn(count, 2)


class Network(nn.Sequential):
    def forward(self, x, c_noise, _=None):
        return super().forward(torch.cat([x, c_noise[:, None]], 1))


process, parameterization, times = gd.RectifiedFlow(), gd.Velocity(), gd.UniformTimes()
hidden = [layer for _ in range(2) for layer in (nn.Linear(128, 128), nn.SiLU())]
network = Network(nn.Linear(3, 128), nn.SiLU(), *hidden, nn.Linear(128, 2))
optimizer = torch.optim.Adam(network.parameters(), 2e-3)
for _ in range(3000):
    x0, eps = moons(512), torch.randn(512, 2)
    level = process.level(times(512, torch.default_generator))
    output = network(process.diffuse(x0, eps, level), level.t.float())
    loss = (output - parameterization.target(x0, eps, level)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

denoiser = gd.ModelDenoiser(network, process, parameterization)
noise, grid = gd.NoiseSource(range(1000)), gd.TimeGrid.uniform(20)
points = gd.sample(denoiser, process, grid, gd.DPMpp2M(), noise=noise, shape=(2,)).x
nearest = torch.cdist(points, moons(20000)).min(1).values
print(f"1000 points, mean distance to the moons {nearest.mean():.3f}, farthest {nearest.max():.3f}")
