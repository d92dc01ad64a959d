"""What a camera can do, and how one says so."""

from __future__ import annotations

CAMERAS = ("pan left", "pan right", "zoom in", "zoom out")


def camera_words(camera: str) -> str:
    """How a caption speaks of the camera: ``"pan left"`` -> ``"the camera pans left"``."""
    verb, direction = camera.split()
    return f"the camera {verb}s {direction}"
