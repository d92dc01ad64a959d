"""A model for gen's images: fields of colour."""
