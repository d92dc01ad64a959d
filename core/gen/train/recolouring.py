"""Things in another colour, with their shading: hue, chroma and lightness change in a perceptual space."""

from __future__ import annotations

import math

import numpy as np

PAINTS: dict[str, tuple[float, float, float]] = {
    "red": (0.58, 0.20, 27.0),
    "orange": (0.74, 0.165, 58.0),
    "yellow": (0.87, 0.165, 95.0),
    "green": (0.65, 0.17, 145.0),
    "blue": (0.57, 0.165, 258.0),
    "light blue": (0.80, 0.09, 235.0),
    "turquoise": (0.72, 0.115, 192.0),
    "purple": (0.53, 0.18, 303.0),
    "pink": (0.79, 0.125, 355.0),
    "brown": (0.46, 0.075, 55.0),
    "gray": (0.66, 0.0, 0.0),
    "black": (0.26, 0.0, 0.0),
    "white": (0.95, 0.0, 0.0),
}
"""Name to lightness in [0, 1], chroma and hue in degrees, of OKLCh."""

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)
_LEVELS = np.arange(256, dtype=np.float32) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4)


def painted(sprite: np.ndarray, paint: str) -> np.ndarray:
    """A sprite in another colour.

    What is painted is its main colour, where one covers at least a third of it, else everything but dark
    lines and small white parts, such as eyes. Shades and lights stay relative to the new colour.

    Args:
        sprite: (H, W, 4) uint8, straight alpha.
        paint: Of ``PAINTS``.

    Returns:
        (H, W, 4) uint8.
    """
    target_light, target_chroma, target_hue = PAINTS[paint]
    seen = sprite[..., 3] > 0
    lab, alpha = oklab(sprite[seen, :3]), sprite[seen, 3]
    light, chroma = lab[:, 0], np.hypot(lab[:, 1], lab[:, 2])
    weight = _main_colour(lab, chroma, alpha > 127)
    counted = weight * (alpha > 127)
    total = float(counted.sum())
    if total < 1:
        return sprite
    new_light = np.clip(target_light + 0.8 * (light - float(counted @ light) / total), 0.08, 0.99)
    # The range of colours narrows towards black and white.
    fading = np.clip((1 - new_light) / (1 - target_light), 0, 1) * np.clip(new_light / target_light, 0, 1)
    new_chroma = target_chroma * np.sqrt(fading)
    angle = math.radians(target_hue)
    new = np.stack([new_light, new_chroma * math.cos(angle), new_chroma * math.sin(angle)], -1)
    result = sprite.copy()
    result[seen, :3] = srgb(lab + weight[:, None] * (new - lab))
    return result


def _main_colour(lab: np.ndarray, chroma: np.ndarray, opaque: np.ndarray) -> np.ndarray:
    """How far each pixel belongs to what is painted, (N,) in [0, 1]."""
    hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1])) % 360
    coloured = opaque & (chroma > 0.05)
    counts = np.bincount((hue[coloured] // 10).astype(int), minlength=36)[:36]
    smooth = np.sum([np.roll(counts, turn) for turn in range(-3, 4)], 0)
    peak = 10 * float(np.argmax(smooth)) + 5
    if smooth.max() >= opaque.sum() / 3:
        away = np.abs((hue - peak + 180) % 360 - 180)
        return _rising(chroma, 0.02, 0.06) * (1 - _rising(away, 40, 65))
    white = opaque & (lab[..., 0] > 0.93) & (chroma < 0.03)
    kept = _rising(lab[..., 0], 0.92, 0.95) * (chroma < 0.03) if white.sum() < 0.35 * opaque.sum() else 0.0
    return _rising(lab[..., 0], 0.28, 0.42) * (1 - kept)


def _rising(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below a value, 1 above another, linear between."""
    found: np.ndarray = np.clip((values - low) / (high - low), 0, 1)
    return found


def oklab(pixels: np.ndarray) -> np.ndarray:
    """sRGB (..., 3) uint8 as OKLab (Ottosson 2020, "A perceptual color space for image processing")."""
    found: np.ndarray = np.cbrt(_LINEAR[pixels] @ _TO_LMS.T) @ _TO_LAB.T
    return found


def srgb(lab: np.ndarray) -> np.ndarray:
    """OKLab (..., 3) as sRGB (..., 3) uint8, cut off where sRGB lacks the colour."""
    linear = np.clip((lab @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_LMS).T, 0, 1)
    values = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    found: np.ndarray = (values * 255).round().astype(np.uint8)
    return found
