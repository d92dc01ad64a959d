"""A model as the road of a generation sees it: its stages, its codec, defaults and a card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gen.model.codec import Codec
from gen.model.encoder import Encoder
from gen.model.stage import Defaults, Stage, Window

if TYPE_CHECKING:
    from gen.diffusion import Parameterization, Process
    from gen.diffusion.denoiser import Network


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A model that is loaded and ready to be sampled.

    Args:
        name: As given to ``--model``, or the stem of the file.
        modality: Name of the modality that drives it.
        sha256: Hex digest of its file.
        process: The diffusion process that it was trained on.
        parameterization: What its network predicts.
        network: ``(x_in (B, *shape), c_noise (B,), conditioning) -> (B, *shape)``.
        encoder: Prompts to conditioning.
        codec: Artifacts to states and back.
        defaults: How it is sampled.
        window: How it makes what is longer than a piece; None where the codec's shapes fit the network.
        card: Data, licence and metrics.
    """

    name: str
    modality: str
    sha256: str
    process: Process
    parameterization: Parameterization
    network: Network
    encoder: Encoder
    codec: Codec
    defaults: Defaults
    window: Window | None = None
    card: Mapping[str, object] = field(default_factory=dict)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What is sampled, one after another."""
        return (
            Stage(
                process=self.process,
                parameterization=self.parameterization,
                network=self.network,
                encoder=self.encoder,
                window=self.window,
            ),
        )
