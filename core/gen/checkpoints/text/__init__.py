"""The text encoders of checkpoints: CLIP with weighted and long prompts, T5, and language models."""

from gen.checkpoints.text.clip import ClipText, load_clip
from gen.checkpoints.text.clip_prompts import ClipPrompts
from gen.checkpoints.text.language import LanguagePrompts, load_eyes, load_language, load_reader, load_words
from gen.checkpoints.text.prompt import Piece, read_prompt, windows
from gen.checkpoints.text.t5 import T5Encoder, load_t5
from gen.checkpoints.text.t5_prompts import T5Prompts
from gen.checkpoints.text.tokenizer import Tokenizer, load_tokenizer

__all__ = [
    "ClipPrompts",
    "ClipText",
    "LanguagePrompts",
    "Piece",
    "T5Encoder",
    "T5Prompts",
    "Tokenizer",
    "load_clip",
    "load_eyes",
    "load_language",
    "load_reader",
    "load_t5",
    "load_tokenizer",
    "load_words",
    "read_prompt",
    "windows",
]
