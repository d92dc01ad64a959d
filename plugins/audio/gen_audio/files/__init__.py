"""The file formats of this modality."""
