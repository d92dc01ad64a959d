"""A converter for gen: sounds as pictures of their waves."""
