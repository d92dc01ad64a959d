"""What a command says, and where: results on stdout, messages on stderr, or one JSON envelope."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

from gen.plugin.text import one_line, without_controls

if TYPE_CHECKING:
    from gen.errors import GenError

ENVELOPE = "gen.envelope/1"


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
        """What the envelope tells; filled while the command runs, so that a failure tells what was done."""
        self.warnings: list[str] = []
        # Kept here because plugins' prints are sent to stderr while they run.
        self.stdout: TextIO | None = sys.stdout

    def show(self, text: str) -> None:
        """A part of the result, on stdout at once; nothing under ``--json``."""
        self._result(without_controls(text))

    def show_path(self, path: str) -> None:
        """A path, on a line of stdout: exactly as it is where a program reads it."""
        terminal = self.stdout is not None and self.stdout.isatty()
        self._result(without_controls(path) if terminal else path)

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
        message, hint = one_line(error.message), one_line(error.hint)
        if self.as_json:
            told = {"code": error.code, "message": message, "hint": hint}
            self._envelope({"ok": False, "data": {**self.data, "warnings": self.warnings}, "error": told})
        else:
            _to_stderr(f"gen: error: {message}" + (f" ({hint})" if hint else ""))
        if self.verbose:
            import traceback

            _to_stderr("".join(traceback.format_exception(error)).rstrip())
        return error.exit_code

    def _result(self, text: str) -> None:
        if not self.as_json and self.stdout is not None:
            self.stdout.write(_encodable(text, self.stdout.encoding) + "\n")
            self.stdout.flush()

    def _envelope(self, content: dict[str, Any]) -> None:
        import json
        from importlib.metadata import version

        head = {"schema": ENVELOPE, "command": self.command, "version": version("gen-toolkit")}
        # ASCII only: the receiver's encoding is not known.
        if self.stdout is not None:
            self.stdout.write(json.dumps({**head, **content}) + "\n")
            self.stdout.flush()


def _to_stderr(line: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(_encodable(without_controls(line), sys.stderr.encoding) + "\n")
        sys.stderr.flush()


def _encodable(text: str, encoding: str | None) -> str:
    """Text that a terminal of another encoding can show, with question marks if need be."""
    name = encoding or "utf-8"
    return text.encode(name, "replace").decode(name)
