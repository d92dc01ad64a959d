"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Args:
        level: ``"error"``: the plugin cannot work as declared; ``"warning"``: it works, and its users suffer.
        message: What is wrong, in one line.
        hint: What the author of the plugin can do, in one line; may be empty.
    """

    level: Literal["error", "warning"]
    message: str
    hint: str = ""
