"""What images declare to the host: the modality, its models and its file formats. Imports nothing heavy."""

from __future__ import annotations

from gen.plugin import (
    CHECKPOINT,
    FamilySpec,
    FormatSpec,
    ModalitySpec,
    ModelSpec,
    Param,
    RecipeSpec,
    hookimpl,
)

TILING = ("guidance", "negative", "init", "mask", "tile")
"""What models can do whose edges may meet."""


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
                presets=("cpu", "gpu", "further"),
            ),
            RecipeSpec(
                name="matte",
                summary="The network that cuts things out of what the shipped model draws.",
                factory="gen_image.training.matte:matte_recipe",
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
            can_read="gen_image.signatures:is_png",
        ),
        FormatSpec(
            name="jpeg",
            kind="image",
            suffixes=(".jpg", ".jpeg"),
            media_type="image/jpeg",
            writer="gen_image.files:write_jpeg",
            reader="gen_image.files:read",
            metadata_reader="gen_image.files:read_metadata",
            can_read="gen_image.signatures:is_jpeg",
        ),
        FormatSpec(
            name="webp",
            kind="image",
            suffixes=(".webp",),
            media_type="image/webp",
            writer="gen_image.files:write_webp",
            reader="gen_image.files:read",
            metadata_reader="gen_image.files:read_metadata",
            can_read="gen_image.signatures:is_still_webp",
        ),
    )


TRUE_CFG = Param(
    name="true_cfg",
    type=float,
    help="Scale of guidance away from the negative prompt, beside the scale that it gets.",
    default=1.0,
    minimum=0,
    maximum=30,
)
CLIP_SKIP = Param(
    name="clip_skip",
    type=int,
    help="Last layers of CLIP that are left out.",
    default=0,
    minimum=0,
    maximum=11,
)


CONTROL = (
    Param(
        name="control",
        type=str,
        kind=CHECKPOINT,
        several=3,
        help="ControlNet or T2I-Adapter that the picture follows; needs --control-image.",
    ),
    Param(
        name="control_image",
        type=str,
        kind="image",
        several=3,
        help="What it reads, of the size of the picture: edges, depth, a pose.",
    ),
    Param(
        name="control_scale",
        type=float,
        several=3,
        help="How strongly the picture follows it; 1 is as trained.",
        minimum=0,
        maximum=10,
    ),
    Param(
        name="control_start",
        type=float,
        several=3,
        help="Share of the way from noise to picture at which it begins to count.",
        minimum=0,
        maximum=1,
    ),
    Param(
        name="control_end",
        type=float,
        several=3,
        help="Share of the way at which it ceases to count.",
        minimum=0,
        maximum=1,
    ),
)
"""What further networks add to a U-Net of Stable Diffusion, each with a picture of its own."""

REFINER = (
    Param(
        name="refiner",
        type=str,
        kind=CHECKPOINT,
        help="Checkpoint that takes the last steps: the refiner of Stable Diffusion XL.",
    ),
    Param(
        name="denoising_end",
        type=float,
        help="Share of the way from noise to picture at which the refiner takes over; else 0.8.",
        minimum=0,
        maximum=1,
    ),
)


VAE_TILE = Param(
    name="vae_tile",
    type=int,
    help="Side of the tiles in which the picture is decoded; 0 is none, the default where memory allows.",
    minimum=0,
    maximum=4096,
    multiple_of=64,
    unit="px",
)


def _sizes(multiple: int) -> tuple[Param, ...]:
    """Width and height of what a checkpoint draws, in whole cells of its latents, and of its tiles."""
    sizes = (
        Param(
            name=name,
            type=int,
            help=f"{name.capitalize()} of the picture.",
            minimum=64,
            maximum=4096,
            multiple_of=multiple,
            unit="px",
            follows=other,
        )
        for name, other in (("width", "height"), ("height", "width"))
    )
    return (*sizes, VAE_TILE)


def _reference(several: int = 1) -> Param:
    """Pictures that a network sees beside what it draws."""
    return Param(name="reference", type=str, kind="image", several=several, help="A picture to edit.")


@hookimpl
def gen_families() -> tuple[FamilySpec, ...]:
    """Checkpoints of other programs that draw pictures."""
    return (
        FamilySpec(
            name="stable-diffusion",
            modality="image",
            summary="Stable Diffusion 1.x and 2.x, also for filling holes, and consistency models of them.",
            pipelines=(
                "StableDiffusionPipeline",
                "StableDiffusionImg2ImgPipeline",
                "StableDiffusionInpaintPipeline",
                "LatentConsistencyModelPipeline",
            ),
            adapter="gen_image.families.stable_diffusion:load",
            defaults="gen_image.families.defaults:stable_diffusion",
            additions=("lora", "embedding", "decoder"),
            abilities=TILING,
            single_file="gen_image.families.ldm.single_file:layout",
            lora_names="gen_image.families.ldm.names:lora_layers",
            params=(*_sizes(8), CLIP_SKIP, *CONTROL),
        ),
        FamilySpec(
            name="stable-diffusion-upscaler",
            modality="image",
            summary="Stable Diffusion's upscaler, which makes pictures 4 times as large.",
            pipelines=("StableDiffusionUpscalePipeline",),
            adapter="gen_image.families.upscaler:load",
            defaults="gen_image.families.defaults:upscaler",
            abilities=("negative", "guidance", "upscale"),
            params=(
                *_sizes(8),
                CLIP_SKIP,
                Param(
                    name="noise_level",
                    type=int,
                    help="Noise on the small picture: with more, more of it is drawn anew.",
                    default=20,
                    minimum=0,
                    maximum=350,
                ),
            ),
        ),
        FamilySpec(
            name="stable-diffusion-xl",
            modality="image",
            summary="Stable Diffusion XL: base, refiner, and for filling holes.",
            pipelines=(
                "StableDiffusionXLPipeline",
                "StableDiffusionXLImg2ImgPipeline",
                "StableDiffusionXLInpaintPipeline",
            ),
            adapter="gen_image.families.stable_diffusion_xl:load",
            defaults="gen_image.families.defaults:stable_diffusion_xl",
            additions=("lora", "embedding", "decoder"),
            abilities=TILING,
            single_file="gen_image.families.ldm.single_file:layout",
            lora_names="gen_image.families.ldm.names:lora_layers",
            params=(*_sizes(8), CLIP_SKIP, *CONTROL, *REFINER),
        ),
        FamilySpec(
            name="stable-diffusion-3",
            modality="image",
            summary="Stable Diffusion 3 and 3.5.",
            pipelines=("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline"),
            adapter="gen_image.families.stable_diffusion_3:load",
            defaults="gen_image.families.defaults:stable_diffusion_3",
            lora_names="gen_image.families.lora_names:stable_diffusion_3",
            additions=("lora", "decoder"),
            params=_sizes(16),
        ),
        FamilySpec(
            name="flux-kontext",
            modality="image",
            summary="FLUX.1 Kontext: pictures that are changed as the prompt says.",
            pipelines=("FluxKontextPipeline",),
            adapter="gen_image.families.flux:load",
            defaults="gen_image.families.defaults:flux",
            lora_names="gen_image.families.lora_names:flux",
            additions=("lora", "decoder"),
            params=(*_sizes(16), TRUE_CFG, _reference()),
        ),
        FamilySpec(
            name="flux-2-klein",
            modality="image",
            summary="FLUX.2 klein: draws, and edits up to three pictures.",
            pipelines=("Flux2KleinPipeline",),
            adapter="gen_image.families.flux_2_klein:load",
            defaults="gen_image.families.defaults:flux_2_klein",
            additions=("lora",),
            params=(*_sizes(16), _reference(3)),
        ),
        FamilySpec(
            name="flux",
            modality="image",
            summary="FLUX.1: dev, schnell, Fill and those made of them.",
            pipelines=("FluxPipeline", "FluxImg2ImgPipeline", "FluxInpaintPipeline", "FluxFillPipeline"),
            adapter="gen_image.families.flux:load",
            defaults="gen_image.families.defaults:flux",
            lora_names="gen_image.families.lora_names:flux",
            additions=("lora", "decoder"),
            params=(
                *_sizes(16),
                TRUE_CFG,
            ),
        ),
        FamilySpec(
            name="z-image",
            modality="image",
            summary="Z-Image and Z-Image-Turbo.",
            pipelines=("ZImagePipeline", "ZImageImg2ImgPipeline", "ZImageInpaintPipeline"),
            adapter="gen_image.families.z_image:load",
            defaults="gen_image.families.defaults:z_image",
            additions=("lora",),
            params=_sizes(16),
        ),
        FamilySpec(
            name="qwen-image",
            modality="image",
            summary="Qwen-Image.",
            pipelines=("QwenImagePipeline", "QwenImageImg2ImgPipeline", "QwenImageInpaintPipeline"),
            adapter="gen_image.families.qwen_image:load",
            defaults="gen_image.families.defaults:qwen_image",
            additions=("lora",),
            params=_sizes(16),
        ),
        FamilySpec(
            name="qwen-image-edit",
            modality="image",
            summary="Qwen-Image-Edit: pictures that are changed as the prompt says.",
            pipelines=("QwenImageEditPipeline", "QwenImageEditInpaintPipeline"),
            adapter="gen_image.families.qwen_image:load",
            defaults="gen_image.families.defaults:qwen_image",
            additions=("lora",),
            params=(*_sizes(16), _reference()),
        ),
        FamilySpec(
            name="qwen-image-edit-plus",
            modality="image",
            summary="Qwen-Image-Edit of 2509 and later: up to three pictures.",
            pipelines=("QwenImageEditPlusPipeline",),
            adapter="gen_image.families.qwen_image:load",
            defaults="gen_image.families.defaults:qwen_image",
            additions=("lora",),
            params=(*_sizes(16), _reference(3)),
        ),
        FamilySpec(
            name="sana",
            modality="image",
            summary="Sana.",
            pipelines=("SanaPipeline", "SanaPAGPipeline"),
            adapter="gen_image.families.sana:load",
            defaults="gen_image.families.defaults:sana",
            additions=("lora",),
            params=_sizes(32),
        ),
        FamilySpec(
            name="deepfloyd-if",
            modality="image",
            summary="DeepFloyd IF: small pictures, and large ones with an upscaler.",
            pipelines=("IFPipeline",),
            adapter="gen_image.families.deepfloyd_if:load",
            defaults="gen_image.families.defaults:deepfloyd_if",
            params=(
                *_sizes(8),
                Param(name="upscaler", type=str, kind=CHECKPOINT, help="Folder of a checkpoint of IF II."),
                Param(
                    name="upscaler_steps",
                    type=int,
                    help="Steps of the upscaler.",
                    default=50,
                    minimum=1,
                    maximum=1000,
                ),
                Param(
                    name="upscaler_guidance",
                    type=float,
                    help="Scale of the upscaler's guidance.",
                    default=4.0,
                    minimum=0,
                    maximum=30,
                ),
            ),
        ),
        FamilySpec(
            name="kandinsky",
            modality="image",
            summary="Kandinsky 2.2: pictures from what a prior makes of a prompt.",
            pipelines=("KandinskyV22Pipeline",),
            adapter="gen_image.families.kandinsky:load",
            defaults="gen_image.families.defaults:kandinsky",
            params=(
                *_sizes(64),
                Param(
                    name="prior",
                    type=str,
                    kind=CHECKPOINT,
                    help="Folder of the prior, which it cannot do without.",
                ),
                Param(
                    name="prior_steps",
                    type=int,
                    help="Steps of the prior.",
                    default=25,
                    minimum=2,
                    maximum=1000,
                ),
                Param(
                    name="prior_guidance",
                    type=float,
                    help="Scale of the prior's guidance.",
                    default=4.0,
                    minimum=0,
                    maximum=30,
                ),
            ),
        ),
        FamilySpec(
            name="pixart",
            modality="image",
            summary="PixArt-alpha and PixArt-Sigma.",
            pipelines=("PixArtAlphaPipeline", "PixArtSigmaPipeline"),
            adapter="gen_image.families.pixart:load",
            defaults="gen_image.families.defaults:pixart",
            additions=("lora", "decoder"),
            params=_sizes(16),
        ),
        FamilySpec(
            name="dit",
            modality="image",
            summary="DiT: pictures of classes, by name or number.",
            pipelines=("DiTPipeline",),
            adapter="gen_image.families.dit:load",
            defaults="gen_image.families.defaults:dit",
            params=_sizes(16),
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
            sha256="fa2e85eba4a0f036850384b8e663a1d0ba0fab4ed96c1684fcf678f8964299c0",
            size=17104664,
            licence="Apache-2.0",
            solver="default",
            params=(Param(name="transparent", type=bool, default=False, help="Leave out what is behind."),),
        ),
    )
