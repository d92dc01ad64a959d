"""The flags of ``gen MODALITY``: those that the core gives to every modality, and the plugin's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from gen.checks import DEVICES, DTYPES
from gen.cli.switches import JSON, OFFLINE, QUIET, VERBOSE
from gen.errors import UsageError
from gen.metadata import METADATA_LEVELS
from gen.plan import expansion
from gen.plan.abilities import HIDDEN, abilities_of_any
from gen.plan.editing import TILES
from gen.plan.regions import FORMS
from gen.plugin.host import Host
from gen.plugin.specs import (
    CHECKPOINT,
    CacheSpec,
    ChoiceSpec,
    CommandSpec,
    GridSpec,
    GuidanceSpec,
    ModalitySpec,
    NoiseSpec,
    Param,
    SolverSpec,
)
from gen.presets.operators import OPERATORS

ALIASES: Mapping[str, str] = {
    "negative_prompt": "negative",
    "cfg_scale": "guidance",
    "guidance_scale": "guidance",
    "num_inference_steps": "steps",
    "sampler": "solver",
}
"""Hidden flags of other programs, and what they are here."""


def signature(host: Host, spec: ModalitySpec) -> inspect.Signature:
    """The signature of a modality's command, from which Typer reads the flags.

    Numbers are taken as text: the road converts and checks them, with the same words for every way in.

    Args:
        host: Completes names of models and formats.
        spec: The modality.
    """
    able = abilities_of_any(host, spec)
    prompts = typer.Argument(
        metavar="PROMPT..." if able.prompt == "required" else "[PROMPT...]",
        help="What to make; '-' reads prompts from stdin, one per line."
        + (" May be left out." if able.prompt == "optional" else ""),
        hidden=able.prompt == "none",
    )
    formats = host.formats(spec.kind)
    names, readable = (
        ", ".join(dict.fromkeys(form.name for form in chosen))
        for chosen in (formats, [form for form in formats if form.reader])
    )
    flags = [
        _parameter("prompt", list[str] | None, prompts),
        _flag("prompt_file", "FILE", "Read prompts from a file, one per line.", kind=Path),
        _flag(
            "output",
            "FILE",
            "Where to: a file, a folder, a pattern with {seed} {index} {model}, or '-' for stdout.",
            "-o",
        ),
        _flag(
            "format",
            "NAME",
            f"File format, where the file's ending names none: {names}.",
            "-f",
            among=lambda: [form.name for form in formats],
        ),
        _flag("count", "INT", "How many of each prompt.", "-n"),
        _flag("seed", "INT", "Seed of the first item, from which the others count upwards."),
        _flag("steps", "INT", "Sampling steps."),
        _flag("guidance", "FLOAT", "Guidance scale; 1 is none.", "-g"),
        _flag(
            "guide",
            "NAME",
            "Rule of guidance, then modifiers: repeat it. `gen guidances` lists them.",
            kind=list[str],
            among=lambda: _names(host, spec, GuidanceSpec),
        ),
        _flag("guidance_interval", "LOW:HIGH", "Times with guidance, as 0.2:0.8; 1 is noise."),
        _flag("negative", "TEXT", "What to stay away from."),
        _flag(
            "model",
            "MODEL",
            f"A name of `gen models`, a file, a folder, or hf:OWNER/NAME (default {spec.default_model}).",
            "-m",
            among=lambda: [model.name for model in host.models(spec.name)],
        ),
        _flag("variant", "NAME", "Variant of a checkpoint's weights, as fp16."),
        _parameter(
            "allow_pickle",
            bool,
            typer.Option("--allow-pickle", help="Read a checkpoint's pickles, as weights only."),
            False,
        ),
        _flag(
            "lora",
            "FILE[:WEIGHT]",
            "A LoRA for a checkpoint, also hf:OWNER/NAME, and how much it counts (default 1): repeat it.",
            kind=list[str],
        ),
        _flag(
            "embedding",
            "FILE[=WORD]",
            "An embedding of a word for a checkpoint (textual inversion): repeat it.",
            kind=list[str],
        ),
        _flag(
            "decoder",
            "FILE",
            "A tiny autoencoder that decodes in place of a checkpoint's own.",
            kind=list[str],
        ),
        _flag(
            "solver",
            "NAME",
            "How to step, with settings as in ddim:eta=0.5; `gen solvers` lists them.",
            among=lambda: _names(host, spec, SolverSpec),
        ),
        _flag(
            "grid",
            "NAME",
            "At which times to step; `gen solvers` lists them. Or a list of sigmas, also in a file.",
            among=lambda: _names(host, spec, GridSpec),
        ),
        _flag(
            "cache",
            "NAME",
            "Skip evaluations, as easycache:0.1; `gen guidances` lists them.",
            among=lambda: _names(host, spec, CacheSpec),
        ),
        _flag(
            "noise",
            "NAME",
            "Noise rule; `gen guidances` lists them.",
            among=lambda: _names(host, spec, NoiseSpec),
        ),
        _flag("init", "FILE", f"A file to start from: {readable}.", kind=list[Path]),
        _flag("strength", "FLOAT", "How far it may change: above 0, at most 1."),
        _flag(
            "mask",
            "FILE|REGION",
            f"What is made anew of --init: the bright parts of a file{_regions(spec)}.",
            kind=list[str],
        ),
        _flag("expand", "SIDES", f"Extend --init: {_expansions(spec)}."),
        _flag(
            "restore",
            "OPERATOR",
            "Restore --init: denoise:std=0.1, deblur:radius=2, super_resolve:2, declip, or fill with --mask.",
            among=lambda: OPERATORS,
        ),
        _flag("upscale", "INT", "Make --init so many times larger; of a sound its rate."),
        _flag("tile", "EDGES", "Let edges meet: x, y or xy.", among=lambda: TILES),
        _flag("style", "FILE", "Follow the style of a file, where the model can.", kind=list[Path]),
        _flag("alpha", "FILE", "Remove the background of a file, and generate nothing.", kind=list[Path]),
        _flag("vary", "FILE", "Make variations of a file.", kind=list[Path]),
        _flag("amount", "FLOAT", "How far they go, from 0 to 1 (default 0.3)."),
        _flag(
            "interpolate",
            "OTHER",
            "Make a way to another prompt, seed (as seed:9) or file; -n says of how many (default 8).",
            kind=list[str],
        ),
        _flag("share", "FLOAT", "Make one place on that way, from 0 to 1."),
        _flag("edit", "PROMPT", "Make --init again with this prompt, by inversion."),
        _flag(
            "preview",
            "FORMAT",
            "Write it in this format, one of those of --format, too, beside the file; auto picks one.",
            among=lambda: ["auto", *(form.name for form in formats)],
        ),
        _flag(
            "watch",
            "FILE",
            "Show the first item while it is sampled, in a file that is replaced each second.",
            kind=Path,
        ),
        _flag("param", "NAME=VALUE", f"An option of {spec.name}, by name.", "-p", kind=list[str]),
        _flag("device", "NAME", f"{', '.join(DEVICES)}.", among=lambda: DEVICES),
        _flag(
            "dtype",
            "NAME",
            f"{', '.join(DTYPES)}; parts of a checkpoint have their own, as bfloat16,vae=float32.",
            among=lambda: DTYPES,
        ),
        _flag(
            "metadata", "LEVEL", "What the file tells: full, minimal or none.", among=lambda: METADATA_LEVELS
        ),
        *(_parameter(alias, str | None, typer.Option(hidden=True)) for alias in ALIASES),
        _parameter("overwrite", bool, typer.Option("--overwrite", help="Replace files that exist."), False),
        _parameter(
            "isolate",
            bool,
            typer.Option("--isolate", help="Make it in a child process, so that a crash is one line."),
            False,
        ),
        _parameter(
            "dry_run",
            bool,
            typer.Option("--dry-run", help="Show what would be made; load no weights."),
            False,
        ),
    ]
    switches = (("offline", OFFLINE), ("as_json", JSON), ("quiet", QUIET), ("verbose", VERBOSE))
    flags += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=switch)
        for name, switch in switches
    ]
    missing = {field for field, ability in HIDDEN.items() if ability not in able.names}
    if not any(one.purpose == "alpha" and one.source == spec.kind for one in host.converters()):
        missing.add("alpha")
    if able.prompt == "none":
        missing.add("prompt_file")
    for flag in flags:
        if flag.name in missing:
            # Still taken, to be refused with the reason.
            get_args(flag.annotation)[1].hidden = True
    return inspect.Signature([*flags, *(_own(spec, param) for param in able.params)])


def command_signature(spec: CommandSpec) -> inspect.Signature:
    """The signature of a command of a plugin.

    Args:
        spec: The command.
    """
    switch = inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=JSON)
    by_name = {param.name: param for param in spec.params}
    placed = [_placed(by_name.pop(name)) for name in spec.arguments]
    return inspect.Signature([*placed, *(_own(spec, param) for param in by_name.values()), switch])


def given_once(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The values of options, with the file itself in place of a list of one.

    Args:
        values: Values of options by name.
        names: Options that are files, of which one is taken.

    Raises:
        UsageError: One was given twice.
    """
    single: dict[str, Any] = {}
    for name in names:
        listed = values[name] or [None]
        if len(listed) > 1:
            raise UsageError(f"--{name.replace('_', '-')} is given twice", "give it once")
        single[name] = listed[0]
    return {**values, **single}


def merge_aliases(values: dict[str, Any]) -> None:
    """Move what was given under another program's name to ours, in place.

    Raises:
        UsageError: Both were given.
    """
    for alias, name in ALIASES.items():
        value = values.pop(alias)
        if value is None:
            continue
        if values[name] is not None:
            raise UsageError(f"--{alias.replace('_', '-')} and --{name} are the same", "give one of them")
        values[name] = value


def parse_params(texts: list[str], flag: str, command: str) -> dict[str, str]:
    """Read ``-p NAME=VALUE`` and its like.

    Args:
        texts: What was given.
        flag: The flag, for messages.
        command: The command, for messages.

    Raises:
        UsageError: Not of that form, or given twice.
    """
    values: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise UsageError(f"{flag} takes NAME=VALUE, not {text!r}", f"see `gen {command} --help`")
        name = name.strip().replace("-", "_")
        if name in values:
            raise UsageError(f"{name} is given twice", "give it once")
        values[name] = value
    return values


def _regions(spec: ModalitySpec) -> str:
    """How a mask is written in words."""
    return f", or {FORMS[spec.kind].replace('`', '')}" if spec.kind in FORMS else ""


def _expansions(spec: ModalitySpec) -> str:
    """How an expansion is written."""
    return expansion.FORMS.get(spec.kind, f"not {spec.kind}").replace("`", "")


def _names(host: Host, spec: ModalitySpec, kind: type[ChoiceSpec]) -> list[str]:
    return [one.name for one in host.choices(kind, spec.name)]


def _placed(param: Param) -> inspect.Parameter:
    """A parameter that is given by its place, and must be."""
    kind: Any = Path if param.kind else str
    argument = typer.Argument(metavar=param.name.upper(), help=_described(param))
    return inspect.Parameter(param.name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[kind, argument])


def _described(param: Param) -> str:
    """The help of a parameter, with its bounds or choices and its default."""
    low = "" if param.minimum is None else f"from {param.minimum:g} "
    high = "" if param.maximum is None else f"to {param.maximum:g} "
    values = f"{low}{high}{param.unit}".strip() or ", ".join(param.choices)
    default = "" if param.default is None else f"default {param.default}"
    details = "; ".join(filter(None, (values, default)))
    return f"{param.help} ({details})" if details else param.help


def _own(spec: ModalitySpec | CommandSpec, param: Param) -> inspect.Parameter:
    text = _described(param)
    flag = f"--{param.name.replace('_', '-')}"
    own = param in spec.params
    panel = f"Options of {spec.name}" if own else f"Options of some models of {spec.name}"
    if param.type is bool:
        switch = typer.Option(f"{flag}/--no-{flag[2:]}", help=text, rich_help_panel=panel, show_default=False)
        return _parameter(param.name, bool | None, switch)
    kind: Any = Path if param.kind else str
    metavar = {int: "INT", float: "FLOAT"}.get(param.type, "TEXT")
    if param.kind:
        metavar = "FOLDER" if param.kind == CHECKPOINT else "FILE"
    several = list[kind] if param.several > 1 or param.kind else kind
    return _flag(param.name, metavar, text, kind=several, among=lambda: param.choices, panel=panel)


def _flag(
    name: str,
    metavar: str,
    text: str,
    short: str = "",
    *,
    kind: Any = str,
    among: Callable[[], Iterable[str]] | None = None,
    panel: str | None = None,
) -> inspect.Parameter:
    def complete(incomplete: str) -> list[str]:
        return [choice for choice in among() if choice.startswith(incomplete)] if among else []

    option = typer.Option(
        *filter(None, (short, f"--{name.replace('_', '-')}")),
        metavar=metavar,
        help=text,
        autocompletion=complete if among else None,
        rich_help_panel=panel,
    )
    return _parameter(name, kind | None, option)


def _parameter(name: str, kind: Any, info: Any, default: Any = None) -> inspect.Parameter:
    annotation = Annotated[kind, info]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
