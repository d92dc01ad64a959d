"""House rules for gen."""
