"""``gen NAME``: make something of a modality."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import typer

from gen.checks import MAX_ITEMS, naming
from gen.cli.flags import given_once, merge_aliases, parse_params, signature
from gen.cli.making import make
from gen.cli.outputs import STDOUT, metadata_level, plan_outputs
from gen.cli.pipes import piped
from gen.cli.session import Session
from gen.config import convert, misspelled
from gen.conversion import convert as convert_artifact
from gen.conversion import for_purpose
from gen.errors import UsageError
from gen.formats import find_format, write
from gen.plan import Plan, Request, resolve, settings_of
from gen.plan.abilities import abilities_of_any
from gen.plan.inputs import FILES
from gen.plugin.host import Host
from gen.plugin.specs import CHECKPOINT, ModalitySpec
from gen.run.watching import Watch

MAX_PROMPT_FILE = 2**22
AUTO = "auto"
"""The preview that the kind of what is made names."""


def add(app: typer.Typer, session: Session, host: Host, name: str) -> None:
    """Add a modality's command, with its plugin's own parameters.

    Raises:
        PluginError: The plugin cannot be used.
    """
    spec = host.modality(name)

    def command(**values: Any) -> None:
        params = abilities_of_any(host, spec).params
        kinds = {param.name: param.kind for param in params if param.kind not in ("", CHECKPOINT)}
        one = [param.name for param in params if param.kind and param.several == 1]
        values = given_once(values, (*FILES, "alpha", "decoder", *one))
        with piped(values, {**dict.fromkeys((*FILES, "alpha"), spec.kind), **kinds}, host) as given:
            _run(session, host, spec, given)

    command.__signature__ = signature(host, spec)  # type: ignore[attr-defined]
    command.__annotations__ = {
        key: parameter.annotation
        for key, parameter in command.__signature__.parameters.items()  # type: ignore[attr-defined]
    }
    epilog = "\n\n".join(["Examples:", *spec.examples]) if spec.examples else None
    app.command(name, help=spec.summary, epilog=epilog)(command)


def _run(session: Session, host: Host, spec: ModalitySpec, values: dict[str, Any]) -> None:
    session.quiet, session.verbose = values.pop("quiet"), values.pop("verbose")
    values.pop("as_json")
    values.pop("offline")
    # Whoever runs the command in a child process takes the flag away.
    values.pop("isolate")
    if (file := values.pop("alpha")) is not None:
        _without_background(session, host, spec, file, values)
        return
    merge_aliases(values)
    able = abilities_of_any(host, spec)
    own = {param.name: values.pop(param.name) for param in able.params}
    given = able.numbered({key: value for key, value in own.items() if value is not None and value != []})
    params: dict[str, Any] = dict(parse_params(values.pop("param") or [], "-p", spec.name))
    if twice := params.keys() & given.keys():
        raise UsageError(f"{min(twice)} is given twice", "give it once")
    params |= given
    output, overwrite, dry_run = values.pop("output"), values.pop("overwrite"), values.pop("dry_run")
    if session.as_json and output == STDOUT and not dry_run:
        raise UsageError("--json and -o - both want stdout", "give -o a file")
    types = {param.name: param.type for param in spec.params if not param.kind}
    for line in misspelled(spec.name, types, (record.name for record in host.modalities)):
        session.warn(line)
    settings = settings_of(spec)
    known = host.formats(spec.kind)
    set_format, format_name = settings.get("format"), values.pop("format")
    if format_name is None and set_format is not None:
        with naming(set_format.origin):
            format_name = find_format(known, name=str(set_format.value)).name
    metadata = metadata_level(values.pop("metadata"), settings)
    preview_name = values.pop("preview")
    if preview_name == AUTO:
        kind = host.kind(spec.kind, spec.name)
        preview_name = kind.preview if kind else ""
        if not preview_name:
            raise UsageError(f"{spec.kind} has no preview", "name a format")
    words, file, seed = values.pop("prompt") or [], values.pop("prompt_file"), values.pop("seed")
    prompts = tuple(_prompts(words, file))
    watched = values.pop("watch")
    watch = None if watched is None else Watch.of(watched, known, (*values.values(), *params.values()))
    request = Request(
        modality=spec.name,
        prompts=prompts,
        seeds=() if seed is None else (cast(int, convert(seed, int, "seed", "")),),
        params=params,
        **values,
    )
    name_files = partial(
        plan_outputs,
        output=output,
        formats=known,
        format_name=format_name,
        preview_name=preview_name,
        overwrite=overwrite,
        watch=watch,
    )
    plan = resolve(request, host, settings=settings, check=name_files)
    outputs = name_files(plan)
    if len(words) > 1 and not any(" " in word for word in words):
        session.say(
            f"gen: {len(words)} prompts of one word each; put quotes around a prompt of several words"
        )
    if dry_run:
        _show_plan(session, plan, outputs.paths)
        return
    make(session, host, plan, outputs, metadata=metadata, watch=watch)


def _without_background(
    session: Session, host: Host, spec: ModalitySpec, file: Path, values: dict[str, Any]
) -> None:
    """Write a file without its background."""
    for name in (*FILES, "prompt", "prompt_file", "edit", "upscale", "tile", "restore", "expand", "watch"):
        if values[name]:
            raise UsageError(f"alpha generates nothing, and {name} is given", "make one, then the other")
    if values["output"] == STDOUT:
        raise UsageError("alpha writes a file", "give -o a file")
    converter = for_purpose(host.converters(), "alpha", spec.kind)
    given = values["output"] or f"{file.stem}-alpha"
    known = [form for form in host.formats(spec.kind) if form.reader]
    suffixed = any(given.lower().endswith(suffix) for form in known for suffix in form.suffixes)
    named = values["format"] or (None if suffixed else spec.default_format)
    form = find_format(known, path=Path(given) if suffixed else None, name=named)
    path = Path(given if suffixed else f"{given}{form.suffixes[0]}")
    made = convert_artifact(file, (converter,), {}, host)
    level = metadata_level(values["metadata"], settings_of(spec))
    written = write(made, path, [form], overwrite=values["overwrite"], metadata=level)
    session.data |= {"path": str(written.path), "kind": made.kind, "via": [converter.name]}
    session.show_path(str(written.path))


def _show_plan(session: Session, plan: Plan, paths: tuple[Path, ...]) -> None:
    session.data["recipes"] = [plan.recipe(item).to_dict() for item in plan.items]
    session.data["outputs"] = [str(path) for path in paths] or [STDOUT]
    session.show(json.dumps(session.data, indent=2, ensure_ascii=False))


def _prompts(words: list[str], file: Path | None) -> Iterator[str]:
    for word in words:
        if word == STDOUT:
            if sys.stdin is None:
                raise UsageError("stdin is closed", "give the prompt as an argument")
            yield from _lines(sys.stdin.buffer.read(MAX_PROMPT_FILE + 1), "stdin")
        else:
            yield word
    if file is not None:
        try:
            with file.open("rb") as stream:
                content = stream.read(MAX_PROMPT_FILE + 1)
        except OSError as error:
            raise UsageError(f"cannot read {file}: {error.strerror}") from None
        yield from _lines(content, str(file))


def _lines(content: bytes, name: str) -> Iterator[str]:
    if len(content) > MAX_PROMPT_FILE:
        raise UsageError(f"{name} is larger than {MAX_PROMPT_FILE >> 20} MiB", f"at most {MAX_ITEMS} prompts")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8") from None
    if not any(line.strip() for line in lines):
        raise UsageError(f"there is no prompt in {name}", "one prompt per line")
    yield from (line.strip() for line in lines if line.strip())
