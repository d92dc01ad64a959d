"""Kandinsky 2.2 (Razzhigaev et al. 2023, arXiv 2310.03502), after unCLIP (Ramesh et al. 2022, 2204.06125).

The first stage, a checkpoint of its own, draws CLIP's embedding of a picture from a prompt; the second draws
the picture from the embedding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import Tensor, nn

from gen.checkpoints import Checkpoint
from gen.checkpoints.checkpoint import whole
from gen.checkpoints.parts import Parts
from gen.checkpoints.schedule import read_schedule
from gen.checkpoints.stage import CheckpointStage, called, negatives, sampled, two_sides
from gen.checkpoints.text import ClipPrompts
from gen.diffusion import Condition, Conditioning, Denoiser, Guidance, Prediction
from gen.diffusion.denoiser import Network
from gen.diffusion.guidance import Chain, Evaluation
from gen.errors import ModelError, UsageError
from gen.model import Defaults, Model, Task
from gen.model.stage import AnyGuidance
from gen.model.task import Shape
from gen.presets import OWN_GRID
from gen_image.families import defaults
from gen_image.families.cascade import Further, FurtherStage
from gen_image.families.codec import PictureCodec
from gen_image.families.deepfloyd_if import is_learned

UNCLIP = {"beta_schedule": "squaredcos_cap_v2", "clip_sample": True}
"""What ``UnCLIPScheduler`` does where its configuration does not say."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prior(Further):
    """What draws embeddings of pictures, by a transformer on embeddings (B, R, D).

    Args:
        text: CLIP's text encoder.
        size: D.
        mean, std: Of embeddings, by which they are standardised, (1, D).
        black: Makes the embedding of a black picture, (1, D).
    """

    text: ClipPrompts
    size: int
    mean: Tensor
    std: Tensor
    black: Callable[[], Tensor]


@dataclass(frozen=True)
class Bounded(Guidance):
    """Keeps what is predicted within bounds, which hold for the guided prediction.

    Args:
        bound: Keeps the predictions of a denoiser within them.
    """

    bound: Callable[[Denoiser], Denoiser]

    def predict(self, at: Evaluation) -> Prediction:
        """The prediction within the bounds."""
        bounded = self.bound(lambda x, level, given, _: at.evaluate(x, level, {"cond": given})["cond"])
        return bounded(at.x, at.level, at.conditioning, at.memory)


class Embedding(FurtherStage[Prior]):
    """The stage of the prior, whose state (R, D) has an embedding for each of both prompts."""

    def of(self, task: Task) -> Prior:
        """The prior of a task.

        Raises:
            UsageError: It names none.
            ModelError: It is none of Kandinsky 2.2.
        """
        prior = super().of(task)
        if prior is None:
            raise UsageError("Kandinsky needs a prior, a checkpoint of its own", "add `prior=FOLDER`")
        if prior.schedule.process != self.process:
            raise ModelError("the prior has noise levels of another scheduler than UnCLIP's")
        return prior

    def shape(self, task: Task) -> Shape:
        """Two embeddings with a negative prompt, else one."""
        return (2 if task.negatives else 1, self.of(task).size)

    def guidance(self, task: Task, chosen: AnyGuidance) -> AnyGuidance:
        """Within the bounds of the prior."""
        return Chain() >> super().guidance(task, chosen) >> Bounded(self.of(task).schedule.bound)

    def encode(self, task: Task) -> Conditioning:
        """States and vectors of the prompts; the embedding for a negative prompt is guided by that alone."""
        text, others = self.of(task).text, negatives(task)
        rows = (
            list(zip(task.prompts, others, strict=True)) if task.negatives else [(p,) for p in task.prompts]
        )
        count = len(rows[0])
        ids, mask = text.tokenizer.batch(
            [one for row in rows + [(o,) * count for o in others] for one in row]
        )
        output = text.network(ids.to(text.network.tokens.weight.device))
        states, mask, vectors = (
            each.unflatten(0, (-1, count)).flatten(1, 2) for each in (output.final, mask, output.pooled)
        )
        return two_sides(
            text=Condition(states, "cross_attention", mask.to(states.device)),
            vector=Condition(vectors, "global"),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawing(CheckpointStage):
    """A U-Net on latents, conditioned by an embedding of the picture.

    Args:
        embedding: The stage before it.
    """

    embedding: Embedding

    def encode(self, task: Task) -> Conditioning:
        """The embeddings for both prompts; that of a black picture in place of a negative prompt."""
        prior = self.embedding.of(task)
        drawn = cast(Tensor, task.previous) * prior.std + prior.mean
        other = drawn[:, 1] if drawn.shape[1] == 2 else prior.black().expand(len(drawn), -1)
        return two_sides(picture=Condition(torch.cat([drawn[:, 0], other]), "global"))


@dataclass(frozen=True, eq=False)
class Movq:
    """A MoVQ autoencoder (Zheng et al. 2022, arXiv 2209.09002) whose latents are not rounded to its codebook.

    Args:
        network: The autoencoder.
    """

    network: nn.Module

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)

    def encode(self, pixels: Tensor) -> SimpleNamespace:
        """The latents of pixels."""
        return SimpleNamespace(latent=self.network.encode(pixels).latents)  # type: ignore[operator]

    def decode(self, latents: Tensor) -> Any:
        """The pixels of latents."""
        return self.network.decode(latents, force_not_quantize=True)  # type: ignore[operator]


def prior_network(transformer: nn.Module) -> Network:
    """A ``PriorTransformer`` as a network of the core, on R embeddings of each item."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        text, vector, count = conditioning["text"], conditioning["vector"], x.shape[1]
        assert text.mask is not None
        states, mask, vectors = (
            each.unflatten(1, (count, -1)).flatten(0, 1) for each in (text.value, text.mask, vector.value)
        )
        output: Tensor = transformer(
            x.flatten(0, 1),
            t.repeat_interleave(count),
            proj_embedding=vectors,
            encoder_hidden_states=states,
            attention_mask=mask,
            return_dict=False,
        )[0]
        return output.unflatten(0, (-1, count))

    return called(transformer, call)


def network(unet: nn.Module, learned: bool) -> Network:
    """A U-Net as a network of the core, without the variance that it gives where its sampler has its own."""

    def call(x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        added = {"image_embeds": conditioning["picture"].value}
        output: Tensor = unet(x, t, encoder_hidden_states=None, added_cond_kwargs=added, return_dict=False)[0]
        return output if learned else output[:, : x.shape[1]]

    return called(unet, call)


def load_prior(parts: Parts) -> Prior:
    """A prior.

    Raises:
        ModelError: A part is missing or damaged.
    """
    scheduler, transformer = parts.checkpoint["scheduler"], parts.network("prior")

    @cache
    def black() -> Tensor:
        encoder = parts.clip_vision("image_processor").network
        return encoder(encoder.first.new_zeros(1, 3, encoder.side, encoder.side)).pooled.float()

    return Prior(
        schedule=read_schedule({**UNCLIP, **scheduler.config}, scheduler.class_name),
        network=prior_network(transformer),
        text=parts.clip(),
        size=whole(parts.checkpoint["prior"].config, "embedding_dim", 768),
        mean=cast(Tensor, transformer.clip_mean).float(),
        std=cast(Tensor, transformer.clip_std).float(),
        black=black,
    )


def load(checkpoint: Checkpoint, device: str, dtype: str) -> Model:
    """The model of a checkpoint of Kandinsky 2.2's decoder.

    Raises:
        ModelError: A part is missing or damaged.
    """
    parts, learned = Parts(checkpoint, device, dtype), is_learned(checkpoint)
    config, blocks = checkpoint["unet"].config, checkpoint["movq"].config["block_out_channels"]
    step = 2 ** (len(cast(list[int], blocks)) - 1)
    drawn = network(parts.network("unet"), learned)
    embedding = Embedding(
        **{**sampled(read_schedule(UNCLIP, "UnCLIPScheduler")), "clipping": None},
        name="prior",
        network=drawn,
        defaults=Defaults(solver="ddpm", grid=OWN_GRID, steps=25, guidance=4.0),
        pipeline="KandinskyV22PriorPipeline",
        title="Kandinsky 2.2's prior",
        steps=25,
        scale=4.0,
        load=lambda prior: load_prior(replace(parts, checkpoint=prior)),
    )
    drawing = Drawing(
        **sampled(parts.schedule()),
        name="decoder",
        network=drawn,
        learned_variance=learned,
        embedding=embedding,
    )
    codec = PictureCodec(
        Movq(parts.autoencoder("movq")),
        whole(checkpoint["movq"].config, "latent_channels", 4),
        whole(config, "sample_size", 64) * step,
        step,
        step * 2 ** (len(cast(list[int], config["block_out_channels"])) - 1),
        1.0,
    )
    made = parts.model("image", drawing, codec, defaults.kandinsky)
    return replace(made, stages=(embedding, drawing))
