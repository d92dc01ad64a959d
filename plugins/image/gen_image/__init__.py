"""Images for gen: encoder, denoiser, codec, files, data and the weights that ship."""
