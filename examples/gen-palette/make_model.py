"""Writes gen_palette/paints.safetensors: five colours for each mood. Run it after a change of the table."""

from pathlib import Path

import torch

from gen.model import save_model

MOODS = {
    "ocean": "03045e 0077b6 00b4d8 90e0ef caf0f8",
    "forest": "081c15 1b4332 2d6a4f 52b788 b7e4c7",
    "sunset": "2b1a4a 7b2d6b d1495b f79256 ffd166",
    "sand": "582f0e 936639 b6ad90 ddc9a3 f3e9d2",
    "berry": "3a0519 670d2f a53860 ef88ad ffd9e8",
    "night": "05060f 11163a 232b6b 4a4e9e 8d93d6",
    "spring": "386641 6a994e a7c957 f2e8cf ff99c8",
    "ember": "1a0a06 541b0f 9b2d12 e0561d ffb347",
}


def main() -> None:
    """Write the model."""
    tensors = {
        word: torch.tensor([list(bytes.fromhex(colour)) for colour in colours.split()]).T / 127.5 - 1
        for word, colours in MOODS.items()
    }
    config = {
        "modality": "palette",
        "defaults": {"solver": "ddim", "grid": "uniform", "steps": 20, "guidance": 1.0},
    }
    card = {"data": "a table of colours", "licence": "CC0-1.0"}
    save_model(Path(__file__).parent / "gen_palette" / "paints.safetensors", tensors, config, card)


if __name__ == "__main__":
    main()
