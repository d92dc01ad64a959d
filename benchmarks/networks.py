"""TODO"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from gen import presets
from gen.diffusion import (
    Conditioning,
    Denoiser,
    ModelDenoiser,
    NoiseSource,
    Solver,
    TimeGrid,
    guided,
    sample,
)
from gen.model import Model, Task
from gen.plan import Request, resolve
from gen.plugin.host import Host
from gen.run import load

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


def prepared(modality: str) -> tuple[Model, Conditioning, tuple[int, ...]]:
    """The shipped model, its conditioning for the prompts beside the empty one, and the shape of a state."""
    host = Host.discover()
    plan = resolve(Request(modality=modality, prompts=PROMPTS[modality]), host)
    model, params = load(plan, host), dict(plan.params)
    prompts = list(PROMPTS[modality])
    conditioning = model.encoder(prompts, params).with_uncond(model.encoder([""] * len(prompts), params))
    return model, conditioning, model.codec.shape(Task(params=params))


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
    for modality in arguments.modality:
        model, conditioning, shape = prepared(modality)
        network = ModelDenoiser(model.network, model.process, model.parameterization)
        further = arguments.solver
        for scale in arguments.guidance:
            denoiser = guided(network, presets.guidance("ddim", scale))

            def end(solver: Solver, grid: TimeGrid, denoiser: Denoiser = denoiser) -> Tensor:
                return sample(
                    denoiser,
                    model.process,
                    grid,
                    solver,
                    noise=NoiseSource(range(conditioning.batch or 1)),
                    shape=shape,
                    conditioning=conditioning,
                ).x

            def named(name: str, steps: int, shift: float = 1.0) -> Tensor:
                return end(presets.solver(name), presets.grid("uniform", steps, model.process, shift=shift))

            print(f"\n## {modality}, guidance {scale:g}\n", flush=True)
            print("| NFE | best peer | its error | default | / peer | " + " | ".join(further) + " |")
            print("|---" * (5 + len(further)) + "|")
            with torch.inference_mode():
                exact = named("unipc_3", arguments.reference)
                for nfe in arguments.nfe:
                    error, (name, shift) = min(
                        (mean(named(name, nfe, shift), exact), (name, shift)) for name, shift in PEERS
                    )
                    own = mean(end(*presets.default_sampler(nfe, model.process, guidance=scale)), exact)
                    others = [f"{mean(named(name, nfe), exact):.4f}" for name in further]
                    cells = [f"{name}, shift {shift:g}", f"{error:.4f}", f"{own:.4f}", f"{own / error:.2f}"]
                    print(f"| {nfe} | " + " | ".join([*cells, *others]) + " |", flush=True)


if __name__ == "__main__":
    main()
