"""What names and specs must satisfy: plain functions that return the first fault as a line, or nothing."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from typing import get_args

from gen.plugin.specs import (
    ABILITIES,
    ADDITIONS,
    API,
    REMOTE,
    ArrayLayout,
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
    Param,
    Prompt,
    RecipeSpec,
    RunSpec,
    Signal,
    SolverSpec,
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMMANDS = _words("""
    plugins models solvers guidances converters convert chain info rerun schema doctor train eval presets
    config completion new help version x serve run load
""")
"""Commands that `gen` has or keeps for itself."""

MODULES = _words("""
    api artifact atomic chain chains checkpoints checks cli conversion diffusion errors evaluation
    hardware json_files kinds metadata model nn offline plan plugin process_state torch_state recipe squares
    foreign_recipe formats linking rerunning scaffold skeleton templates testing text_files words writing
""")
"""Modules of the package, which ``gen.NAME`` must go on meaning in Python."""

RESERVED = COMMANDS | MODULES
"""Names that no modality may take."""

CORE_FLAGS = _words("""
    prompt prompt_file output format count seed steps guidance guide guidance_interval negative model solver
    grid cache noise init strength mask expand restore vary amount interpolate share edit
    upscale tile alpha style variant allow_pickle lora embedding decoder
    param preset device dtype isolate offline metadata overwrite dry_run preview watch json quiet verbose help
    negative_prompt cfg_scale guidance_scale num_inference_steps sampler as_json on_step threads
""")
"""Flags that the core gives to every modality, aliases included; no plugin's parameter may redefine one."""

HEAVY_MODULES = _words("""
    torch torchaudio torchvision numpy scipy PIL skimage trimesh av soundfile tokenizers safetensors diffusers
    transformers huggingface_hub accelerate soxr jax tensorflow cv2 matplotlib pandas
""")
"""Modules that a plugin must not import at the top of its light module."""

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_CHOICE = re.compile(r"[a-z][a-z0-9_-]*")
_FIELD = re.compile(r"[a-z][a-z0-9_]*")
_IMPORT_STRING = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SUFFIX = re.compile(r"(\.[a-z0-9]+)+")


def name_fault(name: str, *, command: bool) -> str:
    """Say why an entry point cannot have this name.

    Args:
        name: Name of the entry point.
        command: Whether the name becomes a command, as that of a modality does.

    Returns:
        One line, or an empty string when the name is fine.
    """
    if not _NAME.fullmatch(name):
        return f"{name!r} is no valid name: lower-case letters, digits and hyphens, a letter first"
    if command and name.replace("-", "_") in RESERVED:
        return f"the name {name!r} is reserved for gen itself"
    return ""


def api_fault(api: object) -> str:
    """Say why a spec of this version of the contract cannot be used.

    Args:
        api: What the spec says. The current version and the one before it are served.

    Returns:
        One line, or an empty string.
    """
    if type(api) is not int:
        return f"api must be an integer, not {api!r}"
    if api > API:
        return f"it is written for plugin api {api}, and this gen has api {API}"
    if api < max(1, API - 1):
        return f"it is written for plugin api {api}, which this gen (api {API}) no longer serves"
    return ""


def modality_fault(spec: ModalitySpec, name: str) -> str:
    """Find the first fault of a modality's spec.

    Args:
        spec: What ``gen_modality`` returned.
        name: Name of the entry point.

    Returns:
        One line, or an empty string.
    """
    if spec.name != name:
        return f"gen_modality declares {spec.name!r}, but its entry point is named {name!r}"
    fault = _strings(spec, ("kind", "summary", "default_model", "default_format"), optional=("extra",))
    fault = fault or _import_strings(spec, required=("loader",), optional=("evaluation",))
    fault = fault or _tuples(spec, {"params": Param, "recipes": RecipeSpec, "requires": str, "examples": str})
    if fault:
        return fault
    for module in spec.requires:
        if not module.isidentifier():
            return f"requires names {module!r}, which is no top-level module"
    for recipe in spec.recipes:
        fault = _strings(recipe, ("name", "summary")) or _import_strings(recipe, required=("factory",))
        fault = fault or _tuples(recipe, {"presets": str})
        if fault or not recipe.presets:
            return f"recipe {recipe.name!r}: {fault or 'presets is empty'}"
    for param in spec.params:
        if fault := param_fault(param):
            return f"parameter {param.name!r}: {fault}"
        if param.follows and (param.follows, param.type) not in {(one.name, one.type) for one in spec.params}:
            return f"parameter {param.name!r}: follows names {param.follows!r}, no parameter of its type"
    return (
        _repeated("parameter", (param.name for param in spec.params))
        or _repeated("recipe", (recipe.name for recipe in spec.recipes))
        or _ability_fault(spec.prompt, spec.abilities)
    )


def _ability_fault(prompt: object, abilities: object) -> str:
    """Say what is wrong with what is said about prompts and abilities."""
    if prompt not in get_args(Prompt):
        return f"prompt must be one of {', '.join(get_args(Prompt))}, not {prompt!r}"
    if not isinstance(abilities, tuple) or not set(abilities) <= set(ABILITIES):
        return f"abilities must be a tuple out of {', '.join(ABILITIES)}, not {abilities!r}"
    return ""


def param_fault(param: Param) -> str:
    """Find the first fault of one parameter.

    Returns:
        One line, or an empty string.
    """
    if isinstance(param.name, str) and param.name in CORE_FLAGS:
        return f"--{param.name.replace('_', '-')} belongs to the core; choose another name"
    return value_fault(param)


def value_fault(param: Param) -> str:
    """Find the first fault of a parameter or a setting, whether or not its name can be a flag.

    Returns:
        One line, or an empty string.
    """
    if not isinstance(param.name, str) or not _FIELD.fullmatch(param.name) or keyword.iskeyword(param.name):
        return "the name must be snake_case, no word of Python"
    if param.type not in (int, float, bool, str):
        return f"type must be int, float, bool or str, not {param.type!r}"
    if fault := _strings(param, ("help",)):
        return fault
    allowed = (int, float) if param.type is float else (param.type,)
    if param.default is not None and type(param.default) not in allowed:
        return f"default {param.default!r} is no {param.type.__name__}"
    numeric = param.type in (int, float)
    if not numeric and (param.minimum is not None or param.maximum is not None):
        return "minimum and maximum are for numbers"
    if param.minimum is not None and param.maximum is not None and param.minimum > param.maximum:
        return f"minimum {param.minimum} is above maximum {param.maximum}"
    if param.multiple_of is not None and (param.type is not int or param.multiple_of < 1):
        return "multiple_of must be a positive integer, for an int"
    if param.choices and param.type is not str:
        return "choices are for str"
    if stray := next((choice for _, choice in param.aliases if choice not in param.choices), ""):
        return f"an alias means {stray!r}, which is no choice"
    if type(param.several) is not int or param.several < 1:
        return "several must be a positive integer"
    if param.kind and (param.type is not str or param.default is not None or param.choices):
        return "a parameter with a kind is a file: its type is str, without default and choices"
    if param.default is None:
        return ""
    if param.choices and param.default not in param.choices:
        return f"default {param.default!r} is none of {', '.join(param.choices)}"
    if isinstance(param.default, (int, float)) and numeric:
        low = param.minimum if param.minimum is not None else param.default
        high = param.maximum if param.maximum is not None else param.default
        if not low <= param.default <= high:
            return f"default {param.default} is out of range"
    return ""


def model_fault(spec: ModelSpec) -> str:
    """Find the first fault of a model's spec.

    Returns:
        One line, or an empty string.
    """
    fault = _strings(spec, ("name", "modality", "summary", "source", "licence"), ("solver",))
    if fault:
        return f"model {spec.name!r}: {fault}"
    if spec.source.startswith("http:") and not spec.source.startswith(REMOTE):
        return f"model {spec.name!r}: source must be https:, hf:, package: or a path, not {spec.source!r}"
    if not isinstance(spec.sha256, str) or not _SHA256.fullmatch(spec.sha256):
        return f"model {spec.name!r}: sha256 must be 64 lower-case hexadecimal digits"
    if type(spec.size) is not int or spec.size < 1:
        return f"model {spec.name!r}: size must be a positive number of bytes"
    fault = _import_strings(spec, (), optional=("loader",)) or _tuples(spec, {"params": Param})
    fault = fault or _ability_fault(
        "required" if spec.prompt is None else spec.prompt, () if spec.abilities is None else spec.abilities
    )
    for param in spec.params if not fault else ():
        if found := param_fault(param):
            fault = f"parameter {param.name!r}: {found}"
    fault = fault or _repeated("parameter", (param.name for param in spec.params))
    return f"model {spec.name!r}: {fault}" if fault else ""


def family_fault(spec: FamilySpec) -> str:
    """Find the first fault in the spec of a family of checkpoints.

    Returns:
        One line, or an empty string.
    """
    fault = _strings(spec, ("name", "modality", "summary"))
    fault = fault or _import_strings(spec, ("adapter", "defaults"), optional=("single_file", "lora_names"))
    names = spec.pipelines
    if not fault and not (isinstance(names, tuple) and names and all(type(one) is str for one in names)):
        fault = f"pipelines must be a tuple of names of classes, not {names!r}"
    if not fault and not (isinstance(spec.additions, tuple) and set(spec.additions) <= set(ADDITIONS)):
        fault = f"additions must be a tuple out of {', '.join(ADDITIONS)}, not {spec.additions!r}"
    fault = fault or _ability_fault(
        "required" if spec.prompt is None else spec.prompt, () if spec.abilities is None else spec.abilities
    )
    faults = (fault, *map(param_fault, spec.params if not fault else ()))
    return next((f"family {spec.name!r}: {one}" for one in faults if one), "")


NEEDS: dict[type[ChoiceSpec], frozenset[str]] = {
    SolverSpec: _words("process"),
    GridSpec: _words("process own"),
    GuidanceSpec: _words("process model layers"),
    CacheSpec: _words("process layers"),
    NoiseSpec: frozenset(),
}
"""What the factory of each kind of choice may need beside its settings."""

PARTS: dict[type[ChoiceSpec], frozenset[str]] = {
    SolverSpec: _words("churn churn_low churn_high s_noise"),
    GridSpec: _words("steps shift terminal until restart_length restarts restart_low restart_high"),
    GuidanceSpec: _words("scale guidance"),
    CacheSpec: _words("denoiser"),
    NoiseSpec: _words("seeds"),
}
"""What the factory of each kind of choice gets in any case, or what the core sets itself."""


def choice_fault(spec: ChoiceSpec) -> str:
    """Find the first fault in the spec of a solver, a grid, a guidance, a cache or a noise rule.

    Returns:
        One line, or an empty string.
    """
    noun = type(spec).__name__.removesuffix("Spec").lower()
    start = f"{noun} {spec.name!r}"
    if not isinstance(spec.name, str) or not _CHOICE.fullmatch(spec.name):
        return f"{start}: the name must be lower-case letters, digits, - and _, a letter first"
    fault = _strings(spec, ("summary",)) or _import_strings(spec, required=("factory",))
    fault = fault or _tuples(spec, {"aliases": str, "settings": Param, "needs": str})
    if fault:
        return f"{start}: {fault}"
    for param in spec.settings:
        if fault := value_fault(param):
            return f"{start}: setting {param.name!r}: {fault}"
        if param.kind or param.follows:
            return f"{start}: setting {param.name!r}: a setting is no file and follows no other"
        if param.name in NEEDS[type(spec)] | PARTS[type(spec)]:
            return f"{start}: setting {param.name!r}: the core gives something else by that name"
        if unfit := next((choice for choice in param.choices if set(choice) & set(",=: ")), ""):
            return f"{start}: setting {param.name!r}: the choice {unfit!r} holds one of , = : or a space"
    if fault := _repeated("setting", (param.name for param in spec.settings)):
        return f"{start}: {fault}"
    if unknown := sorted(set(spec.needs) - NEEDS[type(spec)]):
        known = ", ".join(sorted(NEEDS[type(spec)])) or "nothing"
        return f"{start}: needs names {unknown[0]!r}; a {noun} may need {known}"
    if isinstance(spec, SolverSpec):
        for name, least in (("order", 1), ("evaluations", 0), ("limit", 1)):
            if type(value := getattr(spec, name)) is not int or value < least:
                return f"{start}: {name} must be a whole number of at least {least}, not {value!r}"
        return _strings(spec, ("guidance",)) and f"{start}: {_strings(spec, ('guidance',))}"
    if isinstance(spec, GuidanceSpec):
        if spec.role not in ("rule", "modifier"):
            return f"{start}: role must be 'rule' or 'modifier', not {spec.role!r}"
        match spec.scales:
            case (int() | float() as low, int() | float() as high) if low <= high:
                if spec.scale is None or (isinstance(spec.scale, int | float) and low <= spec.scale <= high):
                    return ""
                return f"{start}: scale must be a number within scales, not {spec.scale!r}"
        return f"{start}: scales must be two numbers (low, high), not {spec.scales!r}"
    return ""


def run_fault(spec: RunSpec) -> str:
    """Find the first fault of a run hook's spec.

    Returns:
        One line, or an empty string.
    """
    fault = _strings(spec, ("name", "summary")) or _import_strings(spec, (), ("before", "around", "after"))
    fault = fault or _tuples(spec, {"modalities": str})
    if not fault and not _NAME.fullmatch(spec.name):
        fault = "the name must be lower-case letters, digits and hyphens"
    if not fault and not (spec.before or spec.around or spec.after):
        fault = "it has neither before nor around nor after"
    return fault and f"run hook {spec.name!r}: {fault}"


def command_fault(spec: CommandSpec) -> str:
    """Find the first fault of a command's spec.

    Returns:
        One line, or an empty string.
    """
    fault = _strings(spec, ("name", "summary")) or _import_strings(spec, ("run",))
    fault = fault or _tuples(spec, {"params": Param, "arguments": str, "examples": str})
    if not fault and not _NAME.fullmatch(spec.name):
        fault = "the name must be lower-case letters, digits and hyphens"
    for param in () if fault else spec.params:
        if param.name in ("json", "as_json", "quiet", "verbose", "help", "offline"):
            fault = f"--{param.name.replace('_', '-')} belongs to the core; choose another name"
        fault = fault or value_fault(param)
        if fault:
            fault = f"parameter {param.name!r}: {fault}"
            break
    fault = fault or _repeated("parameter", (param.name for param in spec.params))
    fault = fault or _repeated("argument", spec.arguments)
    by_name = {} if fault else {param.name: param for param in spec.params}
    for name in () if fault else spec.arguments:
        if name not in by_name:
            fault = f"arguments names {name!r}, which is no parameter"
        elif by_name[name].default is not None or by_name[name].type is bool or by_name[name].several > 1:
            fault = f"parameter {name!r} is an argument, and has a default, several values or the type bool"
    return fault and f"command {spec.name!r}: {fault}"


def kind_fault(spec: KindSpec) -> str:
    """Find the first fault in the spec of a kind of artifact.

    Returns:
        One line, or an empty string.
    """
    fault = _strings(spec, ("name", "summary"), ("preview",))
    fault = (
        fault or _import_strings(spec, (), ("validate", "distance")) or _tuples(spec, {"arrays": ArrayLayout})
    )
    if not fault and not _NAME.fullmatch(spec.name):
        fault = "the name must be lower-case letters, digits and hyphens"
    for array in () if fault else spec.arrays:
        fault = _strings(array, ("name",)) and "the name must be a text"
        shapes = isinstance(array.shape, tuple) and all(
            isinstance(size, str) or (isinstance(size, tuple) and size and all(type(n) is int for n in size))
            for size in array.shape
        )
        if not fault and not shapes:
            fault = f"shape must be a tuple of names and of tuples of sizes, not {array.shape!r}"
        if not fault and array.dtype not in ("float32", "integer"):
            fault = f"dtype must be 'float32' or 'integer', not {array.dtype!r}"
        if fault:
            fault = f"array {array.name!r}: {fault}"
            break
    fault = fault or _repeated("array", (array.name for array in spec.arrays))
    fault = fault or _signal_fault(spec)
    return fault and f"kind {spec.name!r}: {fault}"


def _signal_fault(spec: KindSpec) -> str:
    signal: object = spec.signal
    if signal is None:
        return ""
    if not isinstance(signal, Signal):
        return f"signal must be a Signal, not {signal!r}"
    array = next((one for one in spec.arrays if one.name == signal.array and one.dtype == "float32"), None)
    if array is None:
        return f"its signal {signal.array!r} is none of its arrays of float32"
    if not isinstance(signal.axes, tuple) or not signal.axes or not set(signal.axes) <= set(array.shape):
        return f"the axes of its signal must be dimensions of {array.name}, not {signal.axes!r}"
    return ""


def converter_fault(spec: ConverterSpec) -> str:
    """Find the first fault of a converter's spec.

    Returns:
        One line, or an empty string.
    """
    fault = _strings(spec, ("name", "source", "target", "summary")) or _import_strings(spec, ("convert",))
    if not fault and spec.purpose not in ("", "alpha"):
        fault = f"purpose must be empty or 'alpha', not {spec.purpose!r}"
    if not fault and spec.purpose and spec.source != spec.target:
        fault = "what removes a background must make the kind that it takes"
    fault = fault or _tuples(spec, {"params": Param})
    if not fault and not _NAME.fullmatch(spec.name):
        fault = "the name must be lower-case letters, digits and hyphens"
    faults = (
        f"parameter {param.name!r}: {value_fault(param)}" * bool(value_fault(param)) for param in spec.params
    )
    fault = fault or next(filter(None, faults), "")
    fault = fault or _repeated("parameter", (param.name for param in spec.params))
    return fault and f"converter {spec.name!r}: {fault}"


def format_fault(spec: FormatSpec) -> str:
    """Find the first fault of a file format's spec.

    Returns:
        One line, or an empty string.
    """
    fault = _strings(spec, ("name", "kind", "media_type"))
    fault = fault or _import_strings(
        spec, required=("writer",), optional=("reader", "metadata_reader", "can_read")
    )
    fault = fault or _tuples(spec, {"suffixes": str, "also": str})
    if fault:
        return f"format {spec.name!r}: {fault}"
    if not spec.suffixes or not all(_SUFFIX.fullmatch(suffix) for suffix in spec.suffixes):
        return f"format {spec.name!r}: suffixes must be lower-case endings with their dot"
    return ""


def _strings(spec: object, required: Iterable[str], optional: Iterable[str] = ()) -> str:
    for field in (*required, *optional):
        value = getattr(spec, field)
        if value == "" and field in optional:
            continue
        if not isinstance(value, str) or not value.strip() or "\n" in value:
            return f"{field} must be a line of text, not {value!r}"
    return ""


def _import_strings(spec: object, required: Iterable[str], optional: Iterable[str] = ()) -> str:
    for field in (*required, *optional):
        value = getattr(spec, field)
        if value == "" and field in optional:
            continue
        if not isinstance(value, str) or not _IMPORT_STRING.fullmatch(value):
            return f"{field} must be an import string 'package.module:attribute', not {value!r}"
    return ""


def _tuples(spec: object, fields: dict[str, type]) -> str:
    for field, kind in fields.items():
        value = getattr(spec, field)
        if not isinstance(value, tuple) or not all(isinstance(item, kind) for item in value):
            return f"{field} must be a tuple of {kind.__name__}, not {value!r}"
    return ""


def _repeated(noun: str, names: Iterable[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return f"{noun} {name!r} is declared twice"
        seen.add(name)
    return ""
