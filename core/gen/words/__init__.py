"""What prompts mean: one table of word vectors that shipped models share, and how prompts are read by it."""

from gen.words.nearest import nearest, nearness, pooled, vectors
from gen.words.reading import Reading, Word, read
from gen.words.table import LANGUAGES, Table, digest, word_table

__all__ = [
    "LANGUAGES",
    "Reading",
    "Table",
    "Word",
    "digest",
    "nearest",
    "nearness",
    "pooled",
    "read",
    "vectors",
    "word_table",
]
