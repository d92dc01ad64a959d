"""The clip that the model makes at once."""

FRAMES = 16
"""Frames of a clip."""

FPS = 8
"""Frames per second of a clip."""

SIDE = 128
"""Width and height of a frame in pixels."""
