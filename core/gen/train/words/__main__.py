"""Make the table of word vectors: ``python -m gen.train.words MODEL OUT``; an interrupted run goes on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

from gen.atomic import atomic_file
from gen.train.int8 import int8_rows
from gen.train.words import distil, lexicon, wordnet
from gen.train.words.kinds import kinds
from gen.train.words.sentences import SentenceModel
from gen.words.table import LEXICON, VECTORS


def main() -> None:
    """Read the arguments, and write both files."""
    parser = argparse.ArgumentParser(prog="python -m gen.train.words", description=__doc__)
    parser.add_argument("model", type=Path, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("out", type=Path, help="folder for the files, and for vectors on the way")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    write(arguments.model, out)


def write(model: Path, out: Path) -> None:
    """Write ``vectors.safetensors`` and ``lexicon.safetensors`` into a folder."""
    words = wordnet.load()
    rows = distil.rows(SentenceModel(model, out, _report), words)
    values, scales = int8_rows(rows.vectors)
    vectors = {
        "vectors": values,
        "scales": scales,
        "weights": rows.weights.half().numpy(),
        "things": rows.things.to(torch.uint8).numpy(),
        "closed": np.array(rows.closed, np.int32),
    }
    keys = lexicon.build(rows.names, rows.closed, words, rows.others, _report)
    keys["names"] = np.frombuffer("\n".join(rows.names).encode(), np.uint8)
    keys["kinds"] = kinds(rows.names, rows.closed, words)
    for path, tensors in ((VECTORS, vectors), (LEXICON, keys)):
        with atomic_file(out / path.name, overwrite=True) as file:
            file.write(save(tensors))
        _report(f"wrote {out / path.name}, {(out / path.name).stat().st_size / 1e6:.2f} MB")


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
