"""How the denoiser is trained: speech from phones, with the phones dropped and parts given at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gen.diffusion import ModelDenoiser, NoiseSource, RectifiedFlow, Sample, prior, sample
from gen.diffusion.training import EDMWeighting
from gen.presets import grid, solver
from gen.train import DiffusionLoss, LogitNormalTimes, Settings, Stage, Task, block_matrix
from gen_audio.files.picture import save_mels
from gen_audio.voice.denoiser import Shape, SpeechTransformer, conditions
from gen_audio.voice.training import bank as banks
from gen_audio.voice.training.bank import Bank

PROCESS = RectifiedFlow()
# A token holds more numbers than the network is wide: it can say the clean ones, which are much alike from
# frame to frame, but not the noise (Li & He 2025, arXiv 2511.13720).
PARAMETERIZATION = Sample()
# That of the velocity's errors, up to a bounded factor.
WEIGHTING = EDMWeighting(sigma_data=1.0)
TIMES = LogitNormalTimes(mean=0.3, std=1.2)
SOLVER, GRID, STEPS = "dpmpp_2m", "uniform", 8
WINDOW = 512
"""Most frames at once: 5.9 s."""

LENGTHS = (256, 384, WINDOW)
DROPOUT = 0.1
CONTINUED = 0.4
REGION = 0.2


def stage(settings: Settings, batch: int, hours: float, folder: Path, report: Callable[[str], None]) -> Stage:
    """The stage that trains the denoiser.

    Args:
        settings: How it is optimised.
        batch: Windows of 512 frames per step; more of shorter ones.
        hours: Of speech in the bank.
        folder: Where the bank is kept.
        report: Called with lines of progress.
    """

    def start(_: Mapping[str, nn.Module], device: torch.device) -> Task:
        bank = banks.load_or_build(folder / "bank.safetensors", hours, report)
        objective = DiffusionLoss(PROCESS, PARAMETERIZATION, TIMES, WEIGHTING)

        def loss(module: nn.Module, generator: torch.Generator) -> Tensor:
            frames = LENGTHS[int(torch.randint(len(LENGTHS), (), generator=generator))]
            mel, told, voice = draw(bank, batch * WINDOW // frames, frames, generator)
            heard = (torch.rand(len(mel), generator=generator) >= DROPOUT).float()
            known = parts(mel, generator)
            conditioning = conditions(told * heard[:, None, None], voice * heard[:, None], known)
            return objective(module, mel.to(device), conditioning.to(device), generator)

        def preview(module: nn.Module, path: Path) -> None:
            mel, told, voice = draw(bank, 3, WINDOW, torch.Generator().manual_seed(1))
            with torch.no_grad():
                noise, times = NoiseSource(range(3)), grid(GRID, STEPS, PROCESS)
                made = sample(
                    ModelDenoiser(module, PROCESS, PARAMETERIZATION),
                    PROCESS,
                    times,
                    solver(SOLVER),
                    x=prior(PROCESS, times, noise, mel.shape[1:], device),
                    conditioning=conditions(told, voice).to(device),
                    noise=noise,
                ).x.cpu()
            save_mels([x * bank.std[:, None] + bank.mean[:, None] for x in (mel, made)], path)

        network = SpeechTransformer(Shape(len(banks.VOICES)))
        return Task(module=network, loss=loss, preview=preview, matrix=block_matrix)

    return Stage(name="denoiser", settings=settings, start=start)


def draw(bank: Bank, count: int, frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Windows of the bank, every second one from the beginning of a sentence.

    Returns:
        Log-mel (B, 80, F), what is told of the frames (B, 4, F), and who speaks (B, voices), float32.
    """
    starts, total = bank.starts[:, 0], bank.mel.shape[1]
    some = torch.randint(len(starts), (count,), generator=generator)
    begins = starts[some]
    ends = torch.cat([starts[1:], torch.tensor([total])])[some]
    within = (torch.rand(count, generator=generator) * (ends - begins)).long()
    begins = begins + within * (torch.arange(count) % 2)
    # A window lies within the sentences of one voice.
    changes = [int(starts[bank.voices <= voice][-1]) for voice in range(len(banks.VOICES) - 1)]
    last = torch.tensor([*(int(starts[starts > change][0]) for change in changes), total])[bank.voices[some]]
    begins = torch.minimum(begins, last - frames)
    index = begins[:, None] + torch.arange(frames)
    mel = bank.mel[:, index].float().transpose(0, 1)
    told = bank.aligned[:, index].float().transpose(0, 1)
    return mel, told, functional.one_hot(bank.voices[some], len(banks.VOICES)).float()


def parts(mel: Tensor, generator: torch.Generator) -> Tensor:
    """What is given of each item, (B, 1 + 80, F): often the beginning, at times a region or all but one."""
    count, _, frames = mel.shape
    draws = torch.rand(count, 4, generator=generator)
    place = torch.arange(frames)[None] / frames
    low, high = draws[:, :2].amin(1, keepdim=True), draws[:, :2].amax(1, keepdim=True)
    inside = (place >= low) & (place < high)
    region = torch.where(draws[:, 2:3] < 0.5, inside, ~inside)
    kind = draws[:, 3:]
    mask = torch.where(kind < CONTINUED, place < 0.75 * low, (kind < CONTINUED + REGION) & region)
    mask = mask[:, None].float()
    return torch.cat([mask, mask * mel], 1)
