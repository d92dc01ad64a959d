"""The host: finds plugins, loads the ones that a command needs, and keeps their failures to themselves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar, cast

from gen.errors import PluginError
from gen.plugin.boundary import imported
from gen.plugin.checks import name_fault
from gen.plugin.discovery import OURS, Record, after, find_records, install_line, remedy
from gen.plugin.loading import Declared, Plugin, Spec, load
from gen.plugin.memory import remember
from gen.plugin.scan import MODALITIES, PLUGINS
from gen.plugin.settings import Settings, normalised, read_settings, write_disabled
from gen.plugin.specs import (
    ANY_KIND,
    ChoiceSpec,
    CommandSpec,
    ConverterSpec,
    FamilySpec,
    FormatSpec,
    KindSpec,
    ModalitySpec,
    ModelSpec,
    RunSpec,
)
from gen.plugin.text import close_names, plain_name

if TYPE_CHECKING:
    import pluggy

Chosen = TypeVar("Chosen", bound=ChoiceSpec)

_CORE = Record(name="gen", group=PLUGINS, value="gen.presets.plugin")
"""What the core declares. It comes through the same hooks as a plugin, and cannot be switched off."""


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
            close = close_names(name, known)
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
            plugin, outcome = load(self._manager, record)
            if record.key:
                remember(record.key, outcome)
            self._records[index] = after(record, outcome)
            self._plugins[index] = plugin
            return plugin


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
