"""The video model's file, encoder and codec, with a tiny network that was never trained."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gen.artifact import Artifact
from gen.errors import ModelError, UsageError
from gen.model import CompletingCodec, Model, ModelFile, Task, save_model
from gen.nn import Matte, Subwords, text_conditions
from gen.plan import Item, Plan
from gen.plan.choices import core_choices
from gen.run import Progress, generate
from gen_video.autoencoder import Autoencoder, off_white, on_white
from gen_video.denoiser import ClipTransformer, Shape
from gen_video.files.sound import at_most_stereo
from gen_video.layers import POSE, unposed
from gen_video.model import SUBWORDS_ARCHITECTURE, ClipCodec, layers, load
from gen_video.plugin import gen_modality
from gen_video.state import HEAD, PER_PICTURE, unpack
from gen_video.training import known_cells

WORDS = ["a", "red", "ball", "bounces", "the", "camera", "pans", "left", "loop"]


def write(path: Path, **changes: object) -> Path:
    torch.manual_seed(0)
    subwords = Subwords.train(WORDS, ["a red ball bounces"], 40)
    shape = Shape(vocabulary=len(subwords), width=32, depth=2, heads=2, hidden=64)
    network = ClipTransformer(shape)
    for layer in (network.cells_out, network.modulation.project):  # both start at zero
        torch.nn.init.normal_(layer.weight, std=0.1)
    modules = {"codec": Autoencoder(), "matte": Matte(), "denoiser": network}
    tensors = {
        f"{name}.{key}": value.half()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    tensors |= {"latents.mean": torch.zeros(shape.channels), "latents.std": torch.ones(shape.channels)}
    config = {
        "modality": "video",
        "architecture": SUBWORDS_ARCHITECTURE,
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
def file(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    return ModelFile(write(tmp_path_factory.mktemp("model") / "tiny.safetensors"))


class OnWhite(Matte):
    """What is not white is a thing; what is black hides everything."""

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        return (1 - pictures.amin(1, keepdim=True)) / 2, torch.ones_like(pictures)


@pytest.fixture(scope="module")
def model(file: ModelFile) -> Model:
    found = load(file, "cpu", "float32")
    assert isinstance(found.codec, ClipCodec)
    assert isinstance(found.codec, CompletingCodec)
    return replace(found, codec=replace(found.codec, matte=OnWhite()))


@pytest.fixture(scope="module")
def codec(model: Model) -> ClipCodec:
    assert isinstance(model.codec, ClipCodec)
    return model.codec


def square(x: int, y: int = 0, side: int = 32, size: int = 128) -> np.ndarray:
    """A black square on white, (size, size, 3), its middle (x, y) from that of the picture."""
    pixels = np.ones((size, size, 3), np.float32)
    top, left = (size // 2 + at - side // 2 for at in (y, x))
    pixels[top : top + side, left : left + side] = 0
    return pixels


def video(frames: list[np.ndarray], fps: str = "8") -> Artifact:
    return Artifact("video", {"frames": np.stack(frames)}, {"fps": fps})


def across(state: Tensor) -> np.ndarray:
    """Where the first thing of a state (1, C, 48 + T) is, in pixels from the middle."""
    return unposed(unpack(state[0])[1][:POSE].double().numpy())[0]


def image(pixels: np.ndarray) -> Artifact:
    return Artifact("image", {"pixels": pixels})


def noise(codec: ClipCodec, params: Mapping[str, object], count: int = 1, seed: int = 0) -> Tensor:
    return torch.randn(
        count, *codec.shape(Task(params=params)), generator=torch.Generator().manual_seed(seed)
    )


def test_another_architecture_or_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has the architecture 'other/9'"):
        load(ModelFile(write(tmp_path / "other.safetensors", architecture="other/9")), "cpu", "float32")
    wrong = {"vocabulary": 9, "width": 32, "depth": 2, "heads": 2, "hidden": 64}
    with pytest.raises(ModelError, match="does not fit its architecture"):
        load(ModelFile(write(tmp_path / "wrong.safetensors", shape=wrong)), "cpu", "float32")
    with pytest.raises(ModelError, match="its states are 128 × 63, not 128 × 64"):
        load(ModelFile(write(tmp_path / "short.safetensors", shape={**wrong, "cells": 63})), "cpu", "float32")


def test_the_matte_is_the_files_own(file: ModelFile) -> None:
    found = load(file, "cpu", "float32").codec
    assert isinstance(found, ClipCodec)
    mine = found.matte.state_dict()
    assert all(
        torch.equal(mine[name], value) for name, value in file.tensors("cpu", torch.float32, "matte.").items()
    )


def test_unknown_words_and_what_is_like_them(model: Model) -> None:
    assert model.encoder.unknown_words("a red baloon bounces") == ("baloon",)
    assert model.encoder.suggestions("a red baloon", 1) == ("red balloon",)


def test_camera_and_loop_are_said_in_words(model: Model) -> None:
    ids = model.encoder(["a ball"], {"camera": "pan left", "loop": True})["text"].value
    assert torch.equal(ids, model.encoder(["a ball, the camera pans left, loop"], {})["text"].value)
    assert not torch.equal(ids, model.encoder(["a ball"], {"camera": "pan left"})["text"].value)
    # What stands for no prompt at all stays so.
    assert torch.equal(
        model.encoder([""], {"loop": True})["text"].value, model.encoder([""], {})["text"].value
    )


def test_no_known_cells_are_known_cells_that_are_empty(model: Model) -> None:
    x, level = torch.randn(2, 128, HEAD + 16), torch.tensor([0.3, 0.9])
    ids = torch.tensor([[2, 3, 0], [4, 0, 0]])
    empty = known_cells.condition(x, torch.zeros(2, HEAD + 16))
    assert torch.equal(
        model.network(x, level, text_conditions(ids)), model.network(x, level, text_conditions(ids, empty))
    )
    first = torch.zeros(2, HEAD + 16)
    first[:, HEAD] = 1
    conditioned = model.network(x, level, text_conditions(ids, known_cells.condition(x, first)))
    assert not torch.allclose(conditioned, model.network(x, level, text_conditions(ids)))


def test_every_cell_sees_every_other_and_knows_its_place(model: Model) -> None:
    x, level, ids = torch.randn(1, 128, HEAD + 16), torch.tensor([0.5]), torch.tensor([[2, 3]])
    made = model.network(x, level, text_conditions(ids))
    assert made.shape == x.shape
    other = x.clone()
    other[:, :, 0] += 1
    moved = (model.network(other, level, text_conditions(ids)) - made).abs().amax((0, 1))
    assert moved.min() > 0
    swapped = model.network(x.flip(2), level, text_conditions(ids)).flip(2)
    assert not torch.allclose(swapped, made, atol=1e-3)


def test_padding_of_the_text_changes_nothing(model: Model) -> None:
    x, level = torch.randn(1, 128, HEAD + 16), torch.tensor([0.5])
    short, long, other = torch.tensor([[2, 3]]), torch.tensor([[2, 3, 0, 0, 0]]), torch.tensor([[2, 4]])
    a, b, c = (model.network(x, level, text_conditions(ids)) for ids in (short, long, other))
    assert torch.allclose(a, b, atol=1e-5)
    assert not torch.allclose(a, c, atol=1e-3)


@pytest.mark.parametrize(
    ("params", "drawn"),
    [
        ({}, 16),
        ({"seconds": 4.0, "fps": "24"}, 32),
        ({"frames": 5}, 16),
        ({"seconds": 4.0, "loop": True}, 32),
    ],
)
def test_the_state_is_as_long_as_the_clip(codec: ClipCodec, params: dict[str, object], drawn: int) -> None:
    assert codec.shape(Task(params=params)) == (128, 48 + drawn)


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
    made = codec.decode(noise(codec, params), Task(params=params))[0]
    assert made.arrays["frames"].shape == (frames, size, size, 3)
    assert made.arrays["frames"].dtype == np.float32
    assert made.arrays["frames"].min() >= 0
    assert made.arrays["frames"].max() <= 1
    assert made.attributes == {"fps": fps}


def test_the_frames_that_were_drawn_are_delivered_as_they_are(codec: ClipCodec) -> None:
    x0 = codec.encode([video([square(x) for x in range(-32, 32, 4)])] * 2, Task())
    x0 = x0 + 0.01 * noise(codec, {}, 2)
    plain = codec.decode(x0, Task())
    finer = codec.decode(x0, Task(params={"frames": 31, "fps": "16"}))
    for a, b in zip(plain, finer, strict=True):
        assert np.abs(a.arrays["frames"] - b.arrays["frames"][::2]).max() < 1e-4
        assert np.abs(np.diff(a.arrays["frames"], axis=0)).max((1, 2, 3)).min() > 0.01
    # Each alone, bit for bit as in a batch.
    assert np.array_equal(codec.decode(x0[1:], Task())[0].arrays["frames"], plain[1].arrays["frames"])


def test_what_is_not_delivered_is_not_looked_at(codec: ClipCodec) -> None:
    x0 = noise(codec, {})
    other = x0.clone()
    other[:, :, HEAD + 5 :] = 9
    first, second = (codec.decode(x, Task(params={"frames": 9, "fps": "16"}))[0] for x in (x0, other))
    assert np.array_equal(first.arrays["frames"], second.arrays["frames"])
    looped = [
        codec.decode(x, Task(params={"frames": 16, "loop": True}))[0].arrays["frames"] for x in (x0, other)
    ]
    assert not np.array_equal(*looped)


@pytest.mark.parametrize("size", [128, 256])
def test_a_clip_becomes_what_is_seen_and_how_it_moves(codec: ClipCodec, size: int) -> None:
    unit = size // 128
    frames = [square(unit * x, unit * 10, unit * 32, size) for x in range(-32, 32, 4)]
    state = codec.encode([video(frames)], Task())
    assert state.shape == (1, 128, 64)
    latents, motion = unpack(state[0])
    x, y, angle, wide, high, opacity = unposed(motion[:POSE].double().numpy())
    assert np.abs(x - np.arange(-32, 32, 4)).max() < 0.1
    assert np.abs(y - 10).max() < 0.1
    # The picture of a thing reaches a little beyond it.
    assert np.abs(wide - 1.06 * 32).max() < 0.5
    assert np.array_equal(wide, high)
    assert not angle.any()
    assert np.allclose(opacity, 1)
    assert not motion[2 * POSE - 1].any()
    nothing = torch.cat([torch.ones(3, 128, 128), -torch.ones(1, 128, 128)])
    white = torch.ones(4, 128, 128)
    with torch.no_grad():
        seen = codec.network.encode(torch.stack([nothing, white]))
    assert torch.allclose(latents[1:], seen, atol=1e-4)
    assert not torch.allclose(latents[0], latents[1], atol=1e-2)


def test_a_clip_of_another_rate_and_length_is_fitted(codec: ClipCodec) -> None:
    # Every third of 24 frames, and then the last one on.
    state = codec.encode([video([square(x) for x in range(-24, 24, 2)], "24")], Task())
    x = across(state)
    assert np.abs(x - [-24, -18, -12, -6, 0, 6, 12, 18, *[22] * 8]).max() < 0.1


def test_what_is_transparent_is_white_and_grey_is_colour(codec: ClipCodec) -> None:
    opaque = square(8)
    clear = np.concatenate([np.zeros_like(opaque), 1 - opaque[..., :1]], -1)
    states = [codec.encode([video([pixels] * 2)], Task()) for pixels in (opaque, clear, opaque[..., :1])]
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[0], states[2])


def test_a_transparent_picture_says_itself_what_stands_out(codec: ClipCodec) -> None:
    # Half of it is as white as what is behind it, where no matte could see it.
    pixels = np.concatenate([square(8), np.zeros((128, 128, 1), np.float32)], -1)
    pixels[48:80, 56:88, 3] = 1
    pixels[48:80, 72:88, :3] = 1
    found = codec.given(Task(params={"first": image(pixels)}))
    assert found is not None
    x, y, _, wide, *_ = unposed(unpack(found[1][0])[1][:POSE, :1].double().numpy())
    assert (round(float(x[0])), round(float(y[0]))) == (8, 0)
    assert wide[0] == pytest.approx(1.06 * 32, abs=0.5)


def test_without_what_is_behind_a_clip_is_transparent(codec: ClipCodec) -> None:
    x0 = codec.encode([video([square(x) for x in range(-32, 32, 4)])], Task())
    [whole], [cut] = (codec.decode(x0, Task(params=params)) for params in ({}, {"transparent": True}))
    frames, opaque = cut.arrays["frames"], whole.arrays["frames"]
    assert frames.shape == (16, 128, 128, 4)
    assert frames.min() >= 0
    assert frames.max() <= 1
    # Laid over the background that was left out it is the same.
    alpha, behind = frames[..., 3:], layers(x0[0], codec.network).ground.permute(1, 2, 0).numpy()
    assert 0.02 < (alpha > 0.01).mean() < 0.5
    assert np.abs(frames[..., :3] * alpha + behind * (1 - alpha) - opaque).max() < 1e-3


def test_first_and_last_frames_are_given_where_they_will_be_seen(codec: ClipCodec) -> None:
    assert codec.given(Task()) is None
    first, last = square(-20), square(48, side=64, size=384)
    found = codec.given(Task(params={"first": image(first), "last": image(last), "frames": 10}))
    assert found is not None
    mask, state = found
    assert mask.shape == (1, 1, 64)
    assert state.shape == (1, 128, 64)
    given = [*range(HEAD), HEAD, HEAD + 9]
    assert mask[0, 0].nonzero().flatten().tolist() == given
    # As those of the clip of both.
    both = codec.encode([video([first, square(16, side=64 // 3)])], Task(params={"frames": 16}))
    assert torch.allclose(state[0][:, :HEAD], both[0][:, :HEAD], atol=0.05)
    x, _, _, wide, _, _ = unposed(unpack(state[0])[1][:POSE].double().numpy())
    assert np.abs(x[[0, 9]] - [-20, 16]).max() < 0.6
    assert np.abs(wide[9] / wide[0] - 2 / 3) < 0.05
    assert not state[0][:, [index for index in range(64) if index not in given]].any()


def test_where_nothing_is_seen_in_given_frames_the_thing_is_left_to_the_prompt(codec: ClipCodec) -> None:
    found = codec.given(Task(params={"first": image(np.ones((128, 128, 3), np.float32))}))
    assert found is not None
    assert found[0][0, 0].nonzero().flatten().tolist() == [*range(PER_PICTURE, HEAD), HEAD]


def test_what_given_frames_do_not_show_of_a_thing_is_left_to_the_prompt(codec: ClipCodec) -> None:
    empty = image(np.ones((128, 128, 3), np.float32))
    found = codec.given(Task(params={"first": image(square(0)), "last": empty}))
    assert found is not None
    assert found[0][0, 0].nonzero().flatten().tolist() == [*range(HEAD), HEAD]
    # Of what the left edge cuts off, the right half is known.
    half = square(0)[:, 64:]
    found = codec.given(Task(params={"first": image(np.concatenate([half, np.ones_like(half)], 1))}))
    assert found is not None
    side = int(PER_PICTURE**0.5)
    looks = found[0][0, 0, :PER_PICTURE].reshape(side, side)
    assert not looks[:, : side // 2].any()
    assert looks[:, side // 2 :].all()
    assert found[0][0, 0, PER_PICTURE:].nonzero().flatten().tolist() == [*range(HEAD + 1 - PER_PICTURE)]


@pytest.mark.parametrize(
    ("params", "cell"),
    [
        ({}, 15),
        ({"seconds": 3.0}, 23),
        ({"loop": True}, 15),
        ({"frames": 4}, 3),
        ({"loop": True, "fps": "4"}, 14),
    ],
)
def test_the_last_frame_alone_can_be_given(codec: ClipCodec, params: dict[str, object], cell: int) -> None:
    found = codec.given(Task(params={**params, "last": image(square(0))}))
    assert found is not None
    assert found[0][0, 0, HEAD:].nonzero().flatten().tolist() == [cell]


def test_what_cannot_be_given_is_refused(codec: ClipCodec) -> None:
    with pytest.raises(UsageError, match="has no last frame"):
        codec.given(Task(params={"last": image(square(0)), "frames": 1}))
    with pytest.raises(UsageError, match="leave `last=…` or `camera=…` out"):
        codec.given(Task(params={"last": image(square(0)), "camera": "pan left"}))
    with pytest.raises(UsageError, match="leave `loop=…` or `camera=…` out"):
        codec.shape(Task(params={"loop": True, "camera": "zoom in"}))
    with pytest.raises(UsageError, match="draws squares"):
        codec.shape(Task(params={"width": 128, "height": 64}))
    with pytest.raises(UsageError, match="too much at once: at most 128 frames of this size fit"):
        codec.shape(Task(params={"width": 1024, "frames": 400}))


def test_sound_is_as_long_as_the_clip(codec: ClipCodec) -> None:
    x0 = torch.zeros(1, 128, 64)
    for length in (100, 48_000, 200_000):
        samples = np.full((2, length), 0.5, np.float32)
        sound = Artifact("audio", {"samples": samples}, {"sample_rate": 48_000})
        made = codec.decode(x0, Task(params={"audio": sound}))[0]
        assert made.arrays["samples"].shape == (2, 96_000)
        assert made.attributes == {"fps": "8", "sample_rate": 48_000}
        assert made.arrays["samples"].sum() == pytest.approx(0.5 * 2 * min(length, 96_000))


def test_sound_of_many_channels_becomes_stereo(codec: ClipCodec) -> None:
    half = math.sqrt(0.5)
    # Each channel of 5.1 alone: left, right, centre, low frequencies, and both surrounds.
    for channel, sides in enumerate([(1, 0), (0, 1), (half, half), (0, 0), (half, 0), (0, half)]):
        samples = np.zeros((6, 16_000), np.float32)
        samples[channel] = 0.2
        sound = Artifact("audio", {"samples": samples}, {"sample_rate": 8000})
        made = codec.decode(torch.zeros(1, 128, 64), Task(params={"audio": sound}))[0].arrays["samples"]
        assert made.shape == (2, 16_000)
        np.testing.assert_allclose(made[:, 100], 0.2 * np.array(sides), atol=1e-4)
    for count in (3, 4, 5, 7, 8):
        # All at full scale are more than full scale, but nothing is cut off.
        loud = np.sin(np.arange(16_000, dtype=np.float32))[None].repeat(count, 0)
        mixed = at_most_stereo(loud, 8000)
        np.testing.assert_allclose(mixed, loud[:2], atol=1e-4)
    many = Artifact("audio", {"samples": np.zeros((9, 100), np.float32)}, {"sample_rate": 8000})
    with pytest.raises(UsageError, match="9 channels cannot go with a clip: give it at most 8"):
        codec.shape(Task(params={"audio": many}))


def test_a_clip_painted_on_a_transparent_layer_is_made_anew(codec: ClipCodec) -> None:
    layer = np.zeros((16, 64, 64, 4), np.float32)
    layer[4:, 16:32, 16:32, 3] = 1
    kept = codec.mask(Artifact("video", {"frames": layer}, {"fps": "8"}), Task())
    white = layer[..., 3:]
    same = codec.mask(Artifact("video", {"frames": white}, {"fps": "8"}), Task())
    assert torch.equal(kept, same)
    assert 0 < kept.sum() < kept.numel()


def test_what_is_cropped_is_told_of(codec: ClipCodec) -> None:
    clip = Artifact("video", {"frames": np.zeros((2, 48, 64, 3), np.float32)}, {"fps": "8"})
    assert codec.cropped(clip, {}) == "of 64 × 48 pixels, only the 48 × 48 in the middle are used"
    assert codec.cropped(image(np.zeros((64, 64, 3), np.float32)), {}) == ""
    sound = Artifact("audio", {"samples": np.zeros((1, 100), np.float32)}, {"sample_rate": 8000})
    assert codec.cropped(sound, {}) == ""


def test_masks_say_which_cells_are_kept(codec: ClipCodec) -> None:
    def kept(rows: slice, part: tuple[slice, slice]) -> tuple[Tensor, Tensor, Tensor]:
        white = np.zeros((16, 64, 64, 1), np.float32)
        white[rows, *part] = 1
        mask = codec.mask(Artifact("video", {"frames": white}, {"fps": "8"}), Task())
        assert mask.shape == (1, 1, 64)
        things, behind, moves = mask[0, 0].split((32, 16, 16))
        return things, behind.view(4, 4), moves

    everything, corner = slice(None), slice(0, 16)
    things, behind, moves = kept(slice(4, 16), (everything, everything))
    assert not things.any()
    assert not behind.any()
    assert moves.tolist() == [1] * 4 + [0] * 12
    things, behind, moves = kept(slice(4, 16), (corner, slice(16, 32)))
    # A sixteenth of the picture is too little for the things, and hides no movement.
    assert things.all()
    assert (1 - behind).nonzero().tolist() == [[0, 1]]
    assert moves.all()
    things, behind, moves = kept(slice(7, 8), (slice(0, 32), everything))
    assert not things.any()
    assert behind.sum(1).tolist() == [0, 0, 4, 4]
    things, behind, moves = kept(slice(0, 0), (everything, everything))
    assert things.all()
    assert behind.all()
    assert moves.all()


def test_pictures_lie_on_white_and_come_off_it() -> None:
    generator = torch.Generator().manual_seed(0)
    alpha = torch.rand(2, 1, 16, 16, generator=generator)
    things = torch.cat([torch.rand(2, 3, 16, 16, generator=generator) * alpha, alpha], 1)
    seen = on_white(things)
    assert torch.allclose(seen[:, :3], 2 * (things[:, :3] + 1 - alpha) - 1)
    assert torch.allclose(off_white(seen), things, atol=1e-6)
    # Whatever a network says, the colour is one that alpha allows.
    wild = off_white(3 * torch.randn(2, 4, 16, 16, generator=generator))
    assert wild.min() >= 0
    assert (wild[:, :3] <= wild[:, 3:]).all()
    assert wild.max() <= 1


def plan(file: ModelFile, prompt: str = "a ball bounces", **changes: object) -> Plan:
    settled = {
        "negative": "",
        "steps": 3,
        "guidance": 2.0,
        "choices": core_choices("dpmpp_2m", "uniform"),
        "params": {},
        **changes,
    }
    items = (Item(0, prompt, 7),)
    return Plan(
        spec=gen_modality(),
        own=gen_modality().params,
        loader=gen_modality().loader,
        plugin="",
        file=file,
        licence="",
        items=items,
        device="cpu",
        dtype="float32",
        **settled,
    )


def states(plan: Plan, model: Model) -> tuple[list[int], Tensor]:
    """Lengths of what went through the network, and the state that was decoded."""
    lengths: set[int] = set()
    made: list[Tensor] = []

    def network(x: Tensor, *inputs: object) -> Tensor:
        lengths.add(x.shape[2])
        return model.network(x, *inputs)

    class Watched(ClipCodec):
        def decode(self, state: Tensor, task: Task) -> list[Artifact]:
            made.append(state)
            return super().decode(state, task)

    [artifact] = generate(plan, replace(model, network=network, codec=Watched(**vars(model.codec))))
    assert np.isfinite(artifact.arrays["frames"]).all()
    return sorted(lengths), made[0]


def test_a_clip_is_made_and_its_seed_decides(file: ModelFile, model: Model) -> None:
    request = plan(file)
    [one], [again] = (list(generate(request, model)) for _ in range(2))
    assert one.arrays["frames"].shape == (16, 128, 128, 3)
    assert np.array_equal(one.arrays["frames"], again.arrays["frames"])
    [other] = generate(replace(request, items=(Item(0, "a ball bounces", 8),)), model)
    assert not np.array_equal(one.arrays["frames"], other.arrays["frames"])


def test_longer_clips_go_on_from_piece_to_piece(file: ModelFile, model: Model) -> None:
    parts: set[tuple[int, int]] = set()

    def note(progress: Progress) -> None:
        parts.add((progress.part, progress.parts))

    request = plan(file, params={"seconds": 4.0})
    [made] = generate(request, model, on_step=note)
    assert made.arrays["frames"].shape == (32, 128, 128, 3)
    assert sorted(parts) == [(0, 3), (1, 3), (2, 3)]
    lengths, state = states(request, model)
    assert lengths == [64]
    assert state.shape == (1, 128, 48 + 32)
    # What is seen, and the first 16 frames, are those of the clip that is no longer.
    assert torch.equal(state[:, :, :64], states(plan(file), model)[1])


def test_what_is_given_is_kept_in_clips_of_any_length(file: ModelFile, model: Model) -> None:
    given = {"first": image(square(-20)), "last": image(square(20))}
    for params in ({}, {"seconds": 3.0}, {"seconds": 3.0, "loop": True}):
        request = plan(file, params=params, artifacts=given)
        _, state = states(request, model)
        assert isinstance(model.codec, ClipCodec)
        found = model.codec.given(Task(params={**params, **given}))
        assert found is not None
        assert torch.allclose(torch.where(found[0] > 0, found[1] - state, 0.0), torch.zeros(()), atol=1e-5)
        x = across(state)
        assert np.abs(x[[0, -1]] - [-20, 20]).max() < 0.1


def test_what_is_kept_of_a_clip_stays(file: ModelFile, model: Model) -> None:
    start = video([square(x) for x in range(-32, 32, 4)])
    late = np.zeros((16, 128, 128, 1), np.float32)
    late[8:] = 1
    mask = Artifact("video", {"frames": late}, {"fps": "8"})
    _, state = states(plan(file, init=start, mask=mask, strength=1.0), model)
    x = across(state)
    assert np.abs(x[:8] - np.arange(-32, 0, 4)).max() < 0.1
    assert np.abs(x[8:] - np.arange(0, 32, 4)).max() > 1


def test_what_makes_no_sense_is_said_in_one_line(file: ModelFile, model: Model) -> None:
    with pytest.raises(
        UsageError, match=r"^this model draws squares: give width and height one value, not 64 and 128$"
    ):
        list(generate(plan(file, params={"width": 64, "height": 128}), model))


def test_what_is_given_of_a_clip_is_shown_as_it_is(codec: ClipCodec) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.float32) / 255
    params = {"first": image(picture), "last": image(picture[::-1].copy()), "frames": 4}
    (made,) = codec.decode(noise(codec, params), Task(params=params))
    frames = codec.composite(made, Task(params=params)).arrays["frames"]
    assert np.array_equal(frames[0], picture)
    assert np.array_equal(frames[-1], picture[::-1])
    assert np.array_equal(frames[1:-1], made.arrays["frames"][1:-1])
    # A clip of cut-out things has no place for a picture without transparency.
    clear = {**params, "transparent": True}
    (made,) = codec.decode(noise(codec, clear), Task(params=clear))
    assert np.array_equal(codec.composite(made, Task(params=clear)).arrays["frames"], made.arrays["frames"])
    seen = np.concatenate([picture, picture[..., :1]], -1)
    clear = {"first": image(seen), "frames": 4, "transparent": True}
    (made,) = codec.decode(noise(codec, clear), Task(params=clear))
    assert np.array_equal(codec.composite(made, Task(params=clear)).arrays["frames"][0], seen)


@pytest.mark.parametrize("fps", ["8", "4", "24"])
def test_frames_and_regions_outside_a_mask_are_the_inputs_own(codec: ClipCodec, fps: str) -> None:
    params = {"fps": fps, "frames": 8}
    frames = np.random.default_rng(0).integers(0, 256, (8, 128, 128, 3)).astype(np.float32) / 255
    marks = np.zeros((8, 128, 128, 3), np.float32)
    marks[5:, 30:90, 40:100] = 1
    (made,) = codec.decode(noise(codec, params), Task(params=params))
    found = codec.composite(
        made, Task(params=params, init=video(list(frames), fps), mask=video(list(marks), fps))
    )
    black = marks[..., 0] == 0
    assert np.array_equal(found.arrays["frames"][black], frames[black])
    assert np.array_equal(found.arrays["frames"][5:, 40:80, 50:90], made.arrays["frames"][5:, 40:80, 50:90])
    assert found.attributes == made.attributes
