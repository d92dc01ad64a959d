"""The name by which a model file says that it holds a voice."""

ARCHITECTURE = "gen-audio/speech-transformer/1"
