"""From a plan to its model in memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from gen.errors import ModelError
from gen.model import Model, ModelFile
from gen.plan import Plan
from gen.run.failures import failures

if TYPE_CHECKING:
    from gen.plugin.host import Host


def load(plan: Plan, host: Host) -> Model:
    """Load the model of a plan.

    Raises:
        ModelError: The plugin cannot make a model of the file.
        DeviceError: The memory does not suffice.
        PluginError: The plugin's loader cannot be imported.
    """
    from gen.process_state import fresh_process_state

    state = fresh_process_state(seed=0, threads=threads_of(plan))
    with failures(f"model {plan.file.name} cannot be loaded", ModelError), state:
        loader = cast(Callable[[ModelFile, str, str], object], host.resolve(plan.spec.loader))
        model = loader(plan.file, plan.device, plan.dtype)
    if not isinstance(model, Model):
        raise ModelError(f"the loader of {plan.spec.name} gave {type(model).__name__}, not a gen.model.Model")
    return model


def threads_of(plan: Plan) -> int:
    """Threads of torch's kernels: those of the plan, as far as the machine has them, or of the process."""
    import torch

    current = torch.get_num_threads()
    return current if plan.threads is None else min(plan.threads, max(current, os.cpu_count() or 1))
