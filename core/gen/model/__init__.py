"""What a model is, the one file it is kept in, and where models come from."""

from gen.model.file import FORMAT, ModelFile, save_model
from gen.model.model import (
    Codec,
    CompletingCodec,
    CompositingCodec,
    CroppingCodec,
    Defaults,
    Encoder,
    LimitedEncoder,
    Model,
    RemarkingEncoder,
    SettlingEncoder,
    Window,
)
from gen.model.resolve import find_model

__all__ = [
    "FORMAT",
    "Codec",
    "CompletingCodec",
    "CompositingCodec",
    "CroppingCodec",
    "Defaults",
    "Encoder",
    "LimitedEncoder",
    "Model",
    "ModelFile",
    "RemarkingEncoder",
    "SettlingEncoder",
    "Window",
    "find_model",
    "save_model",
]
