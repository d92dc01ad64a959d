"""Edits of a file beyond starting from it: variations, ways between two, another prompt, regions in words."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen.checks import between, check_prompt, check_seed, one_of
from gen.config import convert
from gen.errors import UsageError
from gen.plan.abilities import UPSCALED
from gen.plan.choice import Chosen, choose
from gen.plan.choices import Choices
from gen.plan.expansion import is_expansion
from gen.plan.inputs import Inputs, Source
from gen.plan.regions import is_region, region_mask
from gen.plan.request import Request
from gen.presets.operators import OPERATORS, OperatorSpec
from gen.recipe import AnyRecipe, Recipe, Scalar

if TYPE_CHECKING:
    from gen.artifact import Artifact
    from gen.plan.plan import Plan
    from gen.plugin.host import Host
    from gen.plugin.specs import KindSpec, ModalitySpec, Param

DEFAULT_AMOUNT = 0.3
"""Share of new noise in a variation."""

WAY = 8
"""Items from one end of a way to the other, both included."""

TILES = ("x", "y", "xy")
"""Edges of a picture that may meet."""

MAX_UPSCALE = 8

UPSCALE_STRENGTH = 0.4
"""How far the details of a picture that is made larger may change."""

SEED, PROMPT = "seed:", "prompt:"
"""How the other end of a way begins in a recipe, where it is no file."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Editing:
    """What is edited, and how.

    Args:
        region: The mask in words; empty where it is a file, or there is none.
        expansion: By how much the input is extended; empty where it is not.
        restore: How the input was damaged; None where it is not restored.
        upscale: How many times larger the input is made; 1 where it is not.
        tiled: Whether it is made larger in tiles of the size that the model draws.
        tile: Edges that meet; empty where none do.
        style: What gives the style; None where nothing does.
        source: What the input shows, where it is to be made again with another prompt; else None.
        vary: What is varied.
        amount: Share of new noise in a variation, in [0, 1].
        vary_seed: The seed that ``vary`` was made of; None where its noise has to be found by inversion.
        to_prompt, to_seed, to: The other end of a way: another prompt, seed or file.
    """

    region: str = ""
    expansion: str = ""
    restore: Chosen[OperatorSpec] | None = None
    upscale: int = 1
    tiled: bool = False
    tile: str = ""
    style: Artifact | None = None
    source: str | None = None
    vary: Artifact | None = None
    amount: float = 0.0
    vary_seed: int | None = None
    to_prompt: str | None = None
    to_seed: int | None = None
    to: Artifact | None = None

    @property
    def factor(self) -> int:
        """How many times finer what is restored is along each axis than the input."""
        if self.restore is None:
            return self.upscale
        own = {param.name: param.default for param in self.restore.spec.settings} | dict(
            self.restore.settings
        )
        return int(own.get("factor") or 1)

    @property
    def is_way(self) -> bool:
        """Whether items lie between two ends."""
        return self.to_prompt is not None or self.to_seed is not None or self.to is not None

    @property
    def inverts(self) -> bool:
        """Whether the noise of a file has to be found by running backwards."""
        varied = self.vary is not None and self.vary_seed is None
        return varied or self.source is not None or self.to is not None

    def noted(self, share: float) -> dict[str, Scalar]:
        """What a recipe says of it, under the names that a request has.

        Args:
            share: Where the item lies between two ends.
        """
        noted: dict[str, Scalar] = {"mask": self.region} if self.region else {}
        if self.expansion:
            noted["expand"] = self.expansion
        if self.tile:
            noted["tile"] = self.tile
        if self.upscale > 1:
            noted["upscale"] = self.upscale
        elif self.restore is not None:
            noted["restore"] = str(self.restore)
        if self.source is not None:
            noted["source"] = self.source
        if self.vary is not None:
            noted["amount"] = self.amount
        if self.to_prompt is not None:
            noted["interpolate"] = PROMPT + self.to_prompt
        if self.to_seed is not None:
            noted["interpolate"] = f"{SEED}{self.to_seed}"
        return noted | ({"share": share} if self.is_way else {})


def begun_from(request: Request, spec: ModalitySpec, host: Host, own: Sequence[Param]) -> Request:
    """A request with what its files say of themselves, where it leaves that open.

    A variation is made as its file was; what is made again with another prompt begins with the prompt of the
    file. Files become artifacts.

    Raises:
        UsageError: A file cannot be read, or the edits exclude each other.
    """
    _check_together(request)
    if request.edit is not None and not request.prompts:
        recipe = _recipe_of(request.init, spec, host)
        return replace(request, prompts=("" if recipe is None else recipe.prompt,))
    if request.vary is None or (recipe := _recipe_of(request.vary, spec, host)) is None:
        return request
    known = {param.name: param for param in own if not param.kind}
    params = {
        name: value
        for name, value in recipe.params.items()
        if value is not None and name in known and known[name].follows not in request.params
    }
    models = {model.name for model in host.models(spec.name)}
    settings: dict[str, Any] = {"prompts": request.prompts or (recipe.prompt,)}
    if request.model is None and recipe.model.name in models:
        own_way = {
            "model": recipe.model.name,
            "steps": recipe.steps,
            "guidance": recipe.guidance,
            "solver": recipe.solver,
            "grid": recipe.grid,
            "guide": recipe.guides or None,
            "cache": recipe.cache or None,
            "noise": recipe.noise,
            "negative": recipe.negative or None,
        }
        if request.solver is not None:
            own_way.pop("grid")
        settings |= {name: value for name, value in own_way.items() if getattr(request, name) is None}
        settings["params"] = {**params, **request.params}
    return replace(request, **settings)


def _check_together(request: Request) -> None:
    """Refuse edits that exclude each other, or lack what they need."""
    kinds = {"vary": request.vary, "interpolate": request.interpolate, "edit": request.edit}
    given = [name for name, value in kinds.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} are two edits", "make one, then the other of its result")
    if request.amount is not None and request.vary is None:
        raise UsageError("amount needs something to vary", "add `vary=FILE`")
    if request.share is not None and request.interpolate is None:
        raise UsageError("share needs two ends", "add `interpolate=…`")
    if request.edit is not None and request.init is None:
        raise UsageError("edit needs something to start from", "add `init=FILE`")
    if request.restore is not None and request.init is None:
        raise UsageError("restore needs something to start from", "add `init=FILE`")
    if request.restore is not None:
        for name in ("expand", "strength", "edit", "interpolate"):
            if getattr(request, name) is not None:
                raise UsageError(f"restore and {name} exclude each other", "make one, then the other")
    if request.expand is not None and request.init is None:
        raise UsageError("expand needs something to start from", "add `init=FILE`")
    if request.expand is not None and request.mask is not None:
        raise UsageError("expand makes a mask of its own", "leave out mask, or edit the result")
    if request.upscale is not None:
        if request.init is None:
            raise UsageError("upscale needs something to start from", "add `init=FILE`")
        for name in ("mask", "expand", "edit", "interpolate", "restore", "vary", "tile"):
            if getattr(request, name) is not None:
                raise UsageError(f"upscale and {name} exclude each other", "make one, then the other")
    if request.tile is not None and request.expand is not None:
        raise UsageError("tile and expand exclude each other", "make one, then the other")
    if request.vary is not None and request.init is not None:
        raise UsageError("vary and init both say what to start from", "give one of them")
    if request.interpolate is not None and len(request.prompts) > 1:
        raise UsageError(
            "a way has one prompt at its beginning", "give one, and the other as `interpolate=…`"
        )


def _recipe_of(source: Source | None, spec: ModalitySpec, host: Host) -> Recipe | None:
    """The recipe of an input of the same modality; None where there is none."""
    from gen import formats
    from gen.artifact import Artifact

    if isinstance(source, Artifact):
        recipe = source.recipe
    elif isinstance(source, str | os.PathLike):
        recipe = formats.read_recipe(source, host.formats(spec.kind))
    else:
        return None
    return recipe if isinstance(recipe, Recipe) and recipe.modality == spec.name else None


def read_mask(given: Source, start: Artifact, kind: str, inputs: Inputs) -> tuple[Artifact, str]:
    """A mask, and its words where it was given as a region.

    Raises:
        UsageError: It cannot be read, or is no region of the input.
    """
    if isinstance(given, str) and is_region(given):
        return region_mask(given, start), "".join(given.split())
    return inputs.read("mask", given, kind), ""


def decided(request: Request, plan: Plan, inputs: Inputs, start: Artifact | None) -> Editing:
    """The edits of a request.

    Args:
        request: With ``begun_from``.
        plan: With everything but its inputs.
        inputs: Reads files, and notes them.
        start: The input of ``init``.

    Raises:
        UsageError: A value that cannot be used, or a solver that draws noise where a file is inverted.
    """
    editing, kind = Editing(), plan.spec.kind
    if request.edit is not None:
        editing = replace(editing, source=_one(request.prompts))
    if request.tile is not None:
        editing = replace(editing, tile=one_of("tile", str(request.tile).lower(), TILES))
    if request.style is not None:
        editing = replace(editing, style=inputs.read("style", request.style, kind))
    if request.upscale is not None:
        editing = _upscaling(editing, request.upscale, plan)
    if request.restore is not None:
        operator = choose(OPERATORS.values(), request.restore, "operator")
        if operator.spec.whole is (request.mask is not None):
            raise UsageError(
                f"restore {operator.spec.name} {'needs no' if request.mask is not None else 'needs a'} mask",
                "the mask of `fill` marks what is lost",
            )
        if plan.kind is not None and plan.kind.signal is not None:
            _check_damages(operator, plan.kind)
        editing = replace(editing, restore=operator)
    if request.vary is not None:
        amount = DEFAULT_AMOUNT if request.amount is None else convert(request.amount, float, "amount", "")
        assert isinstance(amount, int | float)
        file = inputs.read("vary", request.vary, kind)
        editing = replace(
            editing,
            vary=file,
            amount=between("amount", 0.0, 1.0)(float(amount)),
            vary_seed=_seed_of(file.recipe, plan),
        )
    if request.interpolate is not None:
        editing = replace(editing, **_other_end(request.interpolate, kind, inputs))
        if editing.to is not None and start is None:
            raise UsageError("a way to a file begins with a file", "add `init=FILE`")
    if editing.inverts:
        _check_invertible(plan.choices)
    return editing


def _check_damages(operator: Chosen[OperatorSpec], kind: KindSpec) -> None:
    """Refuse an operator for other numbers than the signal of a kind, before a model is loaded."""
    assert kind.signal is not None
    if operator.spec.waves not in (None, kind.signal.phase):
        known = [spec.name for spec in OPERATORS.values() if spec.waves in (None, kind.signal.phase)]
        raise UsageError(
            f"operator {operator.spec.name} does not damage {kind.name}",
            f"one that does: {', '.join(known)}",
        )


def _upscaling(editing: Editing, given: object, plan: Plan) -> Editing:
    """How an input is made larger: by the model, in tiles, or as a measurement.

    Raises:
        UsageError: The factor is none, or neither the model nor the core can do it.
    """
    factor = convert(given, int, "upscale", "")
    assert isinstance(factor, int)
    editing = replace(editing, upscale=between("upscale", 2, MAX_UPSCALE)(factor))
    if "upscale" in plan.abilities:
        return editing
    kind = plan.spec.kind
    if kind == "image":
        return replace(editing, tiled=True)
    if kind not in UPSCALED:
        raise UsageError(f"model {plan.file.name} makes no {kind} larger", "leave out upscale")
    return replace(editing, restore=choose(OPERATORS.values(), f"super_resolve:{factor}", "operator"))


def edited_again(recipe: Recipe, files: Mapping[str, Source | None]) -> dict[str, Any]:
    """Fields of the request that makes the edits of a recipe again, with its prompts.

    Args:
        recipe: A stranger's: no text in it is taken for a path.
        files: Those that were given anew, by role.

    Raises:
        UsageError: An edit that is not known, or of another form.
    """
    fields: dict[str, Any] = {"prompts": (recipe.prompt,), **files}
    for name, value in recipe.edits.items():
        text = value if isinstance(value, str) else ""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if name == "source" and isinstance(value, str):
            fields |= {"prompts": (value,), "edit": recipe.prompt}
        elif (
            (name in ("amount", "share") and number)
            or (name == "mask" and is_region(text))
            or (name == "expand" and is_expansion(text))
            or (name == "restore" and text)
            or (name == "tile" and text in TILES)
            or (name == "upscale" and number)
            or (name == "interpolate" and text.startswith((SEED, PROMPT)))
        ):
            fields[name] = value
        else:
            raise UsageError(f"the recipe has an edit {name} that is not known: {str(value)[:40]!r}")
    return fields


def _other_end(given: Source, kind: str, inputs: Inputs) -> dict[str, Any]:
    """A prompt, a seed or a file."""
    if isinstance(given, str):
        if given.startswith(SEED):
            seed = convert(given.removeprefix(SEED).strip(), int, "interpolate", "")
            return {"to_seed": check_seed(seed)}
        if given.startswith(PROMPT) or not Path(given).is_file():
            return {"to_prompt": check_prompt(given.removeprefix(PROMPT), "interpolate")}
    return {"to": inputs.read("interpolate", given, kind)}


def _one(prompts: Sequence[str]) -> str:
    if len(prompts) > 1:
        raise UsageError("edit takes one prompt, which says what the file shows", "give one, or none")
    return check_prompt(prompts[0] if prompts else "", empty=True)


def _seed_of(recipe: AnyRecipe | None, plan: Plan) -> int | None:
    """The seed whose noise a file was made of, by this model and in this size; None where it is not known."""
    if (
        not isinstance(recipe, Recipe)
        or recipe.model.sha256 != plan.file.sha256
        or recipe.inputs
        or recipe.edits
    ):
        return None
    same = recipe.noise == str(plan.choices.noise) and _without_none(recipe.params) == dict(plan.params)
    return recipe.seed if same else None


def _without_none(params: Mapping[str, Scalar]) -> dict[str, Scalar]:
    return {name: value for name, value in params.items() if value is not None}


def _check_invertible(choices: Choices) -> None:
    """Refuse solvers that draw noise, and grids that renoise."""
    solver = choices.solver
    if solver.spec.stochastic or any(name in solver.settings for name in ("eta", "churn")):
        raise UsageError(
            f"solver {solver} draws noise, and a file can only be inverted without",
            "choose another: `solver='ddim'`",
        )
