"""The solvers by name."""

from __future__ import annotations

from collections.abc import Mapping

from gen.presets.specs import Call, SolverPreset, table

MULTISTEP = "gen.diffusion:ExponentialMultistep"
RUNGE_KUTTA = "gen.diffusion:ExponentialRungeKutta"
ADAMS = "gen.diffusion:AdamsBashforth"
DDIM = "gen.diffusion:DDIM"
SCALE = "gen.diffusion:ScaleMultistep"
ANCESTRAL = "gen.diffusion:Ancestral"
# A run that starts with one step of first order, and one whose first step is corrected to second order.
UNCORRECTED, CORRECTED = 2, 3


def _unipc(order: int, quadrature: str) -> Call:
    return Call(MULTISTEP, {"order": order, "quadrature": quadrature, "corrector": order + 1})


SOLVERS: Mapping[str, SolverPreset] = table(
    [
        SolverPreset(
            "scale_2",
            (),
            "Predictor and corrector on the clock of the data's scales, for up to 6 evaluations",
            Call(SCALE, {"order": 2}),
            3,
        ),
        SolverPreset(
            "scale_3",
            ("scale",),
            "Predictor and corrector on the clock of the data's scales: for 7 to 11 evaluations",
            Call(SCALE, {"order": 3}),
            4,
            limit=CORRECTED,
        ),
        SolverPreset(
            "scale_3_fine",
            (),
            "As scale_3 on a clock of finer scales: from 12 evaluations",
            Call(
                SCALE, {"order": 3, "clock": Call("gen.diffusion:ScaleClock", {"fine": 0.08, "coarse": 10.0})}
            ),
            4,
            limit=CORRECTED,
        ),
        SolverPreset(
            "ddim",
            ("euler", "k_euler", "flow_euler"),
            "DDIM, the same as Euler: plain and predictable",
            Call(DDIM),
            1,
        ),
        SolverPreset(
            "ddpm",
            ("euler_a", "euler_ancestral", "k_euler_a", "k_euler_ancestral"),
            "DDPM, the same as Euler ancestral: fresh noise in every step",
            Call(DDIM, {"eta": 1.0}),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "ddpm_large",
            (),
            "DDPM with the variance of the forward step",
            Call("gen.diffusion:DDPM", {"variance": "large"}),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "euler_a_flow",
            ("euler_ancestral_rf",),
            "Euler ancestral as it is made on flows: down to a level below, then noise",
            Call(DDIM, {"eta": Call("gen.diffusion:DownStep")}),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "lcm",
            ("consistency", "ping_pong"),
            "For consistency models: predict the data, noise anew, repeat",
            Call(DDIM, {"eta": Call("gen.diffusion:Full")}),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "tcd",
            (),
            "For TCD models on Stable Diffusion's chain, gamma = 0.3",
            Call(
                DDIM,
                {
                    "eta": Call(
                        "gen.diffusion:Gamma",
                        {"gamma": 0.3, "process": Call("gen.diffusion:DiscreteBetas.scaled_linear")},
                    )
                },
            ),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "flow_map",
            (),
            "For flow maps, told where a step ends",
            Call("gen.diffusion:FlowMap"),
            1,
        ),
        SolverPreset("heun", ("k_heun",), "Heun on sigma / alpha", Call("gen.diffusion:Heun"), 2, 2),
        SolverPreset(
            "dpm_2",
            ("dpm2", "k_dpm_2", "midpoint"),
            "The midpoint rule in log sigma (DPM-Solver-2)",
            Call(RUNGE_KUTTA, {"order": 2, "target": "eps"}),
            2,
            2,
        ),
        SolverPreset(
            "dpm_3", (), "DPM-Solver-3, single steps", Call(RUNGE_KUTTA, {"order": 3, "target": "eps"}), 3, 3
        ),
        SolverPreset(
            "dpmpp_2s",
            ("k_dpmpp_2s",),
            "DPM-Solver++ 2S, single steps",
            Call(RUNGE_KUTTA, {"order": 2}),
            2,
            2,
        ),
        SolverPreset("dpmpp_3s", (), "DPM-Solver++ 3S, single steps", Call(RUNGE_KUTTA, {"order": 3}), 3, 3),
        SolverPreset(
            "dpm_2_ancestral",
            ("dpm2_a", "k_dpm_2_a", "k_dpm_2_ancestral", "dpm_2_a"),
            "DPM-Solver-2 with fresh noise in every step",
            Call(ANCESTRAL, {"inner": Call(RUNGE_KUTTA, {"order": 2, "target": "eps"})}),
            1,
            2,
            True,
        ),
        SolverPreset(
            "dpmpp_2s_ancestral",
            ("dpmpp_2s_a", "k_dpmpp_2s_a"),
            "DPM-Solver++ 2S with fresh noise in every step",
            Call(ANCESTRAL, {"inner": Call(RUNGE_KUTTA, {"order": 2})}),
            1,
            2,
            True,
        ),
        SolverPreset(
            "dpmpp_sde",
            ("k_dpmpp_sde", "dpmpp_sde_gpu"),
            "DPM-Solver++ SDE: the midpoint rule for the reverse diffusion",
            Call(RUNGE_KUTTA, {"order": 2, "eta": 1.0}),
            1,
            2,
            True,
        ),
        SolverPreset(
            "dpm_adaptive",
            ("dpm_ad", "k_dpm_ad", "k_dpm_adaptive"),
            "DPM-Solver-23 with steps as small as the error asks for",
            Call("gen.diffusion:Adaptive"),
            3,
            0,
        ),
        SolverPreset(
            "dpm_2m",
            (),
            "DPM-Solver 2M: exponential multistep in eps",
            Call(MULTISTEP, {"order": 2, "quadrature": "midpoint", "target": "eps"}),
            2,
        ),
        SolverPreset(
            "dpmpp_2m",
            ("k_dpmpp_2m",),
            "DPM-Solver++ 2M: second order with one evaluation per step",
            Call(MULTISTEP, {"order": 2, "quadrature": "midpoint"}),
            2,
        ),
        SolverPreset(
            "dpmpp_2m_heun",
            ("res_multistep",),
            "DPM-Solver++ 2M with exact integrals, the same as RES",
            Call(MULTISTEP, {"order": 2}),
            2,
        ),
        SolverPreset(
            "dpmpp_3m",
            ("k_dpmpp_3m",),
            "DPM-Solver++ 3M: third order with one evaluation per step",
            Call(MULTISTEP, {"order": 3}),
            3,
            limit=UNCORRECTED,
        ),
        SolverPreset(
            "dpmpp_2m_sde",
            ("k_dpmpp_2m_sde", "dpmpp_2m_sde_gpu"),
            "DPM-Solver++ 2M as an SDE: fresh noise in every step",
            Call(MULTISTEP, {"order": 2, "eta": 1.0, "quadrature": "midpoint"}),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "dpmpp_2m_sde_heun",
            ("k_dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu"),
            "DPM-Solver++ 2M as an SDE, with exact integrals",
            Call(MULTISTEP, {"order": 2, "eta": 1.0}),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "dpmpp_3m_sde",
            ("k_dpmpp_3m_sde", "dpmpp_3m_sde_gpu"),
            "DPM-Solver++ 3M as an SDE: fresh noise in every step",
            Call(MULTISTEP, {"order": 3, "eta": 1.0}),
            1,
            stochastic=True,
        ),
        SolverPreset("unipc_2", ("unipc_bh2_2",), "UniPC of order 2 with B2", _unipc(2, "midpoint"), 3),
        SolverPreset(
            "unipc_3",
            ("uni_pc_bh2", "unipc_bh2"),
            "UniPC of order 3 with B2",
            _unipc(3, "midpoint"),
            4,
            limit=CORRECTED,
        ),
        SolverPreset(
            "unipc_3_bh1",
            ("uni_pc", "unipc", "unipc_bh1", "uni_pc_bh1"),
            "UniPC of order 3 with B1",
            _unipc(3, "endpoint"),
            4,
            limit=CORRECTED,
        ),
        SolverPreset(
            "sa_solver",
            (),
            "SA-Solver: stochastic Adams with a corrector, tau = 1",
            Call(MULTISTEP, {"order": 3, "eta": 1.0, "quadrature": "endpoint", "corrector": 4}),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "deis",
            ("deis_3",),
            "DEIS with polynomials in log rho, order 3",
            Call(MULTISTEP, {"order": 3, "target": "eps"}),
            3,
            limit=UNCORRECTED,
        ),
        SolverPreset(
            "deis_2",
            (),
            "DEIS with polynomials in log rho, order 2",
            Call(MULTISTEP, {"order": 2, "target": "eps"}),
            2,
        ),
        SolverPreset(
            "lms",
            ("k_lms", "ipndm_v"),
            "Linear multistep in sigma / alpha, order 4",
            Call(ADAMS, {"order": 4}),
            4,
            limit=UNCORRECTED,
        ),
        SolverPreset(
            "ipndm",
            (),
            "iPNDM: order 4 as if the steps were equal",
            Call(ADAMS, {"order": 4, "variable": "index"}),
            2,
        ),
        SolverPreset(
            "plms",
            ("pndm",),
            "PLMS: iPNDM with a first step of Heun",
            Call(ADAMS, {"order": 4, "variable": "index", "start": "heun"}),
            2,
        ),
        SolverPreset(
            "reverse_diffusion",
            ("euler_maruyama",),
            "Euler-Maruyama on the reverse diffusion",
            Call("gen.diffusion:ReverseDiffusion"),
            1,
            stochastic=True,
        ),
        SolverPreset(
            "predictor_corrector",
            (),
            "Euler-Maruyama, then Langevin dynamics at each level",
            Call(
                "gen.diffusion:PredictorCorrector",
                {
                    "predictor": Call("gen.diffusion:ReverseDiffusion"),
                    "corrector": Call("gen.diffusion:Langevin"),
                },
            ),
            1,
            2,
            True,
        ),
    ]
)
