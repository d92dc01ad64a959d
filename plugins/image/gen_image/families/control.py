"""Networks beside the U-Net of Stable Diffusion that make it follow a picture of edges, depth or a pose.

ControlNet (Zhang et al. 2023, arXiv 2302.05543) sees the state and adds to the U-Net's skip connections at
every evaluation. A T2I-Adapter (Mou et al. 2023, arXiv 2302.08453) sees the picture alone, once, and adds to
the states of the encoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gen.artifact import Artifact
from gen.checkpoints import Component
from gen.checkpoints.parts import Parts
from gen.diffusion import Condition
from gen.errors import ModelError, UsageError
from gen.model import Task
from gen_image.families.codec import PictureCodec, fitted

CONTROLNET, ADAPTER = "ControlNetModel", "T2IAdapter"
OPTIONS = ("image", "scale", "start", "end")
MOST = 3
"""How many there may be at once."""
LUMA = (0.299, 0.587, 0.114)
"""What red, green and blue add to the brightness (ITU-R BT.601)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Control:
    """A network and how it is used.

    Args:
        name: Of its parameter, and what the names of its conditions start with.
        digest: Of its files.
        network: The ControlNet or T2I-Adapter.
        adapts: Whether it is a T2I-Adapter.
        picture: What it reads, (1, 3, H, W) in [0, 1].
        scale: Factor of what it adds.
        start, end: Shares of the way from noise to data between which it counts.
    """

    name: str
    digest: str
    network: nn.Module
    adapts: bool
    picture: Tensor
    scale: float
    start: float
    end: float

    def counts(self, time: float) -> bool:
        """Whether it counts at a time of the process, 1 for noise and 0 for data."""
        return self.start <= 1 - time and (1 - time < self.end or self.end == 1)

    def conditions(self, rows: int) -> dict[str, Condition]:
        """The picture, or what a T2I-Adapter makes of it, for each of so many items."""
        values = [self.picture]
        if self.adapts:
            parameter = next(self.network.parameters())
            luma = torch.tensor(LUMA).view(1, 3, 1, 1)
            gray = self.network.config.in_channels == 1  # type: ignore[union-attr]
            picture = (self.picture * luma).sum(1, keepdim=True) if gray else self.picture
            values = [feature * self.scale for feature in self.network(picture.to(parameter))]
        return {
            f"{self.name}/{number}": Condition(value.expand(rows, -1, -1, -1), "channels")
            for number, value in enumerate(values)
        }

    def values(self, conditions: Mapping[str, Tensor]) -> list[Tensor]:
        """The values of its conditions among all, in order."""
        return [value for name, value in conditions.items() if name.startswith(f"{self.name}/")]


@dataclass(frozen=True, eq=False)
class Controls:
    """The networks beside a model's U-Net that a task names.

    Args:
        parts: Of the model.
        codec: Knows the size of the picture.
    """

    parts: Parts
    codec: PictureCodec
    _loaded: dict[str, nn.Module] = field(default_factory=dict)

    def of(self, task: Task) -> tuple[Control, ...]:
        """Those of a task.

        Raises:
            UsageError: A network lacks its picture, or a picture its network, or is of another size; or a
                network ends before it starts.
            ModelError: It is no ControlNet or T2I-Adapter, or one for another family, or damaged.
        """
        found = tuple(self._found(task))
        for digest in self._loaded.keys() - {control.digest for control in found}:
            del self._loaded[digest]
        return found

    def _network(self, part: Component) -> nn.Module:
        """Loaded once while tasks in a row name it."""
        if part.sha256 not in self._loaded:
            self._loaded[part.sha256] = self.parts.network(part)
        return self._loaded[part.sha256]

    def _found(self, task: Task) -> Iterator[Control]:
        for ending in ("", *(f"_{number}" for number in range(2, MOST + 1))):
            name, values = f"control{ending}", task.params
            given = {option: values.get(f"control_{option}{ending}") for option in OPTIONS}
            part = values.get(name)
            if part is None:
                for option, value in given.items():
                    if value is not None:
                        raise UsageError(
                            f"control_{option}{ending} belongs to a network that is not given",
                            "give `control=FOLDER` for each network" if ending else "add `control=FOLDER`",
                        )
                continue
            start, end = _number(given["start"], 0.0), _number(given["end"], 1.0)
            if start >= end:
                raise UsageError(
                    f"control_start{ending} must be less than control_end{ending}, and {start:g} is not "
                    f"less than {end:g}",
                    "0 is the first step, 1 the end of the last",
                )
            checked = self._checked(name, part)
            picture = self._picture(given["image"], name, f"control_image{ending}", task)
            yield Control(
                name=name,
                digest=checked.sha256,
                network=self._network(checked),
                adapts=checked.class_name == ADAPTER,
                picture=picture,
                scale=_number(given["scale"], 1.0),
                start=start,
                end=end,
            )

    def _checked(self, name: str, part: object) -> Component:
        """A part that is a ControlNet or T2I-Adapter for this family.

        Raises:
            ModelError: It is none.
        """
        found = part.class_name if isinstance(part, Component) else "a whole pipeline"
        if not isinstance(part, Component) or found not in (CONTROLNET, ADAPTER):
            raise ModelError(
                f"the checkpoint for {name} is {found}, not a ControlNet or T2I-Adapter",
                "name the folder of a part with its config.json",
            )
        own, config = self.parts.checkpoint["unet"].config, part.config
        large = own.get("addition_embed_type") is not None
        if found == ADAPTER:
            blocks = _plain(own.get("block_out_channels")) or ()
            channels = _plain(config.get("channels")) or (320, 640, 1280, 1280)
            assert isinstance(blocks, tuple)
            assert isinstance(channels, tuple)
            xl = str(config.get("adapter_type", "full_adapter")).endswith("_xl")
            fits = channels[: len(blocks)] == blocks and xl == large
            # The first block of SDXL halves the state before the features are added.
            factor, expected = config.get("downscale_factor", 8), self.codec.step * (2 if xl else 1)
        else:
            keys = ("cross_attention_dim", "addition_embed_type", "block_out_channels")
            fits = all(_plain(config.get(key)) == _plain(own.get(key)) for key in keys)
            levels = _plain(config.get("conditioning_embedding_out_channels")) or (16, 32, 96, 256)
            assert isinstance(levels, tuple)
            factor, expected = 2 ** (len(levels) - 1), self.codec.step
        if not fits:
            raise ModelError(
                f"the {found} for {name} is made for another family than {self.parts.checkpoint.name}",
                "take one that was trained beside this family",
            )
        if factor != expected:
            raise ModelError(
                f"the {found} for {name} makes the picture {factor} times smaller, and "
                f"{self.parts.checkpoint.name} needs {expected} times",
                "take one that was trained beside this family",
            )
        return part

    def _picture(self, given: object, name: str, option: str, task: Task) -> Tensor:
        if not isinstance(given, Artifact):
            raise UsageError(f"{name} needs a picture to follow", _each(option))
        (width, height), (across, down) = (
            self.codec.size(task),
            (given.sizes["width"], given.sizes["height"]),
        )
        if (across, down) != (width, height):
            raise UsageError(
                f"{option} has {across} × {down} pixels and the picture {width} × {height}",
                f"scale it, or draw it with `width={across}` and `height={down}`",
            )
        return torch.from_numpy(fitted(given, width, height).copy()).permute(2, 0, 1)[None]


def _each(option: str) -> str:
    """How the picture of one of several networks is given."""
    first = option == "control_image"
    return "add `control_image=FILE`" if first else "give `control_image=FILE` for each network"


def _number(value: object, default: float) -> float:
    return default if value is None else float(str(value))


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def residuals(
    controls: Sequence[Control],
    x: Tensor,
    t: Tensor,
    time: float,
    values: Mapping[str, Tensor],
    added: object,
) -> dict[str, object]:
    """What all of them add, as arguments of the U-Net.

    Args:
        controls: The networks.
        x: The U-Net's input, (B, C, h, w), without further channels.
        t: Its timesteps (B,).
        time: The time of the process.
        values: Of the conditions.
        added: Further arguments of the networks of SDXL; None elsewhere.
    """
    skips: list[Tensor] = []
    middle: Tensor | None = None
    features: list[Tensor] = []
    for control in controls:
        if not control.counts(time):
            continue
        own = control.values(values)
        if control.adapts:
            features = _sums(features, own)
            continue
        down, mid = control.network(
            x,
            t,
            encoder_hidden_states=values["text"],
            controlnet_cond=own[0],
            conditioning_scale=control.scale,
            added_cond_kwargs=added,
            return_dict=False,
        )
        skips, middle = _sums(skips, down), mid if middle is None else middle + mid
    found: dict[str, object] = {}
    if middle is not None:
        found |= {"down_block_additional_residuals": skips, "mid_block_additional_residual": middle}
    return found | ({"down_intrablock_additional_residuals": features} if features else {})


def _sums(before: Sequence[Tensor], more: Sequence[Tensor]) -> list[Tensor]:
    return [one + other for one, other in zip(before, more, strict=True)] if before else list(more)
