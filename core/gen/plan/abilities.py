"""What a model can do of what somebody may ask for; what it cannot do is refused with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gen.checks import check_prompt
from gen.errors import UsageError
from gen.plan import expansion
from gen.plan.request import Request
from gen.plugin.specs import FamilySpec, KindSpec, ModalitySpec, ModelSpec, Param, Prompt

if TYPE_CHECKING:
    from gen.plugin.host import Host

REASONS = {
    "guidance": "cannot be guided",
    "negative": "takes no negative prompt",
    "init": "starts from noise alone",
    "mask": "keeps no part of an input",
    "lora": "takes no LoRA",
    "embedding": "takes no embedding of a word",
    "decoder": "takes no other decoder",
    "tile": "does not let edges meet",
    "style": "takes no style of a file",
}
"""What a model without an ability does, for messages."""

UPSCALED = ("image", "audio", "video")
"""Kinds whose artifacts any model can make larger: pictures in tiles, sounds and clips by a measurement."""

NEEDED = {
    "guidance": "guidance",
    "negative": "negative",
    "init": "init",
    "strength": "init",
    "mask": "mask",
    "edit": "init",
    "restore": "init",
    "expand": "mask",
    "lora": "lora",
    "embedding": "embedding",
    "decoder": "decoder",
    "upscale": "init",
    "tile": "tile",
    "style": "style",
}
"""Fields of a request, and the ability that each needs."""

HIDDEN = {**NEEDED, "guide": "guidance", "guidance_interval": "guidance"}
"""Flags that neither help nor schema shows without an ability."""


@dataclass(frozen=True)
class Abilities:
    """What can be asked of one model, or of any model of a modality.

    Args:
        prompt: Whether it takes a prompt.
        names: Its abilities, out of ``REASONS``.
        params: The parameters of the modality, then those of the model.
    """

    prompt: Prompt
    names: frozenset[str]
    params: tuple[Param, ...]

    @property
    def only_upscales(self) -> bool:
        """Whether it makes an input larger, and starts from none in another way."""
        return "upscale" in self.names and "init" not in self.names

    @property
    def own(self) -> Mapping[str, Param]:
        """The parameters by name, with those of further values (``Param.several``)."""
        return {one.name: one for param in self.params for one in param.numbered}

    def numbered(self, given: Mapping[str, object]) -> dict[str, object]:
        """Values by the names of ``own``: each of a list by itself.

        Args:
            given: Values by the names of ``params``; those of parameters with several values may be lists.

        Raises:
            UsageError: A list has more values than the parameter takes.
        """
        values = dict(given)
        for param in self.params:
            listed = values.get(param.name)
            if param.several == 1 or not isinstance(listed, list | tuple):
                continue
            if len(listed) > param.several:
                raise UsageError(f"{param.name} takes at most {param.several} values, not {len(listed)}")
            del values[param.name]
            values |= {one.name: value for one, value in zip(param.numbered, listed, strict=False)}
        return values

    def prompts(self, given: Sequence[str], label: str, *, described: bool = False) -> tuple[str, ...]:
        """The prompts to make, checked; the empty text where there need not be one.

        Args:
            given: Those of the request.
            label: What takes them, for messages: ``"model emoji"``.
            described: Whether a file says what to make, so that there need not be one.

        Raises:
            UsageError: One is needed, or none is taken, or one cannot be used.
        """
        if self.prompt == "none" and any(isinstance(text, str) and text.strip() for text in given):
            raise UsageError(f"{label} takes no prompt", "leave it out")
        optional = described or self.prompt != "required"
        if not given and not optional:
            raise UsageError("there is no prompt", 'say what to make: "a red apple"')
        return tuple(check_prompt(text, empty=optional) for text in given or ("",))

    def check(
        self, request: Request, guidance: float, label: str, others: Callable[[str], Sequence[str]]
    ) -> None:
        """Refuse what the model cannot do.

        Args:
            request: What is asked for.
            guidance: The model's own, which may be given all the same.
            label: What cannot do it, for messages: ``"model emoji"``.
            others: Names of the models that have an ability.

        Raises:
            UsageError: It cannot do it.
        """
        larger = self.only_upscales and request.upscale is not None
        for field, ability in NEEDED.items():
            value = getattr(request, field)
            if (
                ability in self.names
                or value is None
                or (larger and field in ("init", "upscale"))
                or (isinstance(value, str | list | tuple) and not value)
            ):
                continue
            # A recipe says the guidance of the model, too.
            if field != "guidance" or not isinstance(value, int | float) or value != guidance:
                if ability == "init" and self.only_upscales:
                    raise UsageError(
                        f"{label} makes an input larger, and edits it in no other way",
                        "give `init=FILE` and `upscale=FACTOR`, and no other edit",
                    )
                able = others(ability)
                hint = f"leave out {field}" + (f", or use {' or '.join(able)}" if able else "")
                raise UsageError(f"{label} {REASONS[ability]}", hint)


def abilities_of(spec: ModalitySpec, model: ModelSpec | FamilySpec | None) -> Abilities:
    """Those of a model of a modality.

    Args:
        spec: The modality.
        model: What declares the model, or its family; None for one that nobody registered.
    """
    if model is None:
        return Abilities(spec.prompt, frozenset(spec.abilities), spec.params)
    names = spec.abilities if model.abilities is None else model.abilities
    additions = model.additions if isinstance(model, FamilySpec) else ()
    return Abilities(
        spec.prompt if model.prompt is None else model.prompt,
        frozenset((*names, *additions)),
        (*spec.params, *model.params),
    )


def models_with(ability: str, host: Host, spec: ModalitySpec) -> list[str]:
    """Names of the models of a modality with an ability, then its families of checkpoints."""
    return _models(host, spec, lambda able: ability in able.names)


def models_taking(parameter: str, host: Host, spec: ModalitySpec) -> list[str]:
    """Names of the models of a modality with a parameter, then its families of checkpoints."""
    return _models(host, spec, lambda able: parameter in able.own)


def _models(host: Host, spec: ModalitySpec, can: Callable[[Abilities], bool]) -> list[str]:
    models = [one.name for one in host.models(spec.name) if can(abilities_of(spec, one))]
    families = [one.name for one in host.families(spec.name) if can(abilities_of(spec, one))]
    return [*models, *([f"a checkpoint of {', '.join(families)}"] if families else [])]


def edits_of(able: Abilities, kind: KindSpec | None) -> list[str]:
    """Names of the edits that a model makes of files of its kind.

    Args:
        able: Its abilities.
        kind: The kind.
    """
    if able.only_upscales:
        return ["upscale"]
    found = ["vary", "interpolate"]
    if "init" in able.names:
        found = ["init", "edit", *found, "restore"]
        if "upscale" in able.names or (kind is not None and kind.name in UPSCALED):
            found.append("upscale")
    if "mask" in able.names:
        found.append("mask")
        if kind is not None and kind.name in expansion.FORMS:
            found.append("expand")
    return found + [name for name in ("tile", "style") if name in able.names]


def any_prompts(
    spec: ModalitySpec, model: ModelSpec | FamilySpec | None, names: Sequence[str] = ()
) -> tuple[str, ...]:
    """Prompts for a request of which only the model matters: the first name that it knows, or a word."""
    return () if abilities_of(spec, model).prompt == "none" else (*names[:1], "a")[:1]


def abilities_of_any(host: Host, spec: ModalitySpec) -> Abilities:
    """All that some model of a modality can do: what help and schema show."""
    each = [abilities_of(spec, None)]
    each += [abilities_of(spec, model) for model in host.models(spec.name)]
    each += [abilities_of(spec, family) for family in host.families(spec.name)]
    prompts = {one.prompt for one in each}
    params = {param.name: param for one in reversed(each) for param in one.params}
    return Abilities(
        prompts.pop() if len(prompts) == 1 else "optional",
        frozenset().union(*(one.names for one in each)),
        tuple(sorted(params.values(), key=lambda param: param not in spec.params)),
    )
