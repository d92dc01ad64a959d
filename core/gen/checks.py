"""Values that people give, checked: each is returned as it is used, or refused in one line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from gen.config import convert
from gen.errors import DeviceError, GenError, UsageError
from gen.plugin.specs import Param
from gen.recipe import MAX_SEED

MAX_PROMPT_CHARACTERS = 2_000
MAX_STEPS = 10_000
MAX_GUIDANCE = 100.0
MAX_ITEMS = 1_000
DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("float32", "bfloat16", "float16")
DEFAULT_STRENGTH = 0.6
N = TypeVar("N", int, float)


def check_prompt(prompt: str, name: str = "prompt", *, empty: bool = False) -> str:
    """Refuse a prompt that is empty, too long or not text.

    Args:
        prompt: The text.
        name: What it is, for the message.
        empty: Whether it may be empty.

    Raises:
        UsageError: If it cannot be used.
    """
    if not isinstance(prompt, str):
        raise UsageError(f"the {name} must be a text, not {type(prompt).__name__}")
    if not empty and not prompt.strip():
        raise UsageError(f"the {name} is empty", 'say what to make: "a red apple"')
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise UsageError(
            f"the {name} has {len(prompt):,} characters", f"at most {MAX_PROMPT_CHARACTERS:,} are read"
        )
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise UsageError(f"the {name} is not valid UTF-8") from None
    return prompt


def check_param(param: Param, value: object) -> int | float | bool | str:
    """Bring a value to a parameter's type and bounds.

    Args:
        param: The parameter.
        value: The value.

    Raises:
        UsageError: If the value is of another type or out of bounds.
    """
    checked = convert(value, param.type, param.name, "")
    if param.choices:
        return one_of(param.name, _choice(param, str(checked)), param.choices)
    if isinstance(checked, (int, float)) and not isinstance(checked, bool):
        within(param.name, checked, (param.minimum, param.maximum), param.unit)
        if param.multiple_of is not None and checked % param.multiple_of:
            raise UsageError(f"{param.name} must be a multiple of {param.multiple_of}, not {checked}")
    assert isinstance(checked, (int, float, bool, str))
    return checked


def _choice(param: Param, text: str) -> str:
    """The choice that a text means, by its exact spelling before other cases; the text if it means none."""
    written = " ".join(text.split())
    choices, aliases = {choice: choice for choice in param.choices}, dict(param.aliases)
    for fold in (str, str.casefold):
        for spellings in (choices, aliases):
            meant = {choice for spelling, choice in spellings.items() if fold(spelling) == fold(written)}
            if len(meant) == 1:
                return meant.pop()
    return text


def dtypes_of(text: str) -> tuple[str, dict[str, str]]:
    """The dtype of a model, and those of parts that have their own.

    Args:
        text: ``"bfloat16"``, or with parts behind commas ``"bfloat16,vae=float32"``.

    Raises:
        UsageError: It is not of that form, or a dtype is unknown.
    """
    whole, *others = text.split(",")
    own: dict[str, str] = {}
    wrong = UsageError(f"dtype takes NAME,PART=NAME, not {text[:60]!r}", "as bfloat16,vae=float32")
    if "=" in whole:
        raise wrong
    for other in others:
        part, separator, dtype = other.partition("=")
        if not separator or not part.isidentifier() or part in own:
            raise wrong
        own[part] = one_of("dtype", dtype, DTYPES)
    return one_of("dtype", whole, DTYPES), own


def find_device(name: str) -> str:
    """The device that a name means here; ``"auto"`` is the fastest there is.

    Raises:
        DeviceError: If there is no such device.
    """
    kind, _, index = name.partition(":")
    if kind not in DEVICES or (index and not index.isdigit()) or (kind in ("auto", "cpu") and index):
        raise DeviceError(f"unknown device {name!r}", f"one of {', '.join(DEVICES)}")
    if kind == "cpu":
        return "cpu"
    import torch

    count = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if kind == "auto":
        return next((kind for kind in ("cuda", "mps") if count[kind]), "cpu")
    if int(index or 0) >= count[kind]:
        here = ", ".join(f"{kind}:{place}" for place in range(count[kind])) or f"no {kind}"
        raise DeviceError(f"device {name} is not available", f"this machine has {here}; use cpu")
    return name


def unknown(what: str, name: str, known: Mapping[str, object] | Sequence[str]) -> UsageError:
    """The error for a name that does not exist, with the nearest one that does."""
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}" if known else ""
    return UsageError(f"unknown {what} {name!r}", hint)


@contextmanager
def naming(origin: str) -> Iterator[None]:
    """Add to an error where the value at fault was set; an empty origin adds nothing."""
    try:
        yield
    except GenError as error:
        if not origin:
            raise
        raise type(error)(f"{error.message} (set in {origin})", error.hint) from error


def check_seed(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= MAX_SEED:
        raise UsageError(f"seed must be a whole number from 0 to {MAX_SEED}, not {value}")
    return value


def between(name: str, minimum: N, maximum: N) -> Callable[[N], N]:
    def check(value: N) -> N:
        within(name, value, (minimum, maximum))
        return type(minimum)(value)

    return check


def within(name: str, value: float, bounds: tuple[float | None, float | None], unit: str = "") -> None:
    low = -math.inf if bounds[0] is None else bounds[0]
    high = math.inf if bounds[1] is None else bounds[1]
    if math.isfinite(value) and low <= value <= high:
        return
    unit = f" {unit}" if unit else ""
    limits = (("at least", low), ("at most", high))
    parts = [f"{word} {_plain(limit)}{unit}" for word, limit in limits if math.isfinite(limit)]
    allowed = " and ".join(parts) or "finite"
    raise UsageError(f"{name} must be {allowed}, not {_plain(value)}")


def _plain(value: float) -> str:
    """A number as people write it: 1,000 for the float 1000.0, too."""
    return f"{int(value) if math.isfinite(value) and value == int(value) else value:,}"


def one_of(name: str, value: object, choices: Sequence[str]) -> str:
    if value not in choices:
        raise UsageError(unknown(name, str(value), choices).message, f"one of {', '.join(choices)}")
    return str(value)


def check_strength(given: float | None, *, whole: bool) -> float:
    if given is None:
        return 1.0 if whole else DEFAULT_STRENGTH
    value = convert(given, float, "strength", "")
    if not (isinstance(value, float) and 0 < value <= 1):
        raise UsageError(f"strength must be above 0 and at most 1, not {given}")
    return value
