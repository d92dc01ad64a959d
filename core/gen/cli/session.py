"""What a command says, and where: results on stdout, messages on stderr, or one JSON envelope."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from gen.errors import GenError, OutputError
from gen.plugin.text import one_line, without_controls

ENVELOPE = "gen.envelope/1"


class StdoutError(OutputError):
    """Stdout does not take the result: the disk behind it is full, say."""


class Session:
    """The streams of one run of the command line.

    Args:
        command: Name of the command, for the envelope.
        as_json: Whether stdout gets one envelope at the end, and nothing else.
    """

    def __init__(self, command: str, as_json: bool) -> None:
        self.command = command
        self.as_json = as_json
        self.quiet = False
        self.verbose = False
        self.data: dict[str, Any] = {}
        """``data`` of the envelope; filled while the command runs, so that it is there after a failure."""
        self.warnings: list[str] = []
        # Kept here because plugins' prints are sent to stderr while they run.
        self.stdout: TextIO | None = sys.stdout

    def show(self, text: str) -> None:
        """A part of the result, on stdout at once; nothing under ``--json``."""
        self._result(without_controls(text))

    def show_path(self, path: str) -> None:
        """A path, on a line of stdout: the bytes of its name, so that it opens whatever the encoding is.

        On a terminal, characters that could drive it are spelt out.
        """
        if self.as_json or self.stdout is None:
            return
        line = os.fsencode(spelt_out(path) if self.stdout.isatty() else path) + b"\n"
        with _writing():
            self.stdout.flush()
            if hasattr(self.stdout, "buffer"):
                self.stdout.buffer.write(line)
            else:
                self.stdout.write(os.fsdecode(line))
            self.stdout.flush()

    def show_bytes(self, content: bytes) -> None:
        """The content of a file, on stdout."""
        if self.stdout is None:
            raise StdoutError("stdout is closed")
        with _writing():
            self.stdout.buffer.write(content)
            self.stdout.buffer.flush()

    @property
    def on_terminal(self) -> bool:
        """Whether results and messages meet on a terminal."""
        streams = (self.stdout, sys.stderr)
        return not self.as_json and all(stream is not None and stream.isatty() for stream in streams)

    def say(self, line: str) -> None:
        """A message for the person, on stderr; nothing under ``-q``."""
        if not self.quiet:
            _to_stderr(line)

    def warn(self, line: str) -> None:
        """A message that the envelope repeats."""
        self.warnings.append(line)
        self.say(f"gen: warning: {line}")

    def finish(self) -> None:
        """Write the envelope of a command that went well."""
        if self.as_json:
            self._envelope({"ok": True, "data": {**self.data, "warnings": self.warnings}, "error": None})

    def fail(self, error: GenError) -> int:
        """Report a failure in one line, or in the envelope.

        Returns:
            The exit code.
        """
        message, hint = (one_line(_with_flags(text)) for text in (error.message, error.hint))
        fields = {"code": error.code, "message": message, "hint": hint}
        envelope = {"ok": False, "data": {**self.data, "warnings": self.warnings}, "error": fields}
        if isinstance(error, StdoutError) or not self._failed(envelope):
            _to_stderr(f"gen: error: {message}" + (f" ({hint})" if hint else ""))
        if self.verbose:
            import traceback

            _to_stderr("".join(traceback.format_exception(error)).rstrip())
        return error.exit_code

    def _failed(self, envelope: dict[str, Any]) -> bool:
        """Write the envelope of a failure, under ``--json``; returns whether it is written."""
        try:
            if self.as_json:
                self._envelope(envelope)
        except StdoutError:
            return False
        return self.as_json

    def _result(self, text: str) -> None:
        if not self.as_json and self.stdout is not None:
            with _writing():
                self.stdout.write(_encodable(text, self.stdout.encoding) + "\n")
                self.stdout.flush()

    def _envelope(self, content: dict[str, Any]) -> None:
        import json
        from importlib.metadata import version

        head = {"schema": ENVELOPE, "command": self.command, "version": version("gen-toolkit")}
        # ASCII only: the receiver's encoding is not known.
        if self.stdout is not None:
            with _writing():
                self.stdout.write(json.dumps({**head, **content}) + "\n")
                self.stdout.flush()


def spelt_out(path: str) -> str:
    """A path on one line, with escapes for characters that could break it or drive the terminal."""
    return without_controls(path).replace("\n", "\\u000a").replace("\t", "\\u0009")


def silence_stdout() -> None:
    """Keep the interpreter from writing again, at its end, what stdout did not take."""
    if sys.__stdout__ is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())


class GuardedStdout:
    """Stdout for libraries that write to it themselves, as that of help does: its errors are ours.

    Args:
        stream: What is written to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text.

        Raises:
            StdoutError: The stream does not take it.
        """
        if text == "":
            # A library asks in this way whether the stream takes text; a full disk is no answer to that.
            return 0
        with _writing():
            return self._stream.write(text)

    def flush(self) -> None:
        """Pass on what is buffered.

        Raises:
            StdoutError: The stream does not take it.
        """
        with _writing():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        silence_stdout()
        raise StdoutError(f"cannot write to stdout: {error.strerror}") from error


def _with_flags(text: str) -> str:
    """A message that names arguments of Python, as ``init=FILE`` in backticks, with flags in their place."""
    text = re.sub(r"`inputs=\{'(\w+)': (\w+)\}`", r"--input \1=\2", text)

    def flag(found: re.Match[str]) -> str:
        name = f"--{found[1].replace('_', '-')}"
        return name if found[2] in ("True", "…") else f"{name} {found[2]}"

    return re.sub(r"`(\w+)='?((?:\w+:)?\w+|…)'?`", flag, text)


def _to_stderr(line: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(_encodable(without_controls(line), sys.stderr.encoding) + "\n")
        sys.stderr.flush()


def _encodable(text: str, encoding: str | None) -> str:
    """Text that a terminal of another encoding can show, with question marks if need be."""
    name = encoding or "utf-8"
    return text.encode(name, "replace").decode(name)
