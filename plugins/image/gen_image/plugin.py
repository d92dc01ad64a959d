"""What images declare to the host: the modality, its models and its file formats. Imports nothing heavy."""

from __future__ import annotations

from gen.plugin import FormatSpec, ModalitySpec, ModelSpec, Param, RecipeSpec, hookimpl


@hookimpl
def gen_modality() -> ModalitySpec:
    """The modality behind ``gen image``."""
    return ModalitySpec(
        name="image",
        kind="image",
        summary="Generate pictures from text.",
        loader="gen_image.model:load",
        default_model="emoji",
        default_format="png",
        params=(
            Param(
                name="width",
                type=int,
                help="Width of the picture.",
                minimum=64,
                maximum=1024,
                unit="px",
                follows="height",
            ),
            Param(
                name="height",
                type=int,
                help="Height of the picture.",
                minimum=64,
                maximum=1024,
                unit="px",
                follows="width",
            ),
        ),
        recipes=(
            RecipeSpec(
                name="emoji",
                summary="Emoji scenes: a latent codec and a text-to-image flow transformer.",
                factory="gen_image.training.recipe:emoji_recipe",
                presets=("cpu", "gpu"),
            ),
        ),
        evaluation="gen_image.training.evaluate:evaluate",
        requires=("PIL",),
        extra="image",
        examples=('gen image "a red apple on a blue background" -o apple.png',),
    )


@hookimpl
def gen_formats() -> tuple[FormatSpec, ...]:
    """PNG, JPEG and WebP."""
    return (
        FormatSpec(
            name="png",
            kind="image",
            suffixes=(".png",),
            media_type="image/png",
            writer="gen_image.files:write_png",
            reader="gen_image.files:read",
            metadata_reader="gen_image.files:read_metadata",
        ),
        FormatSpec(
            name="jpeg",
            kind="image",
            suffixes=(".jpg", ".jpeg"),
            media_type="image/jpeg",
            writer="gen_image.files:write_jpeg",
            reader="gen_image.files:read",
            metadata_reader="gen_image.files:read_metadata",
        ),
        FormatSpec(
            name="webp",
            kind="image",
            suffixes=(".webp",),
            media_type="image/webp",
            writer="gen_image.files:write_webp",
            reader="gen_image.files:read",
            metadata_reader="gen_image.files:read_metadata",
        ),
    )


@hookimpl
def gen_models() -> tuple[ModelSpec, ...]:
    """The model that ships in the package."""
    return (
        ModelSpec(
            name="emoji",
            modality="image",
            summary="Emoji-like pictures of everyday things, 128 x 128 pixels.",
            source="package:gen_image/weights/emoji.safetensors",
            sha256="c9619b5be2b4dbbc45eada6169b137f6001bcb5de6b546cf1c8a5066ba35a60f",
            size=15722536,
            licence="Apache-2.0",
            solver="flow_adams_2",
        ),
    )
