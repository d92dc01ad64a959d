"""What happened when each plugin was last loaded, so that lists can tell without loading it again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from gen.plugin.cache import read_cache, write_cache

Status = Literal["ok", "disabled", "unmet", "broken", "conflict"]

_FILE = "plugin-outcomes.json"
_LIMIT = 256


@dataclass(frozen=True)
class Outcome:
    """How the last load of a plugin ended.

    Args:
        status: ``"ok"``, ``"broken"`` or ``"unmet"``.
        reason: Why, in one line.
        action: What to do, in one line.
        traceback: The whole traceback of a plugin that raised.
        notes: Lines about a plugin that works but misbehaves.
        endings: Of the files that its formats hold, each with the kind: ``".xyz points"``.
    """

    status: Status = "ok"
    reason: str = ""
    action: str = ""
    traceback: str = ""
    notes: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()


def recall() -> dict[str, Outcome]:
    """Read the outcomes that are remembered, by the key of the plugin's record."""
    outcomes = {}
    for key, entry in read_cache(_FILE).items():
        match entry:
            case {
                "status": "ok" | "unmet" | "broken" as status,
                "reason": str(reason),
                "action": str(action),
                "traceback": str(traceback),
                "notes": [*notes],
                "endings": [*endings],
            }:
                lines = tuple(map(str, notes)), tuple(map(str, endings))
                outcomes[key] = Outcome(status, reason, action, traceback, *lines)
    return outcomes


def remember(key: str, outcome: Outcome) -> None:
    """Keep how the load of a plugin ended; one that went well without a word needs no entry."""
    outcomes = recall()
    if outcomes.pop(key, Outcome()) == outcome:
        return
    if outcome != Outcome():
        outcomes[key] = outcome
    write_cache(_FILE, {key: asdict(item) for key, item in outcomes.items()}, _LIMIT)
