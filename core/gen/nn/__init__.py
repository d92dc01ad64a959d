"""Blocks that small networks of every modality are built from."""

from gen.nn.autoencoder import GridAutoencoder, picture_coders
from gen.nn.captions import Caption, CaptionEncoder, as_written, keywords_of, not_read, read_as, shortened
from gen.nn.circular import circular
from gen.nn.conv import ResidualBlock, conv
from gen.nn.layers import LayeredNetwork, Layers
from gen.nn.matte import Matte, laid, lifted
from gen.nn.prompt_encoder import PromptEncoder
from gen.nn.subwords import Subwords
from gen.nn.text import TextEncoder, text_conditions
from gen.nn.text_transformer import TextTransformer, TextTransformerShape
from gen.nn.transformer import Modulation, TimeEmbedding, TransformerBlock
from gen.nn.word_encoder import ReadsWords, WordEncoder
from gen.nn.word_rows import WordRows

__all__ = [
    "Caption",
    "CaptionEncoder",
    "GridAutoencoder",
    "LayeredNetwork",
    "Layers",
    "Matte",
    "Modulation",
    "PromptEncoder",
    "ReadsWords",
    "ResidualBlock",
    "Subwords",
    "TextEncoder",
    "TextTransformer",
    "TextTransformerShape",
    "TimeEmbedding",
    "TransformerBlock",
    "WordEncoder",
    "WordRows",
    "as_written",
    "circular",
    "conv",
    "keywords_of",
    "laid",
    "lifted",
    "not_read",
    "picture_coders",
    "read_as",
    "shortened",
    "text_conditions",
]
