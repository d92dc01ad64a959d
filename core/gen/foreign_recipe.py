"""What other programs wrote into their files about how they were made.

Imports the standard library only. All of it is text from strangers: limited in size, its types checked, and
never imported, evaluated or opened.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gen.errors import UsageError
from gen.recipe import MAX_BYTES, parse_json


@dataclass(frozen=True, kw_only=True)
class ForeignRecipe:
    """What another program says about a picture; None where it says nothing.

    Args:
        source: ``"a1111"``, ``"comfyui"`` or ``"invokeai"``.
        prompt, negative: Texts.
        seed, steps, width, height: Whole numbers.
        guidance: Scale of the classifier-free guidance.
        sampler, model: Names as that program spells them.
    """

    source: str
    prompt: str | None = None
    negative: str | None = None
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    width: int | None = None
    height: int | None = None
    sampler: str | None = None
    model: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields that are known."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value is not None}


def foreign_recipe(entries: Mapping[str, str]) -> ForeignRecipe | None:
    """What another program wrote into a file; None when nothing can be recognised. Never raises.

    Args:
        entries: Text entries of the file by name, as a format's metadata reader gives them.
    """
    readers: tuple[tuple[str, Callable[[str], ForeignRecipe | None]], ...] = (
        ("invokeai_metadata", parse_invokeai),
        ("prompt", parse_comfyui),
        ("workflow", parse_comfyui),
        ("parameters", parse_a1111),
        ("comment", parse_a1111),
    )
    for key, reader in readers:
        found = reader(entries[key]) if key in entries else None
        if found is not None:
            return found
    return None


def parse_a1111(text: str) -> ForeignRecipe | None:
    """Read AUTOMATIC1111's ``parameters``: the prompt, ``Negative prompt: …``, then settings from a line on.

    Values in quotes may hold commas and line ends, and extensions append lines such as ``Template: …``.

    Returns:
        None when there is no line of settings, so that any other text is not taken for a prompt.
    """
    if len(text) > MAX_BYTES:
        return None
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").strip("\n")
    lines = text.split("\n")
    first = _settings_line(lines)
    if first is None:
        return None
    settings = _settings("\n".join(lines[first:]))
    lines = lines[:first]
    marker = "Negative prompt:"
    start = next((i for i, line in enumerate(lines) if line.startswith(marker)), len(lines))
    negative = "\n".join(lines[start:]).removeprefix(marker).strip()
    width, _, height = settings.get("Size", "").partition("x")
    return ForeignRecipe(
        source="a1111",
        prompt="\n".join(lines[:start]),
        negative=negative or None,
        seed=_whole(settings.get("Seed")),
        steps=_whole(settings.get("Steps")),
        guidance=_real(settings.get("CFG scale")),
        width=_whole(width),
        height=_whole(height),
        sampler=settings.get("Sampler"),
        model=settings.get("Model") or settings.get("Model hash"),
    )


def _settings_line(lines: Sequence[str]) -> int | None:
    """Index of the line with which the settings begin; None without one."""
    for begins in (
        lambda line: re.match(r"Steps: *\d", line),
        lambda line: {"Steps", "Seed"} & _settings(line).keys(),
    ):
        found = next((index for index in reversed(range(len(lines))) if begins(lines[index])), None)
        if found is not None:
            return found
    return None


def _settings(text: str) -> dict[str, str]:
    """``key: value`` pairs between commas or line ends; of two with the same key the first."""
    # Possessive repetitions, so that no text can make the expression slow.
    pairs = re.findall(r'(\w[\w /-]{0,40}+): *+("(?:\\.|[^\\"])*+"|[^,\n]*+)(?:,|\n|$)', text, re.DOTALL)
    settings: dict[str, str] = {}
    for key, value in pairs:
        settings.setdefault(key, _unquoted(value.strip()))
    return settings


def parse_invokeai(text: str) -> ForeignRecipe | None:
    """Read InvokeAI's ``invokeai_metadata``; None when it is something else."""
    table = _object(text)
    if table is None or not ({"positive_prompt", "seed"} & table.keys()):
        return None
    model = table.get("model")
    return ForeignRecipe(
        source="invokeai",
        prompt=_string(table.get("positive_prompt")),
        negative=_string(table.get("negative_prompt")),
        seed=_whole(table.get("seed")),
        steps=_whole(table.get("steps")),
        guidance=_real(table.get("cfg_scale", table.get("guidance"))),
        width=_whole(table.get("width")),
        height=_whole(table.get("height")),
        sampler=_string(table.get("scheduler")),
        model=_string(model.get("name", model.get("model_name")) if isinstance(model, dict) else model),
    )


def parse_comfyui(text: str) -> ForeignRecipe | None:
    """Read ComfyUI's ``prompt`` (the graph that ran) or ``workflow`` (as the editor stores it).

    Starts at the sampler's node and follows its links to the texts and sizes.

    Returns:
        None when there is no sampler in it.
    """
    table = _object(text)
    if table is None:
        return None
    nodes = _graph_of_workflow(table) if isinstance(table.get("nodes"), list) else table
    samplers = [
        key for key, node in nodes.items() if "Sampler" in (_string(_member(node, "class_type")) or "")
    ]
    start = next((key for key in samplers if _links(_inputs(nodes, key))), None)
    if start is None:
        return None

    def number(*names: str) -> Any:
        return _search(nodes, [start], names, lambda value: isinstance(value, int | float | str))

    def words(*names: str) -> str | None:
        links = _links(_inputs(nodes, start))
        links |= _links(_inputs(nodes, links.get("guider", "")))
        texts = [links[name] for name in names if name in links]
        return _string(_search(nodes, texts, _TEXT_INPUTS, lambda value: isinstance(value, str)))

    return ForeignRecipe(
        source="comfyui",
        prompt=words("positive", "conditioning"),
        negative=words("negative"),
        seed=_whole(number("seed", "noise_seed")),
        steps=_whole(number("steps")),
        guidance=_real(number("cfg", "guidance")),
        width=_whole(number("width")),
        height=_whole(number("height")),
        sampler=_string(number("sampler_name")),
        model=_string(number("ckpt_name", "unet_name")),
    )


_TEXT_INPUTS = ("text", "text_g", "t5xxl", "clip_l", "prompt", "string", "value")
_WIDGETS = {
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler"),
    "KSamplerAdvanced": ("", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler"),
    "CLIPTextEncode": ("text",),
    "EmptyLatentImage": ("width", "height"),
    "EmptySD3LatentImage": ("width", "height"),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name",),
    "RandomNoise": ("noise_seed",),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps"),
    "FluxGuidance": ("guidance",),
}
"""Names of the values that the editor stores by position, by type of node."""


def _graph_of_workflow(table: Mapping[str, Any]) -> dict[str, Any]:
    """The editor's nodes and links in the form of the graph that runs."""
    links = table.get("links")
    sources = {
        link[0]: [str(link[1]), link[2]]
        for link in (links if isinstance(links, list) else [])
        if isinstance(link, list) and len(link) >= 3 and all(isinstance(part, int | str) for part in link[:2])
    }
    graph: dict[str, Any] = {}
    for node in table["nodes"]:
        if not isinstance(node, dict):
            continue
        values = node.get("widgets_values")
        kind = _string(node.get("type")) or ""
        names = _WIDGETS.get(kind, ())
        inputs = dict(zip(names, values, strict=False)) if isinstance(values, list) else {}
        slots = node.get("inputs")
        for slot in slots if isinstance(slots, list) else []:
            link = _member(slot, "link")
            if isinstance(link, int | str) and link in sources:
                inputs[_string(_member(slot, "name")) or ""] = sources[link]
        if isinstance(node.get("id"), int | str):
            graph[str(node["id"])] = {"class_type": kind, "inputs": inputs}
    return graph


def _search(
    nodes: Mapping[str, Any], starts: Sequence[str], names: Sequence[str], accept: Callable[[Any], bool]
) -> Any:
    """The first literal under one of ``names``, breadth first along the links."""
    queue, seen = list(starts), set(starts)
    for key in queue:
        inputs = _inputs(nodes, key)
        for name in names:
            if name in inputs and accept(inputs[name]):
                return inputs[name]
        for target in _links(inputs).values():
            if target not in seen:
                seen.add(target)
                queue.append(target)
    return None


def _inputs(nodes: Mapping[str, Any], key: str) -> dict[str, Any]:
    inputs = _member(nodes.get(key), "inputs")
    return inputs if isinstance(inputs, dict) else {}


def _links(inputs: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value[0]
        for name, value in inputs.items()
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
    }


def _member(table: object, key: str) -> Any:
    return table.get(key) if isinstance(table, dict) else None


def _object(text: str) -> dict[str, Any] | None:
    try:
        table = parse_json(text)
    except UsageError:
        return None
    return table if isinstance(table, dict) else None


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: object) -> int | None:
    text = str(value).strip() if isinstance(value, int | float | str) else ""
    return int(text) if re.fullmatch(r"-?[0-9]{1,20}", text) else None


def _real(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value, strict=False))
    except ValueError:
        return value
