"""Accuracy per evaluation on the shipped networks: solvers on one grid beside a run of many steps.

The error is the root mean square distance of the end of a run from that of a long one with the same noise, in
units of the state, over a few prompts. Guidance is classifier-free. "default" is ``presets.default_sampler``
with the guidance of the run, on its own grid. Some minutes per network.

Measured on the shipped image model with two prompts, at 8, 10, 15 and 20 evaluations:

    guidance 1     dpmpp_2m .0320 .0218 .0110 .0062   unipc_3 .0297 .0195 .0088 .0048
                   flow_adams_2 .0196 .0131 .0065 .0033   default .0049 .0037 .0020 .0018
    guidance 2     dpmpp_2m .0378 .0267 .0143 .0087   unipc_3 .0376 .0238 .0109 .0059
                   flow_adams_2 .0223 .0149 .0073 .0041   default .0110 .0055 .0032 .0012
    guidance 4     dpmpp_2m .0807 .0542 .0269 .0161   unipc_3 .1509 .1176 .0488 .0225
                   flow_adams_2 .0471 .0301 .0149 .0088   default .0392 .0210 .0065 .0036

Guidance 2 is with a shift of 1.5 in place of 1.41.
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
