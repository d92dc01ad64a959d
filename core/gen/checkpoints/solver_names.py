"""The solver that a scheduler of diffusers stands for. No torch here."""

from __future__ import annotations

from collections.abc import Mapping

from gen import presets
from gen.errors import ModelError


def default_solver(scheduler: str, config: Mapping[str, object]) -> str:
    """Name of the solver: that of the class or the nearest, changed as the configuration says.

    Args:
        scheduler: Class of diffusers.
        config: Its configuration.

    Raises:
        ModelError: The class is not known.
    """
    known = {name: found.solver for name, found in presets.SCHEDULERS.items()}
    known |= {name: nearest for name, (nearest, _) in presets.NEAREST.items()}
    if scheduler not in known:
        raise ModelError(f"the scheduler {scheduler or 'without a class'} is not known", "see `gen solvers`")
    order, kind = config.get("solver_order", 2), config.get("solver_type")
    if scheduler == "DPMSolverMultistepScheduler" and order == 1:
        return "ddim"
    if scheduler == "DPMSolverMultistepScheduler":
        heun = "_heun" if kind == "heun" and order == 2 else ""
        algorithms = {"dpmsolver++": f"dpmpp_{order}m{heun}", "sde-dpmsolver++": f"dpmpp_{order}m_sde{heun}"}
        return algorithms.get(str(config.get("algorithm_type", "dpmsolver++")), "dpm_2m")
    if scheduler == "DPMSolverSinglestepScheduler":
        return {1: "ddim", 2: "dpmpp_2s"}.get(order if isinstance(order, int) else 3, "dpmpp_3s")
    if scheduler == "UniPCMultistepScheduler" and order == 3:
        return "unipc_3_bh1" if kind == "bh1" else "unipc_3"
    return "lcm" if config.get("stochastic_sampling") else known[scheduler]
