"""Metrics of a text-to-mesh model, on prompts and seeds fixed beforehand."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

from gen.artifact import Artifact
from gen.evaluation import Share, Trial
from gen.train.natural_prompts import natural_prompts
from gen_mesh import cloud, grids, surface
from gen_mesh.grids import BAND, SIZE, Array
from gen_mesh.training import classifier as judges
from gen_mesh.training import measures
from gen_mesh.training.data import shapes
from gen_mesh.training.data.builder import FAMILIES, PALETTE
from gen_mesh.training.data.shapes import Shape

SEED = 20_260_000
GROUP, COUNTED = 200, 40
"""Prompts of a sort, and of each sort that counts."""
WALLED = ("bowl", "pan", "vase", "wine glass")
"""Families whose surface is a thin wall without a hole through it."""
CLOUD = 512
"""Points of a cloud that is compared."""
DATA = Path(__file__).parent / "data"
SPLITS = ("seen", "held-out colours", "held-out attributes")


@dataclass(frozen=True, eq=False)
class Sample:
    """What is compared: things of one split, in the same order throughout.

    Args:
        wanted: Shapes whose captions are the prompts.
        made: What the model made of them.
        real, again: The shapes as they are, and drawn once more with all that their captions say.
        others: Real shapes of the split that have nothing to do with the prompts.
    """

    wanted: Sequence[Shape]
    made: Sequence[Artifact]
    real: Sequence[Artifact]
    again: Sequence[Artifact]
    others: Sequence[Artifact]


def evaluate(trial: Trial) -> Mapping[str, object]:
    """Measure a model.

    Args:
        trial: The model. All prompts are the natural ones, those that the reading was mended by, ``GROUP`` of
            each split, and ``COUNTED`` of each sort that counts.

    Returns:
        Metric to its value as text, in groups.
    """
    judge = cache(lambda: judges.judge(trial.report))
    sample = cache(lambda split: _sample(trial, split))
    groups: dict[str, Callable[[], object]] = {
        "natural prompts": lambda: _natural(trial, judge(), "natural_prompts"),
        "development prompts": lambda: _natural(trial, judge(), "development_prompts"),
    }
    for split in SPLITS:
        groups |= {
            f"combinations, {split}": partial(lambda split: _recovered(judge(), sample(split)), split),
            f"surfaces, {split}": partial(lambda split: _surfaces(sample(split)), split),
            f"sets, {split}": partial(lambda split: _sets(sample(split)), split),
        }
    return trial.measure({**groups, "counted": lambda: _counted(trial)})


def _natural(trial: Trial, judge: judges.Classifier, name: str) -> Mapping[str, str]:
    """How often the classifier gives a made shape a family that is right for a prompt of a file of them."""
    answers = natural_prompts(DATA / f"{name}.txt")
    prompts = random.Random(SEED).sample(sorted(answers), len(answers))[: trial.samples]
    made = trial.draw(prompts, [SEED + i for i in range(len(prompts))])
    ranks = judges.ranked(judge, [_grid(one)[0] for one in made])
    right = []
    for prompt, rank in zip(prompts, ranks, strict=True):
        # Each letter is a class of its own.
        found = [FAMILIES[name if name in FAMILIES else "letter"].names for name in rank]
        right.append([any({*names}.intersection(answers[prompt]) for names in found[:n]) for n in (1, 5)])
    return {f"top {n}": str(Share(sum(row[at] for row in right), len(right))) for at, n in enumerate((1, 5))}


def _sample(trial: Trial, split: str) -> Sample:
    wanted, others = (_drawn(split, part)[: trial.samples] for part in ("prompts", "others"))
    rng = random.Random(f"{SEED} {split} again")
    again = [shapes.make(shape.family, shape.colour, rng, shape.facts) for shape in wanted]
    made = _made(trial, wanted, split)
    return Sample(wanted, made, *([_mesh(shape) for shape in part] for part in (wanted, again, others)))


def _drawn(split: str, part: str) -> list[Shape]:
    """Shapes of a split, in a fixed order.

    Training may see all of the first split, and never sees the family with the colour of those of the second
    or with one of the attributes of those of the third. The parts of a split are independent of each other.
    """
    rng = random.Random(f"{SEED} {split} {part}")
    found: list[Shape] = []
    while len(found) < GROUP:
        shape = shapes.make(rng.choice(sorted(FAMILIES)), rng.choice(sorted(PALETTE)), rng)
        hidden = shapes.held_out(shape.family, shape.colour), shapes.has_held_out(shape)
        if hidden == (split == "held-out colours", split == "held-out attributes"):
            found.append(shape)
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


def _cloud(artifact: Artifact, count: int, seed: int) -> tuple[Array, Array, Array]:
    vertices, faces, colours = (artifact.arrays[name] for name in ("vertices", "faces", "colours"))
    return surface.points_on(vertices, faces.astype(np.int64), colours, count, seed)


def _recovered(judge: judges.Classifier, sample: Sample) -> Mapping[str, str]:
    """Family by the classifier, colour by the share of the surface that has it; and both of real shapes."""
    wanted = sample.wanted
    ranks = judges.ranked(judge, [_grid(one)[0] for one in sample.made])
    floor = judges.ranked(judge, [shape.grid()[0] for shape in wanted])
    first = [rank[0] == judges.label(shape) for rank, shape in zip(ranks, wanted, strict=True)]
    five = [judges.label(shape) in rank[:5] for rank, shape in zip(ranks, wanted, strict=True)]
    real = [rank[0] == judges.label(shape) for rank, shape in zip(floor, wanted, strict=True)]
    pairs = list(zip(sample.made, sample.again, sample.real, wanted, strict=True))
    tints = [_has_colour(one, other, shape.colour) for one, _, other, shape in pairs]
    real_tints = [_has_colour(one, other, shape.colour) for _, one, other, shape in pairs]
    both = [a and b for a, b in zip(first, tints, strict=True)]
    sizes = [_longest(one) / _longest(real) for one, _, real, _ in pairs]
    parts = {
        f"family, top 1, {kind} held out": str(Share(sum(found), len(found)))
        for kind in ("size", "proportions")
        if (found := [a for a, shape in zip(first, wanted, strict=True) if _hidden(shape) == kind])
    }
    return {
        "family, top 1": str(Share(sum(first), len(first))),
        "family, top 5": str(Share(sum(five), len(five))),
        "family, top 1, of real shapes": str(Share(sum(real), len(real))),
        "colour": str(Share(sum(tints), len(tints))),
        "colour, of real shapes": str(Share(sum(real_tints), len(real_tints))),
        "family and colour": str(Share(sum(both), len(both))),
        "longest side within a tenth of a real shape's": str(
            Share(sum(0.9 < size < 1.1 for size in sizes), len(sizes))
        ),
        **parts,
    }


def _hidden(shape: Shape) -> str:
    """What training never sees of a shape with its family: proportions, its size alone, or nothing."""
    hidden = {
        "size" if name == "size" else "proportions"
        for name, value in shape.facts.items()
        if value and shapes.held_out(shape.family, f"{name}={value}")
    }
    return min(hidden, default="")


def _longest(artifact: Artifact) -> float:
    return float(np.ptp(artifact.arrays["vertices"], axis=0).max())


def _has_colour(artifact: Artifact, real: Artifact, colour: str) -> bool:
    """Whether a tenth of the surface has the colour, and half as much as of a real shape of the prompt."""
    return _coloured(artifact, colour) > max(0.1, _coloured(real, colour) / 2)


def _coloured(artifact: Artifact, colour: str) -> float:
    """Share of the surface that is nearest to the colour among those of the palette."""
    _, _, tints = _cloud(artifact, CLOUD, 0)
    distances = np.linalg.norm(tints[:, None] - np.array(list(PALETTE.values()))[None], axis=-1)
    return float((distances.argmin(1) == list(PALETTE).index(colour)).mean())


def _surfaces(sample: Sample) -> Mapping[str, str]:
    whole = [surface.closed(one.arrays["faces"]) for one in sample.made]
    agreement = []
    for one, real in zip(sample.made, sample.real, strict=True):
        points, normals, _ = _cloud(real, 2 * CLOUD, 0)
        agreement.append(measures.normal_consistency(one, points, normals))
    faces = [len(one.arrays["faces"]) for one in sample.made]
    return {
        "watertight and manifold": str(Share(sum(whole), len(whole))),
        "normal consistency with a real shape of the prompt": f"{np.mean(agreement):.3f}",
        "faces, median": f"{np.median(faces):.0f}",
    }


def _sets(sample: Sample) -> Mapping[str, str]:
    """Each made shape against the real one of its prompt, and all of them against other real ones.

    Beside them stand real shapes in place of the made ones: against the shape itself one of the same caption,
    against the others those of the prompts.
    """
    # Another seed for each, so that what is alike does not also have the same points.
    made, real, again, others = (
        [_cloud(one, CLOUD, GROUP * number + index)[0] for index, one in enumerate(part)]
        for number, part in enumerate((sample.made, sample.real, sample.again, sample.others))
    )
    among = measures.matrix(others, others)
    result: dict[str, str] = {"samples": str(len(made))}
    for said, paired, group in (("made", made, made), ("of real shapes", again, real)):
        pairs = list(zip(paired, real, strict=True))
        found = measures.set_measures(measures.matrix(group, group), measures.matrix(group, others), among)
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
    """Legs, handles and proportions where the prompt states them, and thin walls without a hole.

    All but proportions are also measured of real shapes.
    """
    count = min(COUNTED, trial.samples or COUNTED)
    seeds = [SEED + i for i in range(count)]
    result: dict[str, str] = {}

    def tell(name: str, right: Sequence[bool]) -> None:
        result[name] = str(Share(sum(right), len(right)))
        trial.report(f"counted: {name}")

    for name, families, attribute, counts, measure in (
        ("legs of tables and stools", ("table", "stool"), "legs", {"3": 3, "4": 4}, _legs),
        ("handles of mugs", ("mug",), "handle", {"none": 0, "two": 2, "big": 1}, _handles),
    ):
        wanted = stating(families, attribute, tuple(counts), count)
        right = [counts[shape.facts[attribute]] for shape in wanted]
        for said, drawn in (
            ("", trial.draw([shapes.canonical(shape) for shape in wanted], seeds)),
            (", of real shapes", map(_mesh, wanted)),
        ):
            tell(name + said, [measure(one) == number for one, number in zip(drawn, right, strict=True)])

    vessels = [
        _plain(WALLED[i % len(WALLED)], sorted(PALETTE)[i // len(WALLED) % len(PALETTE)])
        for i in range(count)
    ]
    for said, drawn in (
        ("", trial.draw([shapes.canonical(shape) for shape in vessels], seeds, thickening=0.0)),
        (", of real shapes", map(_mesh, vessels)),
    ):
        tell(f"walls whole without thickening{said}", [_handles(one) == 0 for one in drawn])

    things = [("mug", "bottle", "lamp", "hat", "candle")[i % 5] for i in range(count)]
    plain, tall = (
        [measures.aspect(one.arrays["vertices"]) for one in trial.draw([f"a {w}{t}" for t in things], seeds)]
        for w in ("", "tall ")
    )
    tell("tall is taller than without a word", [a > b for a, b in zip(tall, plain, strict=True)])
    return result


def stating(families: Sequence[str], attribute: str, values: Sequence[str], count: int) -> list[Shape]:
    """Shapes of which nothing is said but their colour and one attribute, that in turn has each value."""
    rng = random.Random(f"{SEED} {attribute}")
    found: list[Shape] = []
    while len(found) < count:
        number = len(found)
        value = values[number // len(families) % len(values)]
        family, colour = families[number % len(families)], sorted(PALETTE)[number % len(PALETTE)]
        shape = shapes.make(family, colour, rng, {attribute: value})
        if len(shape.adjectives) + len(shape.features) == 1:
            found.append(shape)
    return found


def _plain(family: str, colour: str) -> Shape:
    """A shape of which nothing is said but its colour."""
    rng = random.Random(f"{SEED} {family} {colour}")
    while True:
        shape = shapes.make(family, colour, rng)
        if not shape.adjectives and not shape.features:
            return shape


def _legs(artifact: Artifact) -> int:
    return measures.legs(_grid(artifact)[0] < 0)


def _handles(artifact: Artifact) -> int:
    return measures.handles(artifact.arrays["faces"])
