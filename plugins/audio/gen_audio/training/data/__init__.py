"""What the sound model is trained on: music rendered from notes, and synthesised effects."""
