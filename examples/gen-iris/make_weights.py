"""Write ``gen_iris/fisher.safetensors``: means and standard deviations of Fisher's table of 1936."""

import torch

from gen.model import save_model

means = [[5.006, 3.428, 1.462, 0.246], [5.936, 2.770, 4.260, 1.326], [6.588, 2.974, 5.552, 2.026]]
stds = [[0.352, 0.379, 0.174, 0.105], [0.516, 0.314, 0.470, 0.198], [0.636, 0.322, 0.552, 0.275]]
save_model(
    "gen_iris/fisher.safetensors",
    {"means": torch.tensor(means), "stds": torch.tensor(stds)},
    {"modality": "iris", "defaults": {"solver": "dpmpp_2m", "grid": "uniform", "steps": 20, "guidance": 1.0}},
    {"data": "R. A. Fisher 1936, three species of iris, 50 flowers each.", "licence": "CC0-1.0"},
)
