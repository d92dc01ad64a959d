"""What a plugin declares: frozen values that name heavy code by import string and import nothing.

Import strings have the form ``"package.module:attribute"`` and are resolved only when the thing is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

Prompt: TypeAlias = Literal["required", "optional", "none"]

USUAL_ABILITIES = ("guidance", "negative", "init", "mask")
"""What most models can do: be guided, avoid a negative prompt, start from an input, and keep the part
of it that a mask leaves dark."""

ABILITIES = (*USUAL_ABILITIES, "upscale", "tile", "style")
"""What a model may be able to do. The last three are for those that do it themselves: make an input larger
(``Task.upscale``), let opposite edges of a picture meet (``Task.tile``), and follow the style of an artifact
(``Task.style``). A model with "upscale" and without "init" edits an input in no other way."""

CHECKPOINT = "checkpoint"
"""The ``kind`` of a parameter that is the folder of a checkpoint in place of a file with an artifact."""

ADDITIONS = ("lora", "embedding", "decoder")
"""Kinds of files that change a checkpoint when it is loaded."""

ANY_KIND = "*"
"""The kind of a format that holds artifacts of every kind."""

REMOTE = ("https:", "hf:", "http://127.0.0.1", "http://localhost")
"""How sources of models begin that are fetched from a network; without encryption from this machine alone."""

API = 1
"""The version of this contract. A spec says which version it was written for."""


@dataclass(frozen=True, kw_only=True)
class Param:
    """One parameter of a modality, or one setting of a solver, a grid, a guidance, a cache or a noise rule.

    It is reachable from the command line and from Python with the same default.

    Args:
        name: Identifier in snake_case; the command line spells it ``--kebab-case``.
        type: ``int``, ``float``, ``bool`` or ``str``.
        default: Value when nobody gives one; None lets the model decide.
        help: One line for ``--help``.
        minimum, maximum: Inclusive bounds of a number.
        multiple_of: What an integer must be divisible by.
        choices: The values allowed, when they are few; in any case of letters, unless two choices differ in
            nothing else.
        aliases: Pairs of another spelling and the choice that it means: ``(("Db", "C#"), …)``.
        unit: Unit of a number, for messages: ``"px"``, ``"s"``.
        kind: Where the parameter is a file: the kind of artifact in it. The core reads the file, with the
            readers of that kind, and encoder and codec find the artifact under the parameter's name. The type
            is then ``str``; in Python an artifact will do as well as a path. With ``CHECKPOINT`` it is the
            folder of a checkpoint, and they find a ``gen.checkpoints.Checkpoint``, or of a folder with a
            single part a ``gen.checkpoints.Component``, with no tensor read.
        follows: Another parameter, whose value this one takes where only that one is given.
        several: How many values may be given: by repeating the flag, in Python as a list. All but the first
            are parameters of their own: ``control``, ``control_2``, ``control_3``; they have no default.
    """

    name: str
    type: type[int] | type[float] | type[bool] | type[str]
    help: str
    default: int | float | bool | str | None = None
    minimum: float | None = None
    maximum: float | None = None
    multiple_of: int | None = None
    choices: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    unit: str = ""
    kind: str = ""
    follows: str = ""
    several: int = 1

    @property
    def numbered(self) -> tuple[Param, ...]:
        """The parameter itself, then those of its further values."""
        others = (f"{self.name}_{number}" for number in range(2, self.several + 1))
        return (self, *(replace(self, name=name, default=None, several=1) for name in others))


@dataclass(frozen=True, kw_only=True)
class RecipeSpec:
    """A way to train a model of a modality, run by ``gen train MODALITY --recipe NAME``.

    Args:
        name: As given to ``--recipe``.
        summary: One line.
        factory: Import string of ``(preset: str, folder: Path, report: Callable[[str], None]) ->
            gen.train.Recipe``; ``report`` takes lines of progress.
        presets: Sizes that the recipe knows; the first is the default.
    """

    name: str
    summary: str
    factory: str
    presets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ModalitySpec:
    """A kind of thing that can be generated, and the command ``gen NAME``.

    Args:
        name: Name of the command; lower-case letters, digits and hyphens. Equals the entry point's name.
        kind: Kind of the artifact that comes out, e.g. ``"image"``.
        summary: One line for ``gen --help``.
        loader: Import string of ``(file: gen.model.ModelFile, device: str, dtype: str) -> gen.model.Model``.
        default_model: Name of the model that is used when none is named.
        default_format: Name of the file format that is used when the output names none.
        params: Parameters of this modality, beside those that the core gives to all.
        recipes: Ways to train its models.
        evaluation: Import string of ``(trial: gen.evaluation.Trial) -> metrics`` behind ``gen eval``; may be
            empty. The metrics are JSON values by name.
        requires: Modules that must be importable for it to work, e.g. ``("PIL",)``.
        extra: The extra of the distribution that installs ``requires``.
        examples: Command lines to show in the help.
        prompt: ``"required"``, ``"optional"``, or ``"none"`` where none is taken. Encoders then get the empty
            text.
        abilities: Out of ``ABILITIES``, those that its models have; what is missing is neither in the help
            nor in the schema, and refused.
        api: Version of the contract.
        plugin: Label of the plugin that declares it; set by the host, whatever the plugin says.
    """

    name: str
    kind: str
    summary: str
    loader: str
    default_model: str
    default_format: str
    params: tuple[Param, ...] = ()
    recipes: tuple[RecipeSpec, ...] = ()
    evaluation: str = ""
    requires: tuple[str, ...] = ()
    extra: str = ""
    examples: tuple[str, ...] = ()
    prompt: Prompt = "required"
    abilities: tuple[str, ...] = USUAL_ABILITIES
    api: int = API
    plugin: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A model that can be named with ``--model``.

    Args:
        name: Short name, unique within the modality.
        modality: Name of the modality that drives it.
        summary: One line.
        source: Where the weights are: ``"package:gen_image/weights/emoji.safetensors"``, ``"https://…"``,
            ``"hf:OWNER/NAME/FILE@REVISION"`` or a path. What is on a network is downloaded once, into the
            user's cache.
        sha256: Hex digest of the file; checked before use.
        size: Bytes of the file.
        licence: SPDX expression of the weights.
        solver: Default solver, a name of ``gen solvers``, in place of the one in the file: weights need not
            change when a better solver is found. Empty keeps the file's.
        prompt, abilities: In place of the modality's; None keeps them.
        params: Parameters of this model, beside those of the modality.
        loader: Import string in place of the modality's; empty keeps it.
        api: Version of the contract.
        plugin: Label of the plugin that declares it; set by the host, whatever the plugin says.
    """

    name: str
    modality: str
    summary: str
    source: str
    sha256: str
    size: int
    licence: str
    solver: str = ""
    prompt: Prompt | None = None
    abilities: tuple[str, ...] | None = None
    params: tuple[Param, ...] = ()
    loader: str = ""
    api: int = API
    plugin: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class FamilySpec:
    """Checkpoints of other programs that a modality can drive, such as those of Stable Diffusion.

    Args:
        name: Name of the family.
        modality: Name of the modality that drives it.
        summary: One line.
        pipelines: The classes that ``model_index.json`` of such a checkpoint names.
        adapter: Import string of ``(checkpoint: gen.checkpoints.Checkpoint, device: str, dtype: str) ->
            gen.model.Model``.
        defaults: Import string of ``(checkpoint: gen.checkpoints.Checkpoint) -> gen.model.Defaults``, which
            says how it is sampled and imports nothing heavy.
        single_file: Import string of ``(weights: gen.checkpoints.weights.Weights) ->
            gen.checkpoints.checkpoint.Layout | None``, which tells by the names of tensors how a single file
            is read as a checkpoint, and imports nothing heavy; empty where there are none.
        lora_names: Import string of ``(part: gen.checkpoints.Component) -> Mapping[str,
            tuple[gen.checkpoints.converted.Target, ...]]``: names that LoRAs give to layers beside those in
            the checkpoint, and the layers there. Empty where there are none.
        params: Parameters of its models, beside those of the modality.
        additions: Out of ``ADDITIONS``, the kinds of files that change its models.
        prompt, abilities: Of its models, in place of the modality's; None keeps them.
        plugin: Label of the plugin that declares it; set by the host, whatever the plugin says.
        api: Version of the contract.
    """

    name: str
    modality: str
    summary: str
    pipelines: tuple[str, ...]
    adapter: str
    defaults: str
    single_file: str = ""
    lora_names: str = ""
    additions: tuple[str, ...] = ()
    params: tuple[Param, ...] = ()
    prompt: Prompt | None = None
    abilities: tuple[str, ...] | None = None
    plugin: str = field(default="", compare=False)
    api: int = API


@dataclass(frozen=True, kw_only=True)
class FormatSpec:
    """A file format for a kind of artifact.

    Args:
        name: As given to ``--format``: ``"png"``.
        kind: Kind of artifact that it holds: ``"image"``; ``ANY_KIND`` for all of them.
        suffixes: File endings with the dot, lower case; the first is the one that is written.
        media_type: ``"image/png"``.
        writer: Import string of ``(artifact, file: BinaryIO, metadata: gen.metadata.Metadata) -> None``.
        reader: Import string of ``(file: BinaryIO) -> Artifact``; empty when it is only written.
        metadata_reader: Import string of ``(file: BinaryIO) -> Mapping[str, str]``: the raw text entries.
        can_read: Import string of ``(head: bytes) -> bool``: whether a file with these first bytes, at most
            4,096, is of this format. It is called where several formats have an ending; empty leaves the
            decision to the others.
        also: Further kinds that it holds, where a modality makes more than one: writer and reader must serve
            them all, and what can be read may be given from memory in place of a file of ``kind``.
        api: Version of the contract.
        plugin: Label of the plugin that declares it; set by the host, whatever the plugin says.
        own: Whether that plugin is the modality of the kind; set by the host.
    """

    name: str
    kind: str
    suffixes: tuple[str, ...]
    media_type: str
    writer: str
    reader: str = ""
    metadata_reader: str = ""
    can_read: str = ""
    also: tuple[str, ...] = ()
    api: int = API
    plugin: str = field(default="", compare=False)
    own: bool = field(default=False, compare=False)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind that it holds, the first that of its modality."""
        return (self.kind, *self.also)

    def holds(self, kind: str | None) -> bool:
        """Whether it holds artifacts of a kind; None asks for no kind in particular."""
        return kind is None or self.kind == ANY_KIND or kind in self.kinds


@dataclass(frozen=True, kw_only=True)
class ChoiceSpec:
    """What can be chosen by name and has settings; the base of the five specs below.

    A text names it with its settings: ``"dpmpp_2m_sde:eta=0.5"``. A value without a name before it is the
    first setting: ``"easycache:0.1"``.

    Args:
        name: The name that is listed: lower-case letters, digits, hyphens and underscores. Case, spaces and
            punctuation do not count where somebody writes it.
        summary: One line.
        factory: Import string of what makes it. It is called with the settings as keyword arguments, those
            that are None left out, and with what ``needs`` names.
        aliases: Other names of the same thing.
        settings: What can be set, with defaults and bounds.
        needs: Further keyword arguments of the factory, out of those that the class lists.
        api: Version of the contract.
        plugin: Label of the plugin that declares it; set by the host, whatever the plugin says.
    """

    name: str
    summary: str
    factory: str
    aliases: tuple[str, ...] = ()
    settings: tuple[Param, ...] = ()
    needs: tuple[str, ...] = ()
    api: int = API
    plugin: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class SolverSpec(ChoiceSpec):
    """A solver: how the state moves from one noise level to the next.

    ``factory`` makes a ``gen.diffusion.Solver``. It may need ``process``, the ``gen.diffusion.Process`` of
    the model. Order, evaluations and noise are those of the default settings.

    Args:
        order: Order of convergence of its steps; where it draws noise, that for each path of it.
        evaluations: Of the network per step; 0 where it depends on the data.
        stochastic: Whether it draws noise.
        limit: What the first steps, which have no history, leave of the order over a whole run.
        guidance: Name of the guidance that belongs to it, where nobody names one.
    """

    order: int
    evaluations: int = 1
    stochastic: bool = False
    limit: int = 4
    guidance: str = "cfg"

    @property
    def run_order(self) -> int:
        """Order of convergence of whole runs."""
        return min(self.order, self.limit)


@dataclass(frozen=True, kw_only=True)
class GridSpec(ChoiceSpec):
    """A time grid: at which noise levels a run stops.

    ``factory`` makes a ``gen.diffusion.TimeGrid`` from the keyword argument ``steps``, an int of at least 1.
    It may need ``process``; and ``own``, a function without arguments that returns the grid that the model
    brings.
    """


@dataclass(frozen=True, kw_only=True)
class GuidanceSpec(ChoiceSpec):
    """A rule of guidance, or a modifier of the guidance before it in a chain.

    The ``factory`` of a rule makes a ``gen.diffusion.Guidance`` from the keyword argument ``scale``, the
    guidance scale of the run. That of a modifier gets ``guidance``, what stands before it in the chain, and
    returns a guidance or a chain. Both may need ``process``; ``model``, the ``gen.diffusion.ModelDenoiser``
    that is guided; and ``layers``, what its network says about its layers (``gen.nn.Layers``).

    Args:
        role: ``"rule"`` or ``"modifier"``.
        scales: The scales that a rule takes, (low, high), both included.
        scale: Scale of a rule where nobody gives one and the model is for another rule; None keeps the
            model's.
    """

    role: Literal["rule", "modifier"] = "rule"
    scales: tuple[float, float] = (0.0, 100.0)
    scale: float | None = None


@dataclass(frozen=True, kw_only=True)
class CacheSpec(ChoiceSpec):
    """A cache: evaluations, or parts of the network, that are skipped where they would hardly change.

    ``factory`` gets ``denoiser``, the ``gen.diffusion.Denoiser`` of the model, and returns the one with the
    cache. It may need ``process``; and ``layers`` (see ``GuidanceSpec``), where ``denoiser`` is a
    ``gen.diffusion.ModelDenoiser``.
    """


@dataclass(frozen=True, kw_only=True)
class NoiseSpec(ChoiceSpec):
    """A rule by which a run draws its noise.

    ``factory`` gets ``seeds``, a sequence of one int per item, and returns a ``gen.diffusion.NoiseSource``.
    """


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """What happens with every run of a modality: before it, around it and after each artifact.

    Hooks of several plugins are called in the order of the plugins' names; what ``around`` opened last closes
    first. The recipe names the distribution. A rerun calls them again, so that they must do the same with the
    same plan.

    Args:
        name: Key of its notes in the recipe: lower-case letters, digits and hyphens.
        summary: One line.
        before: Import string of ``(plan: gen.plan.Plan) -> Plan | None``, called before a model is loaded.
            It refuses a run by raising ``gen.errors.UsageError``, and changes it by returning another plan.
        around: Import string of ``(plan) -> context manager`` that is entered around the run.
        after: Import string of ``(artifact: gen.Artifact, plan) -> (artifact, notes)``. The notes are
            numbers, texts, booleans or None by name, and stand in the recipe's ``provenance``.
        modalities: Names of the modalities; empty for all.
        api: Version of the contract.
        plugin: Label of the plugin that declares it; set by the host, whatever the plugin says.
    """

    name: str
    summary: str
    before: str = ""
    around: str = ""
    after: str = ""
    modalities: tuple[str, ...] = ()
    api: int = API
    plugin: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class CommandSpec:
    """A command ``gen x NAME``.

    Args:
        name: Lower-case letters, digits and hyphens.
        summary: One line for ``gen x``.
        run: Import string of ``(**params) -> Mapping``: what it returns, JSON values by name, is shown as an
            outline, and is ``data.result`` under ``--json``.
        params: Its options. Of one with ``kind``, which is a file, ``run`` gets the ``gen.Artifact``. One
            without a default that nobody gives is None.
        arguments: Names of those among ``params`` that must be given, and by their place:
            ``gen x NAME VALUE``. They have no default.
        examples: Command lines to show in the help.
        api: Version of the contract.
        plugin: Label of the plugin that declares it; set by the host, whatever the plugin says.
    """

    name: str
    summary: str
    run: str
    params: tuple[Param, ...] = ()
    arguments: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    api: int = API
    plugin: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class ConverterSpec:
    """A way from artifacts of one kind to artifacts of another, used by ``gen convert``.

    Args:
        name: As given to ``--via``: lower-case letters, digits and hyphens.
        source, target: Kinds of artifact. Where they are the same, it is taken only by name.
        summary: One line.
        convert: Import string of ``(artifact, params: Mapping) -> Artifact``. What the way back needs stands
            in the attributes of the artifact.
        params: Its parameters, with defaults and bounds that the core checks; those without a value are not
            in the mapping. One with a ``kind`` is a second artifact, which it needs; such a converter is
            taken only by name.
        purpose: ``"alpha"`` where it removes the background, for ``--alpha``; empty for none.
        lossless: Whether the way back gives the same artifact; of several the core takes such a one first.
        api: Version of the contract.
        plugin: Label of the plugin that declares it; set by the host, whatever the plugin says.
    """

    name: str
    source: str
    target: str
    summary: str
    convert: str
    params: tuple[Param, ...] = ()
    purpose: Literal["", "alpha"] = ""
    lossless: bool = False
    api: int = API
    plugin: str = field(default="", compare=False)


Dimension: TypeAlias = str | tuple[int, ...]
"""A dimension of an array: a name, whose size must be the same in all arrays, or the allowed sizes."""


@dataclass(frozen=True, kw_only=True)
class ArrayLayout:
    """One array of a kind.

    Args:
        name: Its key in ``Artifact.arrays``.
        shape: Its dimensions.
        low, high: Inclusive range of its values; None where any finite value will do.
        dtype: ``"float32"`` or ``"integer"``.
        required: Whether the kind is incomplete without it.
    """

    name: str
    shape: tuple[Dimension, ...]
    low: float | None = None
    high: float | None = None
    dtype: str = "float32"
    required: bool = True


@dataclass(frozen=True, kw_only=True)
class Signal:
    """Numbers of fixed places in artifacts of a kind: what the operators of ``--restore`` measure.

    Args:
        array: Name of the array.
        axes: Its named dimensions that operators run along: of a picture height and width.
        phase: Whether waves are measured, whose phases a model may leave to chance: restored sounds take
            theirs from the measurement.
    """

    array: str
    axes: tuple[str, ...]
    phase: bool = False


@dataclass(frozen=True, kw_only=True)
class KindSpec:
    """A kind of artifact: which arrays it holds, and how two of it are compared.

    What a codec makes and what a reader reads is checked by it.

    Args:
        name: As artifacts, modalities and formats name it: ``"image"``.
        summary: One line.
        arrays: Its arrays; others are refused. None where attributes hold all of it, as of a text.
        validate: Import string of ``(artifact) -> str``, which says in one line what else is wrong; an empty
            text where nothing is. The layout has been checked.
        preview: Name of the format that ``--preview auto`` writes; empty for none.
        distance: Import string of ``(one, other) -> float``, 0 for equal ones, in place of the largest
            difference of any value; used by ``gen rerun --check``.
        signal: Where its numbers have fixed places, so that any model of the kind can restore it; None where
            only codecs with a field (``gen.model.FieldCodec``) can.
        api: Version of the contract.
        plugin: Label of the plugin that declares it; set by the host, whatever the plugin says.
    """

    name: str
    summary: str
    arrays: tuple[ArrayLayout, ...]
    validate: str = ""
    preview: str = ""
    distance: str = ""
    signal: Signal | None = None
    api: int = API
    plugin: str = field(default="", compare=False)
