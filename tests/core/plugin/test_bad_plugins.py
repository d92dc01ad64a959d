"""Plugins that misbehave in every way we know: each keeps its trouble to itself and says what to do."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sample_plugins import Install, modality

from gen.errors import PluginError
from gen.plugin.discovery import Record
from gen.plugin.host import Host


@dataclass(frozen=True)
class Case:
    """A distribution ``gen-bad`` and what its plugin's record must say.

    Args:
        source: Source of its light module ``bad_plugin``.
        status: Status that the plugin gets.
        says: Words of its reason and of what to do.
        name: Name of its modality.
        requires: Requirements of the distribution.
        unseen: The trouble shows only when the plugin is loaded.
    """

    source: str
    status: str
    says: tuple[str, ...]
    name: str = "bad"
    requires: tuple[str, ...] = field(default=())
    unseen: bool = False


CASES = {
    "raises": Case(
        "raise RuntimeError('the moon is full')",
        "broken",
        ("RuntimeError: the moon is full", "gen plugins disable bad"),
        unseen=True,
    ),
    "exits": Case("import sys\nsys.exit(5)", "broken", ("stops the program", "SystemExit: 5"), unseen=True),
    "syntax": Case("def (", "broken", ("SyntaxError",), unseen=True),
    "misspelt-hook": Case(
        modality("bad", "bad") + "@hookimpl\ndef gen_modles():\n    return ()\n",
        "broken",
        ("no hook 'gen_modles'", "gen_models"),
        unseen=True,
    ),
    "unknown-argument": Case(
        modality("bad", "bad") + "@hookimpl\ndef gen_models(registry):\n    return ()\n",
        "broken",
        ("'gen_models'", "registry"),
        unseen=True,
    ),
    "unmarked-hook": Case(
        modality("bad", "bad") + "def gen_models():\n    return ()\n",
        "broken",
        ("gen_models is not marked",),
        unseen=True,
    ),
    "no-modality": Case("", "broken", ("implements no gen_modality",), unseen=True),
    "other-name": Case(modality("good", "bad"), "broken", ("'good'", "'bad'"), unseen=True),
    "hook-raises": Case(
        "from gen.plugin import hookimpl\n@hookimpl\ndef gen_modality():\n    return 1 / 0\n",
        "broken",
        ("ZeroDivisionError",),
        unseen=True,
    ),
    "wrong-type": Case(
        "from gen.plugin import hookimpl\n@hookimpl\ndef gen_modality():\n    return 'bad'\n",
        "broken",
        ("'bad', not a ModalitySpec",),
        unseen=True,
    ),
    "core-flag": Case(
        "from gen.plugin import Param\n"
        + modality("bad", "bad", "params=(Param(name='seed', type=int, help='Mine.'),)"),
        "broken",
        ("'seed'", "belongs to the core"),
        unseen=True,
    ),
    "future-api": Case(modality("bad", "bad", "api=99"), "unmet", ("api 99", "--upgrade gen-toolkit")),
    "hidden-future-api": Case(
        modality("bad", "bad", "api=90 + 9"), "unmet", ("api 99", "--upgrade gen-toolkit"), unseen=True
    ),
    "missing-distribution": Case(
        modality("bad", "bad"),
        "unmet",
        ("no-such-thing>=2", 'pip install "no-such-thing>=2"'),
        requires=("no-such-thing>=2", "never; extra == 'never'", "gen-toolkit>=0.1"),
    ),
    "old-distribution": Case(
        modality("bad", "bad"),
        "unmet",
        ("pluggy>=999", "is installed"),
        requires=("pluggy>=999",),
    ),
    "missing-module": Case(
        modality("bad", "bad", "requires=('no_such_module',), extra='sound'"),
        "unmet",
        ("no_such_module", 'pip install "gen-bad[sound]"'),
    ),
    "hidden-missing-module": Case(
        modality("bad", "bad", "requires=('no_such_' + 'module',)"),
        "unmet",
        ("no_such_module", "pip install no_such_module"),
        unseen=True,
    ),
    "reserved-name": Case(
        modality("plugins", "bad"), "conflict", ("reserved", "pip uninstall gen-bad"), name="plugins"
    ),
    "module-name": Case(modality("diffusion", "bad"), "conflict", ("reserved",), name="diffusion"),
    "invalid-name": Case(modality("Bad_Name", "bad"), "conflict", ("'Bad_Name'",), name="Bad_Name"),
    "built-in-name": Case(
        modality("image", "bad"), "conflict", ("gen-toolkit", "gen plugins disable gen-bad"), name="image"
    ),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request: pytest.FixtureRequest, install: Install) -> Case:
    chosen: Case = request.param
    modules = {"bad_plugin": chosen.source}
    install("gen-bad", modules, modalities={chosen.name: "bad_plugin"}, requires=chosen.requires)
    return chosen


def _bad(host: Host) -> Record:
    return next(record for record in host.records if record.distribution == "gen-bad")


def test_its_record_says_what_is_wrong_and_others_go_on_working(case: Case) -> None:
    """The failure is remembered: another host has it without an import."""
    host = Host.discover()
    if case.unseen:
        assert _bad(host).status == "ok"
    host.load(case.name)
    record = _bad(host)
    assert record.status == case.status
    line = next(line for line in host.problems if "gen-bad 1.0" in line)
    assert "\n" not in line
    for words in (*case.says, case.name):
        assert words in line
    assert "bad_plugin" not in sys.modules or case.unseen
    assert host.modality("image").name == "image"
    assert "png" in [form.name for form in host.formats()]
    assert host.record("image").status == "ok"
    sys.modules.pop("bad_plugin", None)
    assert _bad(Host.discover()).status == case.status
    assert "bad_plugin" not in sys.modules


def test_use_is_refused_with_reason(case: Case) -> None:
    host = Host.discover()
    if case.name == "image":
        assert host.modality("image").loader.startswith("gen_image")
        return
    with pytest.raises(PluginError) as caught:
        host.modality(case.name)
    assert case.status in caught.value.message
    assert caught.value.hint


def test_repaired_plugin_is_forgiven(install: Install, site: Path) -> None:
    install("gen-bad", {"bad_plugin": "1 / 0"}, modalities={"bad": "bad_plugin"})
    Host.discover().load("bad")
    assert _bad(Host.discover()).status == "broken"
    assert "ZeroDivisionError" in _bad(Host.discover()).traceback
    (site / "bad_plugin.py").write_text(modality("bad", "bad"))
    sys.modules.pop("bad_plugin", None)
    assert Host.discover().modality("bad").name == "bad"
    assert _bad(Host.discover()).status == "ok"


def test_names_of_two_strangers(install: Install) -> None:
    install("gen-one", {"one_plugin": modality("same", "one_plugin")}, modalities={"same": "one_plugin"})
    install("gen-two", {"two_plugin": modality("same", "two_plugin")}, modalities={"same": "two_plugin"})
    host = Host.discover()
    assert [record.status for record in host.records if record.name == "same"] == ["conflict", "conflict"]
    with pytest.raises(PluginError, match="conflict"):
        host.modality("same")
    host.disable("gen-two")
    assert host.record("same").distribution == "gen-one"
    assert host.modality("same").name == "same"


def test_heavy_import_is_reported(install: Install) -> None:
    """In a fresh process, because heavy modules are loaded in this one already."""
    heavy = "import soundfile_fake\nimport trimesh\n" + modality("slow", "slow_plugin")
    install(
        "gen-slow",
        {"slow_plugin": heavy, "soundfile_fake": "", "trimesh": ""},
        modalities={"slow": "slow_plugin"},
    )
    program = (
        "from gen.plugin.host import Host\n"
        "host = Host.discover()\n"
        "print(host.record('slow').notes)\n"
        "host.modality('slow')\n"
        "print(host.problems, host.record('slow').status)\n"
        "print(Host.discover().problems)\n"
    )
    before, after, later = _run(program)
    assert before == "()"
    assert "imports trimesh at the top" in after
    assert after.endswith("ok")
    assert "imports trimesh at the top" in later


def test_heavy_import_is_not_forgotten(install: Install) -> None:
    """A process that has the heavy module already cannot tell, and does not clear the plugin."""
    source = "import trimesh\n" + modality("slow", "slow_plugin")
    install("gen-slow", {"slow_plugin": source, "trimesh": ""}, modalities={"slow": "slow_plugin"})
    load = "from gen.plugin.host import Host; host = Host.discover(); host.load('slow'); print(host.problems)"
    assert "imports trimesh" in _run(load)[0]
    assert "imports trimesh" in _run("import trimesh; " + load)[0]


def test_object_as_plugin(install: Install) -> None:
    source = """
    from gen.plugin import FormatSpec, hookimpl

    class Words:
        @hookimpl
        def gen_formats(self):
            return [FormatSpec(name="txt", kind="words", suffixes=(".txt",), media_type="text/plain",
                               writer="os.path:join")]

    class Misspelt:
        @hookimpl
        def gen_format(self):
            return []

    words, misspelt = Words(), Misspelt()
    """
    plugins = {"words": "object_plugin:words", "misspelt": "object_plugin:misspelt"}
    install("gen-object", {"object_plugin": source}, plugins=plugins)
    host = Host.discover()
    assert [form.name for form in host.formats("words")] == ["txt", "json"]
    assert "did you mean gen_formats" in host.record("misspelt").reason


def test_long_texts_are_cut(install: Install) -> None:
    source = "from gen.plugin import hookimpl\n@hookimpl\ndef gen_modality():\n    return 'x' * 10_000\n"
    install("gen-long", {"long_plugin": source}, modalities={"long": "long_plugin"})
    host = Host.discover()
    host.load("long")
    assert len(host.record("long").reason) <= 200


def test_stdout_stays_clean(install: Install) -> None:
    source = "print('HELLO')\n" + modality("loud", "loud_plugin")
    install("gen-loud", {"loud_plugin": source}, modalities={"loud": "loud_plugin"})
    assert _run("from gen.plugin.host import Host; print(Host.discover().modality('loud').name)") == ["loud"]


def test_texts_cannot_drive_the_terminal(install: Install) -> None:
    source = modality("dark", "dark_plugin").replace("Make some", "Make\\x1b[2J\\nsome")
    install(
        "gen-dark", {"dark_plugin": source}, modalities={"dark": "dark_plugin", "da\x1brk": "dark_plugin"}
    )
    install(
        "gen-grim", {"grim_plugin": "raise ValueError('a\\x1bb\\nc')"}, modalities={"grim": "grim_plugin"}
    )
    host = Host.discover()
    host.load("grim")
    assert host.record("dark").summary == "Make?[2J some dark."
    assert host.record("grim").reason == "ValueError: a?b c"
    assert all(record.name.isprintable() for record in host.records)
    assert all(line.isprintable() for line in host.problems)


def test_ctrl_c_passes_and_an_interrupt_that_a_plugin_raises_does_not(install: Install) -> None:
    pressed = "import signal; signal.raise_signal(signal.SIGINT)"
    install("gen-slow", {"stop_plugin": pressed}, modalities={"stop": "stop_plugin"})
    install("gen-rude", {"rude_plugin": "raise KeyboardInterrupt"}, modalities={"rude": "rude_plugin"})
    host = Host.discover()
    with pytest.raises(KeyboardInterrupt):
        host.load("stop")
    assert host.load("rude") is None
    assert host.record("rude").reason == "it stops the program (KeyboardInterrupt)"


@pytest.mark.parametrize(
    ("file", "content"),
    [("entry_points.txt", b"[gen.modalities]\nno equals sign\n"), ("METADATA", b"\xff\xfe")],
)
def test_damaged_metadata(install: Install, site: Path, file: str, content: bytes) -> None:
    install("gen-bad", {}, modalities={"bad": "bad_plugin"})
    (site / "gen_bad-1.0.dist-info" / file).write_bytes(content)
    host = Host.discover()
    assert host.modality("image").name == "image"
    assert any("cannot be read" in line for line in host.problems)


def _run(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()
