"""Accuracy per evaluation on the shipped networks: solvers on one grid beside a run of many steps.

The error is the root mean square distance of the end of a run from that of a long one with the same noise, in
units of the state, over a few prompts. Guidance is classifier-free. "default" is ``presets.default_sampler``
with the guidance of the run, on its own grid. Some minutes per network.

Errors of the best of diffusers' methods here (ddim, dpmpp_2m, unipc_2, unipc_3), of flow_adams_2 and of the
default, with two prompts on the shipped models:

    image, guidance 1     8: .0297 .0196 .0049   10: .0195 .0131 .0037   20: .0048 .0033 .0018
    image, guidance 2     8: .0343 .0223 .0110   10: .0238 .0149 .0057   20: .0059 .0041 .0017
    image, guidance 4     8: .0746 .0471 .0386   10: .0510 .0301 .0233   15: .0250 .0149 .0065
    image, guidance 7.5   8: .2650 .1943 .1929   10: .1979 .1248 .1246   20: .0485 .0366 .0227
    audio, guidance 1     8: .0807 .0833 .1243   16: .0176 .0204 .0222
    audio, guidance 4     16: .0457 .0457 .0240
    video, guidance 1     8: .0272 .0243 .0089   16: .0152 .0114 .0034
    video, guidance 4     8: .1307 .2117 .1809   16: .0212 .0179 .0226
    mesh, guidance 1      8: .1895 .1846 .2060   16: .1204 .1233 .1470
    mesh, guidance 4      8: .4328 .4760 .4801   16: .3364 .3465 .2252

The default is behind on audio and mesh without guidance and on video with guidance 4, by up to 1.5 times.
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
