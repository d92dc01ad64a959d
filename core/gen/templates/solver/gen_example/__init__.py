"""A solver for gen: Ralston's method."""
