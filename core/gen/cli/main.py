"""The command line ``gen``.

It is built in two phases. The first word says which command is wanted; only that command's module, or that
modality's plugin, is imported and given its flags. All others stand in ``gen --help`` by their summaries.

Exit codes: 0 ok, 1 failed (also: stdout was closed early), 2 usage, 3 plugin, 4 model, 5 memory or device,
6 output, 7 part of a batch, 130 interrupted.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
import typer.main

from gen.cli.session import Session
from gen.config import offline_origin
from gen.errors import GenError, GenWarning, UsageError
from gen.offline import forbid_connections
from gen.plugin.host import Host
from gen.plugin.text import one_line

INTERRUPTED = 130
COMMANDS: Mapping[str, str] = {
    "models": "List the models, or show one.",
    "plugins": "List the plugins, show, check, switch one on or off.",
    "solvers": "List the solvers and grids, or say what a name stands for.",
    "info": "Show what a file says about how it was made.",
    "rerun": "Make a file again from the recipe that it carries.",
    "schema": "Show the options of a modality, for programs.",
    "train": "Train a model.",
    "eval": "Measure a model.",
    "doctor": "Check this installation.",
}
"""The core's commands and their summaries; ``gen.cli.commands.NAME`` adds each to the app."""

CommandUsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""Typer's own class for every usage error, of which it exports the child only."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What follows ``gen`` on the command line; that of the process by default.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    completing = "_GEN_COMPLETE" in os.environ
    wanted = _completed_word() if completing else _first_word(words)
    flags = words[: words.index("--")] if "--" in words else words
    session = Session(wanted, as_json="--json" in flags)
    # Set before parsing, so that an error of the parser shows as asked, too.
    session.verbose = bool({"-v", "--verbose"} & set(flags))
    session.quiet = bool({"-q", "--quiet"} & set(flags))
    try:
        with _warnings_in(session):
            return _run(words, wanted, session, offline="--offline" in flags)
    except GenError as error:
        # A message in the middle of a line that is being typed would be in the way.
        return error.exit_code if completing else session.fail(error)
    except KeyboardInterrupt:
        session.say("gen: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return 1
    except Exception as error:
        failure = GenError(
            f"internal error: {type(error).__name__}: {error}", "" if session.verbose else "-v shows where"
        )
        failure.__cause__ = error
        return session.fail(failure)


@contextmanager
def _warnings_in(session: Session) -> Iterator[None]:
    """Show our own warnings as lines of the session, those of libraries only under ``-v``; none fails."""

    def show(message: Warning | str, category: type[Warning], *_: object) -> None:
        text = one_line(str(message))
        if issubclass(category, GenWarning):
            session.warn(text)
        elif session.verbose:
            session.say(f"gen: {category.__name__}: {text}")

    with warnings.catch_warnings():
        warnings.simplefilter("default" if session.verbose else "ignore")
        warnings.simplefilter("default", GenWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


def _run(words: list[str], wanted: str, session: Session, offline: bool) -> int:
    if wanted and (origin := "--offline" if offline else offline_origin()):
        forbid_connections(origin)
    host = Host.discover()
    app = _build(wanted, session, host)
    command = typer.main.get_command(app)
    try:
        outcome = command.main(args=words, prog_name="gen", standalone_mode=False)
    except CommandUsageError as error:
        told = error.format_message()  # type: ignore[attr-defined]
        path = " ".join(["gen", wanted]).strip()
        raise UsageError(told.rstrip("."), f"see `{path} --help`") from None
    except typer.Abort:
        raise KeyboardInterrupt from None
    if outcome == INTERRUPTED:
        raise KeyboardInterrupt
    for problem in host.problems:
        session.warn(problem)
    if isinstance(outcome, int) and outcome:
        return outcome
    session.finish()
    if sys.stdout is not None:
        sys.stdout.flush()
    return 0


def _build(wanted: str, session: Session, host: Host) -> typer.Typer:
    modalities = {record.name: record for record in host.modalities}
    if wanted and wanted not in modalities and wanted not in COMMANDS:
        known = [*modalities, *COMMANDS]
        close = difflib.get_close_matches(wanted, known, n=1)
        hint = f"did you mean `gen {close[0]}`?" if close else f"commands: {', '.join(known)}"
        raise UsageError(f"unknown command {wanted!r}", hint)
    # Panels and colours cost as much as everything else together, so that the overview goes without.
    app = typer.Typer(
        name="gen",
        help="Images, audio, video and 3D meshes from one diffusion core.",
        rich_markup_mode="rich" if wanted else None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name, record in modalities.items():
        if name == wanted:
            importlib.import_module("gen.cli.commands.modality").add(app, session, host, name)
        else:
            summary = record.summary if record.status == "ok" else f"({record.status}) {record.summary}"
            app.command(name, help=summary)(_stub)
    for name, summary in COMMANDS.items():
        if name == wanted:
            importlib.import_module(f"gen.cli.commands.{name}").add(app, session, host, summary)
        else:
            app.command(name, help=summary)(_stub)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"gen {version('gen-toolkit')}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    """Answer the flags that need no command."""


def _stub() -> None:
    """Stand for a command that is not the wanted one."""


def _first_word(words: Sequence[str]) -> str:
    return "" if words[0].startswith("-") else words[0]


def _completed_word() -> str:
    """The command of the line that a shell wants completed, once it is complete itself."""
    line = os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS", "")
    words = line.split()
    name = words[1] if len(words) > 1 else ""
    known = {*COMMANDS, *(record.name for record in Host.discover().modalities)}
    return name if name in known else ""


def _silence_stdout() -> None:
    """Keep the interpreter from reporting, at its end, that stdout is closed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
