"""Audio for gen: encoder, denoiser, codec, vocoder, files, data and the weights that ship."""
