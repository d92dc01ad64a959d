"""Accuracy per evaluation on the shipped networks: the default beside the solvers of other programs.

The error is the root mean square distance of the end of a run from that of a long one by unipc_3 with the
same noise, in units of the state; its geometric mean over a few prompts, since guided runs may fall into
another mode. The best peer is the best of ddim (shift 1), dpmpp_2m, unipc_2 and unipc_3 (shifts 1 and 3, grid
uniform), picked with hindsight for each number of evaluations. "default" is ``presets.default_sampler`` with
the guidance of the run, chosen on other prompts. ``--solver`` adds further ones. Many minutes per network.

The default's error / that of the best peer at 6, 8, 10, 15 and 20 evaluations, with references of
150 steps, from guidance 4 on of 256:

    | guidance | 1 | 2 | 4 | 7.5 |
    |---|---|---|---|---|
    | image | .27 .14 .19 .20 .30 | .36 .26 .23 .21 .36 | .46 .34 .37 .33 .38 | .81 .57 .38 .54 .49 |
    | audio | .69 .50 .42 .33 .30 | .71 .47 .39 .27 .25 | .77 .68 .61 .75 .52 | .76 .67 .57 .59 .54 |
    | mesh | .57 .83 .85 .60 .50 | .66 .63 .55 .37 .41 | .93 .71 .53 .68 .62 | 1.16 .89 .75 .89 .72 |
    | video | .44 .27 .22 .15 .11 | .86 .41 .46 .18 .17 | .49 1.11 1.06 .95 .54 | 1.08 .68 .42 .86 .74 |

It is behind by more than 5 % for video with guidance 4 at 8 and 10 and 7.5 at 6, and for mesh with 7.5 at 6.
By default guidance is 2 (image), 3 (audio, mesh) and 1.5 (video).
References of few steps mislead: with 96 steps of unipc_3 some
guided sounds end .17 from where 200 steps of unipc_3 and of flow_abm_2 end.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gen import presets
from gen.diffusion import (
    Conditioning,
    Denoiser,
    NoiseSource,
    Process,
    Solver,
    TimeGrid,
    guided,
    sample,
)
from gen.model import Task
from gen.plan import Request, resolve
from gen.plugin.host import Host
from gen.run import load
from gen.run.batches import batches

PROMPTS = {
    "image": ("a car", "a house", "a tree"),
    "audio": ("thunder", "birds singing", "a piano melody"),
    "mesh": ("a tall lamp", "an airplane", "a red mug"),
    "video": ("a white triangle falls", "two red circles", "a red square moves right"),
}
PEERS = [
    (name, shift)
    for shift in (1.0, 3.0)
    for name in ("ddim", "dpmpp_2m", "unipc_2", "unipc_3")
    if (name, shift) != ("ddim", 3.0)
]


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of a shipped model for the prompts, guided or not.

    Args:
        process: That of the network.
        conditioning: Of the prompts beside the empty one.
        shape: Of a state.
        noise: One seed per prompt.
        denoiser: Guided.
    """

    process: Process
    conditioning: Conditioning
    shape: tuple[int, ...]
    noise: NoiseSource
    denoiser: Denoiser

    @classmethod
    def prepare(cls, modality: str) -> Runs:
        """Those without guidance, of a model with one stage, each prompt with the parameters it decides."""
        host = Host.discover()
        plan = resolve(Request(modality=modality, prompts=PROMPTS[modality]), host)
        model = load(plan, host)
        [batch], [stage] = batches(plan, model, len(PROMPTS[modality])), model.path
        noise = NoiseSource(range(len(batch.items)))
        task = Task(prompts=PROMPTS[modality], params={**plan.params, **batch.settled}, noise=noise)
        task = replace(task, shape=model.codec.shape(task))
        return cls(stage.process, stage.encode(task), task.shape, noise, stage.denoiser(task))

    def guided(self, scale: float) -> Runs:
        """The same with classifier-free guidance."""
        return replace(self, denoiser=guided(self.denoiser, presets.guidance("ddim", scale)))

    def end(self, solver: Solver, grid: TimeGrid) -> Tensor:
        """The end of a run."""
        return sample(
            self.denoiser,
            self.process,
            grid,
            solver,
            noise=self.noise,
            shape=self.shape,
            conditioning=self.conditioning,
        ).x

    def named(self, name: str, steps: int, shift: float = 1.0) -> Tensor:
        """The end of a run with a solver by name, on the grid uniform."""
        grid = presets.grid("uniform", steps, self.process, shift=shift)
        return self.end(presets.solver(name), grid)


def mean(end: Tensor, exact: Tensor) -> float:
    """Geometric mean over the items of the root mean square distance."""
    return float((end - exact).square().flatten(1).mean(1).sqrt().log().mean().exp())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("modality", nargs="*", default=list(PROMPTS), help="Of the model; by default all.")
    parser.add_argument("--guidance", type=float, nargs="*", default=[1.0, 2.0, 4.0, 7.5])
    parser.add_argument("--nfe", type=int, nargs="*", default=[6, 8, 10, 15, 20])
    parser.add_argument("--solver", nargs="*", default=[], help="Further ones, on the grid uniform.")
    parser.add_argument("--reference", type=int, default=150, help="Steps of the reference.")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    columns = ["NFE", "best peer", "its error", "default", "/ peer", *arguments.solver]
    for modality in arguments.modality:
        plain = Runs.prepare(modality)
        for scale in arguments.guidance:
            runs = plain.guided(scale)
            print(f"\n## {modality}, guidance {scale:g}\n\n| " + " | ".join(columns) + " |", flush=True)
            print("|---" * len(columns) + "|")
            with torch.inference_mode():
                exact = runs.named("unipc_3", arguments.reference)
                for nfe in arguments.nfe:
                    error, (name, shift) = min(
                        (mean(runs.named(name, nfe, shift), exact), (name, shift)) for name, shift in PEERS
                    )
                    sampler = presets.default_sampler(nfe, plain.process, guidance=scale)
                    own = mean(runs.end(*sampler), exact)
                    others = [f"{mean(runs.named(name, nfe), exact):.4f}" for name in arguments.solver]
                    cells = [f"{name}, shift {shift:g}", f"{error:.4f}", f"{own:.4f}", f"{own / error:.2f}"]
                    print(f"| {nfe} | " + " | ".join([*cells, *others]) + " |", flush=True)


if __name__ == "__main__":
    main()
