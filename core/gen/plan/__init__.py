"""From a request to a plan: everything that somebody leaves open is decided, everything given is checked.

A ``Request`` has None for each choice that it leaves open. ``resolve`` turns it into a ``Plan``, in which
nothing is left open. No torch here.
"""

from gen.plan.choice import Choice, Chosen, choose, choose_grid, choose_solver
from gen.plan.plan import Item, Plan
from gen.plan.request import Request
from gen.plan.resolve import resolve, settings_of
from gen.plan.sources import PLAIN, Reading, find_source, modality_of, pull_checkpoint

__all__ = [
    "PLAIN",
    "Choice",
    "Chosen",
    "Item",
    "Plan",
    "Reading",
    "Request",
    "choose",
    "choose_grid",
    "choose_solver",
    "find_source",
    "modality_of",
    "pull_checkpoint",
    "resolve",
    "settings_of",
]
