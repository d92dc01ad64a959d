"""Blocks that small networks of every modality are built from."""

from gen.nn.autoencoder import GridAutoencoder, picture_coders
from gen.nn.conv import ResidualBlock, conv
from gen.nn.layers import LayeredNetwork, Layers
from gen.nn.subwords import Subwords
from gen.nn.text import TextEncoder, text_conditions
from gen.nn.text_transformer import TextTransformer, TextTransformerShape
from gen.nn.transformer import Modulation, TimeEmbedding, TransformerBlock

__all__ = [
    "GridAutoencoder",
    "LayeredNetwork",
    "Layers",
    "Modulation",
    "ResidualBlock",
    "Subwords",
    "TextEncoder",
    "TextTransformer",
    "TextTransformerShape",
    "TimeEmbedding",
    "TransformerBlock",
    "conv",
    "picture_coders",
    "text_conditions",
]
