"""The command line ``gen``, built in two phases.

The first word says which command is wanted; only that command's module, or that modality's plugin, is
imported and given its flags. All others stand in ``gen --help`` by their summaries.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import io
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, TextIO, cast

import typer
import typer.main

from gen.cli.plugin_output import stdout_to_stderr
from gen.cli.session import GuardedStdout, Session, silence_stdout
from gen.config import offline_origin
from gen.errors import INTERRUPTED, GenError, GenWarning, OutputError, UsageError
from gen.offline import forbid_connections
from gen.plugin.boundary import guarded_by
from gen.plugin.host import Host
from gen.plugin.text import one_line

COMMANDS: Mapping[str, str] = {
    "models": "List the models, or show one.",
    "plugins": "List the plugins, show, check, switch one on or off.",
    "solvers": "List the solvers and grids, or say what a name stands for.",
    "guidances": "List the rules of guidance, their modifiers, caches and noise rules.",
    "convert": "Write a file in another format, or as another kind of thing.",
    "converters": "List the ways from one kind of thing to another.",
    "chain": "Show and run chains of several steps.",
    "info": "Show what a file says about how it was made.",
    "rerun": "Make a file again from the recipe that it carries.",
    "schema": "Show the options of a modality, for programs.",
    "train": "Train a model.",
    "eval": "Measure a model.",
    "new": "Write a new plugin.",
    "doctor": "Check this installation.",
    "x": "Run the commands that plugins bring.",
}
"""The core's commands and their summaries; ``gen.cli.commands.NAME`` adds each to the app."""

OPTIONS = ("--help", "--version", "--install-completion", "--show-completion")
"""The options of ``gen`` itself."""

NARROWEST = 60
"""Columns that help takes at least."""

CommandUsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""Typer's own class for every usage error, of which it exports the child only."""


def run(words: list[str]) -> int:
    """Run one command.

    Args:
        words: What follows ``gen`` on the command line; at least one.

    Returns:
        The exit code.
    """
    completing = "_GEN_COMPLETE" in os.environ
    wanted = _completed_word() if completing else _first_word(words)
    flags = words[: words.index("--")] if "--" in words else words
    session = Session(wanted, as_json="--json" in flags)
    # Set before parsing, so that an error of the parser shows as asked, too.
    session.verbose = bool({"-v", "--verbose"} & set(flags))
    session.quiet = bool({"-q", "--quiet"} & set(flags))
    try:
        if "--isolate" in flags and wanted and wanted not in COMMANDS and not completing:
            from gen.cli.isolation import run_isolated

            return run_isolated(words, wanted)
        with _warnings_in(session), _guarded_stdout(), guarded_by(stdout_to_stderr):
            return _run(words, wanted, session, offline="--offline" in flags)
    except GenError as error:
        # A message in the middle of a line that is being typed would be in the way.
        return error.exit_code if completing else _fail(session, error)
    except KeyboardInterrupt:
        session.say("gen: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        silence_stdout()
        return 1
    except SystemExit:
        # Typer exits when the reader of stdout has left; buffered text would fail again at the very end.
        if not _flushed():
            silence_stdout()
        raise
    except Exception as error:
        return _fail(session, _failure(error, words, session))


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


def _flushed() -> bool:
    """Whether stdout takes what is buffered, or there is none."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        return False
    return True


def _guarded_stdout() -> contextlib.AbstractContextManager[object]:
    if sys.stdout is None:
        return contextlib.nullcontext()
    return contextlib.redirect_stdout(cast("TextIO", GuardedStdout(sys.stdout)))


def _fail(session: Session, error: GenError) -> int:
    try:
        return session.fail(error)
    except BrokenPipeError:
        silence_stdout()
        return error.exit_code


def _failure(error: Exception, words: list[str], session: Session) -> GenError:
    """What an exception that nobody expected is for the user."""
    if isinstance(error, OSError) and words[0] == "--install-completion":
        return OutputError(
            f"cannot install the completion in {error.filename}: {error.strerror}",
            "`gen --show-completion` writes it to stdout",
        )
    failure = GenError(
        f"internal error: {type(error).__name__}: {error}", "" if session.verbose else "-v shows where"
    )
    failure.__cause__ = error
    return failure


def _run(words: list[str], wanted: str, session: Session, offline: bool) -> int:
    _widen_help()
    if wanted:
        _check_working_folder()
    if wanted and (origin := "--offline" if offline else offline_origin()):
        forbid_connections(origin)
    host = Host.discover()
    app = _build(wanted, session, host)
    command = typer.main.get_command(app)
    # Help, which a library writes, has its place in the envelope.
    help_text = io.StringIO()
    captured = session.as_json and bool({"-h", "--help"} & set(words))
    try:
        with contextlib.redirect_stdout(help_text) if captured else contextlib.nullcontext():
            outcome = command.main(args=words, prog_name="gen", standalone_mode=False)
    except CommandUsageError as error:
        message = error.format_message()  # type: ignore[attr-defined]
        context = error.ctx  # type: ignore[attr-defined]
        path = context.command_path if context is not None else " ".join(["gen", wanted]).strip()
        raise UsageError(message.rstrip("."), f"see `{path} --help`") from None
    except typer.Abort:
        raise KeyboardInterrupt from None
    if outcome == INTERRUPTED:
        raise KeyboardInterrupt
    for problem in host.problems:
        session.warn(problem)
    if isinstance(outcome, int) and outcome:
        return outcome
    if captured:
        session.data["help"] = help_text.getvalue()
    session.finish()
    if sys.stdout is not None:
        sys.stdout.flush()
    return 0


def _build(wanted: str, session: Session, host: Host) -> typer.Typer:
    modalities = {record.name: record for record in host.modalities}
    if wanted and wanted not in modalities and wanted not in COMMANDS:
        summaries = {name: record.summary for name, record in modalities.items()} | dict(COMMANDS)
        close = _nearest(wanted, summaries)
        hint = f"did you mean `gen {close}`?" if close else f"commands: {', '.join(summaries)}"
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


def _nearest(wanted: str, summaries: Mapping[str, str]) -> str:
    """The command that an unknown word probably means: by the names, then by the words of the summaries."""
    if f"--{wanted}" in OPTIONS:
        return f"--{wanted}"
    if close := difflib.get_close_matches(wanted.lower(), list(summaries), n=1):
        return close[0]
    owners: dict[str, set[str]] = {}
    for name, summary in summaries.items():
        for word in re.findall(r"\w{2,}", summary.lower()):
            owners.setdefault(word, set()).add(name)
    telling = [word for word, names in owners.items() if len(names) == 1]
    near = difflib.get_close_matches(wanted.lower(), telling, n=1, cutoff=0.7)
    stem = wanted.lower()[: max(3, len(wanted) // 2)]
    near += [word for word in telling if word.startswith(stem)]
    return next(iter(owners[near[0]])) if near else ""


def _check_working_folder() -> None:
    """Refuse a working folder that was deleted, which libraries below torch cannot bear.

    Raises:
        UsageError: It is gone.
    """
    try:
        os.getcwd()
    except OSError:
        raise UsageError("the working folder is gone", "go to one that exists") from None


def _widen_help() -> None:
    """Give help at least ``NARROWEST`` columns: in fewer, names of options would be cut off."""
    if shutil.get_terminal_size().columns < NARROWEST or os.environ.get("COLUMNS") == "0":
        os.environ["COLUMNS"] = str(NARROWEST)


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
