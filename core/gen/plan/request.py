"""A request, before defaults are filled in."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gen.plan.choice import Choice

if TYPE_CHECKING:
    from gen.artifact import Artifact
    from gen.checkpoints.additions import Given


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request; None leaves a choice to the settings, the model or the plugin.

    Args:
        modality: Name of the modality: ``"image"``.
        prompts: What to make, each 1 to 2,000 characters.
        count: How many of each prompt, at least 1.
        seeds: One seed, from which the items count upwards, or one seed per item; 0 to 2**63 - 1. A random
            seed below 2**32 is drawn when there is none.
        negative: What to stay away from.
        steps: 1 to 10,000.
        guidance: Guidance scale, 0 to 100; 1 is none.
        guide: The rule of guidance, then modifiers, each a name with settings; a text may hold several with
            ``>>`` between them. By default the rule is classifier-free guidance, or that of the solver.
        guidance_interval: (lowest, highest) time with guidance, or a text such as ``"0.2:0.8"``; 1 is noise.
        solver, grid: Names with settings; a grid may be a list, whose steps then are the run's.
        cache: A cache, by name with settings; ``"none"`` is none.
        noise: The noise rule, by name with settings.
        model: Name of a registered model, path of a model file or of the folder of a checkpoint, or
            ``hf:OWNER/NAME[@REVISION]``, a checkpoint of the hub; or ``diffusers:FOLDER``, a checkpoint that
            diffusers' own pipeline runs.
        variant: Of a checkpoint's weights: ``"fp16"``; by default those without a variant, or the only one.
        allow_pickle: Whether a checkpoint's weights in pickles are read, as weights only.
        lora: LoRA files for a checkpoint, each a path, ``"FILE:WEIGHT"`` or (path, weight); by default 1.
        embedding: Embeddings of words for a checkpoint, each a path, ``"FILE=WORD"`` or (path, word); by
            default the word is the one that the file says, or the file's name.
        decoder: A tiny autoencoder, folder or file, that decodes in place of a checkpoint's own.
        init: A file or an artifact to start from.
        strength: How far ``init`` may change, in (0, 1].
        mask: A file or an artifact whose bright parts are made anew, the others kept, of the shape of
            ``init``, which it needs. Of one with transparent parts only what can be seen counts.
            In words it is a region: a span of time ``"1.5s:3s"``, frames ``"0:12"``, a box ``"x0,y0,x1,y1"``
            in pixels, ``"0:12@x0,y0,x1,y1"``, or a box of space ``"x0,y0,z0,x1,y1,z1"``.
        expand: By how much ``init`` is extended: pixels for the sides of a picture
            ``"left,top,right,bottom"``, seconds or frames before and behind ``"1s:2s"``, ``"0:8"``. What is
            new is made, the rest kept.
        restore: How ``init`` was damaged that is to be restored: an operator with settings,
            ``"deblur:radius=3"``, ``"denoise:std=0.2"``, ``"super_resolve:4"``, ``"declip"``;
            or ``"fill"``, with ``mask``.
        upscale: How many times larger ``init`` is made along each side, 2 to 8; of a sound its rate. A model
            with the ability does it itself; else pictures are drawn in tiles, sounds and clips restored.
        tile: Edges of a picture that meet: ``"x"``, ``"y"`` or ``"xy"``.
        style: A file or an artifact whose style is followed, by models that can.
        vary: A file or an artifact to make variations of. What is left open is as it was made; its noise is
            that of its seed, or of its inversion where the model did not make it.
        amount: Share A of new noise in a variation, 0 to 1: sqrt(1 - A**2) old + A new; by default 0.3.
        interpolate: The other end of a way along the sphere: a prompt, ``"seed:N"``, or a file or an
            artifact, with ``init`` as its beginning. By default ``count`` is 8; all items have the same seed.
        share: One place on that way, 0 to 1, for every item; by default they are spread over all of it.
        edit: What ``init`` is to show, by inversion and sampling with this prompt. ``prompts`` says what it
            shows now; by default its own recipe does.
        params: The modality's own parameters; files by path or as artifacts.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``, with an index where there are several.
        dtype: Type of the network's weights: ``"float32"``, ``"bfloat16"`` or ``"float16"``; parts of a
            checkpoint may have their own, ``"bfloat16,vae=float32"``. By default float32; of networks with
            100 million parameters and more bfloat16 where it is faster.
        threads: Threads of torch's kernels on the CPU, 1 to 1,024; no more are used than the machine has, and
            by default as many as torch uses.
    """

    modality: str
    prompts: tuple[str, ...]
    count: int | None = None
    seeds: tuple[int, ...] = ()
    negative: str | None = None
    steps: int | None = None
    guidance: float | None = None
    guide: Choice | str | Sequence[Choice | str] | None = None
    guidance_interval: str | tuple[float, float] | None = None
    solver: Choice | str | None = None
    grid: Choice | str | None = None
    cache: Choice | str | None = None
    noise: Choice | str | None = None
    model: str | os.PathLike[str] | None = None
    variant: str | None = None
    allow_pickle: bool = False
    lora: Given | Sequence[Given] | None = None
    embedding: Given | Sequence[Given] | None = None
    decoder: str | os.PathLike[str] | None = None
    init: str | os.PathLike[str] | Artifact | None = None
    strength: float | None = None
    mask: str | os.PathLike[str] | Artifact | None = None
    expand: str | None = None
    restore: Choice | str | None = None
    upscale: int | None = None
    tile: str | None = None
    style: str | os.PathLike[str] | Artifact | None = None
    vary: str | os.PathLike[str] | Artifact | None = None
    amount: float | None = None
    interpolate: str | os.PathLike[str] | Artifact | None = None
    share: float | None = None
    edit: str | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    device: str | None = None
    dtype: str | None = None
    threads: int | None = None
