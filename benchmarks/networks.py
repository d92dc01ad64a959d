"""Accuracy per evaluation on the shipped networks: solvers on one grid beside a run of many steps.

The error is the root mean square distance of the end of a run from that of a long one with the same noise, in
units of the state, over a few prompts. Guidance is classifier-free. "default" is ``presets.default_sampler``
with the guidance of the run, on its own grid. Some minutes per network.

Errors at the steps and the guidance that each shipped model takes by default, on the grid uniform, with two
prompts and a reference of 48 steps (``--reference 48``); "peer" is the best of ddim, dpmpp_2m, unipc_2 and
unipc_3, "shipped" the model's own solver:

    |                         | peer  | shipped            | / peer | flow_abm_2 | default |
    |---|---|---|---|---|---|
    | image, 12, guidance 2   | .0173 | flow_adams_2 .0113 | .65    | .0082      | .0042   |
    | audio, 16, guidance 3   | .0255 | flow_adams_2 .0703 | 2.76   | .0400      | .1107   |
    | video, 16, guidance 1.5 | .0108 | flow_adams_2 .0087 | .81    | .0068      | .0061   |
    | mesh, 16, guidance 3    | .1905 | dpmpp_2m .2380     | 1.25   | .1363      | .1843   |

On audio unipc_3 is ahead of every solver of these tables, and the default is 4.3 times its error; on mesh
flow_abm_2 is.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from gen import presets
from gen.diffusion import Conditioning, Denoiser, ModelDenoiser, NoiseSource, guided, sample
from gen.model import Model, Task
from gen.plan import Request, resolve
from gen.plugin.host import Host
from gen.run import load

PROMPTS = {
    "image": ("a red apple", "a dog"),
    "audio": ("rain on a roof", "a dog barks"),
    "mesh": ("a red chair", "a blue cube"),
    "video": ("a red ball jumps", "a blue square turns"),
}
SOLVERS = ("ddim", "dpmpp_2m", "unipc_2", "unipc_3", "flow_adams_2", "flow_abm_2", "default")


def prepared(modality: str) -> tuple[Model, Conditioning, tuple[int, ...]]:
    """The shipped model, its conditioning for the prompts beside the empty one, and the shape of a state."""
    host = Host.discover()
    plan = resolve(Request(modality=modality, prompts=PROMPTS[modality]), host)
    model, params = load(plan, host), dict(plan.params)
    prompts = list(PROMPTS[modality])
    conditioning = model.encoder(prompts, params).with_uncond(model.encoder([""] * len(prompts), params))
    return model, conditioning, model.codec.shape(Task(params=params))


def end(
    model: Model,
    denoiser: Denoiser,
    conditioning: Conditioning,
    shape: tuple[int, ...],
    name: str,
    grid: str,
    steps: int,
    guidance: float,
) -> Tensor:
    """The end of a run."""
    if name == "default":
        solver, times = presets.default_sampler(steps, model.process, guidance=guidance)
    else:
        solver, times = presets.solver(name), presets.grid(grid, steps, model.process)
    return sample(
        denoiser,
        model.process,
        times,
        solver,
        noise=NoiseSource(range(conditioning.batch or 1)),
        shape=shape,
        conditioning=conditioning,
    ).x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("modality", nargs="*", default=list(PROMPTS), help="Of the model; by default all.")
    parser.add_argument("--grid", default="uniform")
    parser.add_argument("--guidance", type=float, nargs="*", default=[1.0, 2.0, 4.0, 7.5])
    parser.add_argument("--nfe", type=int, nargs="*", default=[6, 8, 10, 15, 20])
    parser.add_argument("--reference", type=int, default=120, help="Steps of the reference.")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for modality in arguments.modality:
        model, conditioning, shape = prepared(modality)
        network = ModelDenoiser(model.network, model.process, model.parameterization)
        for scale in arguments.guidance:
            print(f"\n## {modality}, {arguments.grid}, guidance {scale:g}\n", flush=True)
            print("| NFE | " + " | ".join(SOLVERS) + " |\n|---" * 1 + "|---" * len(SOLVERS) + "|")
            denoiser = guided(network, presets.guidance("ddim", scale))
            with torch.inference_mode():
                exact = end(
                    model, denoiser, conditioning, shape, "unipc_3", "uniform", arguments.reference, scale
                )
                for nfe in arguments.nfe:
                    cells = []
                    for name in SOLVERS:
                        x = end(model, denoiser, conditioning, shape, name, arguments.grid, nfe, scale)
                        cells.append(f"{float((x - exact).square().mean().sqrt()):.4f}")
                    print(f"| {nfe} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
