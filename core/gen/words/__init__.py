"""What prompts mean, by a table of word vectors and a network of sentences that all models share."""

from gen.words.head import noun_phrase, single_words, sorts
from gen.words.inflection import base_forms, forms, plural, with_article
from gen.words.phrases import Phrases, words_of
from gen.words.reading import WEIGHT, Word, read
from gen.words.request import Request, request
from gen.words.stock import (
    Stock,
    closeness,
    likeness,
    nearest,
    nearest_name,
    owners,
    plain,
    same_words,
    singular,
    wanted,
)
from gen.words.table import digest, word_table
from gen.words.translation import is_named
from gen.words.word_vectors import vectors

__all__ = [
    "WEIGHT",
    "Phrases",
    "Request",
    "Stock",
    "Word",
    "base_forms",
    "closeness",
    "digest",
    "forms",
    "is_named",
    "likeness",
    "nearest",
    "nearest_name",
    "noun_phrase",
    "owners",
    "plain",
    "plural",
    "read",
    "request",
    "same_words",
    "single_words",
    "singular",
    "sorts",
    "vectors",
    "wanted",
    "with_article",
    "word_table",
    "words_of",
]
