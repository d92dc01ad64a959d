"""The video model's file, encoder, codec and in-betweens, with a tiny network that was never trained."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from gen.artifact import Artifact
from gen.diffusion import Condition
from gen.errors import ModelError
from gen.model import CompletingCodec, Model, ModelFile, save_model
from gen.nn import Subwords, text_conditions
from gen_video import known_frames
from gen_video.autoencoder import Autoencoder
from gen_video.denoiser import ClipTransformer, Shape
from gen_video.model import ARCHITECTURE, ClipCodec, load

WORDS = ["a", "red", "ball", "bounces", "the", "camera", "pans", "left", "loop"]


def write(path: Path, **changes: object) -> Path:
    torch.manual_seed(0)
    subwords = Subwords.train(WORDS, ["a red ball bounces"], 40)
    shape = Shape(vocabulary=len(subwords), width=32, depth=2, heads=2, hidden=64)
    network = ClipTransformer(shape)
    for layer in (network.patches_out, network.modulation.project):  # both start at zero
        torch.nn.init.normal_(layer.weight, std=0.1)
    tensors = {f"codec.{k}": v.half() for k, v in Autoencoder(shape.channels).state_dict().items()}
    tensors |= {f"denoiser.{k}": v.half() for k, v in network.state_dict().items()}
    tensors |= {"latents.mean": torch.zeros(shape.channels), "latents.std": torch.ones(shape.channels)}
    config = {
        "modality": "video",
        "architecture": ARCHITECTURE,
        "defaults": {"solver": "dpmpp_2m", "grid": "uniform", "steps": 3, "guidance": 2.0},
        "shape": vars(shape),
        "subwords": subwords.to_json(),
        "names": "ball|red balloon",
        "words": " ".join(WORDS),
        **changes,
    }
    save_model(path, tensors, config, {"licence": "Apache-2.0"})
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load(ModelFile(write(tmp_path_factory.mktemp("model") / "tiny.safetensors")), "cpu", "float32")


@pytest.fixture(scope="module")
def codec(model: Model) -> ClipCodec:
    assert isinstance(model.codec, ClipCodec)
    assert isinstance(model.codec, CompletingCodec)
    return model.codec


def picture(size: int = 96, seed: int = 0) -> Artifact:
    rng = np.random.default_rng(seed)
    return Artifact("image", {"pixels": rng.random((size, size, 3), np.float32)})


def test_another_architecture_or_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has the architecture 'other/9'"):
        load(ModelFile(write(tmp_path / "other.safetensors", architecture="other/9")), "cpu", "float32")
    wrong = {"vocabulary": 9, "width": 32, "depth": 2, "heads": 2, "hidden": 64}
    with pytest.raises(ModelError, match="does not fit its architecture"):
        load(ModelFile(write(tmp_path / "wrong.safetensors", shape=wrong)), "cpu", "float32")


def test_unknown_words_and_what_is_like_them(model: Model) -> None:
    assert model.encoder.unknown_words("a red bal bounces") == ("bal",)
    assert model.encoder.suggestions("a red bal", 1) == ("ball",)


def test_camera_and_loop_are_said_in_words(model: Model) -> None:
    ids = model.encoder(["a ball"], {"camera": "pan left", "loop": True})["text"].value
    assert torch.equal(ids, model.encoder(["a ball, the camera pans left, loop"], {})["text"].value)
    # What stands for no prompt at all stays so.
    assert torch.equal(
        model.encoder([""], {"loop": True})["text"].value, model.encoder([""], {})["text"].value
    )


def test_the_network_sees_every_latent_once(model: Model) -> None:
    network = model.network
    assert isinstance(network, ClipTransformer)
    x = torch.randn(2, 32, 16, 8, 8)
    assert torch.equal(network._unpatch(network._patches(x)), x)


def test_no_known_frames_are_known_frames_that_are_empty(model: Model) -> None:
    x, level = torch.randn(2, 32, 16, 8, 8), torch.tensor([0.3, 0.9])
    ids = torch.tensor([[2, 3, 0], [4, 0, 0]])
    empty = known_frames.condition(x, torch.zeros(2, 16))
    assert torch.equal(
        model.network(x, level, text_conditions(ids)), model.network(x, level, text_conditions(ids, empty))
    )
    first = torch.zeros(2, 16)
    first[:, 0] = 1
    told = model.network(x, level, text_conditions(ids, known_frames.condition(x, first)))
    assert not torch.allclose(told, model.network(x, level, text_conditions(ids)))


def test_padding_of_the_text_changes_nothing(model: Model) -> None:
    x, level = torch.randn(1, 32, 16, 8, 8), torch.tensor([0.5])
    short, long = torch.tensor([[2, 3]]), torch.tensor([[2, 3, 0, 0, 0]])
    a, b = (model.network(x, level, text_conditions(ids)) for ids in (short, long))
    assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(
    ("params", "drawn"),
    [
        ({}, 16),
        ({"seconds": 4.0, "fps": "24"}, 33),
        ({"frames": 5}, 16),
        ({"seconds": 4.0, "loop": True}, 32),
    ],
)
def test_the_state_is_as_long_as_the_clip(codec: ClipCodec, params: dict[str, object], drawn: int) -> None:
    assert codec.shape(params) == (32, drawn, 8, 8)


@pytest.mark.parametrize(
    ("params", "frames", "size", "fps"),
    [
        ({}, 16, 128, "8"),
        ({"frames": 3, "width": 64}, 3, 64, "8"),
        ({"seconds": 1.0, "fps": "29.97", "height": 200}, 30, 200, "2997/100"),
        ({"frames": 1}, 1, 128, "8"),
        ({"seconds": 2.0, "loop": True, "fps": "12"}, 24, 128, "12"),
    ],
)
def test_clips_have_the_size_and_rate_asked_for(
    codec: ClipCodec, params: dict[str, object], frames: int, size: int, fps: str
) -> None:
    x0 = torch.randn(1, *codec.shape(params), generator=torch.Generator().manual_seed(1))
    made = codec.decode(x0, params)[0]
    assert made.arrays["frames"].shape == (frames, size, size, 3)
    assert made.attributes == {"fps": fps}


def test_the_frames_that_were_drawn_are_delivered_as_they_are(codec: ClipCodec) -> None:
    x0 = torch.randn(2, 32, 16, 8, 8, generator=torch.Generator().manual_seed(2))
    plain = codec.decode(x0, {})
    finer = codec.decode(x0, {"frames": 31, "fps": "16"})
    for a, b in zip(plain, finer, strict=True):
        assert np.array_equal(a.arrays["frames"], b.arrays["frames"][::2])
    # Each alone, bit for bit as in a batch.
    assert np.array_equal(codec.decode(x0[1:], {})[0].arrays["frames"], plain[1].arrays["frames"])


@pytest.mark.parametrize("count", [2, 5, 8, 9, 16, 23])
@pytest.mark.parametrize("loop", [False, True])
def test_doubling_keeps_what_there_is(codec: ClipCodec, count: int, loop: bool) -> None:
    latents = torch.randn(32, count, 8, 8, generator=torch.Generator().manual_seed(count))
    doubled = codec.between.double(latents, loop=loop)
    assert doubled.shape[1] == (2 * count if loop else 2 * count - 1)
    assert torch.equal(doubled[:, ::2], latents)
    assert torch.isfinite(doubled).all()


def test_a_frame_between_depends_on_its_neighbours_alone(codec: ClipCodec) -> None:
    latents = torch.randn(32, 15, 8, 8, generator=torch.Generator().manual_seed(3))
    whole = codec.between.double(latents, loop=False)
    # The second window begins with frame 7.
    assert torch.equal(codec.between.double(latents[:, 7:], loop=False), whole[:, 14:])


def test_positions_are_rounded_to_the_finest_rate(codec: ClipCodec) -> None:
    latents = torch.randn(32, 4, 8, 8, generator=torch.Generator().manual_seed(4))
    at = codec.between.at(latents, [Fraction(0), Fraction(1, 3), Fraction(3)], loop=False)
    assert torch.equal(at[:, 0], latents[:, 0])
    assert torch.equal(at[:, 2], latents[:, 3])
    assert torch.equal(codec.between.at(latents, [Fraction(1), Fraction(2)], loop=False), latents[:, 1:3])
    # Just before the end of a loop, the nearest frame is the first.
    assert torch.equal(
        codec.between.at(latents, [Fraction(4) - Fraction(1, 100)], loop=True)[:, 0], latents[:, 0]
    )


def test_first_and_last_frames_are_given_where_they_will_be_seen(codec: ClipCodec) -> None:
    assert codec.given({}) is None
    first, last = picture(96, 1), picture(300, 2)
    params = {"first": first, "last": last, "frames": 10}
    found = codec.given(params)
    assert found is not None
    mask, state = found
    assert mask.shape == (1, 1, 16, 8, 8)
    assert [row for row in range(16) if mask[0, 0, row].any()] == [0, 9]
    # What is delivered first and last is what the given pictures look like to the model.
    made = codec.decode(state, params)[0].arrays["frames"]
    for index, one in ((0, first), (9, last)):
        alone = codec.encode([Artifact("video", {"frames": one.arrays["pixels"][None]}, {"fps": "8"})], {})
        seen = codec.decode(alone, {"frames": 1})[0].arrays["frames"][0]
        assert np.allclose(made[index], seen, atol=1e-5)


def test_what_cannot_be_given_is_refused(codec: ClipCodec) -> None:
    with pytest.raises(ValueError, match="has no last frame"):
        codec.given({"last": picture(), "frames": 1})
    with pytest.raises(ValueError, match="draws squares"):
        codec.shape({"width": 128, "height": 64})
    with pytest.raises(ValueError, match="too much at once"):
        codec.shape({"width": 1024, "frames": 400})


def test_sound_is_as_long_as_the_clip(codec: ClipCodec) -> None:
    x0 = torch.zeros(1, 32, 16, 8, 8)
    for length in (100, 48_000, 200_000):
        samples = np.full((2, length), 0.5, np.float32)
        sound = Artifact("audio", {"samples": samples}, {"sample_rate": 48_000})
        made = codec.decode(x0, {"audio": sound})[0]
        assert made.arrays["samples"].shape == (2, 96_000)
        assert made.attributes["sample_rate"] == 48_000
        assert made.arrays["samples"].sum() == pytest.approx(0.5 * 2 * min(length, 96_000))


def test_masks_say_which_cells_are_kept(codec: ClipCodec) -> None:
    bright = np.zeros((16, 64, 64, 1), np.float32)
    bright[4:, :32, :32] = 1
    kept = codec.mask(Artifact("video", {"frames": bright}, {"fps": "8"}), {})
    assert kept.shape == (1, 1, 16, 8, 8)
    assert kept[0, 0, :4].all()
    assert not kept[0, 0, 4:, :4, :4].any()
    assert kept[0, 0, 4:, 4:].all()
    assert kept[0, 0, 4:, :, 4:].all()


def test_training_gives_frames_of_every_sort() -> None:
    masks, between = known_frames.draw(4000, 16, torch.Generator().manual_seed(0))
    rows = {tuple(row.tolist()) for row in masks[~between].int()}
    nothing, ends = (0,) * 16, (1,) + (0,) * 14 + (1,)
    assert {nothing, ends, (1,) + (0,) * 15, (0,) * 15 + (1,), (1,) * 4 + (0,) * 12} <= rows
    assert {tuple(row.tolist()) for row in masks[between].int()} == {(1, 0) * 8, (0, 1) * 8}
    assert (masks.sum(1) == 0).float().mean() == pytest.approx(1 - known_frames.SHARE, abs=0.03)


def test_the_condition_says_where_and_what() -> None:
    latents, mask = torch.randn(2, 32, 16, 8, 8), torch.zeros(2, 16)
    mask[0, 3] = 1
    known = Condition(known_frames.condition(latents, mask), "channels").value
    assert torch.equal(known[0, 1:, 3], latents[0, :, 3])
    assert torch.equal(known[0, 0], mask[0][:, None, None].expand(16, 8, 8))
    assert known[1].abs().sum() == 0
