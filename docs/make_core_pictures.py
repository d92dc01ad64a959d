"""Draw the pictures of ``docs/core.md``, all computed by the core on problems whose exact answer is known.

pip install 'gen-toolkit[docs]'
python docs/make_core_pictures.py [names]
"""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

import gen.diffusion as gd
from gen.diffusion import categorical, guidance, inverse

mpl.use("Agg")
plt.rcParams |= {
    "font.size": 9, "axes.titlesize": 9, "axes.spines.top": False, "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(
        color=["#2563b0", "#d1495b", "#3a9d5d", "#e39c1e", "#7b52ab", "#5b6770", "#1ba3b8"]
    ),
    "legend.frameon": False, "legend.fontsize": 8, "lines.linewidth": 1.4,
    "figure.constrained_layout.use": True,
    "axes.edgecolor": "#777777", "xtick.color": "#555555", "ytick.color": "#555555",
}  # fmt: skip
BLUE, RED, GREEN, GREY = "#2563b0", "#d1495b", "#3a9d5d", "#9aa3ab"
FOLDER = Path(__file__).with_name("core")
FLOW = gd.RectifiedFlow()
VP = gd.VariancePreserving()


@dataclass(frozen=True, eq=False)
class Mixture:
    """The exact denoiser of sum of w_k N(means_k, std**2); a condition "only" picks components."""

    means: Tensor
    std: float
    weights: Tensor

    def __call__(
        self, x: Tensor, level: gd.Level[float], conditioning: gd.Conditioning, _memory: gd.Memory
    ) -> gd.Prediction:
        variance = (level.alpha * self.std) ** 2 + level.sigma**2
        offset = x[:, None] - level.alpha * self.means.to(x)
        logits = self.weights.log().to(x) - offset.square().sum(2) / (2 * variance)
        if "only" in conditioning:
            logits = logits + conditioning["only"].value.log()
        share = logits.softmax(1)[..., None]
        return gd.Prediction(
            (share * (self.means.to(x) + level.alpha * self.std**2 / variance * offset)).sum(1)
        )

    def density(self, x: Tensor, level: gd.Level[float]) -> Tensor:
        """p(x_t) of x (N, d)."""
        variance = (level.alpha * self.std) ** 2 + level.sigma**2
        offset = x[:, None] - level.alpha * self.means.to(x)
        bells = (-offset.square().sum(2) / (2 * variance)).exp() / (2 * math.pi * variance) ** (
            x.shape[1] / 2
        )
        return bells @ self.weights.to(x)


LINE = Mixture(torch.tensor([[-1.2], [0.3], [1.4]]), 0.15, torch.tensor([0.4, 0.25, 0.35]))


def processes() -> Figure:
    """The path of (alpha, sigma), alpha and log_snr over time."""
    named: dict[str, gd.Process] = {
        "VariancePreserving": VP, "Cosine, TrigFlow": gd.Cosine(), "RectifiedFlow": FLOW,
        "SubVariancePreserving": gd.process.SubVariancePreserving(),
        "VarianceExploding, EDM": gd.VarianceExploding(),
        "shifted(RectifiedFlow(), 3)": gd.shifted(FLOW, 3.0),
    }  # fmt: skip
    figure, (plane, alphas, snrs) = plt.subplots(1, 3, figsize=(9, 2.9))
    times = torch.linspace(0, 1, 400, dtype=torch.float64)
    for number, (name, process) in enumerate(named.items()):
        level, dash = process.level(times[1:-1]), "--" if number in (1, 5) else "-"
        plane.plot(level.alpha, level.sigma, dash, label=name)
        alphas.plot(times[1:-1], level.alpha, dash)
        snrs.plot(times[1:-1], level.log_snr, dash)
    plane.set(
        xlabel="alpha",
        ylabel="sigma",
        xlim=(0, 1.05),
        ylim=(0, 1.2),
        title="from the data, at (1, 0), to noise",
    )
    alphas.set(xlabel="t", title="alpha(t)")
    snrs.set(xlabel="t", title="log_snr(t) = log(alpha / sigma)", ylim=(-7, 7))
    figure.legend(*plane.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def parameterizations() -> Figure:
    """How x0 is put together from the state and the network's output."""
    named: dict[str, gd.Parameterization] = {
        "Epsilon": gd.Epsilon(), "Sample": gd.Sample(), "VPrediction": gd.VPrediction(),
        "Velocity": gd.Velocity(), "EDM(0.5)": gd.EDM(0.5), "Consistency(0.5)": gd.Consistency(0.5),
    }  # fmt: skip
    process = gd.Cosine()
    snrs = torch.linspace(-4, 4, 300, dtype=torch.float64)
    level = process.level(process.t_of_log_snr(snrs))
    figure, (skip, out) = plt.subplots(1, 2, figsize=(9, 2.7))
    for name, parameterization in named.items():
        c = parameterization.coefficients(level)
        dash = "--" if name.startswith("Consistency") else "-"
        skip.plot(snrs, c.c_skip + torch.zeros_like(snrs), dash, label=name)
        out.plot(snrs, c.c_out.abs() + torch.zeros_like(snrs), dash, label=name)
    skip.set(xlabel="log_snr", title="c_skip: the share of x in x0", ylim=(-0.1, 2.5))
    out.set(
        xlabel="log_snr", title="|c_out|: what an error of F becomes in x0", yscale="log", ylim=(0.01, 30)
    )
    out.legend(loc="lower left")
    return figure


def training() -> Figure:
    """Where the times fall, and what the weightings make of an error of eps."""
    figure, (density, weights) = plt.subplots(1, 2, figsize=(9, 2.7))
    times: dict[str, gd.Times] = {
        "UniformTimes": gd.UniformTimes(), "LogitNormalTimes": gd.LogitNormalTimes(),
        "ModeTimes": gd.training.ModeTimes(), "CosMapTimes": gd.training.CosMapTimes(),
        "LogNormalSigmas": gd.LogNormalSigmas(FLOW),
    }  # fmt: skip
    shares = torch.linspace(0.002, 0.998, 997, dtype=torch.float64)
    for name, law in times.items():
        t = law.quantile(shares)
        density.plot((t[1:] + t[:-1]) / 2, (shares[1:] - shares[:-1]) / (t[1:] - t[:-1]), label=name)
    density.set(xlabel="t", title="Times: density of t (RectifiedFlow)", ylim=(0, 2.9))
    density.legend()
    snrs = torch.linspace(-4, 4, 300, dtype=torch.float64)
    level = FLOW.level(FLOW.t_of_log_snr(snrs))
    weightings: dict[str, gd.Weighting] = {
        "SNR (L_simple)": gd.SNRWeighting(), "MinSNR": gd.MinSNRWeighting(),
        "TruncatedSNR": gd.training.TruncatedSNRWeighting(), "EDM": gd.training.EDMWeighting(),
        "P2": gd.training.P2Weighting(),
        "Variational": gd.training.VariationalWeighting(FLOW), "Sigmoid": gd.SigmoidWeighting(FLOW),
    }  # fmt: skip
    for name, weighting in weightings.items():
        width = 4 if weighting == gd.SNRWeighting() else 1.4  # others lie on it
        weights.plot(snrs, weighting(level) / (2 * snrs).exp(), label=name, linewidth=width)
    weights.set(
        xlabel="log_snr",
        yscale="log",
        ylim=(0.003, 300),
        title="Weighting: weight of an error of eps, w / SNR",
    )
    weights.legend(ncols=2)
    return figure


def grids() -> Figure:
    """Where ten steps stop, and a grid with restarts."""
    sd = gd.DiscreteBetas.scaled_linear()
    noise = gd.NoiseSource(range(16))
    named = {
        "uniform": gd.TimeGrid.uniform(10), "quadratic": gd.TimeGrid.quadratic(10),
        "beta_on_chain": gd.TimeGrid.beta_on_chain(10), "leading": gd.TimeGrid.leading(10),
        "linspace": gd.TimeGrid.linspace(10), "trailing": gd.TimeGrid.trailing(10),
        "uniform.shift(3)": gd.TimeGrid.uniform(10).shift(3.0), "karras": gd.TimeGrid.karras(10, sd),
        "uniform_log_snr": gd.TimeGrid.uniform_log_snr(10, sd),
        "table (AYS, sd1)": gd.TimeGrid.table(gd.grid.ALIGN_YOUR_STEPS["sd1"], sd),
        "kl_optimal": gd.TimeGrid.kl_optimal(10, sd), "laplace": gd.TimeGrid.laplace(10, sd),
        "linear_quadratic": gd.TimeGrid.linear_quadratic(10, sd),
        "search_grid": gd.search_grid(LINE, sd, 10, noise=noise, shape=(1,)),
    }  # fmt: skip
    figure, (rows, restarts) = plt.subplots(1, 2, figsize=(9, 3), width_ratios=(5, 3))
    for row, grid in enumerate(named.values()):
        snrs = [min(level.log_snr, 5.0) for level in grid.levels(sd)]
        rows.plot(snrs, [row] * len(snrs), "o-", color=BLUE, markersize=3.5, linewidth=0.6)
    rows.set(
        yticks=range(len(named)),
        yticklabels=named,
        xlabel="log_snr (the last point is the data, at infinity)",
    )
    rows.set_title("ten steps on the chain of Stable Diffusion")
    rows.invert_yaxis()
    grid = gd.TimeGrid.uniform(20).restart(5, 3, within=(0.2, 0.8))
    restarts.plot(range(len(grid)), grid.times, "-", color=BLUE)
    for i in grid.renoise_steps:
        restarts.plot(
            [i, i + 1],
            grid.times[i : i + 2],
            color=RED,
            label="noise is added" if i == grid.renoise_steps[0] else None,
        )
    restarts.set(xlabel="step", ylabel="t", title="uniform(20).restart(5, 3, …)")
    restarts.legend()
    return figure


def _shade(axes: plt.Axes, process: gd.Process) -> None:
    """p(x_t) of ``LINE`` behind a plot of x over t from 1 to 0."""
    x = torch.linspace(-3, 3, 240)[:, None]
    shades = [LINE.density(x, process.level(t)) for t in torch.linspace(1, 0, 160).tolist()]
    shades = [shade / shade.max() for shade in shades]
    axes.imshow(
        torch.stack(shades, 1), extent=(1, 0, -3, 3), origin="lower", aspect="auto", cmap="Greys", vmax=2.2
    )
    axes.set(xlim=(1, 0), ylim=(-3, 3), xlabel="t")


def trajectories() -> Figure:
    """The same noise followed by three kinds of run."""
    noise = gd.NoiseSource(range(7))
    runs: dict[str, tuple[gd.TimeGrid, gd.Solver]] = {
        "UniPC(): one way for each noise": (
            gd.TimeGrid.uniform(100), gd.UniPC(),
        ),
        "DDIM(1.0): fresh noise in every step": (gd.TimeGrid.uniform(100), gd.DDIM(1.0)),
        "DDIM() on a grid with restarts": (
            gd.TimeGrid.uniform(60).restart(24, 2, within=(0.35, 0.76)), gd.DDIM(),
        ),
    }  # fmt: skip
    figure, panels = plt.subplots(1, 3, figsize=(9, 2.7), sharey=True)
    for axes, (name, (grid, solver)) in zip(panels, runs.items(), strict=True):
        _shade(axes, FLOW)
        states = [gd.prior(FLOW, grid, noise, (1,))]
        for step in gd.iterate(LINE, FLOW, grid, solver, x=states[0], noise=noise):
            states.append(step.x)
        axes.plot(grid.times, torch.cat(states, 1).T, linewidth=0.9)
        axes.set_title(name, fontsize=8)
    panels[0].set_ylabel("x")
    return figure


def orders() -> Figure:
    """Error at the end against evaluations."""
    process, noise = gd.VarianceExploding(), gd.NoiseSource(range(32))
    start, end = 1.0, 0.3

    def grid(steps: int) -> gd.TimeGrid:
        return gd.TimeGrid(tuple(start + (end - start) * i / steps for i in range(steps + 1)))

    def run(solver: gd.Solver, steps: int) -> tuple[Tensor, int]:
        x = gd.prior(process, grid(1), noise, (1,)).double()
        run = gd.sample(smooth, process, grid(steps), solver, noise=noise, x=x)
        return run.x, run.nfe

    smooth = Mixture(LINE.means.double(), 0.4, LINE.weights.double())
    named: dict[str, tuple[gd.Solver, int]] = {
        "DDIM()": (gd.DDIM(), 1), "Heun()": (gd.Heun(), 2),
        "DPMpp2M()": (gd.DPMpp2M(), 2),
        "DPMSolver3()": (gd.solvers.DPMSolver3(), 3),
        "FlowAdams(3)": (gd.FlowAdams(3), 3),
        "LMS()": (gd.LMS(), 4),
        "UniPC()": (gd.UniPC(lower_order_final=False), 4),
    }  # fmt: skip
    exact, _ = run(gd.UniPC(), 3000)
    figure, axes = plt.subplots(figsize=(6.6, 3.4))
    for name, (solver, order) in named.items():
        points = []
        for nfe in (12, 18, 27, 42, 66, 102, 162, 258):
            end_x, used = run(
                solver, nfe // solver.order if "Runge" in name else nfe // 2 if name == "Heun()" else nfe
            )
            points.append((used, (end_x - exact).square().mean().sqrt().item()))
        axes.loglog(*zip(*points, strict=True), "o-", markersize=2.5, label=f"{name}: order {order}")
    axes.set(
        xlabel="evaluations of the network",
        ylabel="error at the end",
        ylim=(1e-9, 1),
        xticks=(12, 25, 50, 100, 200),
    )
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.minorticks_off()
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def brownian() -> Figure:
    """One path of noise, seen ever more finely."""
    figure, panels = plt.subplots(1, 2, figsize=(9, 2.7), sharey=True)
    solver = gd.DPMpp2M(1.0)
    for axes, tied in zip(panels, (False, True), strict=True):
        _shade(axes, gd.Cosine())
        noise = gd.NoiseSource([3, 5], brownian=tied)
        for steps, colour, width in ((16, GREEN, 1.6), (64, RED, 1.1), (256, BLUE, 0.6)):
            grid = gd.TimeGrid.uniform(steps)
            states = [gd.prior(gd.Cosine(), grid, noise, (1,))]
            for step in gd.iterate(LINE, gd.Cosine(), grid, solver, x=states[0], noise=noise):
                states.append(step.x)
            lines = axes.plot(grid.times, torch.cat(states, 1).T, color=colour, linewidth=width)
            lines[0].set_label(f"{steps} steps")
        axes.set_title(f"NoiseSource(seeds, brownian={tied})")
    panels[0].legend(loc="lower left")
    panels[0].set_ylabel("x")
    return figure


def guidances() -> Figure:
    """Samples of one class out of two, by the strength and the kind of guidance."""
    angle = torch.arange(12) * (2 * math.pi / 12)
    means = (
        torch.stack([angle.cos(), angle.sin()], 1) * torch.where(torch.arange(12) % 2 == 0, 1.5, 0.9)[:, None]
    )
    full, weights = torch.ones(12), torch.full((12,), 1 / 12)
    ours = torch.where((angle - 0.9).abs() < 0.9, 1.0, 1e-3)
    exact, blurred = Mixture(means, 0.13, weights), Mixture(means, 0.4, weights)
    count = 400
    prompt, null = (
        gd.Conditioning({"only": gd.Condition(c.expand(count, 12), "global")}) for c in (ours, full)
    )
    conditioning = prompt.with_uncond(null)
    kinds: dict[str, gd.Denoiser] = {
        "the exact network,\nno guidance": exact,
        "the exact network,\nClassifierFree(3)": gd.guided(exact, guidance.ClassifierFree(3.0)),
        "the exact network,\n…, interval=(-0.5, 3)": gd.guided(
            exact, guidance.ClassifierFree(3.0, interval=(-0.5, 3.0))
        ),
        "a blurred network,\nno guidance": blurred,
        "a blurred network,\nweak=…": gd.guided(
            blurred, guidance.ClassifierFree(2.2, weak=Mixture(means, 0.6, weights))
        ),
    }  # fmt: skip
    figure, panels = plt.subplots(1, 5, figsize=(9, 2.1), sharex=True, sharey=True)
    for axes, (name, denoiser) in zip(panels, kinds.items(), strict=True):
        x = gd.sample(
            denoiser, FLOW, gd.TimeGrid.uniform(50), gd.DPMpp2M(), shape=(2,),
            noise=gd.NoiseSource(range(count)), conditioning=conditioning,
        ).x  # fmt: skip
        axes.scatter(*means.T, s=16, facecolors="none", edgecolors=GREY, linewidths=0.7)
        axes.scatter(*means[ours > 0.5].T, s=60, facecolors="none", edgecolors=RED, linewidths=0.8)
        axes.scatter(*x.T, s=1.5, color=BLUE, linewidths=0)
        axes.set_title(name, fontsize=7.5)
        axes.set(xlim=(-2.2, 2.6), ylim=(-2.2, 2.6), xticks=[], yticks=[], aspect="equal")
    return figure


def inverses() -> Figure:
    """Signals that agree with what was measured of one."""
    size = 96
    place = torch.arange(size, dtype=torch.float64)
    distance = (size / math.pi) * (math.pi / size * (place[:, None] - place)).sin()  # the ends meet
    covariance = (-distance.square() / (2 * 6.0**2)).exp() + 1e-5 * torch.eye(size)
    values, vectors = torch.linalg.eigh(covariance)

    def denoiser(x: Tensor, level: gd.Level[float], _: gd.Conditioning, _memory: gd.Memory) -> gd.Prediction:
        gain = level.alpha * values / (level.alpha**2 * values + level.sigma**2)
        return gd.Prediction(((x.double() @ vectors) * gain @ vectors.T).to(x))

    truth = (gd.NoiseSource([4]).normal((size,), "truth").double() @ (vectors * values.sqrt()).T).float()
    given = (place < 30) | ((place >= 52) & (place < 60))
    kernel = torch.ones(9) / 9
    dusty = inverse.Blur(kernel, (-1,))
    mask = inverse.Measurement(inverse.Mask(given), truth * given)
    noise, grid = gd.NoiseSource(range(6)), gd.TimeGrid.uniform(60)
    coarse = inverse.BlockAverage(12, (-1,))
    plans = (
        ("Mask, MaskBlend with restart", mask, inverse.MaskBlend(), grid.restart(1, 10), given),
        ("BlockAverage(12), PiGDM", inverse.Measurement(coarse, coarse(truth)), inverse.PiGDM(), grid, None),
        ("Blur with noise 0.1, PiGDM", inverse.Measurement(
            dusty, dusty(truth) + 0.1 * noise.normal((size,), "dust")[:1], 0.1
        ), inverse.PiGDM(), grid, None),
    )  # fmt: skip
    figure, panels = plt.subplots(1, 3, figsize=(9, 2.5), sharey=True)
    for axes, (name, measurement, method, walk, known) in zip(panels, plans, strict=True):
        constrained = inverse.constrained(denoiser, measurement, method)
        x = gd.sample(constrained, FLOW, walk, gd.DDIM(1.0), noise=noise, shape=(size,)).x
        axes.plot(place, x.T, color=BLUE, linewidth=0.7, alpha=0.8)
        axes.plot(place, truth[0], color="black", linewidth=1.4, linestyle=":")
        y = measurement.y[0]
        if known is not None:
            axes.plot(place[known], y[known], ".", color=RED, markersize=4)
        elif y.numel() < size:
            axes.hlines(y, place[::12] - 0.5, place[::12] + 11.5, color=RED, linewidth=2)
        else:
            axes.plot(place, y, ".", color=RED, markersize=2.5)
        axes.set_title(name, fontsize=8)
    return figure


PHRASES = (
    "the cat sat on the mat", "the dog sat on the rug", "the cow lay in the hay", "the hen lay in the hut",
    "the bat hid in the hut", "the fox hid in the hay", "the pig lay on the mat", "the ant sat on the rug",
)  # fmt: skip


def tokens() -> Figure:
    """A phrase unmasked letter by letter; the exact network knows eight phrases."""
    letters = sorted(set("".join(PHRASES)))
    data = torch.tensor([[letters.index(letter) for letter in phrase] for phrase in PHRASES])
    process = categorical.Masked(len(letters), mask_token=len(letters))

    def network(x: Tensor, _c_noise: Tensor, _conditioning: gd.Conditioning) -> Tensor:
        clash = ((x[:, None] != data) & (x[:, None] != process.mask_token)).sum(2)
        share = (clash == clash.amin(1, keepdim=True)).double()
        share = share / share.sum(1, keepdim=True)
        one_hot = torch.nn.functional.one_hot(data, len(letters)).double()
        return torch.einsum("bp,plk->blk", share, one_hot).clamp(min=1e-40).log()

    denoiser = categorical.TokenDenoiser(network, process)
    runs: dict[str, tuple[gd.Solver, gd.TimeGrid]] = {
        "PosteriorSample, 7 steps": (categorical.PosteriorSample(process), gd.TimeGrid.uniform(7)),
        "Unmask(order='confidence'), 7 steps": (
            categorical.Unmask(process, "confidence"), gd.TimeGrid.uniform(7),
        ),
        "EntropyBound(0.1)": (categorical.EntropyBound(process), gd.TimeGrid.uniform(7)),
    }  # fmt: skip
    figure, panels = plt.subplots(1, 3, figsize=(9, 1.75))
    noise = gd.NoiseSource([5])
    for axes, (name, (solver, grid)) in zip(panels, runs.items(), strict=True):
        x = process.prior(noise, data.shape[1:], process.level(1.0))
        steps = gd.iterate(denoiser, process, grid, solver, x=x, noise=noise)  # type: ignore[arg-type]
        evaluations = 0
        for row, (state, nfe) in enumerate([(x, 0), *((step.x, step.nfe) for step in steps)]):
            evaluations += nfe
            for column, token in enumerate(state[0].tolist()):
                if token == process.mask_token:
                    axes.add_patch(plt.Rectangle((column - 0.4, row - 0.4), 0.8, 0.8, color="#d5dade"))
                else:
                    axes.text(
                        column, row, letters[token], ha="center", va="center", family="monospace", fontsize=8
                    )
        axes.set(xlim=(-1, data.shape[1]), ylim=(7.6, -0.6), xticks=[], yticks=[])
        axes.set_title(f"{name}: {evaluations} evaluations", fontsize=8)
        axes.spines[:].set_visible(False)
    return figure


def previews() -> Figure:
    """State and predicted data, step by step."""
    angle = torch.arange(300) * (2 * math.pi * 2 / 300)
    spiral = torch.stack([angle.cos(), angle.sin()], 1) * (0.3 + angle / 8)[:, None]
    denoiser, noise, grid = (
        Mixture(spiral, 0.04, torch.full((300,), 1 / 300)),
        gd.NoiseSource(range(500)),
        gd.TimeGrid.uniform(20),
    )
    x = gd.prior(FLOW, grid, noise, (2,))
    figure, panels = plt.subplots(1, 6, figsize=(9, 1.65), sharex=True, sharey=True)
    steps = list(gd.iterate(denoiser, FLOW, grid, gd.DPMpp2M(), x=x, noise=noise))
    for axes, index in zip(panels, (0, 5, 10, 13, 16, 19), strict=True):
        step = steps[index]
        axes.scatter(*step.x.T, s=2, color=GREY, linewidths=0, label="x")
        axes.scatter(*step.x0.T, s=2, color=BLUE, linewidths=0, label="x0")
        axes.set(xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), xticks=[], yticks=[], aspect="equal")
        axes.set_title(f"step.index = {index}", fontsize=8)
    panels[0].legend(loc="lower left", markerscale=4, handletextpad=0, borderpad=0)
    return figure


def likelihoods() -> Figure:
    """The density that the flow gives, and the noise that data inverts to."""
    x0 = torch.linspace(-2.5, 2.5, 251, dtype=torch.float64)[:, None]
    grid, solver = gd.TimeGrid.karras(60, VP), gd.UniPC()
    found = gd.log_likelihood(LINE, VP, grid, solver, x0)
    figure, (density, codes) = plt.subplots(1, 2, figsize=(9, 2.3))
    density.plot(x0, LINE.density(x0, gd.Level(0.0, 1.0, 0.0)), color=GREY, linewidth=4, label="exact")
    density.plot(x0, found.nats.exp(), color=RED, linewidth=1.2, label="exp(log_likelihood)")
    density.set(xlabel="x0", title="log_likelihood(...): the density of data")
    density.legend()
    generator = torch.Generator().manual_seed(0)
    chosen = torch.multinomial(LINE.weights, 4000, replacement=True, generator=generator)
    data = LINE.means[chosen] + LINE.std * torch.randn(4000, 1, generator=generator)
    codes.hist(data.flatten(), bins=80, density=True, color=GREY, alpha=0.6, label="data")
    latent = gd.invert(LINE, VP, grid, solver, data).x
    codes.hist(latent.flatten(), bins=80, density=True, histtype="step", color=BLUE, label="invert(data)")
    normal = torch.linspace(-3, 3, 100)
    codes.plot(normal, (-normal.square() / 2).exp() / math.sqrt(2 * math.pi), color=RED, label="N(0, 1)")
    codes.set(title="invert(...): the noise of data")
    codes.legend()
    return figure


PICTURES: tuple[Callable[[], Figure], ...] = (
    processes, parameterizations, training, grids, trajectories, orders, brownian, guidances, inverses,
    tokens, previews, likelihoods,
)  # fmt: skip


def main(names: Sequence[str]) -> None:
    """Those of these names, or all."""
    torch.set_num_threads(1)
    for draw in PICTURES:
        if names and draw.__name__ not in names:
            continue
        figure, file = draw(), io.BytesIO()
        figure.savefig(file, dpi=110, facecolor="white")
        plt.close(figure)
        picture = Image.open(file).convert("RGB").quantize(64, dither=Image.Dither.NONE)
        picture.save(FOLDER / f"{draw.__name__}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
