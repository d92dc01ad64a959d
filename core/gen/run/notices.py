"""What of a request goes unheeded."""

from __future__ import annotations

from collections.abc import Iterator

from gen.model import CroppingCodec, LimitedEncoder, Model, RemarkingEncoder, VocabularyEncoder
from gen.plan import Plan


def notices(plan: Plan, model: Model) -> Iterator[str]:
    """A line about each thing that goes unheeded: unknown words, the end of a prompt, a negative prompt."""
    encoder, params = model.encoder, {**plan.params, **plan.artifacts}
    prompts = tuple(dict.fromkeys(item.prompt for item in plan.items))
    for prompt in prompts:
        start = f"prompt {in_quotes(prompt)}: " if len(prompts) > 1 else ""
        if unknown := _unknown_words(prompt, plan, model):
            yield start + unknown
        if isinstance(encoder, RemarkingEncoder):
            yield from (start + remark for remark in encoder.remarks(prompt, params))
        if isinstance(encoder, LimitedEncoder) and (unread := encoder.unread(prompt, params)):
            shown = in_quotes(unread)
            yield f"{start}the prompt is too long for the model {model.name}, which does not read {shown}"
    if isinstance(model.codec, CroppingCodec):
        for role, artifact in (("init", plan.init), *plan.artifacts.items()):
            if artifact is not None and (cropped := model.codec.cropped(artifact, params)):
                yield f"{role}: {cropped}"
    if plan.negative and plan.guidance == 1:
        yield "the negative prompt has no effect at guidance 1; raise the guidance"


def _unknown_words(prompt: str, plan: Plan, model: Model) -> str:
    """One line about words that the model does not know; empty when it knows them all."""
    encoder = model.encoder
    if not isinstance(encoder, VocabularyEncoder) or not (words := encoder.unknown_words(prompt)):
        return ""
    line = f"the model {model.name} does not know {', '.join(map(repr, words))}"
    near = ", ".join(encoder.suggestions(prompt, 5))
    names = f"`gen models show {model.name} --names` lists what it knows" if plan.file.names else ""
    return "; ".join(filter(None, (line, near and f"nearest are {near}", names)))


def in_quotes(text: str) -> str:
    """A text in quotes on one line, of at most about 60 characters."""
    return repr(text if len(text) <= 60 else f"{text[:60]}…")
