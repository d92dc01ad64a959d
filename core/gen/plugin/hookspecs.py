"""The hooks that a plugin module may implement. All are optional, keyword-only and must stay light."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from gen.plugin.specs import (
    CacheSpec,
    CommandSpec,
    ConverterSpec,
    FamilySpec,
    FormatSpec,
    GridSpec,
    GuidanceSpec,
    KindSpec,
    ModalitySpec,
    ModelSpec,
    NoiseSpec,
    RunSpec,
    SolverSpec,
)

PROJECT = "gen"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def gen_modality() -> ModalitySpec:  # type: ignore[empty-body]
    """Declare the modality that this plugin brings::

        @hookimpl
        def gen_modality():
            return ModalitySpec(
                name="curve",
                kind="curve",
                summary="Generate curves from words.",
                loader="gen_curve.model:load",
                default_model="first",
                default_format="json",
            )

    where ``load(file, device, dtype)`` returns a ``gen.model.Model``.
    """


@hookspec
def gen_models() -> Iterable[ModelSpec]:  # type: ignore[empty-body]
    """Declare models that ``--model`` can name; ``gen train`` prints the spec of a trained one::

    @hookimpl
    def gen_models():
        return [
            ModelSpec(
                name="first",
                modality="curve",
                summary="Curves of four forms.",
                source="package:gen_curve/first.safetensors",
                sha256="f568e256101062d8c3b1b06d2c23026f37ab1fc2257a81df7f9dd944da73723c",
                size=75888,
                licence="CC0-1.0",
            )
        ]
    """


@hookspec
def gen_families() -> Iterable[FamilySpec]:  # type: ignore[empty-body]
    """Declare families of checkpoints, whose folders ``--model`` can name::

        @hookimpl
        def gen_families():
            return [
                FamilySpec(
                    name="stable-diffusion",
                    modality="image",
                    summary="Stable Diffusion 1.x and 2.x.",
                    pipelines=("StableDiffusionPipeline",),
                    adapter="gen_stable.adapter:load",
                    defaults="gen_stable.defaults:defaults",
                )
            ]

    where ``load(checkpoint, device, dtype)`` returns a ``gen.model.Model``.
    """


@hookspec
def gen_formats() -> Iterable[FormatSpec]:  # type: ignore[empty-body]
    """Declare file formats::

        @hookimpl
        def gen_formats():
            return [
                FormatSpec(
                    name="xyz",
                    kind="molecule",
                    suffixes=(".xyz",),
                    media_type="chemical/x-xyz",
                    writer="gen_molecule.files:write",
                    reader="gen_molecule.files:read",
                    metadata_reader="gen_molecule.files:read_metadata",
                )
            ]

    where ``write(artifact, file, metadata)`` writes to a binary file, ``read(file)`` returns a
    ``gen.Artifact``, and ``read_metadata(file)`` the texts in it by name, the recipe under ``"gen"``.
    """


@hookspec
def gen_solvers() -> Iterable[SolverSpec]:  # type: ignore[empty-body]
    """Declare solvers that ``--solver`` can name::

        @hookimpl
        def gen_solvers():
            eta = Param(name="eta", type=float, help="Share of new noise.", default=0.5, minimum=0, maximum=1)
            return [
                SolverSpec(
                    name="half-ancestral",
                    summary="Euler with half of the ancestral noise.",
                    factory="gen_half.solver:make",
                    settings=(eta,),
                    order=1,
                    stochastic=True,
                )
            ]

    where ``make(eta)`` returns a ``gen.diffusion.Solver``.
    """


@hookspec
def gen_grids() -> Iterable[GridSpec]:  # type: ignore[empty-body]
    """Declare time grids that ``--grid`` can name::

        @hookimpl
        def gen_grids():
            return [
                GridSpec(name="halves", summary="Halves of the time.", factory="gen_half.grid:make"),
            ]

    where ``make(steps)`` returns a ``gen.diffusion.TimeGrid``.
    """


@hookspec
def gen_guidances() -> Iterable[GuidanceSpec]:  # type: ignore[empty-body]
    """Declare rules of guidance, and modifiers of them, that ``--guide`` can name::

        @hookimpl
        def gen_guidances():
            return [
                GuidanceSpec(
                    name="fading",
                    summary="Classifier-free guidance that fades out.",
                    factory="gen_fading.guidance:make",
                )
            ]

    where ``make(scale)`` returns a ``gen.diffusion.Guidance``.
    """


@hookspec
def gen_caches() -> Iterable[CacheSpec]:  # type: ignore[empty-body]
    """Declare caches that ``--cache`` can name::

        @hookimpl
        def gen_caches():
            return [CacheSpec(name="every-second", summary="Skips every second evaluation.",
                              factory="gen_second.cache:make")]

    where ``make(denoiser)`` returns a ``gen.diffusion.Denoiser``.
    """


@hookspec
def gen_noises() -> Iterable[NoiseSpec]:  # type: ignore[empty-body]
    """Declare noise rules that ``--noise`` can name::

        @hookimpl
        def gen_noises():
            return [NoiseSpec(name="shared", summary="The noise of the first item for all.",
                              factory="gen_shared.noise:make")]

    where ``make(seeds)`` returns a ``gen.diffusion.NoiseSource``.
    """


@hookspec
def gen_run() -> Iterable[RunSpec]:  # type: ignore[empty-body]
    """Declare what happens before, around and after runs::

        @hookimpl
        def gen_run():
            return [
                RunSpec(
                    name="watermark",
                    summary="Marks every picture.",
                    after="gen_mark.work:mark",
                    modalities=("image",),
                )
            ]

    where ``mark(artifact, plan)`` returns the artifact to keep and notes for its recipe.
    """


@hookspec
def gen_commands() -> Iterable[CommandSpec]:  # type: ignore[empty-body]
    """Declare commands under ``gen x``::

        @hookimpl
        def gen_commands():
            picture = Param(name="picture", type=str, help="The picture.", kind="image")
            count = Param(name="count", type=int, help="How many colours.", default=5, minimum=1)
            return [
                CommandSpec(
                    name="colours",
                    summary="The main colours of a picture.",
                    run="gen_colours.work:run",
                    params=(picture, count),
                    arguments=("picture",),
                )
            ]

    where ``run(picture, count)`` gets a ``gen.Artifact`` and a number, and returns values by name, which
    are shown: ``gen x colours fox.png --count 3``.
    """


@hookspec
def gen_converters() -> Iterable[ConverterSpec]:  # type: ignore[empty-body]
    """Declare ways from one kind of artifact to another::

        @hookimpl
        def gen_converters():
            return [
                ConverterSpec(
                    name="first-frame",
                    source="video",
                    target="image",
                    summary="The first frame.",
                    convert="gen_frames.work:first",
                )
            ]

    where ``first(artifact, params)`` returns a ``gen.Artifact`` of the kind ``image``.
    """


@hookspec
def gen_kinds() -> Iterable[KindSpec]:  # type: ignore[empty-body]
    """Declare kinds of artifact::

        @hookimpl
        def gen_kinds():
            cells = ArrayLayout(name="cells", shape=("rows", "columns"))
            return [KindSpec(name="table", summary="A table of numbers.", arrays=(cells,))]

    What a modality of the kind ``table`` makes is then checked.
    """
