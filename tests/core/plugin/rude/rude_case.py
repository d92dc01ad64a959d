"""How one part of the rude plugin behaves: a test fills in the names, all other parts are polite."""

from __future__ import annotations

import locale
import os
import random
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

PART, HOW, MODEL, SHA256 = "", "", "", ""


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def _raising(error: BaseException) -> Callable[[Any], Any]:
    def behave(_value: Any) -> Any:
        raise error

    return behave


def _recursing(value: Any) -> Any:
    return _recursing(value)


def pollute(value: Any) -> Any:
    """Change everything that a process shares."""
    import numpy as np
    import torch

    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.use_deterministic_algorithms(not torch.are_deterministic_algorithms_enabled())
    torch.set_grad_enabled(not torch.is_grad_enabled())
    torch.manual_seed(1234)
    np.random.seed(1234)
    random.seed(1234)
    warnings.simplefilter("error", FutureWarning)
    os.chdir("/")
    os.environ["RUDE"] = "1"
    os.environ.pop("GEN_RUDE_TEST", None)
    os.umask(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    locale.setlocale(locale.LC_ALL, "C")
    sys.setrecursionlimit(sys.getrecursionlimit() + 7)
    sys.excepthook = print
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    return value


def _pollute_and_raise(value: Any) -> Any:
    import torch

    pollute(value)
    # Nothing can be computed with this one any more.
    torch.set_default_device("meta")
    raise ValueError("polluted")


def _print(value: Any) -> Any:
    print("RUBBISH")
    print("RUBBISH", file=sys.__stdout__)
    os.write(1, b"RUBBISH\n")
    subprocess.run([sys.executable, "-S", "-c", "print('RUBBISH')"], check=True)
    return value


BEHAVIOURS: dict[str, Callable[[Any], Any]] = {
    "ValueError": _raising(ValueError("two\nlines")),
    "TypeError": _raising(TypeError("a type")),
    "RuntimeError": _raising(RuntimeError("")),
    "FileNotFoundError": _raising(FileNotFoundError(2, "No such file or directory", "rude.txt")),
    "BrokenPipeError": _raising(BrokenPipeError("a pipe")),
    "StopIteration": _raising(StopIteration("enough")),
    "GeneratorExit": _raising(GeneratorExit()),
    "MuteError": _raising(MuteError()),
    "SystemExit0": _raising(SystemExit(0)),
    "SystemExit5": _raising(SystemExit(5)),
    "SystemExitText": _raising(SystemExit("bye")),
    "KeyboardInterrupt": _raising(KeyboardInterrupt()),
    "BaseExceptionGroup": _raising(BaseExceptionGroup("many", [KeyboardInterrupt(), ValueError("one")])),
    "RecursionError": _recursing,
    "MemoryError": _raising(MemoryError()),
    "None": lambda _: None,
    "int": lambda _: 7,
    "text": lambda _: "a text",
    "empty list": lambda _: [],
    "twice": lambda value: [*value, *value],
    "empty bytes": lambda _: b"",
    "unknown name": lambda _: {"rudeness": 3},
    "NaN by name": lambda _: {"size": float("nan"), "rudeness": float("nan")},
    "number by name": lambda _: {"note": 3},
    "zero": lambda _: (1, 0),
    "list": list,
    "two rows": lambda value: value.repeat(2, 1, 1),
    "longer": lambda value: __import__("torch").cat([value, value], -1),
    "integers": lambda value: value.long(),
    "NaN": lambda value: value * float("nan"),
    "beyond": lambda value: value + 2,
    "NaN artifacts": lambda value: [_nan(artifact) for artifact in value],
    "NaN artifact": lambda artifact: _nan(artifact),  # noqa: PLW0108 - it is defined below
    "strange image": lambda _: _image(),
    "NaN condition": lambda value: value.map(lambda one: one * float("nan")),
    "two conditions": lambda value: value.repeat(2),
    "NaN update": lambda value: value._replace(x=value.x * float("nan")),
    "longer update": lambda value: value._replace(x=__import__("torch").cat([value.x, value.x], -1)),
    "NaN prediction": lambda value: value.map(lambda one: one * float("nan")),
    "longer prediction": lambda value: value.map(lambda one: __import__("torch").cat([one, one], -1)),
    "endless": lambda _: float("nan"),
    "pollutes": pollute,
    "pollutes and raises": _pollute_and_raise,
    "prints": _print,
    "in place": lambda value: _in_place(value),  # noqa: PLW0108 - it is defined below
    "draws": lambda value: (__import__("torch").rand(1), value)[1],
    "small only": lambda value: value if value[1] < 8 else None,
}


def _in_place(value: Any) -> Any:
    INPUTS[-1].mul_(2)
    return value


INPUTS: list[Any] = []
"""Tensors that the network was called with."""


def _nan(artifact: Any) -> Any:
    from gen.artifact import Artifact

    return Artifact(artifact.kind, {"values": artifact.arrays["values"] * float("nan")})


def _image() -> Any:
    import numpy as np

    from gen.artifact import Artifact

    return Artifact("image", {"pixels": np.zeros((2, 2, 3))})


def act(part: str, value: Any) -> Any:
    """What a part returns in place of ``value``."""
    return BEHAVIOURS[HOW](value) if part == PART else value
