"""What a generation gives: arrays of one kind, and how they came about."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from gen.errors import ArtifactError, PluginError, UsageError
from gen.kinds import KINDS
from gen.plugin.specs import ArrayLayout, KindSpec
from gen.recipe import AnyRecipe, Recipe

if TYPE_CHECKING:
    from PIL import Image

    from gen.writing import WrittenFile


@dataclass(frozen=True, eq=False)
class Artifact:
    """One thing that was generated or read. Treat its arrays as read-only.

    The kinds of the core are float32, except where said:

    - ``image``: ``pixels`` (H, W, C) in [0, 1], C = 1, 3 or 4, sRGB, straight alpha.
    - ``text``: no arrays; attribute ``text``.
    - ``audio``: ``samples`` (channels, samples) in [-1, 1]; attribute ``sample_rate`` in Hz, an int.
    - ``video``: ``frames`` (frames, H, W, C) in [0, 1]; attribute ``fps``, a fraction such as
      ``"30000/1001"``; optionally ``samples`` with ``sample_rate``.
    - ``points``: ``points`` (N, 3) in [-0.5, 0.5]; optionally ``normals`` (N, 3) in [-1, 1] and
      ``colours`` (N, 3 or 4) in [0, 1].
    - ``mesh``: ``vertices`` (V, 3), Y up; ``faces`` (F, 3) integers, counter-clockwise seen from outside;
      optionally ``colours`` (V, 3 or 4) in [0, 1], sRGB.

    Args:
        kind: Name of the kind.
        arrays: Arrays by name.
        attributes: Numbers and texts that belong to them.
        recipe: How it came about; None when that is not known.

    Raises:
        ArtifactError: An array or attribute that is missing, unknown, of another shape or type, not finite or
            out of range.
    """

    kind: str
    arrays: Mapping[str, np.ndarray[Any, Any]]
    attributes: Mapping[str, int | float | str] = field(default_factory=dict)
    recipe: AnyRecipe | None = None

    def __repr__(self) -> str:
        arrays = ", ".join(f"{name} {array.shape}" for name, array in self.arrays.items())
        recipe = ""
        if isinstance(self.recipe, Recipe):
            recipe = f", {self.recipe.prompt!r}, seed {self.recipe.seed}"
        elif self.recipe is not None:
            recipe = f", by {self.recipe.converter}"
        return f"<Artifact {self.kind}: {arrays}{recipe}>"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            return
        sizes = check_layout(self, KINDS[self.kind])
        if "samples" in self.arrays:
            rate = self.attributes.get("sample_rate")
            if type(rate) is not int or rate < 1:
                raise ArtifactError(
                    f"sample_rate of {self.kind} is {rate!r}, not a whole number of hertz", values=True
                )
        if self.kind == "text" and not isinstance(self.attributes.get("text"), str):
            raise ArtifactError("text has no attribute text, which holds it", values=True)
        if self.kind == "video":
            fps = self.attributes.get("fps")
            try:
                valid = Fraction(str(fps)) > 0
            except (ValueError, ZeroDivisionError):
                valid = False
            if not valid:
                raise ArtifactError(f"fps of video is {fps!r}, not a fraction above 0", values=True)
        if self.kind == "mesh" and self.arrays["faces"].max(initial=-1) >= sizes["vertices"]:
            raise ArtifactError(
                f"mesh faces name a vertex that is not among the {sizes['vertices']}", values=True
            )

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes by name, e.g. ``{"height": 128, "width": 128, "channels": 3}``; of a kind of the core."""
        sizes: dict[str, int] = {}
        for layout in KINDS[self.kind].arrays if self.kind in KINDS else ():
            if layout.name in self.arrays:
                for dimension, size in zip(layout.shape, self.arrays[layout.name].shape, strict=True):
                    if isinstance(dimension, str):
                        sizes[dimension] = size
                    elif len(dimension) > 1:
                        sizes["channels"] = size
        return sizes

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        overwrite: bool = False,
        metadata: str = "full",
    ) -> WrittenFile:
        """Write the artifact to a file, whole or not at all.

        Args:
            path: Where to; its ending names the format.
            format: Name of the format, where the ending names none.
            overwrite: Whether a file there may be replaced.
            metadata: ``"full"``, ``"minimal"`` or ``"none"``; see ``gen.metadata.Metadata.of``.

        Raises:
            UsageError: A format that is unknown, contradicts the ending or cannot hold the artifact.
            OutputError: The file exists or cannot be written.
        """
        from gen import writing

        return writing.write(
            self, path, _formats(self.kind), name=format, overwrite=overwrite, metadata=metadata
        )

    def to(
        self, target: str, prompt: str | None = None, *, by: str | tuple[str, ...] = (), **options: Any
    ) -> Artifact:
        """What a model makes of this and a prompt, or converters of this alone.

        ``gen.image("a lighthouse").to("video", "waves roll")`` lets the clip begin with the picture;
        ``.to("video", by="pan-zoom")`` moves a camera over it.

        Args:
            target: With a prompt, the modality that generates; without, the kind to convert to.
            prompt: What to generate.
            by: Names of the converters to take; empty for the shortest way.
            **options: As ``gen.NAME`` takes them; or parameters of the converters.

        Raises:
            UsageError: The modality takes no such artifact, there is no way, or an option is wrong.
            gen.errors.GenError: The generation or the conversion failed.
        """
        made: Artifact = _linking().to(self, target, prompt, by=by, **options)
        return made

    def with_audio(
        self, score: Artifact | None = None, narration: Artifact | None = None, **options: float
    ) -> Artifact:
        """This clip with a score, a narration, or both: the score is lower under the voice, -14 LUFS in all.

        Args:
            score, narration: Sounds; each is cut or filled up with silence to the length of the clip.
            **options: Parameters of the converter ``mix``.

        Raises:
            UsageError: There is no sound, or this is no clip.
            PluginError: A converter is not installed, or fails.
        """
        made: Artifact = _linking().with_audio(self, score, narration, options)
        return made

    def to_pil(self) -> Image.Image:
        """An image as a Pillow image with 8 bits per channel: mode L, RGB or RGBA.

        Raises:
            UsageError: It is not an image.
            PluginError: Pillow is not installed.
        """
        if self.kind != "image":
            raise UsageError(f"{self.kind} is not an image")
        try:
            from PIL import Image
        except ImportError:
            raise PluginError("Pillow is not installed", 'pip install "gen-toolkit[image]"') from None
        pixels = np.rint(self.arrays["pixels"] * 255).astype(np.uint8)
        return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)

    def _repr_png_(self) -> bytes | None:
        """What notebooks show."""
        if self.kind != "image":
            return None
        file = io.BytesIO()
        self.to_pil().save(file, "PNG")
        return file.getvalue()


def check_layout(artifact: Artifact, spec: KindSpec) -> dict[str, int]:
    """Refuse an artifact that has not the arrays of its kind.

    Args:
        artifact: The artifact.
        spec: Its kind.

    Returns:
        Sizes of the named dimensions.

    Raises:
        ArtifactError: An array is missing, unknown, of another shape or type, not finite or out of range.
    """
    layouts = {layout.name: layout for layout in spec.arrays}
    for name in artifact.arrays.keys() - layouts.keys():
        raise ArtifactError(f"{spec.name} has no array {name!r}", f"its arrays are {', '.join(layouts)}")
    sizes: dict[str, int] = {}
    for name, layout in layouts.items():
        if name in artifact.arrays:
            _check(f"{spec.name} {name}", artifact.arrays[name], layout, sizes)
        elif layout.required:
            raise ArtifactError(f"{spec.name} lacks the array {name!r}")
    return sizes


def distance(one: Artifact, other: Artifact) -> float:
    """Largest difference of any value; infinite where kinds differ, or arrays in name or shape."""
    shapes = [
        (item.kind, {name: array.shape for name, array in item.arrays.items()}) for item in (one, other)
    ]
    if shapes[0] != shapes[1]:
        return math.inf
    return max(
        float(np.abs(array.astype(np.float64) - other.arrays[name]).max(initial=0))
        for name, array in one.arrays.items()
    )


def _linking() -> Any:
    """What leads from one artifact to the next; found by name, as it is built on this module."""
    import importlib

    return importlib.import_module("gen.linking")


def _formats(kind: str) -> list[Any]:
    from gen.plugin.host import Host

    return list(Host.discover().formats(kind))


def _check(name: str, array: object, layout: ArrayLayout, sizes: dict[str, int]) -> None:
    if not isinstance(array, np.ndarray):
        raise ArtifactError(f"{name} is {type(array).__name__}, not a numpy array")
    if not (
        np.issubdtype(array.dtype, np.integer) if layout.dtype == "integer" else array.dtype == np.float32
    ):
        raise ArtifactError(f"{name} is {array.dtype}, not {layout.dtype}")
    fits = array.ndim == len(layout.shape) and all(
        size == sizes.setdefault(dimension, size) and size > 0
        if isinstance(dimension, str)
        else size in dimension
        for dimension, size in zip(layout.shape, array.shape, strict=True)
    )
    if not fits:
        shape = ", ".join(d if isinstance(d, str) else " or ".join(map(str, d)) for d in layout.shape)
        raise ArtifactError(
            f"{name} has shape {array.shape}, not ({shape})", values=array.ndim == len(layout.shape)
        )
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ArtifactError(f"{name} holds values that are not finite", values=True)
    if (layout.low is not None and low < layout.low) or (layout.high is not None and high > layout.high):
        ends = [
            "-∞" if layout.low is None else f"{layout.low:g}",
            "∞" if layout.high is None else f"{layout.high:g}",
        ]
        raise ArtifactError(
            f"{name} reaches from {low:g} to {high:g}, outside [{', '.join(ends)}]", values=True
        )
