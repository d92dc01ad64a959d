"""What prompts mean, by a table of word vectors and a network of sentences that all models share."""

from gen.words.english import english, forms
from gen.words.forms import base_forms, plural, with_article
from gen.words.head import head, kinds, noun_phrase, single_words, sorts
from gen.words.phrases import Phrases, words_of
from gen.words.reading import WEIGHT, Reading, Word, read
from gen.words.stock import (
    Stock,
    closeness,
    is_name,
    nearest,
    nearest_name,
    owners,
    plain,
    same_words,
    singular,
)
from gen.words.table import LANGUAGES, Table, digest, word_table
from gen.words.word_vectors import pooled, vectors

__all__ = [
    "LANGUAGES",
    "WEIGHT",
    "Phrases",
    "Reading",
    "Stock",
    "Table",
    "Word",
    "base_forms",
    "closeness",
    "digest",
    "english",
    "forms",
    "head",
    "is_name",
    "kinds",
    "nearest",
    "nearest_name",
    "noun_phrase",
    "owners",
    "plain",
    "plural",
    "pooled",
    "read",
    "same_words",
    "single_words",
    "singular",
    "sorts",
    "vectors",
    "with_article",
    "word_table",
    "words_of",
]
