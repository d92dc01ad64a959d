"""Metrics of a text-to-mesh model, on prompts and seeds fixed beforehand."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gen.artifact import Artifact
from gen.evaluation import Share, Trial
from gen.plugin.cache import cache_folder
from gen_mesh import classifier as judges
from gen_mesh import cloud, grids, measures, surface
from gen_mesh.data import shapes
from gen_mesh.data.builder import FAMILIES, PALETTE
from gen_mesh.data.fields import Array
from gen_mesh.data.shapes import BAND, SIZE, Shape

SEED = 20_260_000
GROUP = 200
CLOUD = 512
"""Points of a cloud that is compared."""


def evaluate(trial: Trial) -> Mapping[str, object]:
    """Measure a model.

    Args:
        trial: The model. All prompts are 200 of each sort, and 40 of each that counts.

    Returns:
        Metric to its value as text, in groups.
    """
    path = cache_folder() / f"shape-classifier-{len(judges.names())}.safetensors"
    judge = judges.load_or_train(path, trial.report)
    result: dict[str, object] = {}
    for split in ("seen", "held out"):
        wanted = _wanted(split)[: trial.samples]
        made = _made(trial, wanted, split)
        result[f"combinations, {split}"] = _recovered(judge, wanted, made)
        result[f"surfaces, {split}"] = _surfaces(wanted, made)
        result[f"sets, {split}"] = _sets(wanted, made)
    result["counted"] = _counted(trial)
    return result


def _wanted(split: str) -> list[Shape]:
    """Shapes whose family and colour training saw together, or never did, in a fixed order."""
    rng = random.Random(f"{SEED} {split}")
    found: list[Shape] = []
    while len(found) < GROUP:
        family, colour = rng.choice(sorted(FAMILIES)), rng.choice(sorted(PALETTE))
        if shapes.held_out(family, colour) == (split == "held out"):
            found.append(shapes.make(family, colour, rng))
    return found


def _made(trial: Trial, wanted: Sequence[Shape], name: str) -> list[Artifact]:
    prompts = [shapes.canonical(shape) for shape in wanted]
    made = []
    for index, artifact in enumerate(trial.draw(prompts, [SEED + i for i in range(len(prompts))])):
        made.append(artifact)
        if index % 50 == 0:
            trial.report(f"{name}: {index} of {len(prompts)}")
    return made


def _mesh(shape: Shape) -> Artifact:
    """A shape as it is, through the same surface."""
    found = surface.extract(*grids.unstacked(grids.stacked(*shape.grid())), 0.5, None)
    return Artifact("mesh", {"vertices": found.vertices, "faces": found.faces, "colours": found.colours})


def _grid(artifact: Artifact) -> tuple[Array, Array]:
    return cloud.grid(*cloud.oriented(artifact), SIZE, BAND)


def _cloud(artifact: Artifact, count: int) -> tuple[Array, Array, Array]:
    vertices, faces, colours = (artifact.arrays[name] for name in ("vertices", "faces", "colours"))
    return surface.points_on(vertices, faces.astype(np.int64), colours, count)


def _recovered(
    judge: judges.Classifier, wanted: Sequence[Shape], made: Sequence[Artifact]
) -> Mapping[str, str]:
    """Family by the classifier, colour by the share of the surface that has it; and both of real shapes."""
    ranks = judges.ranked(judge, [_grid(one)[0] for one in made])
    floor = judges.ranked(judge, [shape.grid()[0] for shape in wanted])
    first = [rank[0] == judges.label(shape) for rank, shape in zip(ranks, wanted, strict=True)]
    five = [judges.label(shape) in rank[:5] for rank, shape in zip(ranks, wanted, strict=True)]
    real = [rank[0] == judges.label(shape) for rank, shape in zip(floor, wanted, strict=True)]
    tints = [_has_colour(one, shape.colour) for one, shape in zip(made, wanted, strict=True)]
    real_tints = [_has_colour(_mesh(shape), shape.colour) for shape in wanted]
    both = [a and b for a, b in zip(first, tints, strict=True)]
    return {
        "family, top 1": str(Share(sum(first), len(first))),
        "family, top 5": str(Share(sum(five), len(five))),
        "family, top 1, of real shapes": str(Share(sum(real), len(real))),
        "colour": str(Share(sum(tints), len(tints))),
        "colour, of real shapes": str(Share(sum(real_tints), len(real_tints))),
        "family and colour": str(Share(sum(both), len(both))),
    }


def _has_colour(artifact: Artifact, colour: str) -> bool:
    """Whether a tenth of the surface is nearest to the colour among those of the palette."""
    _, _, tints = _cloud(artifact, CLOUD)
    distances = np.linalg.norm(tints[:, None] - np.array(list(PALETTE.values()))[None], axis=-1)
    return bool((distances.argmin(1) == list(PALETTE).index(colour)).mean() > 0.1)


def _surfaces(wanted: Sequence[Shape], made: Sequence[Artifact]) -> Mapping[str, str]:
    whole = [surface.closed(one.arrays["faces"]) for one in made]
    agreement = []
    for shape, one in zip(wanted, made, strict=True):
        real = _mesh(shape)
        points, normals, _ = _cloud(real, 2 * CLOUD)
        agreement.append(measures.normal_consistency(one, points, normals))
    faces = [len(one.arrays["faces"]) for one in made]
    return {
        "watertight and manifold": str(Share(sum(whole), len(whole))),
        "normal consistency with a real shape of the prompt": f"{np.mean(agreement):.3f}",
        "faces, median": f"{np.median(faces):.0f}",
    }


def _sets(wanted: Sequence[Shape], made: Sequence[Artifact]) -> Mapping[str, str]:
    """The made shapes against real ones of the same prompts, and two sets of real ones beside them."""
    rng = random.Random(SEED)
    again = [shapes.make(s.family, s.colour, rng, dict(s.facts)) for s in wanted]
    sets = {
        name: [_cloud(one, CLOUD)[0] for one in of]
        for name, of in (
            ("made", made),
            ("real", [_mesh(shape) for shape in wanted]),
            ("again", [_mesh(shape) for shape in again]),
        )
    }
    real = measures.matrix(sets["real"], sets["real"])
    result: dict[str, str] = {"samples": str(len(made))}
    for name, said in (("made", "made"), ("again", "real, drawn again")):
        found = measures.set_measures(
            measures.matrix(sets[name], sets[name]), measures.matrix(sets[name], sets["real"]), real
        )
        pairs = list(zip(sets[name], sets["real"], strict=True))
        result |= {
            f"chamfer to the real one x 1000, median, {said}": (
                f"{1000 * np.median([measures.chamfer(a, b) for a, b in pairs]):.2f}"
            ),
            f"earth mover's to the real one x 100, median, {said}": (
                f"{100 * np.median([measures.earth_movers(a, b) for a, b in pairs]):.2f}"
            ),
            f"1-NNA, {said}": f"{100 * found['1-nna']:.1f} %",
            f"coverage, {said}": f"{100 * found['coverage']:.1f} %",
            f"MMD x 1000, {said}": f"{1000 * found['mmd']:.2f}",
        }
    return result


def _counted(trial: Trial) -> Mapping[str, str]:
    """Legs, handles and proportions where the prompt states them."""
    count = min(40, trial.samples or 40)
    colours = sorted(PALETTE)

    def right(prompts: list[str], check: Callable[[Artifact, int], bool], name: str) -> str:
        made = trial.draw(prompts, [SEED + i for i in range(len(prompts))])
        trial.report(f"counted: {name}")
        hits = [check(one, index) for index, one in enumerate(made)]
        return str(Share(sum(hits), len(hits)))

    pairs = [
        (colours[i % 12], ("table", "stool")[i % 2], ("three", "four")[i // 2 % 2]) for i in range(count)
    ]
    mugs = [(colours[i % 12], ("no handle", "two handles", "a big handle")[i % 3]) for i in range(count)]
    things = ("mug", "bottle", "lamp", "hat", "candle")
    holes = {"no handle": 0, "two handles": 2, "a big handle": 1}

    def has_legs(one: Artifact, index: int) -> bool:
        return measures.legs(_grid(one)[0] < 0) == {"three": 3, "four": 4}[pairs[index][2]]

    def has_handles(one: Artifact, index: int) -> bool:
        faces = one.arrays["faces"]
        return measures.handles(faces, len(one.arrays["vertices"])) == holes[mugs[index][1]]

    plain = [
        measures.aspect(one.arrays["vertices"])
        for one in trial.draw([f"a {things[i % 5]}" for i in range(count)], [SEED + i for i in range(count)])
    ]

    def is_taller(one: Artifact, index: int) -> bool:
        return measures.aspect(one.arrays["vertices"]) > plain[index]

    return {
        "legs of tables and stools": right(
            [f"a {c} {t} with {n} legs" for c, t, n in pairs], has_legs, "legs"
        ),
        "handles of mugs": right([f"a {c} mug with {h}" for c, h in mugs], has_handles, "handles"),
        "tall is taller than without a word": right(
            [f"a tall {things[i % 5]}" for i in range(count)], is_taller, "proportions"
        ),
    }
