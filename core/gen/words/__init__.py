"""What prompts mean: one table of word vectors that shipped models share, and how prompts are read by it."""

from gen.words.forms import base_forms, plural
from gen.words.nearest import nearest, nearness, pooled, vectors
from gen.words.reading import WEIGHT, Reading, Word, read
from gen.words.table import LANGUAGES, Table, digest, word_table

__all__ = [
    "LANGUAGES",
    "WEIGHT",
    "Reading",
    "Table",
    "Word",
    "base_forms",
    "digest",
    "nearest",
    "nearness",
    "plural",
    "pooled",
    "read",
    "vectors",
    "word_table",
]
