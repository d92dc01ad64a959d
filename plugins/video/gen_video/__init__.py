"""Videos for ``gen``: text, first and last frames to clips."""
