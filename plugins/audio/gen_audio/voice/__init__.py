"""The voice: English text to phones with durations, phones to a log-mel spectrogram by diffusion."""
