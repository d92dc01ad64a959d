"""Write ``gen_molecule/small.safetensors``: geometries of eight molecules from bond lengths and angles."""

import math

import torch
from gen_molecule.files import ELEMENTS

from gen.model import save_model

Atom = tuple[str, float, float, float]


def bent(centre: str, end: str, length: float, angle: float) -> list[Atom]:
    """A centre and two equal ends."""
    x, y = length * math.sin(math.radians(angle / 2)), length * math.cos(math.radians(angle / 2))
    return [(centre, 0, 0, 0), (end, x, y, 0), (end, -x, y, 0)]


THIRDS = (0, 2 * math.pi / 3, 4 * math.pi / 3)
TETRAHEDRON = [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]
MOLECULES: dict[str, list[Atom]] = {
    "water": bent("O", "H", 0.958, 104.5),
    "carbon dioxide": bent("C", "O", 1.163, 180),
    "ozone": bent("O", "O", 1.278, 116.8),
    "hydrogen cyanide": [("C", 0, 0, 0), ("H", -1.066, 0, 0), ("N", 1.156, 0, 0)],
    "ammonia": [("N", 0, 0.38, 0), *(("H", 0.94 * math.cos(a), 0, 0.94 * math.sin(a)) for a in THIRDS)],
    "formaldehyde": [("C", 0, 0, 0), ("O", 0, 1.205, 0), ("H", 0.937, -0.588, 0), ("H", -0.937, -0.588, 0)],
    "methane": [("C", 0, 0, 0), *(("H", 0.6276 * x, 0.6276 * y, 0.6276 * z) for x, y, z in TETRAHEDRON)],
    "formic acid": [
        ("C", 0, 0, 0),
        ("O", 1.2, 0.2, 0),
        ("O", -0.7, 1.15, 0),
        ("H", -0.5, -0.98, 0),
        ("H", 0, 1.82, 0),
    ],
}
places, elements = torch.zeros(len(MOLECULES), 5, 3), torch.zeros(len(MOLECULES), 5, dtype=torch.long)
for row, atoms in enumerate(MOLECULES.values()):
    for place, (element, *xyz) in enumerate(atoms):
        places[row, place], elements[row, place] = torch.tensor(xyz), ELEMENTS.index(element)
save_model(
    "gen_molecule/small.safetensors",
    {"places": places, "elements": elements, "sizes": torch.tensor([len(one) for one in MOLECULES.values()])},
    {
        "modality": "molecule",
        "names": "|".join(MOLECULES),
        "defaults": {"solver": "dpmpp_2m", "grid": "uniform", "steps": 20, "guidance": 1.0},
    },
    {"data": "Textbook bond lengths and angles.", "licence": "CC0-1.0"},
)
