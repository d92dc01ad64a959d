"""Sentence vectors from a model such as all-MiniLM, kept in a folder so that an interrupted run goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import functional

from gen.atomic import atomic_file
from gen.errors import PluginError

CHUNK = 4096
BATCH = 256


class SentenceModel:
    """Texts to unit vectors: the mean of the last layer's tokens (Reimers & Gurevych 2019, "Sentence-BERT").

    Args:
        model: Folder of the model, with its weights and ``tokenizer.json``.
        cache: Folder where vectors are kept.
        report: Called with lines of progress.

    Raises:
        PluginError: transformers is not installed.
    """

    def __init__(self, model: Path, cache: Path, report: Callable[[str], None]) -> None:
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError:
            raise PluginError("transformers is not installed", 'pip install "gen-toolkit[hub]"') from None
        self._tokenizer = AutoTokenizer.from_pretrained(str(model))  # type: ignore[no-untyped-call]
        self._network = AutoModel.from_pretrained(str(model)).eval()
        self._cache, self._report = cache, report

    @property
    def pieces(self) -> list[str]:
        """The vocabulary in order."""
        vocabulary: dict[str, int] = self._tokenizer.get_vocab()
        return sorted(vocabulary, key=lambda piece: vocabulary[piece])

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Vectors (N, D) float32 of unit length."""
        parts = []
        for start in range(0, len(texts), CHUNK):
            chunk = texts[start : start + CHUNK]
            path = (
                self._cache / f"{hashlib.sha256(chr(10).join(chunk).encode()).hexdigest()[:24]}.safetensors"
            )
            if not path.exists():
                with atomic_file(path, overwrite=True) as file:
                    file.write(save({"vectors": self._encode(chunk)}))
                self._report(f"{start + len(chunk)} of {len(texts)} texts encoded")
            parts.append(load_file(path)["vectors"])
        return torch.cat(parts)

    @torch.inference_mode()
    def _encode(self, texts: Sequence[str]) -> Tensor:
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        rows: list[Tensor] = [torch.empty(0)] * len(texts)
        for start in range(0, len(texts), BATCH):
            places = order[start : start + BATCH]
            batch = self._tokenizer(
                [texts[place] for place in places], padding=True, truncation=True, return_tensors="pt"
            )
            with torch.autocast("cpu", torch.bfloat16):
                hidden = self._network(**batch).last_hidden_state.float()
            present = batch["attention_mask"][..., None]
            mean = (hidden * present).sum(1) / present.sum(1)
            for place, row in zip(places, functional.normalize(mean, dim=-1), strict=True):
                rows[place] = row
        return torch.stack(rows)
