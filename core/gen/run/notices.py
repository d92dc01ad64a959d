"""What of a request goes unheeded."""

from __future__ import annotations

from collections.abc import Iterator

from gen.model import Model
from gen.model.parts import Parts
from gen.plan import Plan

MOST = 5
"""Unknown words that a line names."""


def notices(plan: Plan, model: Model) -> Iterator[str]:
    """A line about each thing that goes unheeded: unknown words, the end of a prompt, a negative prompt."""
    parts, params = Parts(model, plan.plugin), plan.values
    prompts = tuple(dict.fromkeys(item.prompt for item in plan.items))
    for prompt in prompts:
        start = f"prompt {in_quotes(prompt)}: " if len(prompts) > 1 else ""
        if unknown := _unknown_words(prompt, plan, parts):
            yield start + unknown
        yield from (start + remark for remark in parts.remarks(prompt, params))
        if unread := parts.unread(prompt, params):
            shown = in_quotes(unread)
            yield f"{start}the prompt is too long for the model {model.name}, which does not read {shown}"
    # Tiles cover all of a picture.
    init = None if plan.editing.tiled else plan.init
    for role, artifact in (("init", init), *plan.artifacts.items()):
        if artifact is not None and (cropped := parts.cropped(artifact, params)):
            yield f"{role}: {cropped}"
    if plan.negative and plan.guidance == 1:
        yield "the negative prompt has no effect at guidance 1; raise the guidance"


def _unknown_words(prompt: str, plan: Plan, parts: Parts) -> str:
    """One line about words that the model does not know; empty when it knows them all."""
    if not (words := parts.unknown_words(prompt)):
        return ""
    name = parts.model.name
    more = f" and {len(words) - MOST} more words" if len(words) > MOST else ""
    line = f"the model {name} does not know {', '.join(map(in_quotes, words[:MOST]))}{more}"
    near = ", ".join(parts.suggestions(prompt, 5))
    names = f"`gen models show {name} --names` lists what it knows" if plan.file.names else ""
    return "; ".join(filter(None, (line, near and f"nearest are {near}", names)))


def in_quotes(text: str) -> str:
    """A text in quotes on one line, of at most about 60 characters."""
    return repr(text if len(text) <= 60 else f"{text[:60]}…")
