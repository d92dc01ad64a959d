"""Loading one plugin: its module is imported, its hooks are called, its specs checked."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from gen.errors import GenError, described
from gen.plugin.boundary import calling
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
    run_fault,
)
from gen.plugin.discovery import Record, api_remedy, install_line, missing_modules, remedy
from gen.plugin.memory import Outcome, Status
from gen.plugin.scan import MODALITIES, PLUGINS
from gen.plugin.specs import (
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
from gen.plugin.text import close_names, one_line
from gen.process_state import kept_process_state

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    import pluggy

Spec = TypeVar("Spec", bound="Declared")

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


def load(manager: pluggy.PluginManager, record: Record) -> tuple[Plugin | None, Outcome]:
    """Import a plugin and check what it declares.

    Args:
        manager: Gets the plugin's hooks, when it can be used.
        record: The plugin.

    Returns:
        What it declares, None when it cannot be used; and how that went.

    Raises:
        KeyboardInterrupt: The user stopped the program meanwhile.
    """
    try:
        # Once for all hooks.
        with kept_process_state():
            module, notes = _import(record)
            plugin = _declared(manager, record, module)
        endings = (f"{end} {kind}" for form in plugin.formats for end in form.suffixes for kind in form.kinds)
        return plugin, Outcome(notes=notes, endings=tuple(dict.fromkeys(endings)))
    except _RefusedError as refusal:
        return None, Outcome(refusal.status, one_line(refusal.reason)[:_LONGEST], refusal.action)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        fault = (error.__cause__ if isinstance(error, GenError) else None) or error
        stops = isinstance(fault, SystemExit | KeyboardInterrupt)
        reason = f"it stops the program ({_line(fault)})" if stops else _line(fault)
        return None, Outcome("broken", reason, remedy(record), _trace(fault))


def _declared(manager: pluggy.PluginManager, record: Record, module: object) -> Plugin:
    """Register a plugin's hooks, ask them and validate the answers; leaves no trace of one that fails."""
    try:
        _register(manager, record, module)
        plugin = _asked(manager, record, module)
    except BaseException:
        if manager.is_registered(module):
            manager.unregister(module)
        raise
    return plugin


def _register(manager: pluggy.PluginManager, record: Record, module: object) -> None:
    from pluggy import PluginValidationError

    from gen.plugin import hookspecs

    known = [name for name in vars(hookspecs) if name.startswith("gen_")]
    try:
        manager.register(module, name=record.key or record.name)
        manager.check_pending()
    except PluginValidationError as error:
        raise _RefusedError("broken", _hook_fault(module, known) or _line(error), remedy(record)) from error
    for name in known:
        hook = getattr(manager.hook, name)
        if callable(getattr(module, name, None)) and not any(
            implementation.plugin is module for implementation in hook.get_hookimpls()
        ):
            raise _RefusedError("broken", f"{name} is not marked with @gen.plugin.hookimpl", remedy(record))


def _asked(manager: pluggy.PluginManager, record: Record, module: object) -> Plugin:
    answers = _answers(manager, record, module, "gen_modality")
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
        specs = tuple(_each(manager, record, module, kind, hook))
        for spec in specs:
            _refuse(record, fault(spec))
        lists[kind] = tuple(replace(spec, plugin=label) for spec in specs)
    own = {modality.kind for modality in modalities}
    lists[FormatSpec] = tuple(replace(form, own=form.kind in own) for form in lists[FormatSpec])
    return Plugin(replace(modalities[0], plugin=label) if modalities else None, lists)


def _each(
    manager: pluggy.PluginManager, record: Record, module: object, kind: type[Spec], hook: str
) -> Iterable[Spec]:
    for answer in _answers(manager, record, module, hook):
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


def _answers(manager: pluggy.PluginManager, record: Record, module: object, hook: str) -> list[object]:
    if all(
        implementation.plugin is not module for implementation in getattr(manager.hook, hook).get_hookimpls()
    ):
        return []
    others = [plugin for plugin in manager.get_plugins() if plugin is not module]
    with calling(record.label, f"hook {hook}"):
        answers: list[object] = manager.subset_hook_caller(hook, remove_plugins=others)()
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
            close = close_names(name, known)
            return f"there is no hook {name!r}" + (f", did you mean {close}?" if close else "")
        allowed = inspect.signature(getattr(hookspecs, name)).parameters
        unknown = [argument for argument in inspect.signature(function).parameters if argument not in allowed]
        if unknown:
            takes = f"only {', '.join(allowed)}" if allowed else "no arguments"
            return f"hook {name!r} takes {takes}, not {', '.join(unknown)}"
    return ""


def _trace(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))


def _line(error: BaseException) -> str:
    """An exception in one line."""
    return one_line(described(error))
