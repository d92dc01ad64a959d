"""The modality keeps the contract; the rest is the core's to test."""

from gen.testing import ModalityConformance


class TestPalette(ModalityConformance):
    name = "palette"
    prompt = "ocean sunset"
