"""The solvers by name.

Where programs mean different things by a name, a plain name is what its summary says, and the other program's
has that program's name before it.
"""

from __future__ import annotations

from collections.abc import Mapping

from gen.plugin.specs import Param, SolverSpec
from gen.presets.settings import SOLVER_SETTINGS, with_defaults
from gen.presets.specs import table

# The order of a run whose first step is of first order, and of one where it is corrected to second.
UNCORRECTED, CORRECTED = 2, 3


def _solver(
    name: str,
    factory: str,
    summary: str,
    convergence: int,
    *,
    aliases: tuple[str, ...] = (),
    evaluations: int = 1,
    stochastic: bool = False,
    limit: int = 4,
    guidance: str = "cfg",
    **defaults: float | bool | str,
) -> SolverSpec:
    """A solver.

    Args:
        name, summary, aliases, evaluations, stochastic, limit, guidance: As in ``SolverSpec``.
        factory: Name of a class of ``gen.diffusion.solvers``, or of a function of ``gen.presets.factories``.
        convergence: Order of convergence of its steps.
        **defaults: Of its settings, where they are not those of the factory.
    """
    module = "gen.presets.factories" if factory.islower() else "gen.diffusion.solvers"
    return SolverSpec(
        name=name,
        factory=f"{module}:{factory}",
        summary=summary,
        aliases=aliases,
        settings=with_defaults(SOLVER_SETTINGS.get(factory, ()), **defaults),
        order=convergence,
        evaluations=evaluations,
        stochastic=stochastic,
        limit=limit,
        guidance=guidance,
    )


SOLVERS: Mapping[str, SolverSpec] = table(
    [
        _solver(
            "flow_adams_2",
            "FlowAdams",
            "Adams-Bashforth of order 2 for the velocity in flow time",
            2,
            aliases=("flow_adams",),
            order=2,
        ),
        _solver(
            "flow_adams_3",
            "FlowAdams",
            "Adams-Bashforth of order 3 for the velocity in flow time",
            3,
            limit=UNCORRECTED,
            order=3,
        ),
        _solver(
            "flow_abm_1",
            "FlowAdams",
            "Adams-Bashforth of order 1 in flow time, each step corrected to order 2",
            2,
            order=1,
            corrector=True,
        ),
        _solver(
            "flow_abm_2",
            "FlowAdams",
            "Adams-Bashforth of order 2 in flow time, each step corrected to order 3",
            3,
            aliases=("flow_abm",),
            order=2,
            corrector=True,
        ),
        _solver(
            "flow_abm_3",
            "FlowAdams",
            "Adams-Bashforth of order 3 in flow time, each step corrected to order 4",
            4,
            limit=CORRECTED,
            order=3,
            corrector=True,
        ),
        _solver(
            "ddim",
            "DDIM",
            "DDIM, the same as Euler: plain and predictable",
            1,
            aliases=("euler", "k_euler", "flow_euler"),
        ),
        _solver(
            "ddpm",
            "DDIM",
            "DDPM, the same as Euler ancestral: new noise in every step",
            1,
            aliases=("euler_a", "euler_ancestral", "k_euler_a", "k_euler_ancestral"),
            stochastic=True,
            eta=1.0,
        ),
        _solver(
            "ddpm_large",
            "DDPM",
            "DDPM with the variance of the forward step",
            1,
            stochastic=True,
            variance="large",
        ),
        _solver(
            "euler_a_flow",
            "flow_ancestral",
            "Euler ancestral of ComfyUI on flows: down to a level below, then noise",
            1,
            aliases=("euler_ancestral_rf",),
            stochastic=True,
        ),
        _solver(
            "lcm",
            "lcm",
            "For consistency models: predict the data, add noise, repeat",
            1,
            aliases=("consistency", "ping_pong"),
            stochastic=True,
        ),
        _solver("tcd", "tcd", "For TCD models on Stable Diffusion's chain, gamma = 0.3", 1, stochastic=True),
        _solver("flow_map", "FlowMap", "For flow maps, told where a step ends", 1),
        _solver(
            "heun", "Heun", "Heun in sigma / alpha, as Karras et al.", 2, aliases=("k_heun",), evaluations=2
        ),
        _solver("heunpp2", "HeunPlusPlus", "Heun++ of ComfyUI: three evaluations", 1, evaluations=3),
        _solver("flow_heun", "FlowHeun", "Heun in flow time, as diffusers on flows", 2, evaluations=2),
        _solver(
            "dpm_2",
            "DPMSolver2",
            "The midpoint rule in log sigma (DPM-Solver-2)",
            2,
            aliases=("dpm2", "k_dpm_2", "midpoint"),
            evaluations=2,
        ),
        _solver("dpm_3", "DPMSolver3", "DPM-Solver-3, single steps", 3, evaluations=3),
        _solver(
            "dpmpp_2s", "DPMpp2S", "DPM-Solver++ 2S, single steps", 2, aliases=("k_dpmpp_2s",), evaluations=2
        ),
        _solver("dpmpp_3s", "DPMpp3S", "DPM-Solver++ 3S, single steps", 3, evaluations=3),
        _solver("exp_heun_2_x0", "DPMpp2S", "Exponential Heun in x0", 2, evaluations=2, r=1.0, kind="heun"),
        _solver(
            "exp_heun_2_x0_sde",
            "DPMpp2S",
            "Exponential Heun in x0 as an SDE",
            1,
            evaluations=2,
            stochastic=True,
            r=1.0,
            eta=1.0,
            kind="heun",
        ),
        _solver(
            "dpm_2_ancestral",
            "dpm_2_ancestral",
            "DPM-Solver-2 with new noise in every step",
            1,
            aliases=("dpm2_a", "k_dpm_2_a", "k_dpm_2_ancestral", "dpm_2_a"),
            evaluations=2,
            stochastic=True,
        ),
        _solver(
            "dpmpp_2s_ancestral",
            "dpmpp_2s_ancestral",
            "DPM-Solver++ 2S with new noise in every step",
            1,
            aliases=("dpmpp_2s_a", "k_dpmpp_2s_a"),
            evaluations=2,
            stochastic=True,
        ),
        _solver(
            "dpmpp_sde",
            "DPMpp2S",
            "DPM-Solver++ SDE, the same as SEEDS-2: two evaluations",
            1,
            aliases=("k_dpmpp_sde", "dpmpp_sde_gpu", "seeds_2"),
            evaluations=2,
            stochastic=True,
            eta=1.0,
        ),
        _solver(
            "seeds_3", "DPMpp3S", "SEEDS-3: three evaluations", 1, evaluations=3, stochastic=True, eta=1.0
        ),
        _solver(
            "dpm_adaptive",
            "Adaptive",
            "DPM-Solver-23 with steps as small as the error needs",
            3,
            aliases=("dpm_ad", "k_dpm_ad", "k_dpm_adaptive"),
            evaluations=0,
        ),
        _solver("dpm_2m", "DPMSolver2M", "DPM-Solver 2M: multistep in eps", 2),
        _solver(
            "dpmpp_2m",
            "DPMpp2M",
            "DPM-Solver++ 2M: second order with one evaluation per step",
            2,
            aliases=("k_dpmpp_2m",),
        ),
        _solver(
            "dpmpp_2m_heun",
            "DPMpp2M",
            "DPM-Solver++ 2M with exact integrals, the same as RES",
            2,
            aliases=("res_multistep",),
            kind="heun",
        ),
        _solver(
            "dpmpp_3m",
            "DPMpp3M",
            "DPM-Solver++ 3M of diffusers: three predictions, of second order",
            2,
            aliases=("diffusers_dpmpp_3m",),
        ),
        _solver(
            "dpmpp_2m_sde",
            "DPMpp2M",
            "DPM-Solver++ 2M as an SDE: new noise in every step",
            1,
            aliases=("k_dpmpp_2m_sde", "dpmpp_2m_sde_gpu"),
            stochastic=True,
            eta=1.0,
        ),
        _solver(
            "dpmpp_2m_sde_heun",
            "DPMpp2M",
            "DPM-Solver++ 2M as an SDE, with exact integrals",
            1,
            aliases=("k_dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu", "res_multistep_ancestral"),
            stochastic=True,
            eta=1.0,
            kind="heun",
        ),
        _solver(
            "dpmpp_3m_sde",
            "DPMpp3M",
            "DPM-Solver++ 3M of k-diffusion as an SDE: new noise in every step",
            1,
            aliases=("k_dpmpp_3m_sde", "dpmpp_3m_sde_gpu"),
            stochastic=True,
            eta=1.0,
            lower_order_final=False,
        ),
        _solver(
            "unip_3",
            "UniPC",
            "UniPC of order 3 without its corrector: the exact form of DPM-Solver++ 3M",
            3,
            limit=UNCORRECTED,
            order=3,
            corrector=False,
        ),
        _solver("unipc_2", "UniPC", "UniPC of order 2 with B2", 3, aliases=("unipc_bh2_2",), order=2),
        _solver(
            "unipc_3",
            "UniPC",
            "UniPC of order 3 with B2",
            4,
            aliases=("uni_pc_bh2", "unipc_bh2"),
            limit=CORRECTED,
        ),
        _solver(
            "unipc_3_bh1",
            "UniPC",
            "UniPC of order 3 with B1",
            4,
            aliases=("uni_pc", "unipc", "unipc_bh1", "uni_pc_bh1"),
            limit=CORRECTED,
            variant="bh1",
        ),
        _solver(
            "sa_solver",
            "sa_solver",
            "SA-Solver of ComfyUI: order 3 with a corrector, noise from t = 0.8 to 0.2",
            1,
            aliases=("comfy_sa_solver",),
            stochastic=True,
        ),
        _solver(
            "sa_solver_pece",
            "sa_solver_pece",
            "sa_solver with a second evaluation per step, of the corrected state",
            1,
            evaluations=2,
            stochastic=True,
        ),
        _solver(
            "diffusers_sa_solver",
            "diffusers_sa_solver",
            "SA-Solver of diffusers: order 2 with a corrector, noise from t = 0.8 to 0.2",
            1,
            stochastic=True,
        ),
        _solver("er_sde", "ERSDE", "ER-SDE-Solver-3 of ComfyUI", 1, stochastic=True),
        _solver(
            "deis",
            "DEIS",
            "DEIS of diffusers, with polynomials in log rho, order 3",
            3,
            aliases=("diffusers_deis", "deis_3"),
            limit=UNCORRECTED,
        ),
        _solver("deis_2", "DEIS", "DEIS of diffusers, with polynomials in log rho, order 2", 2, order=2),
        _solver(
            "lms",
            "LMS",
            "Linear multistep in sigma / alpha, order 4, as in k-diffusion and diffusers",
            4,
            aliases=("k_lms",),
            limit=UNCORRECTED,
        ),
        _solver(
            "comfy_lms",
            "LMS",
            "lms of ComfyUI, whose last step is of first order",
            4,
            limit=UNCORRECTED,
            lower_order_final=True,
        ),
        _solver(
            "ipndm",
            "IPNDM",
            "iPNDM of ComfyUI: order 4 as if the steps were equal",
            2,
            aliases=("comfy_ipndm",),
        ),
        _solver(
            "diffusers_ipndm",
            "IPNDM",
            "iPNDM of diffusers, whose last step is like the others",
            2,
            lower_order_final=False,
        ),
        _solver(
            "ipndm_v",
            "VariableIPNDM",
            "ipndm_v of ComfyUI: order 4 with weights by the sizes of the steps",
            3,
            limit=UNCORRECTED,
        ),
        _solver("plms", "PLMS", "PLMS: iPNDM with a first step of Heun", 2, aliases=("pndm",)),
        _solver(
            "gradient_estimation", "GradientEstimation", "Euler with an extrapolated direction, gamma = 2", 1
        ),
        _solver(
            "euler_cfg_pp",
            "DDIM",
            "euler with the guidance CFG++, of scale 0 to 1",
            1,
            aliases=("ddim_cfg_pp",),
            guidance="cfg_pp",
        ),
        _solver(
            "euler_ancestral_cfg_pp",
            "DDIM",
            "euler_ancestral with the guidance CFG++, of scale 0 to 1",
            1,
            aliases=("euler_a_cfg_pp",),
            stochastic=True,
            guidance="cfg_pp",
            eta=1.0,
        ),
        _solver(
            "gradient_estimation_cfg_pp",
            "GradientEstimation",
            "gradient_estimation with the guidance CFG++, of scale 0 to 1",
            1,
            guidance="cfg_pp",
        ),
        _solver(
            "dpmpp_2m_cfg_pp",
            "CFGpp2M",
            "DPM-Solver++ 2M of ComfyUI for the guidance CFG++, of scale 0 to 1",
            2,
            guidance="cfg_pp",
        ),
        _solver(
            "res_multistep_cfg_pp",
            "CFGpp2M",
            "RES of ComfyUI for the guidance CFG++, of scale 0 to 1",
            2,
            guidance="cfg_pp",
            kind="heun",
        ),
        _solver(
            "res_multistep_ancestral_cfg_pp",
            "CFGpp2M",
            "RES of ComfyUI as an SDE, for the guidance CFG++, of scale 0 to 1",
            1,
            stochastic=True,
            guidance="cfg_pp",
            eta=1.0,
            kind="heun",
        ),
        _solver(
            "dpmpp_2s_ancestral_cfg_pp",
            "dpmpp_2s_ancestral_cfg_pp",
            "DPM-Solver++ 2S ancestral of ComfyUI for the guidance CFG++, of scale 0 to 1",
            1,
            aliases=("dpmpp_2s_a_cfg_pp",),
            evaluations=2,
            stochastic=True,
            guidance="cfg_pp",
        ),
        _solver(
            "reverse_diffusion",
            "ReverseDiffusion",
            "Euler-Maruyama on the reverse diffusion",
            1,
            aliases=("euler_maruyama",),
            stochastic=True,
        ),
        _solver(
            "predictor_corrector",
            "predictor_corrector",
            "Euler-Maruyama, then Langevin dynamics at each level",
            1,
            evaluations=2,
            stochastic=True,
        ),
    ]
)


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
                help="What comes first.",
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
