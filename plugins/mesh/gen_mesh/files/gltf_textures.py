"""The base colour of a glTF 2.0 primitive at its vertices (section 3.9.2)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gen.errors import UsageError
from gen_mesh.files.colours import linear
from gen_mesh.files.gltf_numbers import Numbers, data_of

Doubles = NDArray[np.float64]
MAX_PIXELS = 1 << 26
_CLAMP, _MIRROR = 33071, 33648


def base_colour(document: dict[str, Any], numbers: Numbers, primitive: dict[str, Any]) -> Doubles | None:
    """Linear light (V, 3): colours of vertices, the factor of the material and texels, multiplied.

    A texture is taken at the vertices. Without a material and colours of vertices: None.

    Raises:
        UsageError: A picture that cannot be read.
    """
    attributes = primitive["attributes"]
    count = document["accessors"][attributes["POSITION"]]["count"]
    light, found = np.ones((count, 3)), False
    if "COLOR_0" in attributes:
        light, found = light * numbers.unit(attributes["COLOR_0"])[:, :3], True
    if "material" in primitive:
        material, found = document["materials"][primitive["material"]], True
        factor, texture = _base(material)
        light = light * np.array(factor[:3], np.float64)
        if texture is not None:
            texels = _texels(document, numbers, attributes, texture)
            light = light if texels is None else light * texels
    return light if found else None


def _base(material: dict[str, Any]) -> tuple[list[float], dict[str, Any] | None]:
    older = material.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness")
    if older is not None:
        return older.get("diffuseFactor", [1, 1, 1, 1]), older.get("diffuseTexture")
    rough = material.get("pbrMetallicRoughness", {})
    return rough.get("baseColorFactor", [1, 1, 1, 1]), rough.get("baseColorTexture")


def _texels(
    document: dict[str, Any], numbers: Numbers, attributes: dict[str, int], texture: dict[str, Any]
) -> Doubles | None:
    """Linear light (V, 3) of a texture at the vertices; None where these have no coordinates in it."""
    moved = texture.get("extensions", {}).get("KHR_texture_transform", {})
    name = f"TEXCOORD_{moved.get('texCoord', texture.get('texCoord', 0))}"
    if name not in attributes:
        return None
    places = numbers.values(attributes[name])
    if moved:
        angle, scale = moved.get("rotation", 0.0), np.array(moved.get("scale", (1, 1)), np.float64)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        places = (places * scale) @ turn.T + np.array(moved.get("offset", (0, 0)), np.float64)
    described = document["textures"][texture["index"]]
    source = described.get("extensions", {}).get("EXT_texture_webp", described).get("source")
    if source is None:
        return None
    picture = _picture(document, numbers, source)
    sampler = document["samplers"][described["sampler"]] if "sampler" in described else {}
    return _sampled(picture, np.nan_to_num(places), sampler.get("wrapS"), sampler.get("wrapT"))


def _sampled(picture: NDArray[np.uint8], places: Doubles, wrap_s: object, wrap_t: object) -> Doubles:
    """Light (V, 3) at places (V, 2), linear between the four next texels."""
    light = linear(np.arange(256, dtype=np.float32) / np.float32(255))
    height, width = picture.shape[:2]
    x = _wrapped(places[:, 0], wrap_s) * width - 0.5
    y = _wrapped(places[:, 1], wrap_t) * height - 0.5
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    found = np.zeros((len(places), 3))
    for column, across in ((left, 1 - (x - left)), (left + 1, x - left)):
        for row, down in ((top, 1 - (y - top)), (top + 1, y - top)):
            texel = picture[_within(row, height, wrap_t), _within(column, width, wrap_s)]
            found += light[texel] * (across * down)[:, None]
    return found


def _within(index: NDArray[np.int64], size: int, wrap: object) -> NDArray[np.int64]:
    return np.clip(index, 0, size - 1) if wrap in (_CLAMP, _MIRROR) else index % size


def _wrapped(places: Doubles, wrap: object) -> Doubles:
    """Coordinates in [0, 1]."""
    if wrap == _CLAMP:
        return np.clip(places, 0, 1)
    if wrap == _MIRROR:
        return 1 - np.abs(places % 2 - 1)
    return places % 1


def _picture(document: dict[str, Any], numbers: Numbers, index: int) -> NDArray[np.uint8]:
    """Pixels (H, W, 3)."""
    from PIL import Image

    image = document["images"][index]
    content = data_of(image["uri"]) if "uri" in image else numbers.bytes_of(image["bufferView"])
    try:
        with Image.open(io.BytesIO(content)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise UsageError(f"its picture {index} has more than {MAX_PIXELS >> 20} megapixels")
            return np.asarray(opened.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UsageError(f"its picture {index} cannot be read") from None
