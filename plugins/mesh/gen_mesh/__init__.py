"""The mesh modality: text to coloured shapes."""
