"""Which solvers run on flows: three of ComfyUI add more noise than a flow has, and are refused there."""

from gen import presets

NOT_ON_FLOWS = ("res_multistep_ancestral", "res_multistep_ancestral_cfg_pp", "dpmpp_2s_ancestral_cfg_pp")
ON_FLOWS = [name for name in presets.SOLVERS if name not in NOT_ON_FLOWS]
