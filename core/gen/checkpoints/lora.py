"""LoRA files (Hu et al. 2021, arXiv 2106.09685): small changes of weights, merged into a checkpoint's.

A file holds for each layer factors and a scale ``alpha``; W becomes W + weight · alpha / rank · change, where
the change is their product: see ``factors``. With magnitudes m, as of DoRA (Liu et al. 2024, arXiv
2402.09353, eq. 5), W becomes W + weight · (m V / ‖V‖ - W), where V is W + alpha / rank · change. Layers have
names of diffusers and peft, of kohya's trainer, of LyCORIS, or of the program that the network was first
published with.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gen.checkpoints import factors
from gen.checkpoints.checkpoint import Checkpoint, Component
from gen.checkpoints.converted import Target
from gen.checkpoints.weights import Tensors, Weights
from gen.errors import ModelError

if TYPE_CHECKING:
    import torch

Spelling = Callable[[Component], Mapping[str, tuple[Target, ...]]]
"""Other names of a part's layers, and where each of those layers is in the part."""

ROLES = {
    "lora_A.weight": "down",
    "lora_B.weight": "up",
    "lora_A.default.weight": "down",
    "lora_B.default.weight": "up",
    "lora_down.weight": "down",
    "lora_up.weight": "up",
    "lora.down.weight": "down",
    "lora.up.weight": "up",
    "lora_linear_layer.down.weight": "down",
    "lora_linear_layer.up.weight": "up",
    "lora_mid.weight": "mid",
    **{role: role for role in factors.ROLES if "_" in role},
    "alpha": "alpha",
    "dora_scale": "magnitude",
    "lora_magnitude_vector": "magnitude_of_rows",
    "lora_magnitude_vector.weight": "magnitude_of_rows",
    "lora_magnitude_vector.default.weight": "magnitude_of_rows",
    "diff": "weight",
    "diff_b": "bias",
}
"""How the name of a tensor ends, and what it is: a change of the weight or bias, a factor of one, its scale,
or the magnitudes of what is changed."""

MAGNITUDES = ("magnitude", "magnitude_of_rows")

NETWORKS = ("unet", "transformer", "transformer_2", "prior")
"""Parts that a layer may belong to whose name begins with no part."""
BEGINNINGS: Mapping[str, tuple[str, ...]] = {
    "lora_unet_": NETWORKS,
    "lora_transformer_": NETWORKS,
    "lycoris_": NETWORKS,
    "lora_te_": ("text_encoder",),
    "lora_te1_": ("text_encoder",),
    "lora_te2_": ("text_encoder_2",),
    "lora_te3_": ("text_encoder_3",),
    "base_model.model.": NETWORKS,
    "diffusion_model.": NETWORKS,
    "model.diffusion_model.": NETWORKS,
}
"""What names of layers begin with, and the parts that it stands for."""


@dataclass(frozen=True)
class Lora:
    """A LoRA file.

    Args:
        path: The file.
        weight: How much it counts; 1 is as it was trained, less than 0 its opposite.
    """

    path: Path
    weight: float = 1.0

    @cached_property
    def weights(self) -> Weights:
        """Its tensors."""
        return Weights((self.path,), self.path.name)

    @cached_property
    def layers(self) -> Mapping[tuple[str, str, bool], Mapping[str, str]]:
        """The tensor of each role, by the layer, by what of it is changed, ``"weight"`` or ``"bias"``, and by
        whether the change is there as a whole or as factors.

        Raises:
            ModelError: It cannot be read, or holds a tensor that is no LoRA's.
        """
        found: dict[tuple[str, str, bool], dict[str, str]] = {}
        for name in self.weights.shapes:
            layer, role = _role(name)
            if not role:
                raise self._strange(name)
            whole = role in ("weight", "bias")
            found.setdefault((layer, "bias" if role == "bias" else "weight", whole), {})[role] = name
        for (_, _, whole), roles in found.items():
            if whole:
                continue
            try:
                factors.change_shape(factors_of(self, roles))
            except ValueError:
                raise self._strange(next(iter(roles.values()))) from None
        return found

    def _strange(self, name: str) -> ModelError:
        return ModelError(
            f"{self.path.name} is no LoRA that is known: it has a tensor {name[:80]!r}",
            "LoRAs, LoHas and LoKrs of diffusers, peft, kohya and LyCORIS are read",
        )

    @cached_property
    def scales(self) -> Mapping[str, object]:
        """What peft notes beside the tensors, such as ``unet.lora_alpha``."""
        if self.path.suffix != ".safetensors":
            return {}
        try:
            table = json.loads(self.weights.headers[0].metadata.get("lora_adapter_metadata", "{}"))
        except (ValueError, RecursionError):
            return {}
        return table if isinstance(table, dict) else {}


def factors_of(lora: Lora, roles: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Shape of each factor, by its role.

    Args:
        lora: The file.
        roles: The tensor in it of each role.
    """
    shapes = lora.weights.shapes
    return {role: shapes[name] for role, name in roles.items() if role in factors.ROLES}


@dataclass(frozen=True)
class Change:
    """What one layer of a LoRA adds to one tensor of a network.

    Args:
        lora: The file.
        roles: The tensor in the file of each role.
        target: The tensor that is changed; all of the layer, or a part of its rows.
        noted: The scale that peft notes for the part; None without one.
    """

    lora: Lora
    roles: Mapping[str, str]
    target: Target
    noted: float | None

    @property
    def whole(self) -> str:
        """The tensor with all of the change; empty where it is there as factors."""
        return self.roles.get("weight") or self.roles.get("bias", "")

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of each factor, by its role."""
        return factors_of(self.lora, self.roles)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what is added; the kernel of a convolution may be flattened."""
        if self.whole:
            return self.target.shape(self.lora.weights.shapes[self.whole])
        return self.target.shape(factors.change_shape(self.shapes))

    def delta(self, read: Mapping[str, torch.Tensor], base: torch.Tensor) -> torch.Tensor:
        """What is added, float32.

        Args:
            read: The tensors of the file.
            base: The tensor that is changed, float32.
        """
        if self.whole:
            return self.target.tensor(read[self.whole].float()) * self.lora.weight
        made = factors.change({role: read[self.roles[role]].float() for role in self.shapes})
        scaled = self.target.tensor(made).reshape(base.shape) * self._scale(read)
        magnitude = next((name for role, name in self.roles.items() if role in MAGNITUDES), None)
        if magnitude is None:
            return scaled * self.lora.weight
        changed, given = base + scaled, read[magnitude].float()
        if self.of_inputs:
            norm = changed.transpose(0, 1).flatten(1).norm(dim=1)
            factor = (given.flatten() / norm).reshape(1, -1, *[1] * (base.ndim - 2))
        else:
            norm = changed.flatten(1).norm(dim=1)
            factor = (self.target.tensor(given.flatten()) / norm).reshape(-1, *[1] * (base.ndim - 1))
        return (changed * factor - base) * self.lora.weight

    @property
    def of_inputs(self) -> bool:
        """Whether there is a magnitude for each input in place of for each row."""
        shape = self.lora.weights.shapes[self.roles["magnitude"]] if "magnitude" in self.roles else ()
        return len(shape) > 1 and shape[0] == 1 < shape[1]

    def _scale(self, read: Mapping[str, torch.Tensor]) -> float:
        """alpha / rank."""
        rank = factors.rank(self.shapes)
        if rank is not None and "alpha" in self.roles:
            return float(read[self.roles["alpha"]]) / rank
        return 1.0 if self.noted is None else self.noted


@dataclass(frozen=True)
class Merged:
    """The tensors of a part with LoRAs merged into them, in float32; the others are as they are.

    Args:
        source: Those of the part.
        changes: By the name of each tensor that is changed.
    """

    source: Tensors
    changes: Mapping[str, Sequence[Change]]

    @property
    def files(self) -> tuple[Path, ...]:
        """Those of the part."""
        return self.source.files

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Those of the part."""
        return self.source.shapes

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Every tensor with its name.

        Raises:
            ModelError: A change is not finite.
        """
        import torch

        loras = {id(change.lora): change.lora for each in self.changes.values() for change in each}
        read = {key: dict(lora.weights.tensors()) for key, lora in loras.items()}
        for name, tensor in self.source.tensors():
            changed = self.changes.get(name, ())
            base = made = tensor.float() if changed else tensor
            for change in changed:
                delta = change.delta(read[id(change.lora)], base)
                if not torch.isfinite(delta).all():
                    raise ModelError(
                        f"{change.lora.path.name} is damaged: its change of {name} is not finite",
                        "copy or download it again",
                    )
                made = made + delta.reshape(made.shape)
            yield name, made


def merged(checkpoint: Checkpoint, loras: Sequence[Lora], spelling: Spelling) -> Mapping[str, Component]:
    """The parts of a checkpoint that LoRAs change.

    Args:
        checkpoint: Without them.
        loras: The files, in order.
        spelling: Names of layers beside those in the checkpoint's files.

    Raises:
        ModelError: A file is no LoRA, or not one of such a checkpoint.
    """
    names = {
        name: _Names.of(part, spelling)
        for name, part in checkpoint.components.items()
        if name.startswith(("text_encoder", *NETWORKS))
    }
    changes: dict[str, dict[str, list[Change]]] = {}
    for lora in loras:
        unknown = []
        for (layer, kind, _), roles in lora.layers.items():
            places = list(_places(layer, kind, names))
            if not places:
                unknown.append(layer)
            for part, target in places:
                change = Change(lora, roles, target, _noted(lora.scales, part, target.name))
                _check(change, names[part].shapes[target.name], checkpoint)
                changes.setdefault(part, {}).setdefault(target.name, []).append(change)
        if unknown:
            none = len(unknown) == len(lora.layers)
            raise ModelError(
                f"{lora.path.name} is {'a LoRA of another model' if none else 'not a LoRA of such a model'}: "
                f"{checkpoint.name} ({checkpoint.pipeline}) has no layer {unknown[0][:80]!r}",
                "use one that was trained for this family",
            )
    return {
        name: replace(checkpoint[name], given_weights=Merged(checkpoint[name].weights, changes[name]))
        for name in changes
    }


@dataclass(frozen=True)
class _Names:
    """Names of a part's layers, each with where it is: dotted, and with underscores for the dots."""

    shapes: Mapping[str, tuple[int, ...]]
    dotted: Mapping[str, tuple[Target, ...]]
    flat: Mapping[str, tuple[Target, ...]]

    @classmethod
    def of(cls, part: Component, spelling: Spelling) -> _Names:
        shapes = part.weights.shapes
        layers = [name.removesuffix(".weight") for name in shapes if not name.endswith(".bias")]
        dotted: dict[str, tuple[Target, ...]] = dict(spelling(part))
        dotted |= {layer: (Target(layer),) for layer in layers}
        # Older files of CLIP have one more level than newer ones.
        prefix = "text_model."
        for layer in layers if part.name.startswith("text_encoder") else ():
            other = layer.removeprefix(prefix) if layer.startswith(prefix) else f"{prefix}{layer}"
            dotted[other] = (Target(layer),)
        return cls(shapes, dotted, {name.replace(".", "_"): places for name, places in dotted.items()})


def _role(name: str) -> tuple[str, str]:
    """The layer that a tensor belongs to, and what it is; empty where it is not known."""
    for ending, role in ROLES.items():
        layer = name.removesuffix(f".{ending}")
        if layer != name:
            return layer, role
    # As diffusers wrote them first: …attn1.processor.to_q_lora.down.weight
    for ending, role in (("_lora.down.weight", "down"), ("_lora.up.weight", "up")):
        layer = name.removesuffix(ending)
        if layer != name:
            layer = layer.replace(".processor.", ".")
            return f"{layer}.0" if layer.endswith("to_out") else layer, role
    return name, ""


def _places(layer: str, kind: str, names: Mapping[str, _Names]) -> Iterator[tuple[str, Target]]:
    """Tensors that a layer of a LoRA changes, each with its part."""
    for part, rest in _readings(layer, names):
        own = names[part]
        for target in own.dotted.get(rest) or own.flat.get(rest, ()):
            name = f"{target.name}.{kind}"
            if name not in own.shapes and kind == "weight":
                name = target.name  # a parameter of its own
            if name in own.shapes:
                yield part, replace(target, name=name)


def _readings(layer: str, names: Mapping[str, _Names]) -> Iterator[tuple[str, str]]:
    """The parts that a layer may be of, with the rest of its name: by the first beginning that fits."""
    for part in names:
        if layer.startswith(f"{part}."):
            yield part, layer.removeprefix(f"{part}.").removeprefix("base_model.model.")
            return
    for beginning, parts in BEGINNINGS.items():
        if layer.startswith(beginning):
            yield from ((part, layer.removeprefix(beginning)) for part in parts if part in names)
            return
    yield from ((part, layer) for part in NETWORKS if part in names)


def _noted(scales: Mapping[str, object], part: str, tensor: str) -> float | None:
    """alpha / rank of a layer as peft notes it; None where it does not."""

    def number(key: str, pattern: str) -> float | None:
        own = scales.get(f"{part}.{pattern}", {})
        layer = tensor.removesuffix(".weight")
        value = own.get(layer) if isinstance(own, dict) and layer in own else scales.get(f"{part}.{key}")
        return float(value) if isinstance(value, int | float) else None

    alpha, rank = number("lora_alpha", "alpha_pattern"), number("r", "rank_pattern")
    if alpha is None or not rank:
        return None
    return alpha / rank**0.5 if scales.get(f"{part}.use_rslora") else alpha / rank


def _check(change: Change, shape: tuple[int, ...], checkpoint: Checkpoint) -> None:
    """Refuse a layer whose shape does not fit: kernels of 1 × 1 may be there or not, others may be flattened.

    Raises:
        ModelError: It does not fit.
    """

    def refused(found: str) -> ModelError:
        return ModelError(
            f"{change.lora.path.name} does not fit {checkpoint.name}: {change.target.name} is "
            f"{list(shape)}, {found}",
            "use one that was trained for this family",
        )

    found = change.shape
    if found[:1] != shape[:1] or math.prod(found) != math.prod(shape):
        raise refused(f"its change {list(found)}")
    for role in MAGNITUDES:
        if role not in change.roles:
            continue
        sizes = change.lora.weights.shapes[change.roles[role]]
        count = math.prod(change.target.shape((math.prod(sizes),)))
        if change.of_inputs and change.target.parts > 1:
            raise refused("a part of a layer whose inputs have magnitudes")
        if (math.prod(sizes) if change.of_inputs else count) != shape[1 if change.of_inputs else 0]:
            raise refused(f"its magnitudes {list(sizes)}")
