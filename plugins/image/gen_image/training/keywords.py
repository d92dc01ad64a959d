"""Give a model that reads subwords the keywords by which prompts in free words become captions of names.

python -m gen_image.training.keywords runs/emoji/emoji.safetensors
"""

from __future__ import annotations

import sys
from pathlib import Path

from gen.model import ModelFile, save_model
from gen.train import emoji
from gen.train.thesaurus import held_out_word
from gen_image.captions import PROMPTS


def main(weights: Path) -> None:
    """Rewrite a model file with CLDR's keywords of what it can draw; its tensors stay.

    Keywords that are held out, one in twenty, are left out here too, so that they can be measured.

    Args:
        weights: The file.

    Raises:
        UsageError: The data is not installed.
    """
    file = ModelFile(weights)
    found = {
        one.name: [word for word in one.keywords if not held_out_word(word)] for one in emoji.load().emoji
    }
    keywords = {name: "|".join(words) for name, words in found.items() if words and name in file.names}
    save_model(weights, file.tensors(), {**file.config, "prompts": PROMPTS, "keywords": keywords}, file.card)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
