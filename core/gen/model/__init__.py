"""What a model is, the one file it is kept in, and where models come from."""

from gen.model.codec import Codec, CompletingCodec, CompositingCodec, CroppingCodec
from gen.model.encoder import Encoder, LimitedEncoder, RemarkingEncoder, SettlingEncoder
from gen.model.file import FORMAT, ModelFile, save_model
from gen.model.find import find_model
from gen.model.model import Model
from gen.model.stage import Defaults, Stage, Window
from gen.model.task import Shape, State, Task

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
    "Shape",
    "Stage",
    "State",
    "Task",
    "Window",
    "find_model",
    "save_model",
]
