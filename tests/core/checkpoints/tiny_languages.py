"""Tiny language models with random weights, as the text encoders of checkpoints."""

from __future__ import annotations

from typing import Any

from tiny import WORDS, clip_vocabulary, seeded, transformers

from gen.checkpoints.libraries import without_broken_libraries

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{{ message.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n{% if enable_thinking is defined and not enable_thinking %}<think>\n{% endif %}"
)
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|image_pad|>",
    "<|vision_end|>",
)


def qwen_tokenizer() -> Any:
    """Bytes, a few words, and the marks of a chat."""
    letters = [entry for entry in clip_vocabulary()[0] if len(entry) == 1]
    entries, merges = list(letters), []
    for word in WORDS:
        parts = list(f"Ġ{word}")
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            parts[:2] = ["".join(parts[:2])]
            entries.append(parts[0])
    vocabulary = {entry: number for number, entry in enumerate(dict.fromkeys([*entries, *SPECIAL]))}
    return transformers.Qwen2Tokenizer(
        vocab=vocabulary,
        merges=list(dict.fromkeys(merges)),
        pad_token="<|endoftext|>",
        extra_special_tokens=list(SPECIAL[1:]),
        chat_template=TEMPLATE,
    )


def gemma_tokenizer() -> Any:
    letters = [(letter, -4.0) for letter in "abcdefghijklmnopqrstuvwxyz,.0123456789"]
    pieces = [("<pad>", 0.0), ("<eos>", 0.0), ("<bos>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *letters]
    names = {name: number for number, (name, _) in enumerate(pieces + [(f"▁{word}", -3.0) for word in WORDS])}
    return transformers.GemmaTokenizer(vocab=names, merges=[])


SIZES = {
    "vocab_size": 320,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
}


def qwen_3(layers: int = 3, **options: Any) -> Any:
    config = transformers.Qwen3Config(**SIZES, num_hidden_layers=layers, **options)
    return seeded(transformers.Qwen3ForCausalLM, config=config)


def qwen_vl() -> Any:
    """A model that reads and sees."""
    text = {
        **{name: value for name, value in SIZES.items() if name != "head_dim"},
        "num_hidden_layers": 2,
        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e6},
    }
    eyes = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 16,
        "fullatt_block_indexes": [0],
        "patch_size": 4,
        "window_size": 16,
    }
    marks = qwen_tokenizer()
    config = transformers.Qwen2_5_VLConfig(
        text_config=text,
        vision_config=eyes,
        **{
            f"{name}_token_id": marks.convert_tokens_to_ids(token)
            for name, token in (
                ("image", "<|image_pad|>"),
                ("vision_start", "<|vision_start|>"),
                ("vision_end", "<|vision_end|>"),
            )
        },
    )
    return seeded(transformers.Qwen2_5_VLForConditionalGeneration, config=config)


def gemma_2() -> Any:
    config = transformers.Gemma2Config(**SIZES, num_hidden_layers=2, query_pre_attn_scalar=8)
    return seeded(transformers.Gemma2Model, config=config)


def gemma_3() -> Any:
    """A model that reads and sees."""
    eyes = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "image_size": 8,
        "patch_size": 4,
    }
    text = {**SIZES, "num_hidden_layers": 2, "query_pre_attn_scalar": 8, "sliding_window": 8}
    config = transformers.Gemma3Config(text_config=text, vision_config=eyes, mm_tokens_per_image=4)
    return seeded(transformers.Gemma3ForConditionalGeneration, config=config)


def qwen_processor() -> Any:
    """Of texts with pictures, for ``qwen_vl``; as it is made, it would need torchvision."""
    with without_broken_libraries():
        made = object.__new__(transformers.Qwen2VLProcessor)
        made.image_processor = transformers.Qwen2VLImageProcessorPil(
            patch_size=4, size={"shortest_edge": 64, "longest_edge": 4096}
        )
    made.tokenizer, made.video_processor, made.chat_template = qwen_tokenizer(), None, None
    made.image_token, made.video_token = "<|image_pad|>", "<|video_pad|>"
    made.image_token_id = made.tokenizer.convert_tokens_to_ids(made.image_token)
    made.video_token_id = -1
    return made
