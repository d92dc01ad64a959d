"""A small modality for tests: plain pictures of a colour, made by an analytic network."""
