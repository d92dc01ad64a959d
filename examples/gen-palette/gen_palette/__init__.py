"""Colour palettes from words: a modality for `gen` in one light file and one pipeline file."""
