"""The file of a trained network: matrices as rows of int8 with a scale each, word pieces and names."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save
from torch import Tensor
from torch.nn import functional

from gen.atomic import atomic_file
from gen.train.int8 import int8_rows
from gen.train.sentences.imitation import LEARNED_SHARPNESS, Reader
from gen.words.sentences import sentences


def shipped(things: Sequence[str]) -> Reader:
    """The network that comes with the package, to be trained on; it reads names that are new as texts.

    Args:
        things: Names of the things, in order.
    """
    known = sentences()
    network = copy.deepcopy(known.network).requires_grad_(True)
    return Reader(network, torch.from_numpy(known(things)), LEARNED_SHARPNESS)


def write(path: Path, reader: Reader, pieces: Sequence[str], things: Sequence[str]) -> None:
    """Write a network as ``gen.words.sentences`` reads it.

    Args:
        path: Of the file.
        reader: The network and the vectors of things.
        pieces: Of its vocabulary.
        things: Names of the things, in order.
    """
    tensors = {"shape": np.array(reader.network.shape.numbers, np.int64)}
    for name, tensor in reader.network.state_dict().items():
        tensors |= _stored(name, tensor)
    tensors |= _stored("vectors", functional.normalize(reader.things.detach(), dim=-1))
    for name, texts in (("pieces", pieces), ("names", things)):
        tensors[name] = np.frombuffer("\n".join(texts).encode(), np.uint8)
    with atomic_file(path, overwrite=True) as file:
        file.write(save(tensors))


def _stored(name: str, tensor: Tensor) -> dict[str, np.ndarray]:
    if tensor.ndim < 2:
        return {name: tensor.half().numpy()}
    rows, scales = int8_rows(tensor)
    return {name: rows, f"{name}.scales": scales}
