"""A checkpoint of the size of Stable Diffusion 1.5 with random weights: ours beside diffusers' own pipeline.

Both sides run on one folder, which is made for the purpose and deleted at the end, each round in a process of
its own, in turn, so that what else the machine does weighs on both alike: first at equal precision (float32),
then at each side's defaults. Printed are the time to load, the best time of a step (both sides of guidance in
one evaluation), and the largest memory of the process beyond that of the imports.

python benchmarks/checkpoints.py --steps 2 --rounds 1
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from gen.checkpoints.libraries import without_broken_libraries

PROMPT = "a red fox"
CHAIN = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def make(folder: Path, *, narrow: bool) -> None:
    """Write the checkpoint: 860 million parameters in the U-Net, in float32 as the first files of 1.5 are.

    Args:
        folder: Where to.
        narrow: Whether its layers have a tenth of the width.
    """
    widths = (32, 64, 128, 128) if narrow else (320, 640, 1280, 1280)
    with without_broken_libraries():
        import diffusers
        import transformers
        from tokenizers import pre_tokenizers

        vae = diffusers.AutoencoderKL(
            block_out_channels=(32, 32, 64, 64) if narrow else (128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            layers_per_block=2,
        )
        unet = diffusers.UNet2DConditionModel(
            sample_size=64, cross_attention_dim=768, attention_head_dim=8, block_out_channels=widths
        )
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        entries = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
        tokenizer = transformers.CLIPTokenizer(
            vocab={entry: index for index, entry in enumerate(entries)}, merges=[], model_max_length=77
        )
        config = transformers.CLIPTextConfig(
            vocab_size=49408,
            hidden_size=768,
            intermediate_size=3072,
            num_hidden_layers=12,
            num_attention_heads=12,
            bos_token_id=len(entries) - 2,
            eos_token_id=len(entries) - 1,
        )
        pipeline = diffusers.StableDiffusionPipeline(
            vae=vae,
            text_encoder=transformers.CLIPTextModel(config),
            tokenizer=tokenizer,
            unet=unet,
            scheduler=diffusers.DDIMScheduler(**CHAIN, clip_sample=False, steps_offset=1),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.save_pretrained(folder)


def theirs(folder: str, steps: int, dtype: str) -> dict[str, float]:
    """diffusers' pipeline."""
    with without_broken_libraries():
        import diffusers

        kind = diffusers.StableDiffusionPipeline
    started = time.perf_counter()
    before = peak()
    options = {"torch_dtype": getattr(torch, dtype)} if dtype else {}
    pipeline = kind.from_pretrained(folder, **options)
    pipeline.set_progress_bar_config(disable=True)
    loaded = time.perf_counter()
    times = [loaded]

    def note(_pipeline: Any, _step: int, _time: Any, values: dict[str, Any]) -> dict[str, Any]:
        times.append(time.perf_counter())
        return values

    pipeline(PROMPT, num_inference_steps=steps, guidance_scale=7.5, callback_on_step_end=note)
    return measured(started, loaded, times, before)


def ours(folder: str, steps: int, dtype: str) -> dict[str, float]:
    """gen."""
    with without_broken_libraries():
        import diffusers

        assert diffusers.StableDiffusionPipeline  # both sides are timed without the imports of the libraries
    from gen.api import find_host, make_request
    from gen.plan import resolve
    from gen.run import generate, load

    host = find_host()
    options = {"model": folder, "width": 512, "height": 512, "steps": steps, "seed": 1}
    plan = resolve(make_request(host, "image", [PROMPT], options | ({"dtype": dtype} if dtype else {})), host)
    assert plan.file.sha256
    started = time.perf_counter()
    before = peak()
    model = load(plan, host)
    loaded = time.perf_counter()
    times = [loaded]
    list(generate(plan, model, on_step=lambda _: times.append(time.perf_counter())))
    return {**measured(started, loaded, times, before), "bfloat16": plan.dtype == "bfloat16"}


def peak() -> int:
    """The largest memory of this process so far, in bytes; pages of mapped files count."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measured(started: float, loaded: float, times: list[float], before: int) -> dict[str, float]:
    """The numbers of one round; the first step includes the text encoder and is left out where it can be."""
    steps = [after - ahead for ahead, after in itertools.pairwise(times)]
    ended = time.perf_counter()
    return {
        "load": loaded - started,
        "step": min(steps[1:] or steps),
        "decode": ended - times[-1],
        "whole": ended - started,
        "memory": (peak() - before) / 2**30,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--narrow", action="store_true", help="A tenth of the width, to try the program.")
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make:
        make(given.make, narrow=given.narrow)
        return
    if given.side:
        side, folder, dtype = given.side
        print(json.dumps({"ours": ours, "theirs": theirs}[side](folder, given.steps, dtype)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "sd15"
        # In a process of its own: a process begins with the largest memory of the one that starts it.
        narrow = ["--narrow"] * given.narrow
        subprocess.run([sys.executable, __file__, "--make", str(folder), *narrow], check=True)
        print(f"{'':24}{'load s':>8}{'step s':>8}{'decode s':>10}{'whole s':>9}{'GiB':>6}")
        for _ in range(given.rounds):
            for dtype in ("float32", ""):
                for side in ("theirs", "ours"):
                    command = [sys.executable, __file__, "--steps", str(given.steps), "--side", side]
                    done = subprocess.run([*command, str(folder), dtype], stdout=subprocess.PIPE, check=True)
                    found = json.loads(done.stdout.splitlines()[-1])
                    label = f"{side}, {dtype or 'its defaults'}" + ", bfloat16" * bool(found.get("bfloat16"))
                    print(
                        f"{label:24}{found['load']:8.2f}{found['step']:8.2f}{found['decode']:10.2f}"
                        f"{found['whole']:9.2f}{found['memory']:6.2f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
