"""Single files of Stable Diffusion 1.x, 2.x and XL: told by the names of their tensors, and read in place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from gen.checkpoints.checkpoint import Layout, read_json
from gen.checkpoints.converted import Converted, Target
from gen.checkpoints.weights import Tensors, Weights
from gen.errors import ModelError
from gen_image.families.ldm.names import clip_targets, open_clip_targets, unet_targets, vae_targets

CONFIGURATIONS = Path(__file__).parent / "configurations"
VOCABULARY = Path(__file__).parent / "clip"
"""The byte pairs of CLIP, which all of these models read texts with."""

UNET, VAE = "model.diffusion_model.", "first_stage_model."
CLIP = "token_embedding.weight"
ENCODERS: Mapping[str, Mapping[str, str]] = {
    "stable-diffusion-xl": {
        "text_encoder": "conditioner.embedders.0.transformer.",
        "text_encoder_2": "conditioner.embedders.1.model.",
    },
    "stable-diffusion-xl-refiner": {"text_encoder_2": "conditioner.embedders.0.model."},
    "stable-diffusion-2": {"text_encoder": "cond_stage_model.model."},
    "stable-diffusion-1": {"text_encoder": "cond_stage_model.transformer."},
}
"""What the names of the text encoders' tensors begin with: no two families have the same."""
CHANNELS = {4: "", 9: "Inpaint"}
"""Channels that the U-Net reads: those of a picture, or a mask and a picture beside it."""


def layout(weights: Weights, configurations: Path = CONFIGURATIONS) -> Layout | None:
    """How a file is read; None where it is of another kind.

    Args:
        weights: The file.
        configurations: Where those of the families are.

    Raises:
        ModelError: A part is missing, or it is of a kind that is not driven.
    """
    names, [file] = weights.shapes, weights.files
    first = names.get(f"{UNET}input_blocks.0.0.weight")
    if first is None:
        return None
    groups = {prefix: _within(weights, prefix) for prefix in (UNET, VAE)}
    family = next((one for one in ENCODERS if _holds(names, ENCODERS[one])), "")
    if not family or not groups[VAE]:
        part = "autoencoder" if family else "text encoder"
        raise ModelError(
            f"{file.name} holds the U-Net of a checkpoint, but no {part}", "name a file with all of its parts"
        )
    channels = first[1]
    if channels not in CHANNELS or "edm_mean" in names:
        raise ModelError(f"{file.name} is of a kind of Stable Diffusion that no family here drives")
    table = {
        name: dict(values)  # type: ignore[call-overload]
        for name, values in read_json(configurations / f"{family}.json").items()
    }
    index = table.pop("model_index")
    kind = str(index["_class_name"])
    if CHANNELS[channels]:
        index["_class_name"] = kind.replace("Img2Img", "").replace("Pipeline", "InpaintPipeline")
    table["unet"]["in_channels"] = channels
    beside = file.with_suffix(".yaml")
    if _predicts_v(weights, family, beside):
        _predict_v(table, zero="ztsnr" in names)
    parts: dict[str, Tensors] = {
        "unet": Converted(weights, _moved(UNET, unet_targets(groups[UNET], table["unet"]))),
        "vae": Converted(weights, _moved(VAE, vae_targets(groups[VAE], table["vae"]))),
    }
    for name, prefix in ENCODERS[family].items():
        inner, config = _within(weights, prefix), table[name]
        targets = (
            open_clip_targets(inner, config, index[name][1].endswith("WithProjection"))
            if f"{prefix}{CLIP}" in names
            else clip_targets(inner)
        )
        parts[name] = Converted(weights, _moved(prefix, targets))
    return Layout(
        index=index,
        configs=table,
        weights=parts,
        folders={name: VOCABULARY for name in table if name.startswith("tokenizer")},
        files=(file, beside) if beside.is_file() else (file,),
    )


def _holds(names: Mapping[str, object], encoders: Mapping[str, str]) -> bool:
    return all(
        any(f"{prefix}{inner}{CLIP}" in names for inner in ("", "embeddings.", "text_model.embeddings."))
        for prefix in encoders.values()
    )


def _within(weights: Weights, prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in weights.shapes if name.startswith(prefix)]


def _moved(prefix: str, targets: Mapping[str, tuple[Target, ...]]) -> Mapping[str, tuple[Target, ...]]:
    return {f"{prefix}{name}": places for name, places in targets.items()}


def _predicts_v(weights: Weights, family: str, beside: Path) -> bool:
    """Whether the network predicts v: as the file beside it, its own notes or its tensors say.

    Of Stable Diffusion 2 most do, so that silence means it.
    """
    if beside.is_file():
        text = beside.read_text(encoding="utf-8", errors="replace")
        return bool(re.search(r"parameterization:\s*[\"']?v\b", text))
    notes: dict[str, str] = {}
    if weights.files[0].suffix == ".safetensors":
        notes = dict(weights.headers[0].metadata)
    if said := notes.get("modelspec.prediction_type"):
        return said.lower().startswith("v")
    return "v_pred" in weights.shapes or family == "stable-diffusion-2"


def _predict_v(table: dict[str, dict[str, object]], *, zero: bool) -> None:
    """Change configurations to those of a network that predicts v, also at a level of noise alone."""
    table["scheduler"]["prediction_type"] = "v_prediction"
    if zero:
        table["scheduler"] |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    if table["unet"]["cross_attention_dim"] == 1024:
        table["unet"]["sample_size"] = 96
