"""What plugin authors test with."""

from gen.testing.conformance import ModalityConformance, check_plugin
from gen.testing.findings import Finding
from gen.testing.imports import assert_light_import

__all__ = ["Finding", "ModalityConformance", "assert_light_import", "check_plugin"]
