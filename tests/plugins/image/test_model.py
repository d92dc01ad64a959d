"""The image model's file, encoder and codec, with a tiny network that was never trained."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gen.artifact import Artifact
from gen.diffusion import Condition
from gen.errors import ModelError, UsageError
from gen.model import CompositingCodec, CroppingCodec, Model, ModelFile, Task, save_model
from gen.nn import Subwords, text_conditions
from gen.plan import Request, resolve
from gen.plugin.host import Host
from gen_image.autoencoder import Autoencoder
from gen_image.denoiser import SceneTransformer, Shape
from gen_image.model import SUBWORDS_ARCHITECTURE, load

WORDS = ["a", "red", "apple", "dog"]


def write(path: Path, **changes: object) -> Path:
    torch.manual_seed(0)
    subwords = Subwords.train(WORDS, ["a red apple", "a dog"], 40)
    shape = Shape(vocabulary=len(subwords), width=32, depth=2, heads=2, hidden=64)
    network = SceneTransformer(shape)
    for layer in (network.patches_out, network.modulation.project):  # both start at zero
        torch.nn.init.normal_(layer.weight, std=0.1)
    tensors = {f"codec.{k}": v.half() for k, v in Autoencoder(shape.channels).state_dict().items()}
    tensors |= {f"denoiser.{k}": v.half() for k, v in network.state_dict().items()}
    tensors |= {"latents.mean": torch.zeros(32), "latents.std": torch.ones(32)}
    config = {
        "modality": "image",
        "architecture": SUBWORDS_ARCHITECTURE,
        "defaults": {"solver": "dpmpp_2m", "grid": "uniform", "steps": 3, "guidance": 2.0},
        "shape": vars(shape),
        "subwords": subwords.to_json(),
        "names": "red apple|dog",
        "words": "a apple dog red",
        **changes,
    }
    save_model(path, tensors, config, {"licence": "Apache-2.0"})
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load(ModelFile(write(tmp_path_factory.mktemp("model") / "tiny.safetensors")), "cpu", "float32")


def test_another_architecture_or_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has the architecture 'other/9'"):
        load(ModelFile(write(tmp_path / "other.safetensors", architecture="other/9")), "cpu", "float32")
    wrong = {"vocabulary": 9, "width": 32, "depth": 2, "heads": 2, "hidden": 64}
    with pytest.raises(ModelError, match="does not fit its architecture"):
        load(ModelFile(write(tmp_path / "wrong.safetensors", shape=wrong)), "cpu", "float32")


def test_unknown_words_and_what_is_like_them(model: Model) -> None:
    assert model.encoder.unknown_words("A red aple, a DOG and a zeppelin") == ("aple", "and", "zeppelin")
    assert model.encoder.unknown_words("a red apple") == ()
    assert "red apple" in model.encoder.suggestions("an aple", 2)


def test_padding_does_not_change_an_item(model: Model) -> None:
    x, noise = torch.randn(1, 32, 8, 8), torch.full((1,), 0.7)
    alone = model.network(x, noise, model.encoder(["a dog"], {}))
    padded = model.encoder(["a dog", "a red apple a red apple"], {}).select([0])
    assert padded["text"].value.shape[1] > 2
    torch.testing.assert_close(model.network(x, noise, padded), alone, atol=1e-5, rtol=1e-4)


def test_text_and_known_regions_reach_the_network(model: Model) -> None:
    x, noise = torch.randn(1, 32, 8, 8), torch.full((1,), 0.7)
    dog = model.network(x, noise, model.encoder(["a dog"], {}))
    apple = model.network(x, noise, model.encoder(["a red apple"], {}))
    assert (dog - apple).abs().max() > 1e-4
    known = text_conditions(model.encoder(["a dog"], {})["text"].value, torch.ones(1, 33, 8, 8))
    assert isinstance(known["known"], Condition)
    assert (model.network(x, noise, known) - dog).abs().max() > 1e-4


def test_the_codec_gives_pictures_of_the_size_asked_for(model: Model) -> None:
    latents = torch.randn(2, *model.codec.shape(Task()))
    for params, size in (({}, 128), ({"width": 200, "height": 200}, 200)):
        pictures = model.codec.decode(latents, Task(params=params))
        assert [p.arrays["pixels"].shape for p in pictures] == [(size, size, 3)] * 2
        assert all(0 <= p.arrays["pixels"].min() <= p.arrays["pixels"].max() <= 1 for p in pictures)
    with pytest.raises(UsageError, match="one value, not 64 and 128"):
        model.codec.shape(Task(params={"width": 64, "height": 128}))


def test_decoding_does_not_depend_on_the_batch(model: Model) -> None:
    latents = torch.randn(3, 32, 8, 8)
    together = model.codec.decode(latents, Task())
    for index in range(3):
        alone = model.codec.decode(latents[index : index + 1], Task())[0]
        assert np.array_equal(alone.arrays["pixels"], together[index].arrays["pixels"])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_picture_can_be_encoded(model: Model, channels: int) -> None:
    picture = Artifact(
        "image", {"pixels": np.random.default_rng(0).random((90, 150, channels), dtype=np.float32)}
    )
    state = model.codec.encode([picture], Task())
    assert state.shape == (1, 32, 8, 8)
    # Latents are scaled to unit mean square at every place.
    torch.testing.assert_close(state.square().mean(1), torch.ones(1, 8, 8), atol=1e-3, rtol=1e-3)


def test_a_mask_keeps_what_is_dark(model: Model) -> None:
    pixels = np.zeros((128, 128, 1), np.float32)
    pixels[:, 64:] = 1
    keep = model.codec.mask(Artifact("image", {"pixels": pixels}), Task())
    assert keep.shape == (1, 1, 8, 8)
    assert (keep[..., :4] == 1).all()
    assert (keep[..., 4:] == 0).all()


@pytest.mark.parametrize(("shape", "width"), [((128, 128, 3), None), ((90, 70, 4), 96), ((40, 64, 1), 200)])
def test_pixels_outside_a_mask_are_the_inputs_own(
    model: Model, shape: tuple[int, int, int], width: int | None
) -> None:
    codec = model.codec
    assert isinstance(codec, CompositingCodec)
    params = {"width": width, "height": width}
    bits = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    init, marks = Artifact("image", {"pixels": bits / 255}), np.zeros((*shape[:2], 3), np.float32)
    marks[shape[0] // 4 : shape[0] // 2, shape[1] // 4 : shape[1] // 2] = 1
    mask = Artifact("image", {"pixels": marks})
    (made,) = codec.decode(torch.randn(1, *codec.shape(Task(params=params))), Task(params=params))
    found = codec.composite(made, Task(params=params, init=init, mask=mask)).arrays["pixels"]
    assert found.shape == made.arrays["pixels"].shape
    changed = (found != made.arrays["pixels"]).any(-1)
    # What stays is most of the picture, and equals an edit with another state bit for bit.
    assert changed.mean() > 0.8
    (other,) = codec.decode(torch.randn(1, *codec.shape(Task(params=params))), Task(params=params))
    again = codec.composite(other, Task(params=params, init=init, mask=mask)).arrays["pixels"]
    same = (found == again).all(-1)
    assert same.mean() > 0.8
    if width is None:
        black = marks[..., 0] == 0
        assert np.array_equal(np.rint(found[black] * 255), bits[black])
    assert codec.composite(made, Task(params=params)) is made


def test_what_was_painted_on_a_transparent_layer_is_made_anew(model: Model) -> None:
    layer = np.zeros((128, 128, 4), np.float32)
    layer[32:64, 64:96, 3] = 1
    keep = model.codec.mask(Artifact("image", {"pixels": layer}), Task())[0, 0]
    assert (1 - keep).nonzero().tolist() == [[2, 4], [2, 5], [3, 4], [3, 5]]


def test_a_picture_that_is_cropped_is_reported(model: Model) -> None:
    assert isinstance(model.codec, CroppingCodec)
    wide, square = (Artifact("image", {"pixels": np.zeros((48, width, 3), np.float32)}) for width in (64, 48))
    assert model.codec.cropped(wide, {}) == "of 64 × 48 pixels, only the 48 × 48 in the middle are used"
    with pytest.raises(UsageError, match="draws squares"):
        model.codec.cropped(wide, {"width": 96, "height": 48})
    assert model.codec.cropped(square, {}) == ""


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"width": 256}, (256, 256)),
        ({"height": 256}, (256, 256)),
        ({"width": 256, "height": 64}, (256, 64)),
        ({}, (128, 128)),
    ],
)
def test_one_side_follows_the_other(
    given: dict[str, int], found: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GEN_CONFIG", str(tmp_path / "none.toml"))
    host = Host.discover()

    def sides(params: dict[str, int]) -> tuple[object, object]:
        plan = resolve(Request(modality="image", prompts=("a fox",), params=params), host)
        return plan.params["width"], plan.params["height"]

    assert sides(given) == found
    (tmp_path / "gen.toml").write_text("[image]\n" + "".join(f"{side} = {n}\n" for side, n in given.items()))
    assert sides({}) == found
