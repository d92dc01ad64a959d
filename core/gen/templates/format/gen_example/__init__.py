"""A file format for gen: pictures as PPM."""
