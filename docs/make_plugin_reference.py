"""Write ``docs/plugin-reference.md``: every hook, and every field of every spec, from the code.

python docs/make_plugin_reference.py
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from pathlib import Path

from gen.plugin import hookspecs, specs

PAGE = Path(__file__).parent / "plugin-reference.md"

HEAD = """\
# Reference of hooks and specs

Written by `docs/make_plugin_reference.py` from the docstrings; [plugins](plugins.md) explains their use.

A hook is a function of the light module, marked with `@gen.plugin.hookimpl`. All are optional, take no
arguments unless it says so, and return frozen values, which `gen.plugin` exports. An import string
(`"package.module:attribute"`) names code that is imported when it is used.
"""


def reference() -> str:
    """The page."""
    hooks = [value for name, value in vars(hookspecs).items() if name.startswith("gen_")]
    parts = [HEAD, "## Hooks\n"]
    for hook in hooks:
        parts.append(f"### `{hook.__name__}`\n\n{_markdown(inspect.getdoc(hook) or '')}\n")
    parts.append("## Specs\n")
    for kind in _specs():
        text, fields = _taken_apart(inspect.getdoc(kind) or "", kind)
        parts.append(f"### `{kind.__name__}`\n\n{_markdown(text)}\n")
        rows = [
            f"| `{field.name}` | `{_type(field)}` | {_default(field)} | {fields[field.name]} |"
            for field in dataclasses.fields(kind)
        ]
        parts.append("\n".join(["| field | type | default | |", "|---|---|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _specs() -> list[type]:
    """The dataclasses that plugins make, in the order of their file."""
    found = [value for value in vars(specs).values() if inspect.isclass(value)]
    return [
        value
        for value in found
        if value.__module__ == specs.__name__ and dataclasses.is_dataclass(value) and value.__doc__
    ]


def _taken_apart(text: str, kind: type) -> tuple[str, dict[str, str]]:
    """A docstring without its arguments, and what it and those of the bases say of each argument."""
    fields: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        section = re.search(r"^Args:\n((?: .*\n?|\n)+)", inspect.getdoc(base) or "", re.MULTILINE)
        entries = textwrap.dedent(section[1]) if section else ""
        for names, said in re.findall(r"^([\w, ]+): ((?:.*\n?)(?: +.*\n?)*)", entries, re.MULTILINE):
            for name in names.split(","):
                fields[name.strip()] = _markdown(" ".join(said.split())).replace("|", r"\|")
    missing = [field.name for field in dataclasses.fields(kind) if field.name not in fields]
    if missing:
        raise SystemExit(f"{kind.__name__} does not say what {', '.join(missing)} is")
    return re.sub(r"^Args:\n(?: .*\n?|\n)+", "", text, flags=re.MULTILINE).strip(), fields


def _type(field: dataclasses.Field[object]) -> str:
    return str(field.type).replace("|", r"\|")


def _default(field: dataclasses.Field[object]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"`{field.default!r}`"
    return "required" if field.default_factory is dataclasses.MISSING else "empty"


def _markdown(text: str) -> str:
    """A docstring's text: code in single backticks, examples in fences."""
    lines: list[str] = []
    inside = False
    for line in text.replace("``", "`").replace("::\n", ":\n").split("\n"):
        indented = line.startswith("    ") or (inside and not line)
        if indented and not inside:
            lines += ["```python"]
        if inside and not indented:
            while lines[-1] == "":
                lines.pop()
            lines += ["```", ""]
        inside = indented
        lines.append(line.removeprefix("    ") if inside else line)
    if inside:
        while lines[-1] == "":
            lines.pop()
        lines.append("```")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
