"""What videos declare to the host: the modality, its models and its file formats. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import replace

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
from gen_video.camera import CAMERAS


@hookimpl
def gen_modality() -> ModalitySpec:
    """The modality behind ``gen video``."""
    return ModalitySpec(
        name="video",
        kind="video",
        summary="Generate clips from text and from given frames.",
        loader="gen_video.model:load",
        default_model="motion",
        default_format="mp4",
        params=(
            Param(
                name="frames",
                type=int,
                help="How many frames; 16 where nothing else says it.",
                minimum=1,
                maximum=1800,
            ),
            Param(name="seconds", type=float, help="Length.", minimum=0.01, maximum=60, unit="s"),
            Param(
                name="fps",
                type=str,
                help="Frames per second, 0.1 to 120, also a fraction; 8 where nothing else says it.",
            ),
            Param(name="width", type=int, help="Width of the frames.", minimum=16, maximum=1024, unit="px"),
            Param(name="height", type=int, help="Height of the frames.", minimum=16, maximum=1024, unit="px"),
            Param(name="loop", type=bool, default=False, help="Let the end run on into the beginning."),
            Param(name="first", type=str, help="A picture to begin with.", kind="image"),
            Param(name="last", type=str, help="A picture to end with.", kind="image"),
            Param(name="camera", type=str, help="What the camera does.", choices=CAMERAS),
            Param(name="transparent", type=bool, default=False, help="Leave out what is behind."),
            Param(name="audio", type=str, help="A sound to go with it.", kind="audio"),
        ),
        recipes=(
            RecipeSpec(
                name="motion",
                summary="Moving emoji: a latent codec of layers and a text-to-clip flow transformer.",
                factory="gen_video.training.recipe:motion_recipe",
                presets=("cpu", "gpu", "further"),
            ),
        ),
        evaluation="gen_video.training.evaluate:evaluate",
        requires=("av", "PIL"),
        extra="video",
        examples=(
            'gen video "a rocket flies up" -o rocket.mp4',
            'gen video "a dog runs left" --first dog.png --seconds 4 --fps 24 -o dog.webm',
        ),
    )


@hookimpl
def gen_formats() -> tuple[FormatSpec, ...]:
    """MP4, WebM, GIF, WebP, frames in a ZIP, and contact sheets."""
    return (
        _format("mp4", (".mp4", ".m4v"), "video/mp4", "containers:write_mp4", "containers"),
        _format("webm", (".webm",), "video/webm", "containers:write_webm", "containers"),
        _format("gif", (".gif",), "image/gif", "animations:write_gif", "animations"),
        replace(
            _format("webp", (".webp",), "image/webp", "animations:write_webp", "animations"),
            can_read="gen_video.files.signatures:is_animated_webp",
        ),
        FormatSpec(
            name="zip",
            kind="video",
            suffixes=(".zip",),
            media_type="application/zip",
            writer="gen_video.files.frame_archives:write_zip",
            reader="gen_video.files.frame_archives:read_zip",
            metadata_reader="gen_video.files.frame_archives:read_zip_metadata",
        ),
        _format("png", (".png",), "image/png", "sheets:write_png_sheet"),
        _format("jpeg", (".jpg", ".jpeg"), "image/jpeg", "sheets:write_jpeg_sheet"),
    )


def _sizes(multiple: int) -> tuple[Param, ...]:
    """Width and height of what a checkpoint makes, in whole cells of its latents."""
    return tuple(
        Param(
            name=name,
            type=int,
            help=f"{name.capitalize()} of the frames.",
            minimum=16,
            maximum=2048,
            multiple_of=multiple,
            unit="px",
        )
        for name in ("width", "height")
    )


@hookimpl
def gen_families() -> tuple[FamilySpec, ...]:
    """Checkpoints of other programs that make clips."""
    return (
        FamilySpec(
            name="wan",
            modality="video",
            summary="Wan 2.1 and 2.2: clips from text and from pictures.",
            pipelines=("WanPipeline", "WanVideoToVideoPipeline", "WanImageToVideoPipeline"),
            adapter="gen_video.families.wan:load",
            defaults="gen_video.families.defaults:wan",
            lora_names="gen_video.families.lora_names:wan",
            additions=("lora",),
            params=(
                *_sizes(16),
                Param(
                    name="guidance_2",
                    type=float,
                    help="Scale of the guidance of the second transformer; that of the first by default.",
                    minimum=0,
                    maximum=30,
                ),
            ),
        ),
        FamilySpec(
            name="ltx",
            modality="video",
            summary="LTX-Video: clips from text and a first frame.",
            pipelines=("LTXPipeline", "LTXImageToVideoPipeline"),
            adapter="gen_video.families.ltx:load",
            defaults="gen_video.families.defaults:ltx",
            additions=("lora",),
            params=_sizes(32),
        ),
        FamilySpec(
            name="ltx-2",
            modality="video",
            summary="LTX-2 and LTX-2.3: clips with sound, from text and a first frame.",
            pipelines=("LTX2Pipeline", "LTX2ImageToVideoPipeline"),
            adapter="gen_video.families.ltx_2:load",
            defaults="gen_video.families.defaults:ltx_2",
            additions=("lora",),
            abilities=("guidance", "negative"),
            params=(
                *_sizes(32),
                Param(
                    name="sound_guidance",
                    type=float,
                    help="Scale of the guidance of the sound; that of the frames by default.",
                    minimum=0,
                    maximum=30,
                ),
            ),
        ),
        FamilySpec(
            name="cogvideox",
            modality="video",
            summary="CogVideoX and CogVideoX 1.5: clips from text and from a first frame.",
            pipelines=(
                "CogVideoXPipeline",
                "CogVideoXVideoToVideoPipeline",
                "CogVideoXImageToVideoPipeline",
            ),
            adapter="gen_video.families.cogvideox:load",
            defaults="gen_video.families.defaults:cogvideox",
            additions=("lora",),
            params=_sizes(16),
        ),
        FamilySpec(
            name="animatediff",
            modality="video",
            summary="AnimateDiff: clips from text by Stable Diffusion 1.5.",
            pipelines=("AnimateDiffPipeline", "AnimateDiffVideoToVideoPipeline"),
            adapter="gen_video.families.animatediff:load",
            defaults="gen_video.families.defaults:animatediff",
            params=(
                *_sizes(8),
                Param(
                    name="clip_skip",
                    type=int,
                    help="Last layers of CLIP that are left out.",
                    default=0,
                    minimum=0,
                    maximum=11,
                ),
            ),
        ),
        FamilySpec(
            name="stable-video",
            modality="video",
            summary="Stable Video Diffusion: clips from a first frame.",
            pipelines=("StableVideoDiffusionPipeline",),
            adapter="gen_video.families.stable_video:load",
            defaults="gen_video.families.defaults:stable_video",
            prompt="none",
            abilities=("guidance", "init", "mask"),
            params=(
                *_sizes(8),
                Param(
                    name="motion_bucket",
                    type=int,
                    help="How much moves.",
                    default=127,
                    minimum=0,
                    maximum=255,
                ),
                Param(
                    name="noise_aug",
                    type=float,
                    help="Noise on the first frame: with more, the clip departs further from it.",
                    default=0.02,
                    minimum=0,
                    maximum=10,
                ),
                Param(
                    name="min_guidance",
                    type=float,
                    help="Scale of the guidance at the first frame; it rises to that of the last.",
                    default=1.0,
                    minimum=0,
                    maximum=30,
                ),
            ),
        ),
    )


@hookimpl
def gen_models() -> tuple[ModelSpec, ...]:
    """The model that ships in the package."""
    return (
        ModelSpec(
            name="motion",
            modality="video",
            summary="Clips of emoji-like things that move, 128 x 128 pixels.",
            source="package:gen_video/weights/motion.safetensors",
            sha256="0329cfd93938e9fb5a3e9293c90330818466bb4bd5bbf13ad943cad85949e216",
            size=14774336,
            licence="Apache-2.0",
            solver="default",
        ),
    )


@hookimpl
def gen_converters() -> tuple[ConverterSpec, ...]:
    """Pictures as clips and back, and clips with sound, subtitles and clips after them."""
    width, height = (
        Param(
            name=name,
            type=int,
            help=f"{name.capitalize()}; that of the picture by default.",
            minimum=16,
            maximum=1024,
            unit="px",
        )
        for name in ("width", "height")
    )
    start = Param(name="start", type=float, help="When it starts.", default=0.0, minimum=0, unit="s")
    return (
        ConverterSpec(
            name="pan-zoom",
            source="image",
            target="video",
            summary="A camera that moves over the picture.",
            convert="gen_video.converters:pan_and_zoom",
            params=(
                Param(
                    name="move",
                    type=str,
                    help="Where the camera goes.",
                    default="in",
                    choices=("in", "out", "left", "right", "up", "down"),
                ),
                Param(
                    name="zoom",
                    type=float,
                    help="Width of the picture over that of its smallest part seen.",
                    default=1.25,
                    minimum=1,
                    maximum=8,
                ),
                Param(
                    name="seconds",
                    type=float,
                    help="Length.",
                    default=4.0,
                    minimum=0.01,
                    maximum=60,
                    unit="s",
                ),
                Param(name="fps", type=str, help="Frames per second, also a fraction.", default="24"),
                width,
                height,
            ),
        ),
        ConverterSpec(
            name="cut-out",
            source="image",
            target="image",
            summary="What stands out in the picture, without its background.",
            convert="gen_video.cutting:cut_out",
            purpose="alpha",
        ),
        ConverterSpec(
            name="frame",
            source="video",
            target="image",
            summary="The picture that is shown at a time.",
            convert="gen_video.converters:frame",
            params=(Param(name="at", type=float, help="When.", default=0.0, minimum=0, unit="s"),),
        ),
        ConverterSpec(
            name="sound-of-video",
            source="video",
            target="audio",
            summary="The sound of the clip.",
            convert="gen_video.converters:sound",
        ),
        ConverterSpec(
            name="soundtrack",
            source="video",
            target="video",
            summary="The clip with another sound.",
            convert="gen_video.converters:with_sound",
            params=(Param(name="sound", type=str, help="The sound.", kind="audio"), start),
        ),
        ConverterSpec(
            name="subtitle",
            source="video",
            target="video",
            summary="The clip with one more subtitle.",
            convert="gen_video.converters:with_subtitle",
            params=(
                Param(name="text", type=str, help="The text.", default=""),
                start,
                Param(
                    name="end",
                    type=float,
                    help="When it ends; by default with the clip.",
                    minimum=0,
                    unit="s",
                ),
            ),
        ),
        ConverterSpec(
            name="join",
            source="video",
            target="video",
            summary="The clip and another one after it, cross-faded.",
            convert="gen_video.converters:joined",
            params=(
                Param(name="next", type=str, help="The clip after it.", kind="video"),
                Param(
                    name="fade",
                    type=float,
                    help="How long both are seen; 0 is a cut.",
                    default=0.5,
                    minimum=0,
                    maximum=60,
                    unit="s",
                ),
            ),
        ),
    )


def _format(
    name: str, suffixes: tuple[str, ...], media_type: str, writer: str, reading: str = ""
) -> FormatSpec:
    return FormatSpec(
        name=name,
        kind="video",
        suffixes=suffixes,
        media_type=media_type,
        writer=f"gen_video.files.{writer}",
        reader=f"gen_video.files.{reading}:read" if reading else "",
        metadata_reader=f"gen_video.files.{reading}:read_metadata" if reading else "",
    )
