"""From a plan to its model in memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from gen.model import Model, ModelSource
from gen.plan import Plan
from gen.plugin.boundary import calling

if TYPE_CHECKING:
    from gen.plugin.host import Host


def load(plan: Plan, host: Host) -> Model:
    """Load the model of a plan.

    Raises:
        ModelError: The plugin cannot make a model of the file.
        DeviceError: The memory does not suffice.
        PluginError: The plugin's loader cannot be imported, fails, or returns something else.
    """
    from gen.process_state import fresh_process_state

    with fresh_process_state(seed=0, threads=threads_of(plan)):
        loader = cast(Callable[[ModelSource, str, str], object], host.resolve(plan.loader, plan.plugin))
        with calling(plan.plugin, "loader") as call:
            model = loader(plan.file, plan.device, plan.dtype)
            if not isinstance(model, Model):
                raise call.returned(model, "a gen.model.Model")
    return model


def threads_of(plan: Plan) -> int:
    """Threads of torch's kernels: those of the plan, as far as the machine has them, or of the process."""
    import torch

    current = torch.get_num_threads()
    return current if plan.threads is None else min(plan.threads, max(current, os.cpu_count() or 1))
