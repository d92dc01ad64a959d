"""What meshes declare to the host: the modality, its models and its file formats. Imports nothing heavy."""

from __future__ import annotations

from gen.plugin import (
    ConverterSpec,
    FamilySpec,
    FormatSpec,
    ModalitySpec,
    ModelSpec,
    Param,
    RecipeSpec,
    hookimpl,
)

POINTS = 4096
SMOOTHING, THICKENING = 0.5, 0.5
"""In cells. Where a thin wall may stand in several places, the distance is the mean of all of them, which is
nowhere below zero: unless the surface is moved outwards, thin things have holes."""


@hookimpl
def gen_modality() -> ModalitySpec:
    """The modality behind ``gen mesh``."""
    return ModalitySpec(
        name="mesh",
        kind="mesh",
        summary="Generate coloured 3D shapes from text.",
        loader="gen_mesh.model:load",
        default_model="shapes",
        default_format="glb",
        params=(
            Param(
                name="representation",
                type=str,
                default="mesh",
                help="A surface, or points on it (glb, ply, xyz, npz).",
                choices=("mesh", "points"),
            ),
            Param(
                name="points",
                type=int,
                default=POINTS,
                help="Points, where points are written.",
                minimum=64,
                maximum=200_000,
            ),
            Param(
                name="faces",
                type=int,
                help="About how many faces to keep; the surface stays closed.",
                minimum=50,
                maximum=200_000,
            ),
            Param(
                name="smoothing",
                type=float,
                default=SMOOTHING,
                help="Blur of the surface, in cells of a 48³ grid.",
                minimum=0,
                maximum=2,
            ),
            Param(
                name="thickening",
                type=float,
                default=THICKENING,
                help="Move the surface outwards, so that thin parts hold; in the same cells.",
                minimum=0,
                maximum=2,
            ),
        ),
        recipes=(
            RecipeSpec(
                name="shapes",
                summary="Coloured shapes: a latent codec and a text-to-shape flow transformer.",
                factory="gen_mesh.training.recipe:shapes_recipe",
                presets=("cpu", "gpu", "further"),
            ),
        ),
        evaluation="gen_mesh.training.evaluate:evaluate",
        requires=("trimesh", "mapbox_earcut", "scipy", "skimage", "fast_simplification", "PIL", "av"),
        extra="mesh",
        examples=(
            'gen mesh "a tall red mug with a big handle" -o mug.glb',
            'gen mesh "a small blue car" -o car.glb --preview gif',
            'gen mesh "a green chair" --representation points --points 8192 -o chair.ply',
        ),
    )


FIELD = (
    Param(
        name="resolution",
        type=int,
        default=128,
        help="Cells along each side of the grid on which a checkpoint's surface is found.",
        minimum=16,
        maximum=512,
    ),
    Param(
        name="smoothing",
        type=float,
        default=0.0,
        help="Blur of the surface, in cells of its grid.",
        minimum=0,
        maximum=2,
    ),
    Param(name="thickening", type=float, default=0.0, help="Not known to checkpoints.", minimum=0, maximum=2),
)
PICTURE = Param(name="picture", type=str, help="The picture that a shape is made of.", kind="image")


@hookimpl
def gen_families() -> tuple[FamilySpec, ...]:
    """Checkpoints of other programs that make shapes."""
    return (
        FamilySpec(
            name="shap-e",
            modality="mesh",
            summary="Shap-E: shapes from text.",
            pipelines=("ShapEPipeline",),
            adapter="gen_mesh.families.shap_e:load",
            defaults="gen_mesh.families.defaults:shap_e",
            params=FIELD,
            abilities=("guidance", "negative"),
        ),
        FamilySpec(
            name="shap-e-picture",
            modality="mesh",
            summary="Shap-E: shapes from a picture.",
            pipelines=("ShapEImg2ImgPipeline",),
            adapter="gen_mesh.families.shap_e:load_of_picture",
            defaults="gen_mesh.families.defaults:shap_e",
            params=(*FIELD, PICTURE),
            prompt="none",
            abilities=("guidance",),
        ),
    )


@hookimpl
def gen_formats() -> tuple[FormatSpec, ...]:
    """GLB, PLY, OBJ, STL, 3MF, XYZ and npz, and pictures that are only written."""
    shapes = (
        ("glb", "model/gltf-binary", "read_glb_metadata", ("points",)),
        ("ply", "model/x-ply", "read_ply_metadata", ("points",)),
        ("obj", "model/obj", "read_obj_metadata", ()),
        ("stl", "model/stl", "", ()),
        ("3mf", "model/3mf", "read_3mf_metadata", ()),
        ("xyz", "text/plain", "", ("points",)),
        ("npz", "application/zip", "read_npz_metadata", ("points",)),
    )
    pictures = (("png", "image/png"), ("gif", "image/gif"), ("mp4", "video/mp4"))
    return (
        *(
            FormatSpec(
                name=name,
                kind="mesh",
                suffixes=(f".{name}",),
                media_type=media_type,
                writer=f"gen_mesh.files:write_{name}",
                reader=f"gen_mesh.files:read_{name}",
                metadata_reader=f"gen_mesh.files:{entries}" if entries else "",
                also=also,
            )
            for name, media_type, entries, also in shapes
        ),
        *(
            FormatSpec(
                name=name,
                kind="mesh",
                suffixes=(f".{name}",),
                media_type=media_type,
                writer=f"gen_mesh.files.pictures:write_{name}",
                also=("points",),
            )
            for name, media_type in pictures
        ),
    )


@hookimpl
def gen_models() -> tuple[ModelSpec, ...]:
    """The model that ships in the package."""
    return (
        ModelSpec(
            name="shapes",
            modality="mesh",
            summary="Coloured shapes of everyday things, closed surfaces.",
            source="package:gen_mesh/weights/shapes.safetensors",
            sha256="9b645d7a3b739a284db6779e8072e7387cdbd11c25c1b3e6304e4be1a208f263",
            size=17170728,
            licence="Apache-2.0",
            solver="default",
        ),
    )


@hookimpl
def gen_converters() -> tuple[ConverterSpec, ...]:
    """Pictures as shapes, shapes as pictures and turntables, surfaces as points and back."""
    elevation = Param(
        name="elevation",
        type=float,
        help="Degrees that the camera looks down.",
        default=22.0,
        minimum=-89,
        maximum=89,
    )
    turn = Param(
        name="turn",
        type=float,
        help="Degrees about the vertical axis.",
        default=30.0,
        minimum=-360,
        maximum=360,
    )

    def side(default: int) -> Param:
        help_text = "Width and height."
        return Param(
            name="side", type=int, help=help_text, default=default, minimum=16, maximum=2048, unit="px"
        )

    pictures = tuple(
        spec
        for kind, start in (("mesh", ""), ("points", "points-"))
        for spec in (
            ConverterSpec(
                name=f"{start}picture",
                source=kind,
                target="image",
                summary="A picture from the front right, a little from above.",
                convert="gen_mesh.converters:picture",
                params=(side(512), turn, elevation),
            ),
            ConverterSpec(
                name=f"{start}turntable",
                source=kind,
                target="video",
                summary="One turn about the vertical axis.",
                convert="gen_mesh.converters:turntable",
                params=(
                    side(320),
                    elevation,
                    Param(
                        name="seconds",
                        type=float,
                        help="How long the turn takes.",
                        default=4.0,
                        minimum=0.1,
                        maximum=60,
                        unit="s",
                    ),
                    Param(
                        name="fps", type=float, help="Frames per second.", default=24.0, minimum=1, maximum=60
                    ),
                ),
            ),
        )
    )
    return (
        ConverterSpec(
            name="inflate",
            source="image",
            target="mesh",
            summary="The thing in the picture, round and closed.",
            convert="gen_mesh.converters:inflated",
            params=(
                Param(
                    name="depth",
                    type=float,
                    help="Thickness over width.",
                    default=0.8,
                    minimum=0.05,
                    maximum=2,
                ),
            ),
        ),
        ConverterSpec(
            name="relief",
            source="image",
            target="mesh",
            summary="A plate whose front rises where the picture is bright.",
            convert="gen_mesh.converters:relief",
            params=(
                Param(
                    name="depth",
                    type=float,
                    help="Highest rise over the longer side.",
                    default=0.15,
                    minimum=0.01,
                    maximum=1,
                ),
                Param(
                    name="detail",
                    type=int,
                    help="Points along the longer side.",
                    default=128,
                    minimum=4,
                    maximum=512,
                ),
                Param(
                    name="invert",
                    type=bool,
                    help="Let dark parts rise, not bright ones.",
                    default=False,
                ),
            ),
        ),
        *pictures,
        ConverterSpec(
            name="sample",
            source="mesh",
            target="points",
            summary="Points spread evenly on the surface.",
            convert="gen_mesh.converters:points",
            params=(
                Param(name="points", type=int, help="How many.", default=POINTS, minimum=64, maximum=200_000),
            ),
        ),
        ConverterSpec(
            name="surface",
            source="points",
            target="mesh",
            summary="A closed surface around the points.",
            convert="gen_mesh.converters:surfaced",
            params=(
                Param(
                    name="cells",
                    type=int,
                    help="Cells per side of the grid of distances.",
                    default=64,
                    minimum=16,
                    maximum=160,
                ),
                Param(
                    name="smoothing",
                    type=float,
                    help="Blur of the surface, in cells.",
                    default=0.7,
                    minimum=0,
                    maximum=4,
                ),
            ),
        ),
    )
