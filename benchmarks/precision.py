"""One guided evaluation of a U-Net of the size of Stable Diffusion 1.5: as diffusers runs it, and as we do.

The network has random weights (860 million parameters), which a folder in the layout of diffusers holds in
float32; a state of 512 × 512 pixels (4 × 64 × 64 numbers) is evaluated with and without a text in one batch.
The sides take turns in one process, so that other work on the machine hits all alike; median, best and ratio
are printed, and the largest difference from float32. Loading is timed in a process for each side, with the
pages of the file in memory, and with the peak of the process's memory beside its libraries (Linux).

- diffusers: ``UNet2DConditionModel.from_pretrained``, in float32 (its default) and in bfloat16;
- ours: weights mapped or converted tensor by tensor; in bfloat16 channels-last, with reordered weights where
  the self-test of the machine allows (``gen doctor`` shows it).

With torch 2.13 and diffusers 0.42.1 on one thread of an Intel Xeon with AMX, which other work slowed,
diffusers took 60 s in float32 and 30 s in bfloat16, ours 18 s in bfloat16: 3.4 and 1.7 times as fast.

Needs diffusers (the extra ``hub``), 6 GB in the folder for temporary files and 12 GB of memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gen.checkpoints.libraries import library_class
from gen.checkpoints.networks import filled
from gen.checkpoints.weights import Weights
from gen.hardware.memory import with_peak
from gen.hardware.precision import network_dtype
from gen.hardware.profile import choose_packing, machine_profile

CONFIG = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}
SIDES = ("diffusers float32", "diffusers bfloat16", "ours float32", "ours bfloat16")
FILE = "diffusion_pytorch_model.safetensors"


def unet_class() -> Any:
    """The network's class."""
    return library_class("diffusers", "UNet2DConditionModel", "unet")


def loaded(side: str, folder: Path) -> nn.Module:
    """The network of a side."""
    whose, name = side.split()
    dtype = getattr(torch, name)
    if whose == "diffusers":
        return unet_class().from_pretrained(folder, torch_dtype=dtype).eval()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return filled(
        lambda: unet_class().from_config(config),
        Weights((folder / FILE,), "unet"),
        "unet",
        dtype=dtype,
        pack=choose_packing(name, "cpu", machine_profile),
    )


def evaluation(network: nn.Module) -> Callable[[], Tensor]:
    """A function that evaluates a guided pair, states in float32, and returns float32."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 64, 64, generator=generator)
    text = torch.randn(2, 77, 768, generator=generator)
    dtype = network_dtype(network)

    def run() -> Tensor:
        with torch.inference_mode():
            states, conditions = x.to(dtype), text.to(dtype)
            return network(states, torch.tensor(500), conditions, return_dict=False)[0].float()

    return run


def memory(key: str) -> float:
    """GB that the process has or had at most; nan where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return float("nan")
    return int(next(line for line in lines if line.startswith(key)).split()[1]) * 1024 / 1e9


def measure_loading(side: str, folder: Path) -> None:
    """Print seconds and GB of loading, and GB with one evaluation and its tensors, as JSON."""
    unet_class()
    choose_packing("bfloat16", "cpu", machine_profile)
    before = memory("VmRSS")
    begin = time.perf_counter()
    network = loaded(side, folder)
    seconds, loading = time.perf_counter() - begin, memory("VmHWM") - before
    _, activations = with_peak(evaluation(network))
    print(json.dumps([seconds, loading, memory("VmHWM") - before, activations / 1e9]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=[SIDES[0], SIDES[1], SIDES[3]])
    parser.add_argument("--rounds", type=int, default=3, help="after one to warm up")
    parser.add_argument(
        "--folder", type=Path, help="of the checkpoint, made where it is missing; else temporary"
    )
    parser.add_argument("--load", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.load:
        return measure_loading(arguments.load, arguments.folder)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        if not (folder / FILE).exists():
            torch.manual_seed(0)
            unet_class().from_config(CONFIG).save_pretrained(folder)
        print(
            f"torch {torch.__version__}, {torch.get_num_threads()} threads, {machine_profile()}", flush=True
        )
        for side in arguments.sides:
            command = [sys.executable, __file__, "--load", side, "--folder", str(folder)]
            ran = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, loading, peak, activations = json.loads(ran.stdout.splitlines()[-1])
            print(
                f"{side:20} loaded in {seconds:.2f} s, peak {loading:.2f} GB; with an evaluation "
                f"{peak:.2f} GB, its tensors {activations:.2f} GB",
                flush=True,
            )
        runs = {side: evaluation(loaded(side, folder)) for side in arguments.sides}
        results = {side: run() for side, run in runs.items()}
        times: dict[str, list[float]] = {side: [] for side in runs}
        for _ in range(arguments.rounds):
            for side, run in runs.items():
                begin = time.perf_counter()
                run()
                times[side].append(time.perf_counter() - begin)
                print(f"{side:20} {times[side][-1]:6.2f} s", flush=True)
        first = results[arguments.sides[0]]
        base = statistics.median(times[arguments.sides[0]])
        for side, values in times.items():
            error = float((results[side] - first).abs().max() / first.abs().max())
            median = statistics.median(values)
            print(
                f"{side:20} {median:6.2f} s (best {min(values):.2f}), {base / median:.2f} times as fast as "
                f"{arguments.sides[0]}; difference {error:.1e} of the largest value"
            )


if __name__ == "__main__":
    main()
