"""State of the process that code may change for everybody: put back after a block, or as in a fresh process.

A caller may have set another default dtype or device, fewer threads, faster and coarser kernels, or its own
random numbers, and a plugin's code may set them as well, or change the working folder, the environment, the
handlers of signals. A run neither depends on them nor leaves a trace.
"""

from __future__ import annotations

import locale
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

_SIGNALS = tuple(
    number
    for name in ("INT", "TERM", "HUP", "QUIT", "PIPE", "ALRM", "CHLD", "USR1", "USR2", "ABRT", "BREAK")
    if (number := getattr(signal, f"SIG{name}", None)) is not None
)
_STREAMS = ("stdin", "stdout", "stderr", "excepthook", "displayhook", "unraisablehook")

# A generator that garbage collection closes may enter while its own thread enters: hence not a plain lock.
_lock = threading.RLock()
_inside: dict[int, list[Callable[[], ExitStack]]] = {}
_process = ExitStack()


@contextmanager
def kept_process_state() -> Iterator[None]:
    """The process as it is, and again so at the end, whatever the block has changed and however it ends.

    Kept are the working folder, the environment, umask, locale, handlers of signals, streams and hooks of
    ``sys``, the recursion limit, warning filters, the random numbers of Python, numpy and torch, and torch's
    settings: default dtype and device, threads, deterministic mode, precisions, gradients. Where the block
    is the first to import torch, its defaults are set again; nothing is imported for that.

    Inside another such block of the same thread the outer one puts everything back.
    """
    if _inside.get(threading.get_ident(), [None])[-1] is _kept:
        yield
        return
    with _of_process(_kept), _modes():
        yield


def process_state() -> dict[str, object]:
    """What `kept_process_state` keeps and can be compared, by name."""
    state: dict[str, object] = {
        "the working folder": os.getcwd(),
        "the environment": dict(os.environ),
        "the locale": locale.setlocale(locale.LC_ALL),
        "handlers of signals": [signal.getsignal(number) for number in _SIGNALS],
        "streams or hooks of sys": [getattr(sys, name) for name in _STREAMS],
        "the recursion limit": sys.getrecursionlimit(),
        "warning filters": list(warnings.filters),
    }
    if _torch_is_loaded():
        from gen import torch_state

        state |= torch_state.values()
    return state


@contextmanager
def _numpy_errors() -> Iterator[None]:
    """numpy's treatment of overflow and the like as a fresh process has it, then again as it was."""
    import numpy as np

    # Not by np.errstate: its end fails where something within has left numpy's context variable unset.
    before = np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")
    try:
        yield
    finally:
        np.seterr(**before)


@contextmanager
def fresh_process_state(*, seed: int, threads: int | None = None) -> Iterator[None]:
    """The process as a fresh one has it, then again as it was, whatever the block has changed.

    Gradients are on, autocast is off, torch's defaults are float32 on the CPU, kernels have their usual
    precision. Settings of the whole process are set by the first of several threads that are inside, and put
    back by the last.

    Args:
        seed: Of the global random numbers of torch, numpy and Python, from 0 to 2**63 - 1. Code that draws
            from them, which none should, then draws the same in every run.
        threads: Threads of torch's kernels on the CPU, at least 1; None leaves them as they are. Sums are
            rounded differently with another number.
    """
    import random

    import numpy as np

    from gen import torch_state

    with _of_process(_fresh), torch_state.fresh_modes(), _numpy_errors():
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch_state.seed_all(seed)
        if threads is not None:
            torch_state.set_threads(threads)
        yield


@contextmanager
def _of_process(state: Callable[[], ExitStack]) -> Iterator[None]:
    """Enter a state of all threads; within one thread blocks may lie in each other.

    Args:
        state: Enters it, and returns what leaves it.
    """
    thread = threading.get_ident()
    with _lock:
        first, nested = not _inside, thread in _inside
        _inside.setdefault(thread, []).append(state)
        try:
            entered = state() if first or (nested and len(_inside) == 1) else ExitStack()
        except BaseException:
            _forget(thread)
            raise
        own = ExitStack() if first else entered
        if first:
            _process.push(entered)
    try:
        with own:
            yield
    finally:
        with _lock:
            _forget(thread)
            if not _inside:
                _process.close()


def _forget(thread: int) -> None:
    """Take the innermost state of a thread off the list."""
    _inside[thread].pop()
    if not _inside[thread]:
        del _inside[thread]


def _kept() -> ExitStack:
    with ExitStack() as stack:
        # Restored in the reverse order: handlers and streams first, so that what follows can be interrupted.
        stack.callback(_torch_put_back())
        for keep in (_folder, _environment, _umask, _locale, _numbers, _filters, _recursion, _system):
            stack.callback(keep())
        stack.callback(_handlers())
        return stack.pop_all()


def _fresh() -> ExitStack:
    from gen import torch_state

    with _kept() as stack:
        torch_state.write_fresh_settings()
        return stack.pop_all()


@contextmanager
def _modes() -> Iterator[None]:
    """What this thread has for itself is put back at the end."""
    loaded = _torch_is_loaded()
    if loaded:
        from gen import torch_state

        put_back = torch_state.kept_modes()
    try:
        yield
    finally:
        if loaded:
            put_back()


def _torch_is_loaded() -> bool:
    # While torch is being imported, or after that has failed, the module is not whole.
    return hasattr(sys.modules.get("torch"), "compile")


def _torch_put_back() -> Callable[[], None]:
    if _torch_is_loaded():
        from gen import torch_state

        return torch_state.kept_settings()

    def put_back() -> None:
        if _torch_is_loaded():
            from gen import torch_state

            torch_state.write_fresh_settings()

    return put_back


def _folder() -> Callable[[], None]:
    try:
        before = os.getcwd()
    except OSError:
        return lambda: None

    def put_back() -> None:
        with suppress(OSError):
            if os.getcwd() == before:
                return
        with suppress(OSError):
            os.chdir(before)

    return put_back


def _environment() -> Callable[[], None]:
    before = dict(os.environ)

    def put_back() -> None:
        if os.environ == before:
            return
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)

    return put_back


def _umask() -> Callable[[], None]:
    # There is no way to read it that does not write it; in between nobody else may read new files.
    before = os.umask(0o077)
    os.umask(before)

    def put_back() -> None:
        os.umask(before)

    return put_back


def _locale() -> Callable[[], None]:
    before = locale.setlocale(locale.LC_ALL)

    def put_back() -> None:
        if locale.setlocale(locale.LC_ALL) != before:
            with suppress(locale.Error):
                locale.setlocale(locale.LC_ALL, before)

    return put_back


def _numbers() -> Callable[[], None]:
    python, numpy = sys.modules.get("random"), sys.modules.get("numpy.random")
    before = python.getstate() if python else None
    of_numpy = numpy.get_state() if numpy and hasattr(numpy, "get_state") else None

    def put_back() -> None:
        if python and before is not None:
            python.setstate(before)
        if numpy and of_numpy is not None:
            numpy.set_state(of_numpy)

    return put_back


def _filters() -> Callable[[], None]:
    filters, show = list(warnings.filters), warnings.showwarning

    def put_back() -> None:
        warnings.showwarning = show
        if list(warnings.filters) != filters:
            warnings.filters[:] = filters  # type: ignore[index]
            # Makes the interpreter look at the list again.
            with warnings.catch_warnings():
                pass

    return put_back


def _recursion() -> Callable[[], None]:
    before = sys.getrecursionlimit()
    return lambda: sys.setrecursionlimit(before)


def _system() -> Callable[[], None]:
    before = {name: getattr(sys, name) for name in _STREAMS}

    def put_back() -> None:
        for name, value in before.items():
            setattr(sys, name, value)

    return put_back


def _handlers() -> Callable[[], None]:
    """Only the main thread can set handlers; one that C code has set cannot be put back."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def put_back() -> None:
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) != handler:
                with suppress(OSError, ValueError):
                    signal.signal(number, handler)

    return put_back
