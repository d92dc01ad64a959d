"""Images, audio, video and 3D meshes from one diffusion core."""
