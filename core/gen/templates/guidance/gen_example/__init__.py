"""A guidance for gen: classifier-free guidance that fades out."""
