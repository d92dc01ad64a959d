"""The boundary around plugin code: whatever it raises or returns becomes one line that names the plugin.

Every call from the core into a plugin stands inside ``calling``. A plugin blames a value of the user by
raising ``gen.errors.UsageError``, and may raise any other ``GenError`` for what that error means; everything
else that comes out of it is a fault of the plugin.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter
from types import FrameType
from typing import TypeAlias

from gen.errors import ArtifactError, DeviceError, GenError, OutputError, PluginError, UsageError, described
from gen.process_state import kept_process_state, process_state

HINT = "this is a fault of the plugin, not of a value"
"""The hint of every error about a fault of a plugin."""

_Guard: TypeAlias = Callable[[], AbstractContextManager[object]]
_guard: ContextVar[_Guard] = ContextVar("guard", default=nullcontext)
_watch: ContextVar[Callable[[Call, list[str]], object] | None] = ContextVar("watch", default=None)

TRACE = "GEN_TRACE_PLUGINS"
"""The variable that makes every call of plugin code print its time to stderr."""

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Call:
    """A call of plugin code, for the errors about it.

    Args:
        plugin: Label of the plugin: its name, distribution and version.
        part: Which part of it is called: ``"encoder"``.
    """

    plugin: str
    part: str

    def fault(self, what: str) -> PluginError:
        """The error for a call that went wrong.

        Args:
            what: What the part did, as the end of a sentence: ``"wrote nothing"``.
        """
        return PluginError(f"{self._subject} {what}", HINT)

    def returned(self, value: object, expected: str) -> PluginError:
        """The error for a result that is none.

        Args:
            value: What came back.
            expected: What it should be: ``"a tensor of shape (1, 3, 8, 8)"``.
        """
        return self.fault(f"returned {_described_value(value)}, not {expected}")

    def memory(self) -> DeviceError:
        """The error for memory that does not suffice."""
        return DeviceError(
            f"the memory does not suffice for {self._subject}",
            "ask for something smaller, or use another `device=…`",
        )

    @property
    def _subject(self) -> str:
        return f"the {self.part} of plugin {self.plugin}" if self.plugin else f"the {self.part}"


@contextmanager
def calling(
    plugin: str, part: str, *, about: str = "", files: bool = False, exempt: Sequence[BaseException] = ()
) -> Iterator[Call]:
    """Surround a call of plugin code, and the checks of its result.

    The state of the process is put back at the end: see ``gen.process_state``.

    Args:
        plugin: Label of the plugin, as ``Record.label`` and ``ModalitySpec.plugin`` have it.
        part: Which part of it is called: ``"encoder"``, ``"writer of png"``.
        about: What messages about values of the user start with: ``"photo.png: "``.
        files: Whether the part reads a file of the user, so that values of its arrays are the file's.
        exempt: Exceptions of the host's own callbacks, which come out as they are; it may grow meanwhile.

    Yields:
        The call, whose methods make the errors about a result.

    Raises:
        UsageError: The plugin raised it, about a value of the user.
        GenError: The plugin raised it.
        DeviceError: The memory does not suffice.
        PluginError: The plugin raised anything else, ``SystemExit`` and ``KeyboardInterrupt`` included.
        KeyboardInterrupt: The user interrupted.
    """
    call = Call(plugin, part)
    with _traced(call), _interrupts() as interrupts:
        try:
            with _guard.get()(), kept_process_state(), _watched(call):
                yield call
        except BaseException as error:
            if interrupts.interrupted(error):
                raise KeyboardInterrupt from error
            failure = error if any(error is one for one in exempt) else _failure(call, error, about, files)
            if failure is error:
                raise
            raise failure from error
        if interrupts.came:
            raise KeyboardInterrupt


@contextmanager
def guarded_by(guard: _Guard) -> Iterator[None]:
    """Enter a context around every call of plugin code: the command line keeps stdout for itself."""
    token = _guard.set(guard)
    try:
        yield
    finally:
        _guard.reset(token)


def imported(plugin: str, reference: str, hint: str = "") -> object:
    """The object that an import string names.

    Args:
        plugin: Label of the plugin that declares it; empty for the core.
        reference: ``"package.module:attribute"``.
        hint: What to do where it cannot be imported.

    Raises:
        PluginError: It cannot be imported; the cause is what was raised.
    """
    module, _, attribute = reference.partition(":")
    try:
        with calling(plugin, f"import of {reference}"):
            found: object = importlib.import_module(module)
            for name in attribute.split("."):
                found = getattr(found, name)
            return found
    except PluginError as error:
        cause = error.__cause__ or error
        if isinstance(cause, GenError):
            raise
        whose = f"plugin {plugin}" if plugin else "gen"
        raise PluginError(f"{whose} cannot load {reference!r}: {described(cause)}", hint or HINT) from cause


def memory_is_short(error: BaseException) -> bool:
    """Whether an exception says that there is not enough memory, of the machine or of a device."""
    text = described(error)
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate" in text


@contextmanager
def watched_by(watch: Callable[[Call, list[str]], object]) -> Iterator[None]:
    """Report what of the state of the process each call of plugin code has changed, before it is put back."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


@contextmanager
def _watched(call: Call) -> Iterator[None]:
    watch = _watch.get()
    if watch is None:
        yield
        return
    before = process_state()
    try:
        yield
    finally:
        after = process_state()
        if names := [name for name, value in before.items() if after[name] != value]:
            watch(call, names)


@contextmanager
def _traced(call: Call) -> Iterator[None]:
    """Print how long a call took, where ``GEN_TRACE_PLUGINS`` is set."""
    if not os.environ.get(TRACE):
        yield
        return
    started = perf_counter()
    try:
        yield
    finally:
        if sys.stderr is not None:
            seconds = perf_counter() - started
            sys.stderr.write(f"gen: trace: {1000 * seconds:9.2f} ms  {call.part} of {call.plugin or 'gen'}\n")


def _failure(call: Call, error: BaseException, about: str, files: bool) -> BaseException:
    """What an exception of a plugin is for the user."""
    if isinstance(error, ArtifactError) and not (files and error.values):
        return call.fault(f"made an artifact that none may be: {error.message}")
    if isinstance(error, UsageError) and about:
        return UsageError(f"{about}{error.message}", error.hint)
    if isinstance(error, GenError):
        return error
    if memory_is_short(error):
        return call.memory()
    if isinstance(error, OSError) and error.errno in _FULL_DISK:
        return OutputError("the disk is full", "free some space")
    return call.fault(f"raised {described(error)}")


def _described_value(value: object) -> str:
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None and not isinstance(value, type):
        return f"{dtype} of shape {tuple(shape)}".removeprefix("torch.")
    if isinstance(value, str | int | float | bool) or value is None:
        return f"{value!r}"[:60]
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__


class _Interrupts:
    """Tells the user's Ctrl-C from a ``KeyboardInterrupt`` that a plugin raises by itself.

    Args:
        watched: Whether the handler of this module notes each interrupt; else it is not known.
    """

    count = 0

    def __init__(self, watched: bool) -> None:
        self._before, self._watched = _Interrupts.count, watched

    @property
    def came(self) -> bool:
        """Whether the user has interrupted since."""
        return _Interrupts.count > self._before

    def interrupted(self, error: BaseException) -> bool:
        """Whether an exception stands for an interrupt of the user."""
        unknown = not self._watched and threading.current_thread() is threading.main_thread()
        return self.came or (unknown and isinstance(error, KeyboardInterrupt))


@contextmanager
def _interrupts() -> Iterator[_Interrupts]:
    """Note interrupts, where the process leaves them to Python; other handlers stay as they are."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if main else None
    if before is not signal.default_int_handler:
        yield _Interrupts(watched=before is _note_interrupt)
        return
    signal.signal(signal.SIGINT, _note_interrupt)
    try:
        yield _Interrupts(watched=True)
    finally:
        signal.signal(signal.SIGINT, before)


def _note_interrupt(_number: int, _frame: FrameType | None) -> None:
    _Interrupts.count += 1
    raise KeyboardInterrupt
