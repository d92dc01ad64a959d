"""A modality for gen: curves of 32 values from words."""
