"""The flags of ``gen MODALITY``: those that the core gives to every modality, and the plugin's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gen import presets
from gen.cli.switches import JSON, QUIET, VERBOSE
from gen.errors import UsageError
from gen.generate import DEVICES, DTYPES
from gen.plugin.host import Host
from gen.plugin.specs import ModalitySpec, Param
from gen.recipe import METADATA_LEVELS

ALIASES: Mapping[str, tuple[str, type]] = {
    "negative_prompt": ("negative", str),
    "cfg_scale": ("guidance", float),
    "guidance_scale": ("guidance", float),
    "num_inference_steps": ("steps", int),
    "sampler": ("solver", str),
}
"""Hidden flags of other programs, and what they are here."""


def signature(host: Host, spec: ModalitySpec) -> inspect.Signature:
    """The signature of a modality's command, from which Typer reads the flags.

    Args:
        host: Completes names of models.
        spec: The modality.
    """
    core = {
        "prompt": (
            list[str] | None,
            typer.Argument(
                metavar="PROMPT", help="What to make; '-' reads prompts from stdin, one per line."
            ),
        ),
        "prompt_file": (
            Path | None,
            typer.Option(help="Read prompts from a file, one per line.", metavar="FILE"),
        ),
        "output": (
            str | None,
            typer.Option(
                "-o",
                "--output",
                metavar="FILE",
                help="Where to: a file, a folder, a pattern with {seed} {index} {model}, or '-' for stdout.",
            ),
        ),
        "format": (
            str | None,
            typer.Option(
                "-f",
                "--format",
                help="File format, where the file's ending names none.",
                autocompletion=_among(lambda: [form.name for form in host.formats(spec.kind)]),
            ),
        ),
        "count": (int | None, typer.Option("-n", "--count", help="How many of each prompt.")),
        "seed": (int | None, typer.Option(help="Seed of the first item; the others count upwards.")),
        "steps": (int | None, typer.Option(help="Sampling steps.")),
        "guidance": (float | None, typer.Option("-g", "--guidance", help="Guidance scale; 1 is none.")),
        "negative": (str | None, typer.Option(help="What to stay away from.", metavar="TEXT")),
        "model": (
            str | None,
            typer.Option(
                "-m",
                "--model",
                help="Name of a model or path of a model file.",
                autocompletion=_among(lambda: [model.name for model in host.models(spec.name)]),
            ),
        ),
        "solver": (
            str | None,
            typer.Option(help="How to step.", autocompletion=_among(lambda: presets.SOLVERS)),
        ),
        "grid": (
            str | None,
            typer.Option(help="At which times to step.", autocompletion=_among(lambda: presets.GRIDS)),
        ),
        "init": (Path | None, typer.Option(help="A file to start from.", metavar="FILE")),
        "strength": (float | None, typer.Option(help="How far it may change: above 0, at most 1.")),
        "mask": (
            Path | None,
            typer.Option(help="A file whose bright parts are made anew; needs --init.", metavar="FILE"),
        ),
        "param": (
            list[str] | None,
            typer.Option("-p", "--param", metavar="NAME=VALUE", help=f"An option of {spec.name}, by name."),
        ),
        "device": (
            str | None,
            typer.Option(help="auto, cpu, cuda or mps.", autocompletion=_among(lambda: DEVICES)),
        ),
        "dtype": (
            str | None,
            typer.Option(help="Type of the network's weights.", autocompletion=_among(lambda: DTYPES)),
        ),
        "metadata": (
            str | None,
            typer.Option(
                help="What the file tells: full, minimal or none.",
                autocompletion=_among(lambda: METADATA_LEVELS),
            ),
        ),
    }
    parameters = [_parameter(name, kind, info, None) for name, (kind, info) in core.items()]
    for name, (_, kind) in ALIASES.items():
        parameters.append(_parameter(name, kind | None, typer.Option(hidden=True), None))
    parameters += [
        _parameter("overwrite", bool, typer.Option("--overwrite", help="Replace files that exist."), False),
        _parameter(
            "dry_run",
            bool,
            typer.Option("--dry-run", help="Show what would be made; load no weights."),
            False,
        ),
    ]
    for name, flag in (("as_json", JSON), ("quiet", QUIET), ("verbose", VERBOSE)):
        parameters.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=flag)
        )
    parameters += [_own(spec, param) for param in spec.params]
    return inspect.Signature(parameters)


def merge_aliases(values: dict[str, Any]) -> None:
    """Move what was given under another program's name to ours, in place.

    Raises:
        UsageError: Both were given.
    """
    for alias, (name, _) in ALIASES.items():
        value = values.pop(alias)
        if value is None:
            continue
        if values[name] is not None:
            raise UsageError(f"--{alias.replace('_', '-')} and --{name} are the same", "give one of them")
        values[name] = value


def parse_params(texts: list[str], spec: ModalitySpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Read ``-p NAME=VALUE``.

    Args:
        texts: What was given.
        spec: The modality.
        given: The parameters that were given as flags of their own.

    Raises:
        UsageError: Not of that form, or given twice.
    """
    values = dict(given)
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise UsageError(f"-p takes NAME=VALUE, not {text!r}", f"see `gen {spec.name} --help`")
        name = name.strip().replace("-", "_")
        if name in values:
            raise UsageError(f"{name} is given twice", "give it once")
        values[name] = value
    return values


def _own(spec: ModalitySpec, param: Param) -> inspect.Parameter:
    low = "" if param.minimum is None else f"from {param.minimum:g} "
    high = "" if param.maximum is None else f"to {param.maximum:g} "
    values = f"{low}{high}{param.unit}".strip() or ", ".join(param.choices)
    default = "" if param.default is None else f"default {param.default}"
    details = "; ".join(filter(None, (values, default)))
    flag = f"--{param.name.replace('_', '-')}"
    info = typer.Option(
        f"{flag}/--no-{flag[2:]}" if param.type is bool else flag,
        help=f"{param.help} ({details})" if details else param.help,
        rich_help_panel=f"Options of {spec.name}",
        autocompletion=_among(lambda: param.choices) if param.choices else None,
    )
    return _parameter(param.name, param.type | None, info, None)


def _parameter(name: str, kind: Any, info: Any, default: Any) -> inspect.Parameter:
    annotation = Annotated[kind, info]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _among(names: Callable[[], Any]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete
