"""What the voice is trained on: sentences of our own and of free texts, spoken by the program flite."""
