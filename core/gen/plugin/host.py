"""The host: finds plugins, loads the ones that a command needs, and keeps their failures to themselves."""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from gen.errors import GenError, PluginError, described
from gen.plugin.boundary import calling, imported
from gen.plugin.checks import (
    HEAVY_MODULES,
    api_fault,
    choice_fault,
    command_fault,
    converter_fault,
    family_fault,
    format_fault,
    kind_fault,
    modality_fault,
    model_fault,
    name_fault,
    run_fault,
)
from gen.plugin.discovery import (
    OURS,
    Record,
    after,
    api_remedy,
    find_records,
    install_line,
    missing_modules,
    remedy,
)
from gen.plugin.memory import Outcome, Status, remember
from gen.plugin.scan import MODALITIES, PLUGINS
from gen.plugin.settings import Settings, normalised, read_settings, write_disabled
from gen.plugin.specs import (
    ANY_KIND,
    CacheSpec,
    ChoiceSpec,
    CommandSpec,
    ConverterSpec,
    FamilySpec,
    FormatSpec,
    GridSpec,
    GuidanceSpec,
    KindSpec,
    ModalitySpec,
    ModelSpec,
    NoiseSpec,
    RunSpec,
    SolverSpec,
)
from gen.plugin.text import one_line, plain_name
from gen.process_state import kept_process_state

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    import pluggy

Spec = TypeVar("Spec", bound="Declared")
Chosen = TypeVar("Chosen", bound=ChoiceSpec)

Declared: TypeAlias = (
    ModalitySpec
    | ModelSpec
    | FamilySpec
    | FormatSpec
    | ChoiceSpec
    | RunSpec
    | CommandSpec
    | ConverterSpec
    | KindSpec
)

HOOKS: Mapping[type[Declared], tuple[str, Callable[[Any], str]]] = {
    ModelSpec: ("gen_models", model_fault),
    FamilySpec: ("gen_families", family_fault),
    FormatSpec: ("gen_formats", format_fault),
    SolverSpec: ("gen_solvers", choice_fault),
    GridSpec: ("gen_grids", choice_fault),
    GuidanceSpec: ("gen_guidances", choice_fault),
    CacheSpec: ("gen_caches", choice_fault),
    NoiseSpec: ("gen_noises", choice_fault),
    KindSpec: ("gen_kinds", kind_fault),
    RunSpec: ("gen_run", run_fault),
    CommandSpec: ("gen_commands", command_fault),
    ConverterSpec: ("gen_converters", converter_fault),
}
"""The hooks that return lists: what is in the list, the hook, and what finds the first fault of one."""

_CORE = Record(name="gen", group=PLUGINS, value="gen.presets.plugin")
"""What the core declares. It comes through the same hooks as a plugin, and cannot be switched off."""

_MOST = 1_000
"""Specs that a hook may return."""

_LONGEST = 200
"""Characters of a reason that are shown; `gen plugins show` has the whole traceback."""


@dataclass(frozen=True)
class Plugin:
    """What one loaded plugin declares.

    Args:
        modality: Its modality; None for an entry of ``gen.plugins``.
        lists: What the other hooks returned, by the class of the specs.
    """

    modality: ModalitySpec | None
    lists: Mapping[type[Declared], tuple[Any, ...]]

    def of(self, kind: type[Spec]) -> tuple[Spec, ...]:
        """The specs of a class."""
        return self.lists.get(cast(type[Declared], kind), ())

    @property
    def models(self) -> tuple[ModelSpec, ...]:
        """Its models."""
        return self.of(ModelSpec)

    @property
    def formats(self) -> tuple[FormatSpec, ...]:
        """Its file formats."""
        return self.of(FormatSpec)


class _RefusedError(Exception):
    """A plugin that cannot be used, with the status and the lines that its record gets."""

    def __init__(self, status: Status, reason: str, action: str) -> None:
        super().__init__(reason)
        self.status, self.reason, self.action = status, reason, action


class Host:
    """The plugins of this environment.

    Nothing is imported before it is asked for; what is asked for is imported once. Methods may be called
    from several threads.

    Args:
        records: The plugins; `discover` finds those that are installed.
        settings: Which ones the user has switched off.
    """

    def __init__(self, records: Iterable[Record], settings: Settings) -> None:
        self._records = [*records, _CORE]
        self._settings = settings
        self._plugins: dict[int, Plugin | None] = {}
        self._lock = threading.RLock()

    @classmethod
    def discover(cls) -> Host:
        """Find the plugins that are installed and judge them without importing any."""
        settings = read_settings()
        return cls(find_records(settings), settings)

    @property
    def records(self) -> tuple[Record, ...]:
        """Every plugin as it stands now, sorted by group and name."""
        return tuple(self._records[: self._core])

    @property
    def modalities(self) -> tuple[Record, ...]:
        """One record for each command that plugins bring, usable or not.

        Names that no command can have are left out; of a repeated name the usable one stands here.
        """
        chosen: dict[str, Record] = {}
        for record in self._records:
            if record.group != MODALITIES or name_fault(record.name, command=True):
                continue
            if record.name not in chosen or record.status == "ok":
                chosen[record.name] = record
        return tuple(chosen.values())

    @property
    def problems(self) -> tuple[str, ...]:
        """A line for each plugin that cannot be used or misbehaves: which one, what is wrong, what to do."""
        faults = [self._settings.fault] if self._settings.fault else []
        known = {name for record in self.records for name in (record.name, record.distribution)}
        faults += self._settings.unknown(frozenset(map(normalised, known)))
        return (*faults, *(record.problem for record in self._records if record.problem))

    def record(self, name: str) -> Record:
        """The plugin of that name: the usable one where the name is repeated.

        Raises:
            PluginError: There is none; the hint names close ones.
        """
        return self._records[self._find(name)]

    def modality(self, name: str) -> ModalitySpec:
        """Load a modality.

        Args:
            name: Name of its entry point, which is that of its command.

        Raises:
            PluginError: There is none of that name, or it cannot be used: the message says why, the hint
                what to do.
        """
        index = self._find(name, MODALITIES)
        plugin = self._load(index)
        if plugin is None or plugin.modality is None:
            record = self._records[index]
            raise PluginError(f"plugin {record.label} is {record.status}: {record.reason}", record.action)
        return plugin.modality

    def load(self, name: str) -> Plugin | None:
        """Load a plugin, whatever its group.

        Returns:
            What it declares; None when it cannot be used, and then its `record` says why.

        Raises:
            PluginError: There is none of that name.
        """
        return self._load(self._find(name))

    def models(self, modality: str) -> tuple[ModelSpec, ...]:
        """The models of a modality: from its own plugin first, then from entries of ``gen.plugins``.

        Raises:
            PluginError: The modality cannot be used.
        """
        self.modality(modality)
        indices = [self._find(modality, MODALITIES), *self._group(PLUGINS)]
        return self._merged(indices, lambda plugin: plugin.models, lambda spec: spec.modality == modality)

    def families(self, modality: str) -> tuple[FamilySpec, ...]:
        """The families of checkpoints that a modality drives: from its own plugin first.

        Raises:
            PluginError: The modality cannot be used.
        """
        self.modality(modality)
        indices = [self._find(modality, MODALITIES), *self._group(PLUGINS)]
        return self._merged(
            indices, lambda plugin: plugin.of(FamilySpec), lambda spec: spec.modality == modality
        )

    def formats(self, kind: str | None = None) -> tuple[FormatSpec, ...]:
        """File formats.

        Args:
            kind: Kind of artifact that they hold. They come from the modality of that name, from modalities
                that are in use already, and from entries of ``gen.plugins``; where there is no such modality
                and no such format, from all, which may hold this kind beside their own. None: formats of all
                plugins.
        """
        every = self._group(MODALITIES)
        named = [index for index in every if self._records[index].name == kind]
        near = [index for index in every if index in named or self._plugins.get(index)]

        def found(modalities: Iterable[int]) -> tuple[FormatSpec, ...]:
            specs = self._merged(
                [*modalities, *self._group(PLUGINS)],
                lambda plugin: plugin.formats,
                lambda spec: spec.holds(kind),
            )
            return tuple(sorted(specs, key=lambda spec: spec.kind == ANY_KIND))

        if kind is None:
            return found(every)
        formats = found(near)
        if named or any(spec.kind != ANY_KIND for spec in formats):
            return formats
        return found(every)

    def shared_endings(self) -> tuple[str, ...]:
        """A line for each file ending that formats of several plugins have for one kind, as far as these were
        loaded before."""
        owners: dict[str, list[str]] = {}
        for record in self._records:
            for ending in record.endings if record.status == "ok" else ():
                owners.setdefault(ending, []).append(record.label)
        return tuple(
            f"the ending {' of '.join(ending.split(' ', 1))} is shared by {' and '.join(labels)}; "
            "the content of a file decides"
            for ending, labels in owners.items()
            if len(labels) > 1
        )

    def choices(self, kind: type[Chosen], modality: str | None = None) -> tuple[Chosen, ...]:
        """What can be chosen by name: solvers, grids, guidances, caches or noise rules.

        Args:
            kind: ``SolverSpec``, ``GridSpec``, ``GuidanceSpec``, ``CacheSpec`` or ``NoiseSpec``.
            modality: Name of the modality that is used, whose plugin may declare some; None for those of all
                plugins.

        Returns:
            The core's first. An alias that stands for something already is left out.

        Raises:
            PluginError: The modality cannot be used.
        """
        if modality is not None:
            self.modality(modality)
        own = self._group(MODALITIES) if modality is None else [self._find(modality, MODALITIES)]
        indices = sorted([*self._group(PLUGINS), *own], key=lambda index: index != self._core)
        return self._merged(indices, lambda plugin: plugin.of(kind), lambda _: True)

    def runs(self, modality: str) -> tuple[RunSpec, ...]:
        """The run hooks that hold for a modality.

        Raises:
            PluginError: The modality cannot be used.
        """
        self.modality(modality)
        indices = sorted([self._find(modality, MODALITIES), *self._group(PLUGINS)])
        return self._merged(
            indices,
            lambda plugin: plugin.of(RunSpec),
            lambda spec: modality in (spec.modalities or (modality,)),
        )

    def commands(self) -> tuple[CommandSpec, ...]:
        """The commands under ``gen x``, of all plugins."""
        indices = [*self._group(PLUGINS), *self._group(MODALITIES)]
        return self._merged(indices, lambda plugin: plugin.of(CommandSpec), lambda _: True)

    def kind(self, name: str, modality: str | None = None) -> KindSpec | None:
        """What is declared about a kind of artifact: by the core, the plugin of a modality, of any where none
        is named, or one of ``gen.plugins``; None for a kind that nobody declares, whose artifacts may hold
        any arrays.

        Raises:
            PluginError: The modality cannot be used.
        """
        if modality is not None:
            self.modality(modality)
        own = self._group(MODALITIES) if modality is None else [self._find(modality, MODALITIES)]
        indices = sorted([*self._group(PLUGINS), *own], key=lambda index: index != self._core)
        kinds = self._merged(indices, lambda plugin: plugin.of(KindSpec), lambda spec: spec.name == name)
        return next(iter(kinds), None)

    def converters(self) -> tuple[ConverterSpec, ...]:
        """The ways from one kind of artifact to another, of all plugins."""
        indices = [*self._group(PLUGINS), *self._group(MODALITIES)]
        return self._merged(indices, lambda plugin: plugin.of(ConverterSpec), lambda _: True)

    def owner(self, spec: Declared) -> Record | None:
        """The plugin that declares a spec; None for one of the core."""
        return next((record for record in self.records if spec.plugin and record.label == spec.plugin), None)

    def resolve(self, import_string: str, plugin: str = "") -> object:
        """Import what a spec names.

        Args:
            import_string: ``"package.module:attribute"``, as specs hold it. Never pass one that was read from
                a file: importing runs code.
            plugin: Label of the plugin that declares it; by default the one with that package.

        Raises:
            PluginError: The module cannot be imported or has no such attribute; the message names the plugin.
        """
        module_name = import_string.partition(":")[0]
        declaring = (record for record in self.records if record.label == plugin)
        record = next(declaring, None) or self._owner(module_name)
        try:
            return imported(record.label if record else "", import_string, remedy(record) if record else "")
        except PluginError as error:
            cause = error.__cause__
            missing = (cause.name or "").partition(".")[0] if isinstance(cause, ModuleNotFoundError) else ""
            if not missing or missing == module_name.partition(".")[0]:
                raise
            raise PluginError(error.message, self._install(record, missing)) from cause

    def set_aside(self, name: str, reason: str) -> None:
        """Do not load a plugin in this process.

        Args:
            name: Its name.
            reason: Why, in one line.

        Raises:
            PluginError: There is none of that name.
        """
        index = self._find(name)
        record = self._records[index]
        self._records[index] = replace(
            record, status="broken", reason=reason, action=remedy(record), retry=False
        )

    def enable(self, name: str) -> None:
        """Take a plugin or a distribution off the list of those that are switched off.

        Raises:
            PluginError: It is unknown, it is not on the list, or an environment variable switches it off.
            OutputError: The list cannot be written.
        """
        key = self._known(name)
        if key not in self._settings.disabled:
            record = next((item for item in self.records if self._is(item, key)), None)
            if record is not None and record.status == "disabled":
                raise PluginError(f"{name} is {record.reason}", record.action)
            raise PluginError(f"{name} is not switched off", "gen plugins lists the state of each")
        write_disabled(self._settings.file, self._settings.disabled - {key})
        self._renew()

    def disable(self, name: str) -> None:
        """Switch off a plugin, or all plugins of a distribution, until `enable`.

        Raises:
            PluginError: It is unknown.
            OutputError: The list cannot be written.
        """
        write_disabled(self._settings.file, self._settings.disabled | {self._known(name)})
        self._renew()

    @property
    def _core(self) -> int:
        """Index of the core's own record, which stands last."""
        return len(self._records) - 1

    @cached_property
    def _manager(self) -> pluggy.PluginManager:
        import pluggy

        from gen.plugin import hookspecs

        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        return manager

    def _renew(self) -> None:
        with self._lock:
            self._settings = read_settings()
            self._records = [*find_records(self._settings), _CORE]
            self._plugins.clear()
            self.__dict__.pop("_manager", None)

    def _known(self, name: str) -> str:
        key = normalised(name)
        if key not in self._settings.disabled and not any(self._is(record, key) for record in self.records):
            self._find(name)
        return key

    @staticmethod
    def _is(record: Record, key: str) -> bool:
        return key in (normalised(record.name), normalised(record.distribution))

    def _find(self, name: str, group: str | None = None) -> int:
        """Index of the record of that name, a usable one if there is one."""
        indices = [
            index
            for index, record in enumerate(self.records)
            if record.name == name and group in (None, record.group)
        ]
        if not indices:
            known = sorted({record.name for record in self.records if group in (None, record.group)})
            close = _close(name, known)
            noun = "modality" if group == MODALITIES else "plugin"
            hint = f"did you mean {close}?" if close else "gen plugins lists what is installed"
            raise PluginError(f"there is no {noun} named {name!r}", hint)
        return min(indices, key=lambda index: self._records[index].status != "ok")

    def _group(self, group: str) -> list[int]:
        """Indices of a group's records that are worth loading: the core's, then those that we bring."""
        indices = [
            index
            for index, record in enumerate(self._records)
            if record.group == group and (record.status == "ok" or record.retry)
        ]
        return sorted(indices, key=lambda index: self._records[index].distribution not in ("", OURS))

    def _owner(self, module_name: str) -> Record | None:
        package = module_name.partition(".")[0]
        return next((record for record in self.records if record.module.partition(".")[0] == package), None)

    def _install(self, record: Record | None, module: str) -> str:
        """The command that installs a module which a plugin's heavy code did not find."""
        if record is None:
            return install_line(OURS, "", [module])
        plugin = self._plugins.get(self._records.index(record))
        extra = plugin.modality.extra if plugin and plugin.modality else ""
        return install_line(record.distribution, extra, [module])

    def _merged(
        self,
        indices: Iterable[int],
        specs_of: Callable[[Plugin], tuple[Spec, ...]],
        wanted: Callable[[Spec], bool],
    ) -> tuple[Spec, ...]:
        """The wanted specs of several plugins; of a repeated name the first stays and the other is noted."""
        merged: dict[tuple[str, str], Spec] = {}
        owners: dict[tuple[str, str], str] = {}
        for index in indices:
            plugin = self._load(index)
            for spec in filter(wanted, specs_of(plugin) if plugin else ()):
                label, noun = self._records[index].label, type(spec).__name__.removesuffix("Spec").lower()
                first, *others = _keys(spec)
                if first in owners:
                    self._note(index, f"{noun} {spec.name!r} is left out, {owners[first]} has it already")
                    continue
                taken = {key for key in others if key in owners}
                for key in sorted(taken):
                    self._note(
                        index, f"{noun} {spec.name!r} has no alias {key[0]!r}, {owners[key]} has it already"
                    )
                merged[first] = _without_aliases(spec, {key[0] for key in taken}) if taken else spec
                owners |= dict.fromkeys({first, *others} - taken, label)
        return tuple(merged.values())

    def _note(self, index: int, note: str) -> None:
        record = self._records[index]
        if note not in record.notes:
            self._records[index] = replace(record, notes=(*record.notes, note))

    def _load(self, index: int) -> Plugin | None:
        """Import a plugin, check what it declares and record how that went; None when it cannot be used."""
        with self._lock:
            if index in self._plugins:
                return self._plugins[index]
            record = self._records[index]
            if record.status != "ok" and not record.retry:
                return None
            plugin: Plugin | None = None
            try:
                # Once for all hooks.
                with kept_process_state():
                    module, notes = _import(record)
                    plugin = self._declared(record, module)
                endings = (
                    f"{end} {kind}" for form in plugin.formats for end in form.suffixes for kind in form.kinds
                )
                outcome = Outcome(notes=notes, endings=tuple(dict.fromkeys(endings)))
            except _RefusedError as refusal:
                outcome = Outcome(refusal.status, one_line(refusal.reason)[:_LONGEST], refusal.action)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                fault = (error.__cause__ if isinstance(error, GenError) else None) or error
                stops = isinstance(fault, SystemExit | KeyboardInterrupt)
                reason = f"it stops the program ({_line(fault)})" if stops else _line(fault)
                outcome = Outcome("broken", reason, remedy(record), _trace(fault))
            if record.key:
                remember(record.key, outcome)
            self._records[index] = after(record, outcome)
            self._plugins[index] = plugin
            return plugin

    def _declared(self, record: Record, module: object) -> Plugin:
        """Register a plugin's hooks, ask them and validate the answers; leaves no trace of one that fails."""
        try:
            self._register(record, module)
            plugin = self._asked(record, module)
        except BaseException:
            if self._manager.is_registered(module):
                self._manager.unregister(module)
            raise
        return plugin

    def _register(self, record: Record, module: object) -> None:
        from pluggy import PluginValidationError

        from gen.plugin import hookspecs

        known = [name for name in vars(hookspecs) if name.startswith("gen_")]
        try:
            self._manager.register(module, name=record.key or record.name)
            self._manager.check_pending()
        except PluginValidationError as error:
            raise _RefusedError(
                "broken", _hook_fault(module, known) or _line(error), remedy(record)
            ) from error
        for name in known:
            hook = getattr(self._manager.hook, name)
            if callable(getattr(module, name, None)) and not any(
                implementation.plugin is module for implementation in hook.get_hookimpls()
            ):
                raise _RefusedError(
                    "broken", f"{name} is not marked with @gen.plugin.hookimpl", remedy(record)
                )

    def _asked(self, record: Record, module: object) -> Plugin:
        answers = self._answers(record, module, "gen_modality")
        modalities = [_expect(record, answer, ModalitySpec, "gen_modality") for answer in answers]
        if record.group == MODALITIES and not modalities:
            raise _RefusedError("broken", "it implements no gen_modality", remedy(record))
        if record.group == PLUGINS and modalities:
            raise _RefusedError(
                "broken",
                f"it implements gen_modality, which belongs into the group {MODALITIES}",
                remedy(record),
            )
        for modality in modalities:
            _refuse(record, modality_fault(modality, record.name))
            if missing := missing_modules(modality.requires):
                raise _RefusedError(
                    "unmet",
                    f"{' and '.join(missing)} cannot be imported",
                    install_line(record.distribution, modality.extra, missing),
                )
        label = record.label if record.distribution else ""
        lists: dict[type[Declared], tuple[Any, ...]] = {}
        for kind, (hook, fault) in HOOKS.items():
            specs = tuple(self._each(record, module, kind, hook))
            for spec in specs:
                _refuse(record, fault(spec))
            lists[kind] = tuple(replace(spec, plugin=label) for spec in specs)
        own = {modality.kind for modality in modalities}
        lists[FormatSpec] = tuple(replace(form, own=form.kind in own) for form in lists[FormatSpec])
        return Plugin(replace(modalities[0], plugin=label) if modalities else None, lists)

    def _each(self, record: Record, module: object, kind: type[Spec], hook: str) -> Iterable[Spec]:
        for answer in self._answers(record, module, hook):
            if not isinstance(answer, Iterable):
                raise _RefusedError(
                    "broken", f"{hook} returns {answer!r}, not a list of {kind.__name__}", remedy(record)
                )
            # Items of a generator are plugin code, too.
            with calling(record.label, f"hook {hook}"):
                specs = tuple(itertools.islice(answer, _MOST + 1))
            if len(specs) > _MOST:
                raise _RefusedError("broken", f"{hook} returns more than {_MOST} specs", remedy(record))
            for spec in specs:
                yield _expect(record, spec, kind, hook)

    def _answers(self, record: Record, module: object, hook: str) -> list[object]:
        others = [plugin for plugin in self._manager.get_plugins() if plugin is not module]
        with calling(record.label, f"hook {hook}"):
            answers: list[object] = self._manager.subset_hook_caller(hook, remove_plugins=others)()
        return answers


def _import(record: Record) -> tuple[object, tuple[str, ...]]:
    """Import a plugin's light module; what it prints goes to stderr, for stdout belongs to the command."""
    before = HEAVY_MODULES & sys.modules.keys()
    entry = _entry_point(record)
    with calling(record.label, "light module"), contextlib.redirect_stdout(sys.stderr):
        module: object = entry.load()
    heavy = sorted((HEAVY_MODULES & sys.modules.keys()) - before)
    if not heavy:
        # Where such modules are loaded already, what an earlier load showed still stands.
        return module, record.notes if before else ()
    return module, (
        f"imports {', '.join(heavy)} at the top, which makes every command slow; "
        "import inside the functions that use it",
    )


def _entry_point(record: Record) -> EntryPoint:
    """The entry point as installed metadata has it: the cache never decides what is imported."""
    from importlib.metadata import EntryPoint, PackageNotFoundError, distribution

    entry = EntryPoint(record.name, record.value, record.group)
    if not record.distribution:
        return entry
    try:
        installed = entry in distribution(record.distribution).entry_points
    except PackageNotFoundError:
        installed = False
    if not installed:
        raise _RefusedError("broken", "it is no longer installed as it was", remedy(record))
    return entry


def _keys(spec: Declared) -> list[tuple[str, str]]:
    """What a spec can be found by, its name first: names are compared without case and punctuation."""
    if isinstance(spec, ChoiceSpec):
        return [(plain_name(name), "") for name in (spec.name, *spec.aliases)]
    if isinstance(spec, RunSpec | CommandSpec | ConverterSpec | KindSpec):
        return [(spec.name, "")]
    return [(spec.name, spec.modality if isinstance(spec, ModelSpec | FamilySpec) else spec.kind)]


def _without_aliases(spec: Spec, taken: set[str]) -> Spec:
    assert isinstance(spec, ChoiceSpec)
    kept = tuple(alias for alias in spec.aliases if plain_name(alias) not in taken)
    return cast(Spec, replace(spec, aliases=kept))


def _expect(record: Record, spec: object, kind: type[Spec], hook: str) -> Spec:
    if not isinstance(spec, kind):
        raise _RefusedError("broken", f"{hook} returns {spec!r}, not a {kind.__name__}", remedy(record))
    api = getattr(spec, "api", None)
    if fault := api_fault(api):
        raise _RefusedError("unmet", fault, api_remedy(record, api if isinstance(api, int) else 0))
    return spec


def _refuse(record: Record, fault: str) -> None:
    if fault:
        raise _RefusedError("broken", fault, remedy(record))


def _hook_fault(module: object, known: list[str]) -> str:
    """Say which marked function fits no hook, in what way, and what was probably meant."""
    import inspect

    from gen.plugin import hookspecs

    for name in dir(module):
        function = getattr(module, name, None)
        if not callable(function) or not hasattr(function, f"{hookspecs.PROJECT}_impl"):
            continue
        if name not in known:
            close = _close(name, known)
            return f"there is no hook {name!r}" + (f", did you mean {close}?" if close else "")
        allowed = inspect.signature(getattr(hookspecs, name)).parameters
        unknown = [argument for argument in inspect.signature(function).parameters if argument not in allowed]
        if unknown:
            takes = f"only {', '.join(allowed)}" if allowed else "no arguments"
            return f"hook {name!r} takes {takes}, not {', '.join(unknown)}"
    return ""


def _close(name: str, known: list[str]) -> str:
    """The names that a misspelt one may stand for."""
    from difflib import get_close_matches

    return " or ".join(get_close_matches(name, known, n=3))


def _trace(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))


def _line(error: BaseException) -> str:
    """An exception in one line."""
    return one_line(described(error))
