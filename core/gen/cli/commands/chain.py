"""``gen chain``: show and run chains of several steps."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from gen.chains import Step, load
from gen.cli.flags import parse_params
from gen.cli.session import Session
from gen.cli.switches import JSON, OFFLINE, QUIET, VERBOSE
from gen.cli.tables import table
from gen.plugin.host import Host
from gen.plugin.text import one_line

FILE = Annotated[Path, typer.Argument(metavar="FILE", help="A chain, in TOML.")]
SET = Annotated[
    list[str] | None, typer.Option("--set", metavar="VAR=VALUE", help="Another value of a variable.")
]


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the command with its sub-commands."""
    group = typer.Typer(help=summary, add_completion=False, no_args_is_help=True)

    @group.command(help="Show the steps of a chain as a table and as a diagram.")
    def show(
        file: FILE,
        set_: SET = None,
        as_json: JSON = False,  # noqa: ARG001
    ) -> None:
        steps = load(file).with_variables(parse_params(set_ or [], "--set", "chain show")).resolved()
        session.data["steps"] = [_as_json(step) for step in steps]
        rows = [("STEP", "DOES", "FROM", "WITH")]
        rows += [(step.name, _does(step), ", ".join(step.sources), _settings(step)) for step in steps]
        for line in table(rows):
            session.show(line)
        session.show("")
        for line in diagram(steps):
            session.show(line)

    @group.command(help="Make the results of a chain that are not there yet.")
    def run(
        file: FILE,
        *,
        output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where to.")],
        start: Annotated[
            str, typer.Option("--from", metavar="STEP", help="Make this step anew, and what needs it.")
        ] = "",
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be made.")] = False,
        set_: SET = None,
        offline: OFFLINE = False,  # noqa: ARG001
        as_json: JSON = False,  # noqa: ARG001
        quiet: QUIET = False,
        verbose: VERBOSE = False,
    ) -> None:
        from gen.chains import running

        session.quiet, session.verbose = quiet, verbose
        chain = load(file).with_variables(parse_params(set_ or [], "--set", "chain run"))
        if dry_run:
            works = running.plan(chain, output, host, start=start)
            session.data["steps"] = [
                {**_as_json(work.step), "file": str(work.path), "ready": work.ready, "key": work.key}
                for work in works
            ]
            rows = [("STEP", "STATE", "FILE")]
            rows += [
                (work.step.name, "is there" if work.ready else "to be made", str(work.path)) for work in works
            ]
            for line in table(rows):
                session.show(line)
            return
        with contextlib.redirect_stdout(sys.stderr):
            files = running.run(chain, output, start=start, report=lambda line: session.say(f"gen: {line}"))
        session.data["files"] = {name: str(path) for name, path in files.items()}
        for name in ends(chain.resolved()):
            session.show_path(str(files[name]))

    app.add_typer(group, name="chain")


def ends(steps: Sequence[Step]) -> list[str]:
    """Names of the steps that no other step needs."""
    used = {name for step in steps for name in step.sources}
    return [step.name for step in steps if step.name not in used]


def diagram(steps: Sequence[Step]) -> Iterator[str]:
    """Lines of a tree: each result that no step needs, and under it what it is made of."""
    by_name = {step.name: step for step in steps}
    drawn: set[str] = set()

    def branch(name: str, role: str, start: str, below: str) -> Iterator[str]:
        step = by_name[name]
        again = name in drawn and bool(step.inputs)
        drawn.add(name)
        label = f"{role}: " if role not in ("", "source") else ""
        yield f"{start}{label}{name} ({_does(step)}){' …' if again else ''}"
        children = [] if again else list(step.inputs.items())
        for number, (role_below, source) in enumerate(children):
            last = number == len(children) - 1
            yield from branch(
                str(source),
                role_below,
                f"{below}{'└─ ' if last else '├─ '}",
                f"{below}{'   ' if last else '│  '}",
            )

    for name in ends(steps):
        yield from branch(name, "", "", "")


def _does(step: Step) -> str:
    return (
        f"make {step.make}"
        if step.make
        else f"to {step.to}" + (f" by {', '.join(step.by)}" if step.by else "")
    )


def _settings(step: Step) -> str:
    parts = [repr(step.prompt)] if step.prompt else []
    parts += [f"{name}={value}" for name, value in step.options.items()]
    return one_line(", ".join(parts))


def _as_json(step: Step) -> Mapping[str, object]:
    return {
        "name": step.name,
        "make": step.make,
        "prompt": step.prompt,
        "to": step.to,
        "by": list(step.by),
        "inputs": dict(step.inputs),
        "options": dict(step.options),
        "format": step.format,
    }
