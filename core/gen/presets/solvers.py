"""The solvers by name.

Where programs mean different things by a name, a plain name is what its summary says, and the other program's
has that program's name before it.
"""

from __future__ import annotations

from collections.abc import Mapping

from gen.presets.specs import Call, SolverPreset, table

CORE = "gen.diffusion.solvers"
CLOCK = "gen.diffusion.scale_clock:ScaleClock"
CHAIN = "gen.diffusion:DiscreteBetas.scaled_linear"
# The order of a run whose first step is of first order, and of one where it is corrected to second.
UNCORRECTED, CORRECTED = 2, 3


def _call(name: str, **options: object) -> Call:
    return Call(f"{CORE}:{name}", options)


SOLVERS: Mapping[str, SolverPreset] = table(
    [
        SolverPreset(
            "scale_2",
            (),
            "Predictor and corrector on the clock of the data's scales, for up to 6 evaluations",
            _call("ScaleMultistep", order=2),
            3,
        ),
        SolverPreset(
            "scale_3",
            ("scale",),
            "Predictor and corrector on the clock of the data's scales: for 7 to 11 evaluations",
            _call("ScaleMultistep", order=3),
            4,
            limit=CORRECTED,
        ),
        SolverPreset(
            "scale_3_fine",
            (),
            "As scale_3 on a clock of finer scales: from 12 evaluations",
            _call(
                "ScaleMultistep",
                order=3,
                clock=Call(CLOCK, {"fine": 0.08, "coarse": 10.0}),
            ),
            4,
            limit=CORRECTED,
        ),
        SolverPreset(
            "flow_adams_2",
            ("flow_adams",),
            "Adams-Bashforth of order 2 for the velocity in flow time",
            _call("FlowAdams", order=2),
            2,
        ),
        SolverPreset(
            "flow_adams_3",
            (),
            "Adams-Bashforth of order 3 for the velocity in flow time",
            _call("FlowAdams", order=3),
            3,
            limit=UNCORRECTED,
        ),
        SolverPreset(
            "ddim",
            ("euler", "k_euler", "flow_euler"),
            "DDIM, the same as Euler: plain and predictable",
            _call("DDIM"),
            1,
        ),
        SolverPreset(
            "ddpm",
            ("euler_a", "euler_ancestral", "k_euler_a", "k_euler_ancestral"),
            "DDPM, the same as Euler ancestral: new noise in every step",
            _call("DDIM", eta=1.0),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "ddpm_large",
            (),
            "DDPM with the variance of the forward step",
            _call("DDPM", variance="large"),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "euler_a_flow",
            ("euler_ancestral_rf",),
            "Euler ancestral of ComfyUI on flows: down to a level below, then noise",
            _call("DDIM", eta=_call("FlowAncestralStep")),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "lcm",
            ("consistency", "ping_pong"),
            "For consistency models: predict the data, add noise, repeat",
            _call("DDIM", eta=_call("LCMStep")),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "tcd",
            (),
            "For TCD models on Stable Diffusion's chain, gamma = 0.3",
            _call(
                "DDIM",
                eta=_call("TCDStep", gamma=0.3, process=Call(CHAIN)),
            ),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "flow_map",
            (),
            "For flow maps, told where a step ends",
            _call("FlowMap"),
            1,
        ),
        SolverPreset("heun", ("k_heun",), "Heun in sigma / alpha, as Karras et al.", _call("Heun"), 2, 2),
        SolverPreset("flow_heun", (), "Heun in flow time, as diffusers on flows", _call("FlowHeun"), 2, 2),
        SolverPreset(
            "dpm_2",
            ("dpm2", "k_dpm_2", "midpoint"),
            "The midpoint rule in log sigma (DPM-Solver-2)",
            _call("DPMSolver2"),
            2,
            2,
        ),
        SolverPreset("dpm_3", (), "DPM-Solver-3, single steps", _call("DPMSolver3"), 3, 3),
        SolverPreset("dpmpp_2s", ("k_dpmpp_2s",), "DPM-Solver++ 2S, single steps", _call("DPMpp2S"), 2, 2),
        SolverPreset("dpmpp_3s", (), "DPM-Solver++ 3S, single steps", _call("DPMpp3S"), 3, 3),
        SolverPreset(
            "exp_heun_2_x0",
            (),
            "Exponential Heun in x0",
            _call("DPMpp2S", r=1.0, kind="heun"),
            2,
            2,
        ),
        SolverPreset(
            "exp_heun_2_x0_sde",
            (),
            "Exponential Heun in x0 as an SDE",
            _call("DPMpp2S", r=1.0, eta=1.0, kind="heun"),
            1,
            2,
            True,
        ),
        SolverPreset(
            "dpm_2_ancestral",
            ("dpm2_a", "k_dpm_2_a", "k_dpm_2_ancestral", "dpm_2_a"),
            "DPM-Solver-2 with new noise in every step",
            _call("Ancestral", inner=_call("DPMSolver2")),
            1,
            2,
            True,
        ),
        SolverPreset(
            "dpmpp_2s_ancestral",
            ("dpmpp_2s_a", "k_dpmpp_2s_a"),
            "DPM-Solver++ 2S with new noise in every step",
            _call("Ancestral", inner=_call("DPMpp2S")),
            1,
            2,
            True,
        ),
        SolverPreset(
            "dpmpp_sde",
            ("k_dpmpp_sde", "dpmpp_sde_gpu", "seeds_2"),
            "DPM-Solver++ SDE, the same as SEEDS-2: two evaluations",
            _call("DPMpp2S", eta=1.0),
            1,
            2,
            True,
        ),
        SolverPreset("seeds_3", (), "SEEDS-3: three evaluations", _call("DPMpp3S", eta=1.0), 1, 3, True),
        SolverPreset(
            "dpm_adaptive",
            ("dpm_ad", "k_dpm_ad", "k_dpm_adaptive"),
            "DPM-Solver-23 with steps as small as the error needs",
            _call("Adaptive"),
            3,
            0,
        ),
        SolverPreset("dpm_2m", (), "DPM-Solver 2M: multistep in eps", _call("DPMSolver2M"), 2),
        SolverPreset(
            "dpmpp_2m",
            ("k_dpmpp_2m",),
            "DPM-Solver++ 2M: second order with one evaluation per step",
            _call("DPMpp2M"),
            2,
        ),
        SolverPreset(
            "dpmpp_2m_heun",
            ("res_multistep",),
            "DPM-Solver++ 2M with exact integrals, the same as RES",
            _call("DPMpp2M", kind="heun"),
            2,
        ),
        SolverPreset(
            "dpmpp_3m",
            ("diffusers_dpmpp_3m",),
            "DPM-Solver++ 3M of diffusers: three predictions, of second order",
            _call("DPMpp3M"),
            2,
        ),
        SolverPreset(
            "dpmpp_2m_sde",
            ("k_dpmpp_2m_sde", "dpmpp_2m_sde_gpu"),
            "DPM-Solver++ 2M as an SDE: new noise in every step",
            _call("DPMpp2M", eta=1.0),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "dpmpp_2m_sde_heun",
            ("k_dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu", "res_multistep_ancestral"),
            "DPM-Solver++ 2M as an SDE, with exact integrals",
            _call("DPMpp2M", eta=1.0, kind="heun"),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "dpmpp_3m_sde",
            ("k_dpmpp_3m_sde", "dpmpp_3m_sde_gpu"),
            "DPM-Solver++ 3M of k-diffusion as an SDE: new noise in every step",
            _call("DPMpp3M", eta=1.0, lower_order_final=False),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "unip_3",
            (),
            "UniPC of order 3 without its corrector: the exact form of DPM-Solver++ 3M",
            _call("UniPC", order=3, corrector=False),
            3,
            limit=UNCORRECTED,
        ),
        SolverPreset("unipc_2", ("unipc_bh2_2",), "UniPC of order 2 with B2", _call("UniPC", order=2), 3),
        SolverPreset(
            "unipc_3",
            ("uni_pc_bh2", "unipc_bh2"),
            "UniPC of order 3 with B2",
            _call("UniPC"),
            4,
            limit=CORRECTED,
        ),
        SolverPreset(
            "unipc_3_bh1",
            ("uni_pc", "unipc", "unipc_bh1", "uni_pc_bh1"),
            "UniPC of order 3 with B1",
            _call("UniPC", variant="bh1"),
            4,
            limit=CORRECTED,
        ),
        SolverPreset(
            "sa_solver",
            ("comfy_sa_solver",),
            "SA-Solver of ComfyUI: order 3 with a corrector, noise from t = 0.8 to 0.2",
            _call("SASolver", tau=_call("TauInterval", at_end=True), final_corrector=1),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "diffusers_sa_solver",
            (),
            "SA-Solver of diffusers: order 2 with a corrector, noise from t = 0.8 to 0.2",
            _call(
                "SASolver",
                predictor=2,
                corrector=2,
                simple=True,
                tau=_call("TauInterval", low=0.201, high=0.801),
            ),
            1,
            stochastic=True,
        ),
        SolverPreset("er_sde", (), "ER-SDE-Solver-3 of ComfyUI", _call("ERSDE"), 1, stochastic=True),
        SolverPreset(
            "deis",
            ("diffusers_deis", "deis_3"),
            "DEIS of diffusers, with polynomials in log rho, order 3",
            _call("DEIS"),
            3,
            limit=UNCORRECTED,
        ),
        SolverPreset(
            "deis_2",
            (),
            "DEIS of diffusers, with polynomials in log rho, order 2",
            _call("DEIS", order=2),
            2,
        ),
        SolverPreset(
            "lms",
            ("k_lms",),
            "Linear multistep in sigma / alpha, order 4, as in k-diffusion and diffusers",
            _call("LMS"),
            4,
            limit=UNCORRECTED,
        ),
        SolverPreset(
            "comfy_lms",
            (),
            "lms of ComfyUI, whose last step is of first order",
            _call("LMS", lower_order_final=True),
            4,
            limit=UNCORRECTED,
        ),
        SolverPreset(
            "ipndm",
            ("comfy_ipndm",),
            "iPNDM of ComfyUI: order 4 as if the steps were equal",
            _call("IPNDM"),
            2,
        ),
        SolverPreset(
            "diffusers_ipndm",
            (),
            "iPNDM of diffusers, whose last step is like the others",
            _call("IPNDM", lower_order_final=False),
            2,
        ),
        SolverPreset("plms", ("pndm",), "PLMS: iPNDM with a first step of Heun", _call("PLMS"), 2),
        SolverPreset(
            "gradient_estimation",
            (),
            "Euler with an extrapolated direction, gamma = 2",
            _call("GradientEstimation"),
            1,
        ),
        *(
            SolverPreset(
                f"{name}_cfg_pp",
                tuple(f"{alias}_cfg_pp" for alias in aliases),
                f"{name} with the guidance CFG++, of scale 0 to 1",
                make,
                1,
                stochastic=stochastic,
                guidance="CFGPlusPlus",
            )
            for name, aliases, make, stochastic in (
                ("euler", ("ddim",), _call("DDIM"), False),
                ("euler_ancestral", ("euler_a",), _call("DDIM", eta=1.0), True),
                ("gradient_estimation", (), _call("GradientEstimation"), False),
            )
        ),
        SolverPreset(
            "reverse_diffusion",
            ("euler_maruyama",),
            "Euler-Maruyama on the reverse diffusion",
            _call("ReverseDiffusion"),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "predictor_corrector",
            (),
            "Euler-Maruyama, then Langevin dynamics at each level",
            _call("PredictorCorrector", predictor=_call("ReverseDiffusion"), corrector=_call("Langevin")),
            1,
            2,
            True,
        ),
    ]
)
