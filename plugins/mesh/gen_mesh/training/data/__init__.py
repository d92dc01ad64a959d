"""Parametric shapes with captions, as coloured signed distances."""
