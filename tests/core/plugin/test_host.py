"""Finding, switching and loading plugins that behave."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from sample_plugins import Install, modality

from gen.errors import OutputError, PluginError
from gen.plugin import ModelSpec
from gen.plugin.host import Host

MODELS = """
from gen.plugin import FormatSpec, ModelSpec, hookimpl

@hookimpl
def gen_models():
    return [ModelSpec(name="{name}", modality="{modality}", summary="A model.", source="x", sha256="{digest}",
                      size=1, licence="CC0-1.0")]

@hookimpl
def gen_formats():
    return [FormatSpec(name="{name}", kind="{modality}", suffixes=(".{name}",), media_type="text/plain",
                       writer="os.path:join")]
"""


def models(name: str, modality: str) -> str:
    return MODELS.format(name=name, modality=modality, digest="0" * 64)


@pytest.fixture
def music(install: Install) -> None:
    install(
        "gen-music", {"music_plugin": modality("music", "music_plugin")}, modalities={"music": "music_plugin"}
    )


def _status(name: str) -> str:
    return Host.discover().record(name).status


@pytest.mark.usefixtures("music")
def test_listing_imports_no_plugin() -> None:
    program = (
        "import sys\nfrom gen.plugin.host import Host\nhost = Host.discover()\n"
        "print({record.name: record.summary for record in host.modalities})\n"
        "print({'music_plugin', 'gen_image', 'torch', 'numpy', 'PIL', 'pluggy'} & set(sys.modules))"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        summaries, imported = done.stdout.splitlines()
        assert "'image': 'Generate pictures from text.'" in summaries
        assert "'music': 'Make some music.'" in summaries
        assert imported == "set()"


@pytest.mark.usefixtures("music")
def test_only_what_is_asked_for_is_imported(install: Install) -> None:
    install("gen-loud", {"loud_plugin": modality("loud", "loud_plugin")}, modalities={"loud": "loud_plugin"})
    host = Host.discover()
    host.modality("music")
    host.formats("music")
    assert "music_plugin" in sys.modules
    assert "loud_plugin" not in sys.modules


@pytest.mark.usefixtures("music")
def test_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(PluginError, match=r"no modality named 'musik' \(did you mean music\?\)"):
        Host.discover().modality("musik")


def test_summary_of_the_distribution_stands_in(install: Install) -> None:
    source = modality("bright", "x").replace('summary="', 'summary=str() + "')
    install("gen-bright", {"bright_plugin": source}, modalities={"bright": "bright_plugin"})
    assert Host.discover().record("bright").summary == "It is a test."


def test_wheel_installed_by_pip(site: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "gen_wheel-2.0-py3-none-any.whl"
    info = "gen_wheel-2.0.dist-info"
    files = {
        "wheel_plugin.py": modality("wheel", "wheel_plugin"),
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: gen-wheel\nVersion: 2.0\nSummary: Round.\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[gen.modalities]\nwheel = wheel_plugin\n",
    }
    lines = [f"{name},sha256={_digest(text)},{len(text)}" for name, text in files.items()]
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*lines, f"{info}/RECORD,,"]) + "\n")
    Host.discover()
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True)
    record = Host.discover().record("wheel")
    assert (record.distribution, record.version, record.status) == ("gen-wheel", "2.0", "ok")
    assert Host.discover().modality("wheel").summary == "Make some wheel."


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


@pytest.mark.usefixtures("music")
def test_disable_and_enable(tmp_path: Path) -> None:
    host = Host.discover()
    host.disable("music")
    assert host.record("music").status == "disabled"
    assert _status("music") == "disabled"
    with pytest.raises(PluginError, match="gen plugins enable music"):
        host.modality("music")
    assert host.problems == ()
    host.enable("music")
    assert _status("music") == "ok"
    assert host.modality("music").name == "music"
    assert [path.name for path in (tmp_path / "config").iterdir()] == ["plugins.toml"]


@pytest.mark.usefixtures("music")
def test_disable_a_distribution() -> None:
    host = Host.discover()
    host.disable("Gen_Music")
    assert host.record("music").action == "gen plugins enable gen-music"
    host.enable("gen-music")
    assert host.record("music").status == "ok"


@pytest.mark.usefixtures("site")
def test_built_in_can_be_disabled() -> None:
    Host.discover().disable("image")
    assert _status("image") == "disabled"


@pytest.mark.usefixtures("music")
def test_disable_unknown() -> None:
    with pytest.raises(PluginError, match="did you mean music"):
        Host.discover().disable("musik")
    with pytest.raises(PluginError, match="music is not switched off"):
        Host.discover().enable("music")


@pytest.mark.usefixtures("music")
def test_environment_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEN_DISABLE_PLUGINS", "image, music")
    assert (_status("image"), _status("music")) == ("disabled", "disabled")
    with pytest.raises(PluginError, match="GEN_DISABLE_PLUGINS"):
        Host.discover().enable("music")
    monkeypatch.setenv("GEN_DISABLE_PLUGINS", "")
    monkeypatch.setenv("GEN_PLUGINS", "gen-music")
    assert (_status("image"), _status("music")) == ("disabled", "ok")
    monkeypatch.setenv("GEN_PLUGINS", "")
    assert (_status("image"), _status("music")) == ("disabled", "disabled")


@pytest.mark.usefixtures("music")
@pytest.mark.parametrize("variable", ["GEN_PLUGINS", "GEN_DISABLE_PLUGINS"])
def test_a_variable_that_names_no_plugin_is_a_problem(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "Gen_Music,musik")
    said = f"{variable} names musik: no such plugin (`gen plugins` lists them)"
    assert said in Host.discover().problems
    monkeypatch.setenv(variable, "Gen_Music")
    assert not [problem for problem in Host.discover().problems if variable in problem]


@pytest.mark.usefixtures("music")
def test_user_settings_switch(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "config.toml").write_text('[plugins]\ndisabled = ["music"]\n')
    assert _status("music") == "disabled"
    with pytest.raises(PluginError, match="user's settings"):
        Host.discover().enable("music")


@pytest.mark.parametrize("content", ["disabled = 3", "disabled = [", "disabled = [1]"])
@pytest.mark.usefixtures("music")
def test_damaged_list_is_reported(tmp_path: Path, content: str) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "plugins.toml").write_text(content)
    host = Host.discover()
    assert host.record("music").status == "ok"
    assert "plugins.toml" in host.problems[0]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
@pytest.mark.usefixtures("music")
def test_list_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir(mode=0o500)
    with pytest.raises(OutputError):
        Host.discover().disable("music")


@pytest.mark.usefixtures("music")
def test_list_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file")
    with pytest.raises(OutputError, match="config"):
        Host.discover().disable("music")


@pytest.mark.usefixtures("music")
def test_unusable_cache_is_left_aside(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert _status("music") == "ok"


@pytest.mark.parametrize(
    "content", ["", "[]", '{"x": {"stamp": [], "found": [{}]}}', '{"x": 1}', "[" * 100_000]
)
@pytest.mark.usefixtures("music")
def test_damaged_cache_is_left_aside(tmp_path: Path, content: str) -> None:
    (tmp_path / "cache").mkdir()
    for name in ("plugin-scans.json", "plugin-outcomes.json"):
        (tmp_path / "cache" / name).write_text(content)
    assert _status("music") == "ok"


@pytest.mark.usefixtures("music")
def test_cache_decides_no_import(site: Path, tmp_path: Path) -> None:
    assert _status("music") == "ok"
    (site / "other_plugin.py").write_text(modality("music", "other_plugin"))
    assert _status("music") == "ok"
    kept = tmp_path / "cache" / "plugin-scans.json"
    kept.write_text(kept.read_text().replace('"music_plugin"', '"other_plugin"'))
    with pytest.raises(PluginError, match="no longer installed"):
        Host.discover().modality("music")
    assert "other_plugin" not in sys.modules


@pytest.mark.usefixtures("music")
def test_change_is_seen_at_once(install: Install, site: Path) -> None:
    assert "late" not in [record.name for record in Host.discover().records]
    install("gen-late", {"late_plugin": modality("late", "late_plugin")}, modalities={"late": "late_plugin"})
    assert Host.discover().record("late").summary == "Make some late."
    source = site / "late_plugin.py"
    source.write_text(source.read_text().replace("Make some", "Come"))
    assert Host.discover().record("late").summary == "Come late."


@pytest.mark.usefixtures("music")
def test_models_and_formats_of_other_plugins(install: Install) -> None:
    install("gen-more", {"more_plugin": models("big", "music")}, plugins={"more": "more_plugin"})
    host = Host.discover()
    assert [model.name for model in host.models("music")] == ["big"]
    assert isinstance(host.models("music")[0], ModelSpec)
    assert host.models("image") == tuple(m for m in host.models("image") if m.modality == "image")
    assert [form.name for form in host.formats("music")] == ["big", "json"]
    assert {"png", "big"} <= {form.name for form in host.formats()}


@pytest.mark.usefixtures("music")
def test_repeated_model_is_reported(install: Install) -> None:
    install("gen-a", {"a_plugin": models("big", "music")}, plugins={"a": "a_plugin"})
    install("gen-b", {"b_plugin": models("big", "music")}, plugins={"b": "b_plugin"})
    host = Host.discover()
    assert len(host.models("music")) == 1
    assert any(
        "gen-b" in line and "model 'big' is left out" in line and "gen-a" in line for line in host.problems
    )


def test_cross_cutting_plugin_brings_no_command(install: Install) -> None:
    install("gen-x", {"x_plugin": modality("thing", "x")}, plugins={"thing": "x_plugin"})
    host = Host.discover()
    assert host.load("thing") is None
    assert "gen.modalities" in host.record("thing").reason
    assert "thing" not in [record.name for record in host.modalities]


def test_distribution_requirements_with_extras(install: Install) -> None:
    install(
        "gen-extra",
        {"extra_plugin": modality("extra", "extra_plugin")},
        modalities={"extra": "extra_plugin [fast]"},
        requires=("no-such-thing; extra == 'fast'", "neither-this; extra == 'slow'"),
    )
    record = Host.discover().record("extra")
    assert (record.status, "no-such-thing" in record.reason) == ("unmet", True)


def test_requirement_of_a_requirement(install: Install) -> None:
    install("needed", {}, requires=("no-such-thing; extra == 'fast'", "needed[fast]; extra == 'fast'"))
    install(
        "gen-deep",
        {"deep_plugin": modality("deep", "deep_plugin")},
        modalities={"deep": "deep_plugin"},
        requires=("needed[fast]",),
    )
    assert Host.discover().record("deep").action == 'pip install "no-such-thing"'


class TestResolve:
    @pytest.mark.usefixtures("music")
    def test_finds(self, site: Path) -> None:
        (site / "music_plugin_work.py").write_text("class A:\n    b = 7\n")
        assert Host.discover().resolve("music_plugin_work:A.b") == 7

    @pytest.mark.parametrize(
        ("source", "says"),
        [
            ("", "AttributeError"),
            ("import no_such_module", "pip install no_such_module"),
            ("1 / 0", "ZeroDivisionError"),
            ("raise SystemExit(3)", "SystemExit: 3"),
        ],
    )
    def test_names_the_plugin(self, install: Install, site: Path, source: str, says: str) -> None:
        package = site / "gen_tune"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "plugin.py").write_text(modality("tune", "x"))
        (package / "work.py").write_text(source)
        install("gen-tune", {}, modalities={"tune": "gen_tune.plugin"})
        host = Host.discover()
        host.modality("tune")
        with pytest.raises(PluginError) as caught:
            host.resolve("gen_tune.work:load")
        assert "plugin tune (gen-tune 1.0)" in caught.value.message
        assert says in str(caught.value)


def test_threads_share_one_host(install: Install) -> None:
    source = "import time\ntime.sleep(0.05)\n" + modality("calm", "calm_plugin")
    install("gen-calm", {"calm_plugin": source}, modalities={"calm": "calm_plugin"})
    host = Host.discover()
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(host.modality("calm"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(spec is found[0] for spec in found)


def test_shared_endings_are_known_from_earlier_loads(install: Install) -> None:
    for name in ("one", "two"):
        source = (
            "from gen.plugin import FormatSpec, hookimpl\n@hookimpl\ndef gen_formats():\n"
            f"    return [FormatSpec(name='{name}', kind='sketch', suffixes=('.skt',), media_type='x/y',\n"
            "                       writer='os.path:join')]\n"
        )
        install(f"gen-{name}", {f"{name}_plugin": source}, plugins={name: f"{name}_plugin"})
    assert Host.discover().shared_endings() == ()
    Host.discover().formats("sketch")
    [line] = Host.discover().shared_endings()
    assert line.startswith("the ending .skt of sketch is shared by one (gen-one 1.0) and two (gen-two 1.0)")
