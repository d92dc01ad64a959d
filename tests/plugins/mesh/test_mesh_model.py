"""The mesh model's file, encoder and codec, with a tiny network that was never trained."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from gen.artifact import Artifact
from gen.errors import GenError, ModelError, UsageError
from gen.model import Model, ModelFile, RemarkingEncoder, Task, save_model
from gen.nn import PromptEncoder, Subwords, text_conditions
from gen.words import read
from gen_mesh import surface
from gen_mesh.autoencoder import Autoencoder, shuffle, unshuffle
from gen_mesh.denoiser import Shape, ShapeTransformer, WordShapeTransformer
from gen_mesh.model import SUBWORDS_ARCHITECTURE, WORDS_ARCHITECTURE, GridCodec, load
from gen_mesh.plugin import POINTS
from gen_mesh.training.codec import reconstruction_loss
from gen_mesh.training.data import shapes

WORDS = ["a", "red", "mug", "dog"]


def write(path: Path, **changes: object) -> Path:
    torch.manual_seed(0)
    subwords = Subwords.train(WORDS, ["a red mug", "a dog"], 40)
    shape = Shape(vocabulary=len(subwords), width=32, depth=2, heads=2, hidden=64)
    network = ShapeTransformer(shape)
    for layer in (network.patches_out, network.modulation.project):  # both start at zero
        torch.nn.init.normal_(layer.weight, std=0.1)
    tensors = {f"codec.{k}": v.half() for k, v in Autoencoder(shape.channels).state_dict().items()}
    tensors |= {f"denoiser.{k}": v.half() for k, v in network.state_dict().items()}
    tensors |= {"latents.mean": torch.zeros(16), "latents.std": torch.ones(16)}
    config = {
        "modality": "mesh",
        "architecture": SUBWORDS_ARCHITECTURE,
        "defaults": {"solver": "dpmpp_2m", "grid": "uniform", "steps": 3, "guidance": 2.0},
        "shape": vars(shape),
        "subwords": subwords.to_json(),
        "names": "coffee mug|dog",
        "words": "a dog mug red",
        **changes,
    }
    save_model(path, tensors, config, {"licence": "Apache-2.0"})
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load(ModelFile(write(tmp_path_factory.mktemp("model") / "tiny.safetensors")), "cpu", "float32")


class Exact(torch.nn.Module):
    """A codec that loses nothing, for what stands around the trained one: cells become channels."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def encode(self, stacks: torch.Tensor) -> torch.Tensor:
        return unshuffle(stacks, 8)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return shuffle(latents, 8)


EXACT = GridCodec(Exact(), torch.zeros(2048, 1, 1, 1), torch.ones(2048, 1, 1, 1), 6)  # type: ignore[arg-type]


def chair() -> torch.Tensor:
    return shapes.stacked_grids([shapes.make("chair", "green", random.Random(0), {"size": ""})])


def test_another_architecture_or_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has the architecture 'other/9'"):
        load(ModelFile(write(tmp_path / "other.safetensors", architecture="other/9")), "cpu", "float32")
    wrong = {"vocabulary": 9, "width": 32, "depth": 2, "heads": 2, "hidden": 64}
    with pytest.raises(ModelError, match="does not fit its architecture"):
        load(ModelFile(write(tmp_path / "wrong.safetensors", shape=wrong)), "cpu", "float32")


def test_unknown_words_and_what_is_like_them(model: Model) -> None:
    assert model.encoder.unknown_words("qwxz vrblk") == ("qwxz", "vrblk")
    assert isinstance(model.encoder, RemarkingEncoder)
    assert model.encoder.remarks("A red DOG and a zeppelin", {}) == ("not read: zeppelin",)
    assert model.encoder.remarks("a mugg", {}) == ("'mugg' is read as 'coffee mug'",)


def test_text_known_regions_and_padding(model: Model) -> None:
    x, noise = torch.randn(1, 16, 6, 6, 6), torch.full((1,), 0.7)
    dog = model.network(x, noise, model.encoder(["a dog"], {}))
    assert (model.network(x, noise, model.encoder(["a red mug"], {})) - dog).abs().max() > 1e-4
    padded = model.encoder(["a dog", "a red mug a red mug"], {}).select([0])
    torch.testing.assert_close(model.network(x, noise, padded), dog, atol=1e-5, rtol=1e-4)
    known = text_conditions(model.encoder(["a dog"], {})["text"].value, torch.ones(1, 17, 6, 6, 6))
    assert (model.network(x, noise, known) - dog).abs().max() > 1e-4


def test_cells_go_into_channels_and_back() -> None:
    x = torch.randn(2, 3, 8, 8, 8)
    torch.testing.assert_close(shuffle(unshuffle(x, 2), 2), x)
    assert unshuffle(x, 2).shape == (2, 24, 4, 4, 4)
    block = unshuffle(x, 2)[0, :8, 1, 2, 3]
    torch.testing.assert_close(block, x[0, 0, 2:4, 4:6, 6:8].reshape(8))


def test_decoded_shapes_are_closed_coloured_and_follow_the_parameters() -> None:
    state = EXACT.network.encode(chair())
    (plain,) = EXACT.decode(state, Task())
    assert plain.kind == "mesh"
    assert plain.attributes == {"points": POINTS}
    assert surface.closed(plain.arrays["faces"])
    red, green, blue = np.median(plain.arrays["colours"], axis=0)
    assert green > 1.5 * max(red, blue)
    (few,) = EXACT.decode(state, Task(params={"faces": 400, "smoothing": 0.0, "points": 99}))
    assert len(few.arrays["faces"]) <= 400 < len(plain.arrays["faces"])
    assert surface.closed(few.arrays["faces"])
    assert few.attributes == {"points": 99}
    (points,) = EXACT.decode(state, Task(params={"points": 99, "representation": "points"}))
    assert points.kind == "points"
    assert {name: len(array) for name, array in points.arrays.items()} == {
        "points": 99,
        "normals": 99,
        "colours": 99,
    }
    with pytest.raises(GenError, match=r"the shape is empty \(use another seed"):
        EXACT.decode(EXACT.network.encode(torch.ones(1, 4, 48, 48, 48)), Task())


def test_thickening_moves_the_surface_outwards_by_cells() -> None:
    state = EXACT.network.encode(chair())
    heights = [
        np.ptp(
            EXACT.decode(state, Task(params={"smoothing": 0.0, "thickening": cells}))[0].arrays["vertices"][
                :, 1
            ]
        )
        for cells in (0.0, 0.5, 1.0)
    ]
    assert np.diff(heights) == pytest.approx(2 * 0.5 / 48, rel=0.2)


def test_batches_are_their_items(model: Model) -> None:
    states = torch.randn(2, 16, 6, 6, 6)
    both = [one.arrays["vertices"] for one in model.codec.decode(states, Task(prompts=("",) * 2))]
    for state, vertices in zip(states, both, strict=True):
        np.testing.assert_array_equal(model.codec.decode(state[None], Task())[0].arrays["vertices"], vertices)


def test_a_mesh_or_its_points_become_the_grid_they_were_made_of() -> None:
    stack = chair()
    (mesh,) = EXACT.decode(EXACT.network.encode(stack), Task(params={"smoothing": 0.0, "thickening": 0.0}))
    arrays = surface.points_on(*(mesh.arrays[n] for n in ("vertices", "faces", "colours")), 8000)
    points = Artifact("points", dict(zip(("points", "normals", "colours"), arrays, strict=True)))
    for artifact in (mesh, points):
        again = EXACT.network.decode(EXACT.encode([artifact], Task(params={"thickening": 0.0})))
        inside, before = again[0, 0] < 0, stack[0, 0] < 0
        assert (inside & before).sum() > 0.93 * (inside | before).sum()
    with pytest.raises(UsageError, match="no normals"):
        EXACT.encode([Artifact("points", {"points": points.arrays["points"]})], Task())


def test_what_is_kept_does_not_grow_when_it_is_edited() -> None:
    (mesh,) = EXACT.decode(EXACT.network.encode(chair()), Task())
    (again,) = EXACT.decode(EXACT.encode([mesh], Task()), Task())
    one, other = (trimesh.Trimesh(of.arrays["vertices"], of.arrays["faces"]) for of in (mesh, again))
    assert abs(other.volume - one.volume) / one.area < 0.2 / 48  # half a cell without taking it back
    stack = EXACT.network.decode(EXACT.encode([mesh], Task()))[0]
    assert (stack[1:, stack[0] == -1] == 0).all()  # colours are near the surface alone


def test_words_for_the_size_scale_what_is_made_and_nothing_that_is_given(tmp_path: Path) -> None:
    names = {"names": "mug|dog", "words": "a dog mug red"}
    model = load(ModelFile(write(tmp_path / "named.safetensors", **names)), "cpu", "float32")
    codec = GridCodec(EXACT.network, EXACT.mean, EXACT.std, EXACT.side, model.codec.factor)
    state = EXACT.network.encode(chair())
    prompts = ("a red mug", "a tiny red mug", "a huge red mug", "a mug with a big handle", "a big mug")
    made = [codec.decode(state, Task(prompts=(prompt,)))[0] for prompt in prompts]
    longest = [np.ptp(one.arrays["vertices"], axis=0).max() for one in made]
    np.testing.assert_allclose(longest / longest[0], [1, 29 / 42, 8 / 7, 1, 8 / 7], rtol=1e-5)
    (kept,) = codec.decode(state, Task(prompts=("a small mug",), init=made[0]))
    np.testing.assert_array_equal(kept.arrays["vertices"], made[0].arrays["vertices"])
    texts = [model.encoder(list(pair), {})["text"].value for pair in (prompts[:3], [prompts[0]] * 3)]
    assert torch.equal(*texts)


def test_what_grows_stays_in_the_unit_box() -> None:
    corners = np.array([[-0.5, 0, 0], [0.1, 0.3, 0], [0, 0, 0.2]], np.float32)
    whole = surface.Surface(corners, np.array([[0, 1, 2]]), corners)
    assert np.array_equal(surface.scaled(whole, 2.0).vertices, corners)
    assert np.abs(surface.scaled(whole, 0.5).vertices).max() == 0.25


def test_a_mask_frees_the_cells_that_it_touches() -> None:
    vertices = np.array([[0, 0, 0], [0.3, 0, 0], [0, 0.3, 0], [0, 0, 0.3]], np.float32) + 0.05
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
    kept = EXACT.mask(Artifact("mesh", {"vertices": vertices, "faces": faces}), Task())
    assert kept.shape == (1, 1, 6, 6, 6)
    assert (kept[0, 0, 3, 3, 3], kept[0, 0, 0, 0, 0]) == (0, 1)
    assert kept[0, 0, :3].all()


def test_the_loss_is_zero_only_for_the_target() -> None:
    target = chair()
    assert reconstruction_loss(target, target) == 0
    for channel in (0, 2):
        other = target.clone()
        other[:, channel] += 0.1
        assert reconstruction_loss(other, target) > 0.01


def test_a_model_of_words_reads_other_forms_alike(tmp_path: Path) -> None:
    torch.manual_seed(0)
    shape = Shape(vocabulary=0, width=32, depth=1, heads=2, hidden=32)
    tensors = {f"codec.{k}": v.half() for k, v in Autoencoder(shape.channels).state_dict().items()}
    tensors |= {f"denoiser.{k}": v.half() for k, v in WordShapeTransformer(shape).state_dict().items()}
    tensors |= {"latents.mean": torch.zeros(16), "latents.std": torch.ones(16)}
    config = {
        "modality": "mesh",
        "architecture": WORDS_ARCHITECTURE,
        "defaults": {"solver": "dpmpp_2m", "grid": "uniform", "steps": 3, "guidance": 2.0},
        "shape": vars(shape),
        **PromptEncoder(shape.length, ("coffee mug", "dog"), frozenset({"mug", "dog"})).entries,
    }
    save_model(tmp_path / "words.safetensors", tensors, config, {"licence": "Apache-2.0"})
    model = load(ModelFile(tmp_path / "words.safetensors"), "cpu", "float32")
    one, other = model.encoder(["a red mug", "RED MUGS!"], {})["text"].value
    assert torch.equal(one, other)
    assert isinstance(model.network, WordShapeTransformer)
    texts = ["a mug with no handle", "A mug with NO handle!", "a mug with a handle", "a mug with"]
    none, same, one, bare = model.encoder(texts, {})["text"].value
    assert torch.equal(none, same)
    assert not torch.equal(none, one)
    assert not torch.equal(none, bare)
    assert model.encoder.remarks("a mug with no handle", {}) == ()


def test_the_table_knows_every_word_of_a_caption() -> None:
    rng = random.Random(9)
    unknown = {word for _ in range(100) for word in read(shapes.caption(shapes.draw(rng), rng)).unknown}
    assert not unknown


def test_points_outside_a_mask_are_the_inputs_own() -> None:
    rng = np.random.default_rng(0)
    box = trimesh.creation.box((1.0, 0.5, 1.0))
    box.apply_translation((0, 0.25, 0))
    mask = Artifact("mesh", {"vertices": box.vertices.astype(np.float32), "faces": np.array(box.faces)})

    def points(seed: int, **more: np.ndarray) -> Artifact:
        sphere = trimesh.creation.icosphere(4, 0.3 + 0.05 * seed)
        arrays = {"points": sphere.vertices, "normals": sphere.vertex_normals}
        return Artifact("points", {**{k: np.array(v, np.float32) for k, v in arrays.items()}, **more})

    init = points(0)
    made = points(1, colours=rng.random((len(points(1).arrays["points"]), 3), np.float32))
    found = EXACT.composite(made, Task(init=init, mask=mask)).arrays
    low, high = (one.arrays["points"][:, 1] for one in (init, made))
    cell = 1 / EXACT.size
    for name in ("points", "normals"):
        kept = init.arrays[name][low < -cell]
        assert {tuple(row) for row in kept} <= {tuple(row) for row in found[name]}
        drawn = made.arrays[name][high > cell]
        assert {tuple(row) for row in drawn} <= {tuple(row) for row in found[name]}
    count = len(found["points"])
    assert (low < -cell).sum() + (high > cell).sum() <= count < len(low) + len(high)
    assert len(found["normals"]) == len(found["colours"]) == count
    assert EXACT.composite(mask, Task(init=mask, mask=mask)) is mask
    assert EXACT.composite(made, Task()) is made
