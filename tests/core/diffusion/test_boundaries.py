"""The mathematics exports what it says and knows nothing of masks or pixels."""

from pathlib import Path

import gen.diffusion

SOURCES = sorted(Path(gen.diffusion.__file__).parent.rglob("*.py"))


def test_exported_names_exist_and_are_sorted_out() -> None:
    assert len(set(gen.diffusion.__all__)) == len(gen.diffusion.__all__)
    for name in gen.diffusion.__all__:
        assert getattr(gen.diffusion, name) is not None


def test_known_regions_stay_outside_the_core() -> None:
    assert not [path.name for path in SOURCES if '"known"' in path.read_text()]
