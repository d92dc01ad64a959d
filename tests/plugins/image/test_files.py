import io
import json
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, PngImagePlugin

from gen import formats
from gen.artifact import Artifact
from gen.errors import OutputError, UsageError
from gen.foreign_recipe import parse_a1111
from gen.formats import encode
from gen.recipe import MAX_BYTES, MAX_PROMPT, Input, ModelReference, Recipe
from gen_image import files
from gen_image.plugin import gen_formats

FORMATS = {spec.name: spec for spec in gen_formats()}
NAMES = tuple(FORMATS)
MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "webp": b"RIFF"}


def make_recipe(**changes):
    fields = {
        "modality": "image",
        "prompt": "a red apple, “crisp” 🍎\non a table",
        "negative": "blur",
        "seed": 2**63 - 1,
        "steps": 20,
        "guidance": 4.5,
        "solver": "dpmpp_2m",
        "grid": "karras",
        "model": ModelReference(name="emoji", sha256="0123456789abcdef" * 4, licence="OFL-1.1"),
        "params": {"width": 24, "height": 16},
        "versions": {"gen": "1.2.3"},
        "created": "2026-01-02T03:04:05Z",
    }
    return Recipe(**fields | changes)


def picture(channels=3, height=16, width=24, recipe=None, seed=0):
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, channels))
    return Artifact("image", {"pixels": (levels / 255).astype(np.float32)}, recipe=recipe)


def smooth(height=64, width=96):
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return Artifact(
        "image", {"pixels": np.stack([x / width, y / height, (x + y) / (width + height)], axis=-1)}
    )


def stored(image, name, **options):
    file = io.BytesIO()
    image.save(file, name, **options)
    file.seek(0)
    return file


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def entries(content):
    return files.read_metadata(io.BytesIO(content))


arrays = hnp.arrays(
    np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3, 4])), fill=st.nothing()
)


@settings(max_examples=40)
@given(arrays, st.sampled_from(["png", "webp"]))
def test_lossless_formats_bring_back_every_level(levels, name):
    pixels = (levels / 255).astype(np.float32)
    back = files.read(io.BytesIO(encode(Artifact("image", {"pixels": pixels}), FORMATS[name])))
    read = np.rint(back.arrays["pixels"] * 255).astype(np.uint8)
    if read.shape != levels.shape and levels.shape[2] == 4:
        # WebP drops an alpha channel that is opaque everywhere.
        assert (levels[..., 3] == 255).all()
        levels = levels[..., :3]
    assert np.array_equal(read, np.broadcast_to(levels, read.shape))


@pytest.mark.parametrize("name", ["png", "webp"])
def test_colours_under_full_transparency_stay(name):
    hidden = picture(4)
    hidden.arrays["pixels"][..., 3] = 0
    back = files.read(io.BytesIO(encode(hidden, FORMATS[name])))
    assert np.array_equal(back.arrays["pixels"], hidden.arrays["pixels"])


def test_jpeg_is_close():
    original = smooth()
    back = files.read(io.BytesIO(encode(original, FORMATS["jpeg"])))
    assert np.abs(back.arrays["pixels"] - original.arrays["pixels"]).mean() < 0.005


@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_are_of_the_format_and_always_the_same(name):
    artifact = picture(recipe=make_recipe())
    content = encode(artifact, FORMATS[name])
    assert content.startswith(MAGIC[name])
    assert content == encode(artifact, FORMATS[name])
    assert content != encode(picture(recipe=make_recipe(seed=1)), FORMATS[name])


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_is_inside(name):
    recipe = make_recipe(
        inputs=[Input(role="init", name="/home/anna/a.png", sha256="a" * 64)], parents=[make_recipe(seed=3)]
    )
    content = encode(picture(recipe=recipe), FORMATS[name])
    found = entries(content)
    assert Recipe.from_json(found["gen"]) == recipe
    foreign = parse_a1111(found["parameters"])
    assert (foreign.prompt, foreign.negative, foreign.seed) == (recipe.prompt, "blur", recipe.seed)
    assert found["Software"] == "gen 1.2.3"
    assert "digitalsourcetype/trainedAlgorithmicMedia" in found["xmp"]
    assert b"anna" not in content


@settings(max_examples=30)
@given(
    st.sampled_from(NAMES),
    st.text(st.characters(codec="utf-8"), max_size=50),
    st.text(st.characters(codec="utf-8"), max_size=50),
)
def test_any_prompt_survives_in_any_format(name, prompt, negative):
    recipe = make_recipe(prompt=prompt, negative=negative)
    found = entries(encode(picture(recipe=recipe), FORMATS[name]))
    assert Recipe.from_json(found["gen"]) == recipe
    assert parse_a1111(found["parameters"]).seed == recipe.seed


@pytest.mark.parametrize("name", NAMES)
def test_characters_that_xml_lacks_survive(name):
    recipe = make_recipe(
        prompt="".join(map(chr, (*range(32), 0x7F, 0x85, 0x2028, 0xFFFE, 0xFFFF, 0x10FFFF))) + "<&>]]>"
    )
    assert Recipe.from_json(entries(encode(picture(recipe=recipe), FORMATS[name]))["gen"]) == recipe


@pytest.mark.parametrize("name", NAMES)
def test_minimal_metadata_tells_neither_prompt_nor_seed(name):
    content = encode(picture(recipe=make_recipe()), FORMATS[name], "minimal")
    found = entries(content)
    assert found.keys() == {"Software", "xmp"}
    assert "digitalsourcetype/trainedAlgorithmicMedia" in found["xmp"]
    for secret in ("apple", str(2**63 - 1), "emoji"):
        assert secret.encode() not in content
        assert secret.encode("utf-16-be") not in content


@pytest.mark.parametrize("name", NAMES)
def test_no_metadata_is_none_at_all(name):
    content = encode(picture(recipe=make_recipe()), FORMATS[name], "none")
    assert content == encode(picture(), FORMATS[name])
    assert entries(content) == {}
    assert b"gen" not in content.lower()


@pytest.mark.parametrize("name", NAMES)
def test_pillow_finds_the_texts_where_other_programs_look(name):
    image = Image.open(io.BytesIO(encode(picture(recipe=make_recipe()), FORMATS[name])))
    if name == "png":
        assert json.loads(image.text["gen"])["seed"] == 2**63 - 1
        assert isinstance(image.text["gen"], PngImagePlugin.iTXt)
        assert "apple" in image.text["parameters"]
    else:
        comment = image.getexif().get_ifd(0x8769)[0x9286]
        assert comment.startswith(b"UNICODE\0")
        assert "apple" in comment[8:].decode("utf-16-be")
        assert image.getexif()[0x0131] == "gen 1.2.3"
    assert b"trainedAlgorithmicMedia" in image.info["xmp"]


def test_a_png_says_that_it_is_srgb():
    assert Image.open(io.BytesIO(encode(picture(), FORMATS["png"]))).info["srgb"] == 0


def test_jpeg_refuses_transparency_and_takes_opaque_alpha():
    with pytest.raises(UsageError, match="transparent"):
        encode(picture(4), FORMATS["jpeg"])
    opaque = picture(4)
    opaque.arrays["pixels"][..., 3] = 1
    assert files.read(io.BytesIO(encode(opaque, FORMATS["jpeg"]))).sizes["channels"] == 3


def test_a_recipe_too_long_for_jpeg_is_refused_with_a_way_out():
    recipe = make_recipe(prompt="苹果" * (MAX_PROMPT // 2))
    recipe = make_recipe(prompt=recipe.prompt, negative=recipe.prompt, parents=[recipe])
    artifact = picture(recipe=recipe)
    with pytest.raises(UsageError) as caught:
        encode(artifact, FORMATS["jpeg"])
    assert ".png" in caught.value.hint
    for name in ("png", "webp"):
        assert Recipe.from_json(entries(encode(artifact, FORMATS[name]))["gen"]) == recipe
    assert encode(artifact, FORMATS["jpeg"], "minimal")


@pytest.mark.parametrize(("name", "side"), [("jpeg", 65_536), ("webp", 16_384)])
def test_sides_that_a_format_cannot_hold(name, side):
    with pytest.raises(UsageError, match=str(side)):
        encode(Artifact("image", {"pixels": np.zeros((1, side, 1), np.float32)}), FORMATS[name])


def test_saving_through_the_artifact(tmp_path):
    artifact = picture(recipe=make_recipe())
    written = artifact.save(tmp_path / "a.webp")
    assert (written.format, written.media_type) == ("webp", "image/webp")
    back = formats.read(written.path, FORMATS.values())
    assert np.array_equal(back.to_pil(), artifact.to_pil())
    assert back.recipe == artifact.recipe
    with pytest.raises(OutputError, match="exists"):
        artifact.save(tmp_path / "a.webp")
    with pytest.raises(UsageError, match=r"\.png"):
        artifact.save(tmp_path / "a.pgn")
    artifact.save(tmp_path / "b", format="jpeg", metadata="none")
    assert (tmp_path / "b").read_bytes().startswith(MAGIC["jpeg"])


# Pictures of others


def converted(mode):
    rgba = picture(4).to_pil()
    return {
        "P": lambda: rgba.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE),
        "LA": lambda: rgba.convert("LA"),
        "PA": lambda: rgba.quantize(16),
    }.get(mode, lambda: rgba.convert("RGB").convert(mode))()


@pytest.mark.parametrize(
    ("mode", "name", "channels"),
    [
        ("1", "PNG", 1),
        ("L", "PNG", 1),
        ("LA", "PNG", 4),
        ("P", "PNG", 3),
        ("PA", "PNG", 4),
        ("RGB", "PNG", 3),
        ("CMYK", "JPEG", 3),
        ("L", "JPEG", 1),
    ],
)
def test_other_modes_are_converted(mode, name, channels):
    image = converted(mode)
    back = files.read(stored(image, name, quality=98))
    assert back.sizes == {"height": 16, "width": 24, "channels": channels}
    expected = np.asarray(image.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels]), dtype=np.float32) / 255
    assert np.abs(back.arrays["pixels"].squeeze() - expected).max() < (0.05 if name == "JPEG" else 1e-6)


def test_sixteen_bits_keep_their_precision():
    levels = np.arange(0, 65536, 997, dtype=np.uint16)[None]
    back = files.read(stored(Image.fromarray(levels), "PNG"))
    assert np.abs(back.arrays["pixels"][..., 0] - levels / 65535).max() < 1e-6


@pytest.mark.parametrize("name", ["JPEG", "WEBP", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_their_exif_says(name, orientation):
    corners = np.zeros((16, 32, 3), np.uint8)
    corners[:8, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    back = files.read(stored(Image.fromarray(corners), name, exif=exif, quality=95)).arrays["pixels"]
    turned = orientation >= 5
    assert back.shape[:2] == ((32, 16) if turned else (16, 32))
    bright = back[..., 0] > 0.5
    centre = np.argwhere(bright).mean(axis=0) / back.shape[:2]
    right, below = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}[
        orientation
    ]
    assert tuple(centre > 0.5) == (bool(below), bool(right))


@pytest.mark.parametrize("name", ["WEBP", "PNG"])
@pytest.mark.parametrize("apart", [{}, {"default_image": True}])
def test_the_first_of_several_frames_is_read(name, apart):
    first, second = (picture(seed=seed).to_pil() for seed in (1, 2))
    options = {"lossless": True} if name == "WEBP" else apart
    file = stored(first, name, save_all=True, append_images=[second], **options)
    assert np.array_equal(files.read(file).to_pil(), first)


PNG_TYPES = [(0, 1, depth) for depth in (1, 2, 4, 8, 16)] + [
    (colour, channels, depth) for colour, channels in ((2, 3), (4, 2), (6, 4)) for depth in (8, 16)
]


def filtered(rows, pixel):
    """Bytes of rows, each filtered by the next of the five filters."""
    out, above = b"", np.zeros(rows.shape[1], int)
    for index, row in enumerate(rows.astype(int)):
        left, corner = (np.concatenate([np.zeros(pixel, int), line[:-pixel]]) for line in (row, above))
        guess = left + above - corner
        distances = np.abs(np.stack([left, above, corner]) - guess)
        paeth = np.choose(distances.argmin(0), [left, above, corner])
        kind = (index + 4) % 5
        predicted = (0 * row, left, above, (left + above) // 2, paeth)[kind]
        out += bytes([kind]) + ((row - predicted) % 256).astype(np.uint8).tobytes()
        above = row
    return out


def scanlines(samples, depth):
    """PNG's rows of whole samples (H, W, C), filtered."""
    height, channels = len(samples), samples.shape[2]
    if depth < 8:
        bits = (samples[..., 0, None] >> np.arange(depth)[::-1]) & 1
        rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    else:
        rows = samples.astype(">u2" if depth == 16 else "u1").reshape(height, -1).view(np.uint8)
    return filtered(rows, max(1, channels * depth // 8))


def coded(samples, colour, depth, *chunks, interlaced=False):
    height, width, _ = samples.shape
    adam7 = ("0088", "4088", "0448", "2044", "0224", "1022", "0112")
    starts = [tuple(map(int, start)) for start in (adam7 if interlaced else ["0011"])]
    passes = [samples[y::dy, x::dx] for x, y, dx, dy in starts]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    data = zlib.compress(b"".join(scanlines(part, depth) for part in passes if part.size))
    parts = (chunk(b"IHDR", header), *chunks, chunk(b"IDAT", data), chunk(b"IEND", b""))
    return MAGIC["png"] + b"".join(parts)


@pytest.mark.parametrize(("colour", "channels", "depth"), PNG_TYPES)
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("height", "width"), [(11, 13), (1, 1), (3, 2)])
def test_every_depth_of_every_colour_type(colour, channels, depth, interlaced, height, width):
    samples = np.random.default_rng(0).integers(0, 2**depth, (height, width, channels))
    back = files.read(io.BytesIO(coded(samples, colour, depth, interlaced=interlaced))).arrays["pixels"]
    expected = samples / (2**depth - 1)
    if channels == 2:
        expected = expected[..., [0, 0, 0, 1]]
    assert back.shape == expected.shape
    assert np.abs(back - expected).max() < 1e-6


@pytest.mark.parametrize(("colour", "channels", "depth"), [row for row in PNG_TYPES if row[0] in (0, 2)])
def test_the_transparent_colour_of_every_depth(colour, channels, depth):
    samples = np.random.default_rng(1).integers(0, 2**depth, (9, 9, channels))
    samples[2, 3] = samples[5, 5]
    # In sixteen bits, what differs in the lower half only is another colour.
    samples[0, 0] = samples[5, 5] ^ 1
    key = samples[5, 5]
    clear = chunk(b"tRNS", b"".join(int(level).to_bytes(2) for level in key))
    back = files.read(io.BytesIO(coded(samples, colour, depth, clear))).arrays["pixels"]
    assert np.array_equal(back[..., 3] == 0, (samples == key).all(-1))
    assert np.array_equal(back[..., 3] == 1, (samples != key).any(-1))
    expected = np.broadcast_to(samples / (2**depth - 1), (9, 9, 3))
    assert np.abs(back[..., :3] - expected).max() < 1e-6


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_palettes_with_alpha(depth):
    levels = np.random.default_rng(2).integers(0, 2**depth, (6, 7, 1))
    colours = np.random.default_rng(3).integers(0, 256, (2**depth, 3))
    alphas = np.arange(2**depth) * 255 // (2**depth - 1)
    parts = (
        chunk(b"PLTE", colours.astype(np.uint8).tobytes()),
        chunk(b"tRNS", alphas.astype(np.uint8)[:-1].tobytes()),
    )
    back = files.read(io.BytesIO(coded(levels, 3, depth, *parts))).arrays["pixels"]
    expected = np.concatenate([colours, alphas[:, None]], 1)[levels[..., 0]] / 255
    assert np.abs(back - expected).max() < 1e-6


def test_a_deep_picture_is_turned_and_cut_short_ones_are_refused():
    samples = np.random.default_rng(4).integers(0, 65536, (4, 6, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    content = coded(samples, 2, 16, chunk(b"eXIf", exif.tobytes()[6:]))
    back = files.read(io.BytesIO(content)).arrays["pixels"]
    assert np.abs(back - np.rot90(samples / 65535, -1)).max() < 1e-6
    data = zlib.compress(scanlines(samples, 16)[:-1])
    short = content[: content.index(b"IDAT") - 4] + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    with pytest.raises(UsageError, match="it ends too early"):
        files.read(io.BytesIO(short))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("name", [b"tEXt", b"gAMA", b"eXIf", b"iTXt", b"teST"])
def test_a_wrong_checksum_of_what_is_not_needed_is_passed_over(depth, name):
    samples = np.full((2, 2, 3), 7)
    broken = bytearray(chunk(name, b"parameters\0cat\nSteps: 5, Seed: 6"))
    broken[-1] ^= 1
    sound = chunk(b"tEXt", b"Comment\0dog")
    content = io.BytesIO(coded(samples, 2, depth, bytes(broken), sound))
    assert np.abs(files.read(content).arrays["pixels"] - 7 / (2**depth - 1)).max() < 1e-6
    content.seek(0)
    assert files.read_metadata(content) == {"Comment": "dog"}


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("name", ["IHDR", "IDAT", "IEND"])
def test_a_wrong_checksum_of_what_is_needed_is_named(depth, name):
    content = bytearray(coded(np.full((2, 2, 3), 7), 2, depth))
    at = content.index(name.encode())
    content[at + 4 + int.from_bytes(content[at - 4 : at])] ^= 1
    for reader in (files.read, files.read_metadata):
        with pytest.raises(UsageError, match=f"the checksum of its {name} chunk is wrong"):
            reader(io.BytesIO(content))


# Damaged and hostile files


@pytest.mark.parametrize("name", NAMES)
def test_truncated_files_give_one_line(name):
    content = encode(picture(recipe=make_recipe()), FORMATS[name])
    for length in sorted({*range(0, 60, 3), *range(60, len(content) - 20, 97)}):
        with pytest.raises(UsageError) as caught:
            files.read(io.BytesIO(content[:length]))
        assert "\n" not in str(caught.value)
        if length >= 12:
            assert str(caught.value) in ("it ends too early", "it is damaged")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(NAMES), st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
def test_damaged_files_give_a_picture_or_one_line(name, position, damage):
    content = bytearray(encode(picture(recipe=make_recipe()), FORMATS[name]))
    position %= len(content)
    content[position : position + len(damage)] = damage
    for reader in (files.read, files.read_metadata):
        said = ""
        try:
            reader(io.BytesIO(content))
        except UsageError as error:
            said = str(error)
        assert "\n" not in said


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"GIF89a" + bytes(50), b"%PDF-1.7", MAGIC["png"], MAGIC["jpeg"], b"RIFF\0\0\0\0WEBP"],
)
def test_what_is_no_picture_is_named(content):
    for reader in (files.read, files.read_metadata):
        with pytest.raises(UsageError) as caught:
            reader(io.BytesIO(content))
        assert "\n" not in str(caught.value)


def png(width, height, *chunks):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * (1 + width) * min(height, 100)))
    return io.BytesIO(MAGIC["png"] + chunk(b"IHDR", header) + b"".join(chunks) + pixels + chunk(b"IEND", b""))


@pytest.mark.parametrize("side", [8193, 10_000, 20_000, 60_000])
def test_bombs_are_refused_before_they_are_decoded(side, monkeypatch):
    def decode(*_):
        raise AssertionError("it was decoded")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", decode)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for reader in (files.read, files.read_metadata):
            with pytest.raises(UsageError, match=r"^it has .* pixels"):
                reader(png(side, side))


def test_metadata_is_read_without_decoding(monkeypatch):
    contents = [encode(picture(recipe=make_recipe()), FORMATS[name]) for name in NAMES]

    def decode(*_):
        raise AssertionError("it was decoded")

    for plugin in (
        "PngImagePlugin.PngImageFile",
        "JpegImagePlugin.JpegImageFile",
        "WebPImagePlugin.WebPImageFile",
    ):
        monkeypatch.setattr(f"PIL.{plugin}.load", decode)
    for content in contents:
        assert "gen" in entries(content)


BOMB = zlib.compress(b"x" * (64 * MAX_BYTES))


@pytest.mark.parametrize(
    "hostile",
    [
        chunk(b"zTXt", b"gen\0\0" + BOMB),
        chunk(b"iTXt", b"gen\0\1\0\0\0" + BOMB),
        chunk(b"iTXt", b"gen\0\0\0\0\0" + b"x" * (MAX_BYTES + 1)),
        chunk(b"tEXt", b"parameters\0" + b"x" * (MAX_BYTES + 1)),
    ],
    ids=["zTXt", "iTXt compressed", "iTXt", "tEXt"],
)
def test_texts_that_are_too_long_are_refused(hostile):
    with pytest.raises(UsageError) as caught:
        files.read_metadata(png(4, 4, hostile))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_an_xmp_packet_with_entities_is_not_parsed():
    packet = (
        '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><x:xmpmeta xmlns:x="adobe:ns:meta/" '
        'xmlns:gen="urn:gen-toolkit:xmp:1/"><gen:recipe>&b;</gen:recipe></x:xmpmeta>'
    )
    assert "gen" not in files.read_metadata(stored(picture().to_pil(), "WEBP", xmp=packet.encode()))


def test_a_recipe_in_a_hostile_png_is_refused(tmp_path):
    table = make_recipe().to_dict()
    for wrong in (
        {"seed": "7"},
        {"solver": ["os:system"]},
        {"model": "x"},
        {"schema": 1},
        {"params": {"a": {}}},
    ):
        path = tmp_path / "a.png"
        text = json.dumps(table | wrong).encode()
        path.write_bytes(png(4, 4, chunk(b"iTXt", b"gen\0\0\0\0\0" + text)).getvalue())
        with pytest.raises(UsageError) as caught:
            formats.read_recipe(path, FORMATS.values())
        assert "\n" not in str(caught.value)
        assert formats.read(path, FORMATS.values()).recipe is None


# What other programs write


def test_texts_of_other_programs_are_found(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text(
        "prompt", json.dumps({"1": {"class_type": "KSampler", "inputs": {"seed": 5, "model": ["2", 0]}}})
    )
    picture().to_pil().save(tmp_path / "comfy.png", pnginfo=info)
    assert formats.inspect(tmp_path / "comfy.png", FORMATS.values())["foreign"]["seed"] == 5

    exif = Image.Exif()
    exif[0x0110] = "prompt:" + info.chunks[0][1].partition(b"\0")[2].decode()
    picture().to_pil().save(tmp_path / "comfy.webp", exif=exif)
    assert formats.inspect(tmp_path / "comfy.webp", FORMATS.values())["foreign"]["seed"] == 5

    info = PngImagePlugin.PngInfo()
    info.add_text("invokeai_metadata", json.dumps({"positive_prompt": "a fox", "seed": 6}))
    picture().to_pil().save(tmp_path / "invoke.png", pnginfo=info)
    assert formats.inspect(tmp_path / "invoke.png", FORMATS.values())["foreign"]["prompt"] == "a fox"


CODES = {
    "UTF-16 BE": (b"UNICODE\0", "utf-16-be"),
    "UTF-16 LE": (b"UNICODE\0", "utf-16-le"),
    "UTF-16 with a mark": (b"UNICODE\0", "utf-16"),
    "UTF-8 called Unicode": (b"UNICODE\0", "utf-8"),
    "JIS": (b"JIS\0\0\0\0\0", "iso2022_jp"),
    "undefined": (bytes(8), "utf-8"),
    "ASCII": (b"ASCII\0\0\0", "ascii"),
    "ASCII with a mark": (b"ASCII\0\0\0", "utf-8-sig"),
    "no name": (b"", "utf-8"),
}


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("name", ["jpeg", "webp", "png"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_user_comments_in_every_encoding(tmp_path, name, code, end):
    head, encoding = CODES[code]
    prompt = "a cat" if encoding == "ascii" else "猫一匹"
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = head + f"{prompt}{end}Steps: 5, Seed: 12".encode(encoding) + b"\0\0"
    path = tmp_path / f"a.{name}"
    picture().to_pil().save(path, exif=exif.tobytes())
    found = formats.inspect(path, FORMATS.values())["foreign"]
    assert (found["prompt"], found["seed"]) == (prompt, 12)


PARAMETERS = "ein Kätzchen\nSteps: 5, Seed: 12"


def behind_the_pixels(name, exif):
    """A picture whose EXIF comes after its pixels."""
    plain = bytearray(encode(picture(), FORMATS[name]))
    if name == "png":
        return plain[:-12] + chunk(b"eXIf", exif[6:]) + plain[-12:]
    if name == "jpeg":
        return plain[:-2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[-2:]
    plain += b"EXIF" + struct.pack("<I", len(exif)) + exif + b"\0" * (len(exif) % 2)
    plain[4:8] = struct.pack("<I", len(plain) - 8)
    return plain


@pytest.mark.parametrize("name", NAMES)
def test_exif_behind_the_pixels_is_heeded(name):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + PARAMETERS.encode("utf-16-be")
    content = behind_the_pixels(name, exif.tobytes())
    assert files.read_metadata(io.BytesIO(content))["parameters"] == PARAMETERS
    assert files.read(io.BytesIO(content)).sizes["height"] == 24


@pytest.mark.parametrize(
    "late",
    [
        chunk(b"tEXt", b"parameters\0" + PARAMETERS.encode("latin-1")),
        chunk(b"tEXt", b"parameters\0" + PARAMETERS.encode()),
        chunk(b"zTXt", b"parameters\0\0" + zlib.compress(PARAMETERS.encode("latin-1"))),
        chunk(b"iTXt", b"parameters\0\0\0de\0Parameter\0" + PARAMETERS.encode()),
        chunk(b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(PARAMETERS.encode("utf-8-sig"))),
    ],
    ids=["tEXt", "tEXt of UTF-8", "zTXt", "iTXt", "iTXt compressed"],
)
def test_texts_behind_the_pixels_are_found(late):
    content = coded(np.zeros((2, 2, 1), int), 0, 8)
    assert entries(content[:-12] + late + content[-12:]) == {"parameters": PARAMETERS}
    assert entries(content[:33] + late + content[33:]) == {"parameters": PARAMETERS}


def test_the_comment_of_a_jpeg_is_read(tmp_path):
    picture().to_pil().save(tmp_path / "a.jpg", comment=PARAMETERS.encode())
    found = formats.inspect(tmp_path / "a.jpg", FORMATS.values())["foreign"]
    assert (found["prompt"], found["seed"]) == ("ein Kätzchen", 12)


def test_profiles_in_the_form_of_imagemagick():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x0131] = "a program"
    body = exif.tobytes()
    text = f"\nexif\n{len(body):8}\n{body.hex()[:72]}\n{body.hex()[72:]}\n".encode()
    raw = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text))
    content = coded(np.zeros((2, 3, 1), int), 0, 8, raw)
    assert entries(content) == {"Software": "a program"}
    assert files.read(io.BytesIO(content)).sizes["height"] == 3


def test_many_texts_that_are_too_long_together_are_refused():
    bombs = [chunk(b"zTXt", b"%d\0\0" % n + zlib.compress(b"x" * MAX_BYTES)) for n in range(20)]
    with pytest.raises(UsageError, match="its text entries exceed"):
        entries(coded(np.zeros((2, 2, 1), int), 0, 8, *bombs))


def test_inspection(tmp_path):
    written = picture(recipe=make_recipe()).save(tmp_path / "a.png")
    found = formats.inspect(written.path, FORMATS.values())
    assert found["sizes"] == {"height": 16, "width": 24, "channels": 3}
    assert found["sha256"] == written.sha256
    assert found["media_type"] == "image/png"
    assert Recipe.from_dict(found["recipe"]) == make_recipe()
