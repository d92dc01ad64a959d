"""Training data: named emoji from an installed font, composed into captioned scenes."""
