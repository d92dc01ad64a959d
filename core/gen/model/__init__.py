"""What a model is, the one file it is kept in, and where models come from."""

from gen.model.codec import (
    Codec,
    CompletingCodec,
    CompositingCodec,
    CroppingCodec,
    EncodingCodec,
    FieldCodec,
    MaskingCodec,
)
from gen.model.encoder import (
    Encoder,
    LimitedEncoder,
    RemarkingEncoder,
    SettlingEncoder,
    VocabularyEncoder,
)
from gen.model.file import FORMAT, ModelFile, save_model
from gen.model.find import find_model
from gen.model.model import Model
from gen.model.source import ModelSource
from gen.model.stage import Defaults, Stage, Window
from gen.model.task import Edits, Shape, State, Task

__all__ = [
    "FORMAT",
    "Codec",
    "CompletingCodec",
    "CompositingCodec",
    "CroppingCodec",
    "Defaults",
    "Edits",
    "Encoder",
    "EncodingCodec",
    "FieldCodec",
    "LimitedEncoder",
    "MaskingCodec",
    "Model",
    "ModelFile",
    "ModelSource",
    "RemarkingEncoder",
    "SettlingEncoder",
    "Shape",
    "Stage",
    "State",
    "Task",
    "VocabularyEncoder",
    "Window",
    "find_model",
    "save_model",
]
