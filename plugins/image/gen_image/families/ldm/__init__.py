"""The layout of the first programs for latent diffusion, in which single files and many LoRAs are."""
