"""The text encoders of checkpoints: tokenizers, CLIP, T5, and prompts with weights and of any length."""

from gen.checkpoints.text.clip import ClipText, load_clip
from gen.checkpoints.text.prompt import Piece, read_prompt, windows
from gen.checkpoints.text.t5 import T5Encoder, load_t5
from gen.checkpoints.text.tokenizer import Tokenizer, load_tokenizer

__all__ = [
    "ClipText",
    "Piece",
    "T5Encoder",
    "Tokenizer",
    "load_clip",
    "load_t5",
    "load_tokenizer",
    "read_prompt",
    "windows",
]
