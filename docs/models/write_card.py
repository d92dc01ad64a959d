r"""Put measured metrics into a model file's card, and write the card as a page.

gen eval image --model runs/emoji/emoji.safetensors --json > metrics.json
python docs/models/write_card.py runs/emoji/emoji.safetensors metrics.json docs/models/emoji.md \
        "a remark on the training"
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gen.model import ModelFile, save_model

JUDGES = {
    "emoji": "A thing is found by two judges: the nearest of all references at 16 × 16 pixels, and a small\n"
    "classifier trained on separate renderings. For prompts in other words than names, a picture is right\n"
    "where one of the things in it is: references fill the layouts that captions know, and those that come\n"
    "nearest to the picture say what it shows.",
    "shapes": "Families are named by a small classifier of shapes trained on separate ones; what it says of\n"
    "real shapes stands beside it, as do two sets of real shapes where sets are compared.",
    "sounds": "Instruments and effects are named by a small classifier trained on separate renderings; what\n"
    "is measured of renderings stands beside what is measured of the model. A note is right where its\n"
    "pitch class is heard at its place, and a clip where nine in ten of its notes are.",
    "motion": "Things and motions are named by two small classifiers trained on separate renderings; what\n"
    "they say of renderings stands first. That of motions sees 16 × 16 pixels of each frame: its\n"
    "difference from the background, and its outline.",
    "matte": "Alpha of scenes of emoji that training never saw, after the codec with noise on its latents.",
    "voice": "What the voice says is set beside the same sentences of flite, whose speech it learned from;\n"
    "the recogniser is pocketsphinx.",
}


def main(weights: Path, measured: Path, page: Path, *remarks: str) -> None:
    """Rewrite ``weights`` with the metrics, and remarks on its training, in its card; its tensors stay."""
    metrics = json.loads(measured.read_text())["data"]["metrics"]
    file = ModelFile(weights)
    save_model(
        weights, file.tensors(), file.config, {**file.card, "metrics": metrics, "remarks": list(remarks)}
    )
    file = ModelFile(weights)
    page.write_text(render(file))
    print(file.sha256, weights.stat().st_size)


def sampling(file: ModelFile) -> tuple[str, ...]:
    """How a model is sampled; nothing of a network that is not."""
    if "defaults" not in file.config:
        return ()
    defaults = file.defaults
    how = f"{defaults.solver} on the grid {defaults.grid}"
    if defaults.solver == "default":
        how = "the solver `default` and its grid"
    return (
        f"- **Sampled by default**, and for the metrics, with {defaults.steps} steps of {how},",
        f"  guidance {defaults.guidance:g}. Metrics are printed by `gen eval {file.modality}`: prompts and",
        "  seeds are fixed, one sample each.",
    )


def render(file: ModelFile) -> str:
    """The page of a model."""
    card = file.card
    training = card["training"]
    lines = [
        f"# The model `{file.name}`",
        "",
        str(card["summary"]),
        "",
        f"- **File**: {file.path.stat().st_size:,} bytes of safetensors in half precision,",
        f"  sha256 `{file.sha256}`",
        f"- **Data**: {card['data']} Licences of the data: {card['data_licence']}.",
        f"- **Licence of the weights**: {card['licence']}",
        f"- **Training**: `gen train {file.modality} --recipe {file.name} --preset {card['preset']}`",
        *(
            f"  - {stage}: {of['step']:.0f} steps, {of['seconds'] / 60:.0f} minutes, last loss {of['loss']}"
            for stage, of in training.items()
        ),
        *(f"  - {remark}" for remark in card["remarks"]),
        f"- **Held out**: {card['held_out']}.",
        *sampling(file),
        "",
        "## Metrics",
        "",
        JUDGES.get(file.name, ""),
    ]
    groups = dict(card["metrics"])
    if "quality" in card:
        groups["what codec and vocoder lose, log-spectral distance"] = card["quality"]
    for group, values in groups.items():
        lines += ["", f"### {group.capitalize()}", "", "| measure | value |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in values.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
