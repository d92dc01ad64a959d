"""The solvers by name.

Where programs differ about a name, the summary names the program whose solver has the plain name; the other
program's has that program's name before it. A name that ComfyUI alone has on flows makes
its steps there.
"""

from __future__ import annotations

from collections.abc import Mapping

from gen.plugin.specs import Param, SolverSpec
from gen.presets.settings import SOLVER_SETTINGS, with_defaults
from gen.presets.specs import table

# The order of a run whose first step is of first order, and of one where it is corrected to second.
UNCORRECTED, CORRECTED = 2, 3

ON_FLOWS = (
    "euler_ancestral",
    "dpm_2_ancestral",
    "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp",
    "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp",
)
"""Factories of solvers that are others on flows, or refused for them."""


def _solver(
    names: str,
    factory: str,
    convergence: int,
    summary: str,
    *,
    evaluations: int = 1,
    stochastic: bool = False,
    limit: int = 4,
    guidance: str = "cfg",
    flows: bool = False,
    **defaults: float | bool | str,
) -> SolverSpec:
    """A solver.

    Args:
        names: The name, then its aliases, separated by spaces.
        summary, evaluations, stochastic, limit, guidance: As in ``SolverSpec``.
        factory: Name of a class of ``gen.diffusion.solvers``, or of a function of ``gen.presets.factories``.
        convergence: Order of convergence of its steps.
        flows: Whether it is in flow time on flows; ``factory`` is then a class.
        **defaults: Of its settings, where they are not those of the factory.
    """
    name, *aliases = names.split()
    own = flows or factory.islower()
    module = "gen.presets.factories" if own else "gen.diffusion.solvers"
    # In flow time nothing draws noise.
    settings = [one for one in SOLVER_SETTINGS.get(factory, ()) if not (flows and one.name == "eta")]
    return SolverSpec(
        name=name,
        factory=f"{module}:{'in_flow_time.' if flows else ''}{factory}",
        summary=summary,
        aliases=tuple(aliases),
        needs=("process",) if flows or factory in ON_FLOWS else (),
        settings=with_defaults(tuple(settings), **defaults),
        order=convergence,
        evaluations=evaluations,
        stochastic=stochastic,
        limit=limit,
        guidance=guidance,
    )


# fmt: off
SOLVERS: Mapping[str, SolverSpec] = table([
    _solver("flow_adams_2 flow_adams", "FlowAdams", 2,
        "Adams-Bashforth of order 2 for the velocity in flow time", order=2),
    _solver("flow_adams_3", "FlowAdams", 3, "Adams-Bashforth of order 3 for the velocity in flow time",
        limit=UNCORRECTED, order=3),
    _solver("flow_abm_1", "FlowAdams", 2,
        "Adams-Bashforth of order 1 in flow time, each step corrected to order 2", order=1, corrector=True),
    _solver("flow_abm_2 flow_abm", "FlowAdams", 3,
        "Adams-Bashforth of order 2 in flow time, each step corrected to order 3", order=2, corrector=True),
    _solver("flow_abm_3", "FlowAdams", 4,
        "Adams-Bashforth of order 3 in flow time, each step corrected to order 4", limit=CORRECTED, order=3,
        corrector=True),
    _solver("ddim euler k_euler flow_euler", "DDIM", 1, "DDIM, the same as Euler: plain and predictable"),
    _solver("ddpm diffusers_ddpm", "DDIM", 1, "DDPM of its paper and of diffusers: new noise in every step",
        stochastic=True, eta=1.0),
    _solver("euler_ancestral euler_a k_euler_a k_euler_ancestral", "euler_ancestral", 1,
        "Euler ancestral: ddpm, on flows euler_a_flow, as ComfyUI", stochastic=True),
    _solver("ddpm_large", "DDPM", 1, "DDPM with the variance of the forward step", stochastic=True,
        variance="large"),
    _solver("euler_a_flow euler_ancestral_rf", "flow_ancestral", 1,
        "Euler ancestral of ComfyUI on flows: down to a level below, then noise", stochastic=True),
    _solver("lcm consistency ping_pong", "lcm", 1,
        "For consistency models: predict the data, add noise, repeat", stochastic=True),
    _solver("tcd", "tcd", 1,
        "Of its paper, for TCD models on Stable Diffusion's chain, gamma = 0.3", stochastic=True),
    _solver("flow_map", "FlowMap", 1, "For flow maps, which take the end of the step as an input"),
    _solver("heun k_heun", "Heun", 2, "Heun in sigma / alpha, as Karras et al.; on flows flow_heun",
        evaluations=2, flows=True),
    _solver("heunpp2", "HeunPlusPlus", 1, "Heun++ of ComfyUI: three evaluations", evaluations=3, flows=True),
    _solver("flow_heun", "flow_heun", 2, "Heun in flow time, as diffusers on flows", evaluations=2),
    _solver("dpm_2 dpm2 k_dpm_2 midpoint", "DPMSolver2", 2,
        "The midpoint rule in log sigma (DPM-Solver-2), on flows that of ComfyUI",
        evaluations=2, flows=True),
    _solver("dpm_3", "DPMSolver3", 3, "DPM-Solver-3, single steps", evaluations=3),
    _solver("dpmpp_2s k_dpmpp_2s", "DPMpp2S", 2, "DPM-Solver++ 2S, single steps", evaluations=2),
    _solver("dpmpp_3s", "DPMpp3S", 3, "DPM-Solver++ 3S, single steps", evaluations=3),
    _solver("exp_heun_2_x0", "DPMpp2S", 2, "Exponential Heun in x0", evaluations=2, r=1.0, kind="heun"),
    _solver("exp_heun_2_x0_sde", "DPMpp2S", 1, "Exponential Heun in x0 as an SDE", evaluations=2,
        stochastic=True, r=1.0, eta=1.0, kind="heun"),
    _solver("dpm_2_ancestral dpm2_a k_dpm_2_a k_dpm_2_ancestral dpm_2_a", "dpm_2_ancestral", 1,
        "DPM-Solver-2 with new noise in every step, on flows that of ComfyUI", evaluations=2,
        stochastic=True),
    _solver("dpmpp_2s_ancestral dpmpp_2s_a k_dpmpp_2s_a", "dpmpp_2s_ancestral", 1,
        "DPM-Solver++ 2S with new noise in every step, on flows that of ComfyUI", evaluations=2,
        stochastic=True),
    _solver("dpmpp_sde k_dpmpp_sde dpmpp_sde_gpu seeds_2", "DPMpp2S", 1,
        "DPM-Solver++ SDE, the same as SEEDS-2: two evaluations", evaluations=2, stochastic=True, eta=1.0),
    _solver("seeds_3", "DPMpp3S", 1, "SEEDS-3: three evaluations", evaluations=3, stochastic=True, eta=1.0),
    _solver("dpm_adaptive dpm_ad k_dpm_ad k_dpm_adaptive", "Adaptive", 3,
        "DPM-Solver-23 with steps as small as the error needs, on flows that of ComfyUI", evaluations=0,
        flows=True),
    _solver("dpm_2m", "DPMSolver2M", 2, "DPM-Solver 2M: multistep in eps"),
    _solver("dpmpp_2m k_dpmpp_2m diffusers_dpmpp_2m", "DPMpp2M", 2,
        "DPM-Solver++ 2M of its paper and of diffusers: second order with one evaluation per step"),
    _solver("comfy_dpmpp_2m", "DPMpp2M", 2, "dpmpp_2m of ComfyUI, which is another on flows", flows=True),
    _solver("dpmpp_2m_heun", "DPMpp2M", 2, "DPM-Solver++ 2M of diffusers with exact integrals", kind="heun"),
    _solver("res_multistep", "DPMpp2M", 2, "RES of ComfyUI: dpmpp_2m_heun, but for flows", flows=True,
        kind="heun"),
    _solver("dpmpp_3m diffusers_dpmpp_3m", "DPMpp3M", 2,
        "DPM-Solver++ 3M of diffusers: three predictions, of second order"),
    _solver("dpmpp_2m_sde k_dpmpp_2m_sde dpmpp_2m_sde_gpu", "DPMpp2M", 1,
        "DPM-Solver++ 2M as an SDE: new noise in every step", stochastic=True, eta=1.0),
    _solver("dpmpp_2m_sde_heun k_dpmpp_2m_sde_heun dpmpp_2m_sde_heun_gpu", "DPMpp2M", 1,
        "DPM-Solver++ 2M as an SDE, with exact integrals", stochastic=True, eta=1.0, kind="heun"),
    _solver("res_multistep_ancestral", "res_multistep_ancestral", 1,
        "RES of ComfyUI as an SDE, the same as dpmpp_2m_sde_heun; not for flows", stochastic=True, eta=1.0,
        kind="heun"),
    _solver("dpmpp_3m_sde k_dpmpp_3m_sde dpmpp_3m_sde_gpu comfy_dpmpp_3m_sde", "DPMpp3M", 1,
        "DPM-Solver++ 3M of k-diffusion as an SDE: new noise in every step", stochastic=True, eta=1.0,
        lower_order_final=False),
    _solver("unip_3", "UniPC", 3, "UniPC of order 3 without its corrector: the exact form of DPM-Solver++ 3M",
        limit=UNCORRECTED, order=3, corrector=False),
    _solver("unipc_2 unipc_bh2_2 diffusers_unipc", "UniPC", 3, "UniPC of diffusers: order 2 with B2",
        order=2),
    _solver("unipc_3", "UniPC", 4, "UniPC of diffusers, of order 3 with B2", limit=CORRECTED),
    _solver("unipc_3_bh1", "UniPC", 4, "UniPC of diffusers, of order 3 with B1", limit=CORRECTED,
        variant="bh1"),
    _solver("uni_pc unipc unipc_bh1 uni_pc_bh1 comfy_uni_pc", "UniPC", 4,
        "UniPC of ComfyUI: unipc_3_bh1, but for flows", limit=CORRECTED, flows=True, variant="bh1"),
    _solver("uni_pc_bh2 unipc_bh2 comfy_uni_pc_bh2", "UniPC", 4, "UniPC of ComfyUI: unipc_3, but for flows",
        limit=CORRECTED, flows=True),
    _solver("sa_solver comfy_sa_solver", "sa_solver", 1,
        "SA-Solver of ComfyUI: order 3 with a corrector, noise from t = 0.8 to 0.2", stochastic=True),
    _solver("sa_solver_pece", "sa_solver_pece", 1,
        "sa_solver with a second evaluation per step, of the corrected state", evaluations=2,
        stochastic=True),
    _solver("diffusers_sa_solver", "diffusers_sa_solver", 1,
        "SA-Solver of diffusers: order 2 with a corrector, noise from t = 0.8 to 0.2", stochastic=True),
    _solver("er_sde", "ERSDE", 1, "ER-SDE-Solver-3 of ComfyUI", stochastic=True),
    _solver("deis diffusers_deis deis_3", "DEIS", 3,
        "DEIS of diffusers, with polynomials in log rho, order 3", limit=UNCORRECTED),
    _solver("deis_2", "DEIS", 2, "DEIS of diffusers, with polynomials in log rho, order 2", order=2),
    _solver("lms k_lms diffusers_lms", "LMS", 4,
        "Linear multistep in sigma / alpha, order 4, as in k-diffusion and diffusers", limit=UNCORRECTED),
    _solver("comfy_lms", "LMS", 4, "lms of ComfyUI, whose last step is of first order", limit=UNCORRECTED,
        flows=True, lower_order_final=True),
    _solver("ipndm comfy_ipndm", "IPNDM", 2, "iPNDM of ComfyUI: order 4 as if the steps were equal",
        flows=True),
    _solver("diffusers_ipndm", "IPNDM", 2, "iPNDM of diffusers, whose last step is like the others",
        lower_order_final=False),
    _solver("ipndm_v", "VariableIPNDM", 3,
        "ipndm_v of ComfyUI: order 4 with weights by the sizes of the steps", limit=UNCORRECTED, flows=True),
    _solver("plms pndm", "PLMS", 2, "PLMS: iPNDM with a first step of Heun"),
    _solver("gradient_estimation", "GradientEstimation", 1,
        "Euler with an extrapolated direction of ComfyUI, gamma = 2", flows=True),
    _solver("euler_cfg_pp ddim_cfg_pp", "DDIM", 1, "euler with the guidance CFG++, of scale 0 to 1",
        guidance="cfg_pp"),
    _solver("euler_ancestral_cfg_pp euler_a_cfg_pp", "DDIM", 1,
        "euler_ancestral with the guidance CFG++, of scale 0 to 1", stochastic=True, guidance="cfg_pp",
        eta=1.0),
    _solver("gradient_estimation_cfg_pp", "GradientEstimation", 1,
        "gradient_estimation with the guidance CFG++, of scale 0 to 1", guidance="cfg_pp", flows=True),
    _solver("dpmpp_2m_cfg_pp", "CFGpp2M", 2,
        "DPM-Solver++ 2M of ComfyUI for the guidance CFG++, of scale 0 to 1", guidance="cfg_pp", flows=True),
    _solver("res_multistep_cfg_pp", "CFGpp2M", 2, "RES of ComfyUI for the guidance CFG++, of scale 0 to 1",
        guidance="cfg_pp", flows=True, kind="heun"),
    _solver("res_multistep_ancestral_cfg_pp", "res_multistep_ancestral_cfg_pp", 1,
        "RES of ComfyUI as an SDE, for the guidance CFG++, of scale 0 to 1; not for flows", stochastic=True,
        guidance="cfg_pp", eta=1.0, kind="heun"),
    _solver("dpmpp_2s_ancestral_cfg_pp dpmpp_2s_a_cfg_pp", "dpmpp_2s_ancestral_cfg_pp", 1,
        "DPM-Solver++ 2S ancestral of ComfyUI for CFG++, of scale 0 to 1; not for flows", evaluations=2,
        stochastic=True, guidance="cfg_pp"),
    _solver("reverse_diffusion", "ReverseDiffusion", 1,
        "Euler-Maruyama on the reverse diffusion", stochastic=True),
    _solver("predictor_corrector", "predictor_corrector", 1,
        "Euler-Maruyama, then Langevin dynamics at each level", evaluations=2, stochastic=True),
])
# fmt: on


def _token_solver(
    name: str,
    factory: str,
    summary: str,
    *settings: Param,
    evaluations: int = 1,
    aliases: tuple[str, ...] = (),
) -> SolverSpec:
    """A solver of tokens: a class of ``gen.diffusion.categorical``."""
    return SolverSpec(
        name=name,
        factory=f"gen.diffusion.categorical:{factory}",
        summary=summary,
        aliases=aliases,
        settings=settings,
        needs=("process",),
        order=1,
        evaluations=evaluations,
        stochastic=True,
    )


_TEMPERATURE = Param(
    name="temperature", type=float, help="Of the tokens; 0 takes the likeliest.", default=1.0, minimum=0.0
)

TOKEN_SOLVERS: Mapping[str, SolverSpec] = table(
    [
        _token_solver(
            "posterior", "PosteriorSample", "Each token from its posterior, independently of the others"
        ),
        _token_solver(
            "unmask",
            "Unmask",
            "A share of the masks per step, in an order by certainty",
            Param(
                name="order",
                type=str,
                help="Criterion of the order.",
                default="margin",
                choices=("random", "confidence", "margin", "entropy"),
            ),
            _TEMPERATURE,
            Param(name="order_noise", type=float, help="Noise on the order.", default=0.0, minimum=0.0),
            Param(name="block", type=int, help="Length of blocks, left to right.", minimum=1),
            aliases=("maskgit",),
        ),
        _token_solver(
            "entropy_bound",
            "EntropyBound",
            "As many masks per step as are nearly independent",
            Param(
                name="bound",
                type=float,
                help="Of their mutual information in nats.",
                default=0.1,
                minimum=0.0,
            ),
            _TEMPERATURE,
            evaluations=0,
        ),
    ]
)
"""The solvers of tokens by name; those of numbers cannot draw tokens."""
