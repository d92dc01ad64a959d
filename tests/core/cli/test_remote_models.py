"""Models on a network, served from this machine: downloaded once, continued, checked, refused offline."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gen.errors import ModelError
from gen.model.remote import fetch, url_of
from gen.plugin import ModelSpec
from gen.plugin.checks import model_fault

Cli = Callable[..., Any]
CONTENT = bytes(range(256)) * 40


class Server(BaseHTTPRequestHandler):
    """Serves ``content``; cuts an answer off after ``cut`` bytes."""

    content: ClassVar[bytes] = CONTENT
    cut: ClassVar[int | None] = None
    ranges: ClassVar[bool] = True
    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append((self.path, wanted))
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        body = self.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("GEN_CACHE", str(tmp_path / "cache"))
    Server.content, Server.cut, Server.ranges, Server.asked = CONTENT, None, True, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def spec_of(source: str, content: bytes = CONTENT) -> ModelSpec:
    return ModelSpec(
        name="far",
        modality="toy",
        summary="Far away.",
        source=source,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        licence="CC0-1.0",
    )


def test_it_is_downloaded_once(place: str) -> None:
    path = fetch(spec_of(f"{place}/far.safetensors"))
    assert path.read_bytes() == CONTENT
    assert fetch(spec_of(f"{place}/far.safetensors")) == path
    assert Server.asked == [("/far.safetensors", None)]
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_those_that_want_it_at_once_wait_for_one_download(place: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    spec = spec_of(f"{place}/far.safetensors")
    with ThreadPoolExecutor(6) as pool:
        paths = list(pool.map(fetch, [spec] * 6))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert len(Server.asked) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_what_was_cut_off_is_continued(place: str, ranges: bool) -> None:
    Server.cut, Server.ranges = 3000, ranges
    spec = spec_of(f"{place}/far")
    with pytest.raises(ModelError, match="try again"):
        fetch(spec)
    Server.cut = None
    assert fetch(spec).read_bytes() == CONTENT
    assert Server.asked[1] == ("/far", "bytes=3000-")


def test_other_bytes_are_refused_and_not_kept(place: str, tmp_path: Path) -> None:
    Server.content = CONTENT[::-1]
    with pytest.raises(ModelError, match=r"is not model far: sha256 .*upgrade the plugin"):
        fetch(spec_of(f"{place}/far"))
    Server.content = CONTENT + b"more"
    with pytest.raises(ModelError, match="sent more than the 10,240 bytes of model far"):
        fetch(spec_of(f"{place}/far"))
    assert not list((tmp_path / "cache" / "models").iterdir())


def test_failures_name_model_and_place(place: str) -> None:
    with pytest.raises(ModelError, match=r"cannot download model far from .*/missing: Not Found"):
        fetch(spec_of(f"{place}/missing"))
    with pytest.raises(ModelError, match="cannot download model far"):
        fetch(spec_of("http://127.0.0.1:9/far"))


def test_sources(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert url_of("hf:a/b/c/d.safetensors@v1") == "https://huggingface.co/a/b/resolve/v1/c/d.safetensors"
    assert url_of("hf:a/b/d.safetensors").endswith("/a/b/resolve/main/d.safetensors")
    with pytest.raises(ModelError, match="write hf:OWNER/NAME/FILE@REVISION"):
        url_of("hf:a/b")
    monkeypatch.setenv("HF_ENDPOINT", place)
    fetch(spec_of("hf:a/b/c.safetensors@1f0"))
    assert Server.asked == [("/a/b/resolve/1f0/c.safetensors", None)]
    assert "source must be https:" in model_fault(spec_of("http://example.org/x"))
    assert not model_fault(spec_of("https://example.org/x"))


PLUGIN = """
from gen.plugin import ModelSpec, hookimpl

@hookimpl
def gen_models():
    return [ModelSpec(name="far", modality="toy", summary="Far away.", source="{source}", sha256="{sha256}",
                      size={size}, licence="CC0-1.0")]
"""


@pytest.fixture
def far(place: str, toy: Path, toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin with a model on the server, which has the bytes of the toy's own."""
    Server.content = (toy_folder / "gen_toy" / "weights" / "crayon.safetensors").read_bytes()
    spec = spec_of(f"{place}/far.safetensors", Server.content)
    site = tmp_path / "far"
    info = site / "gen_far-1.0.dist-info"
    info.mkdir(parents=True)
    source = PLUGIN.format(source=spec.source, sha256=spec.sha256, size=spec.size)
    (site / "far_plugin.py").write_text(source)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gen-far\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gen.plugins]\nfar = far_plugin\n")
    monkeypatch.setenv("PYTHONPATH", f"{toy_folder}:{site}")
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.usefixtures("far")
def test_offline_refuses_until_it_is_there(gen_cli: Cli, toy: Path) -> None:
    def offline() -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "gen", "toy", "red", "-m", "far", "--offline", "-o", "x.png"]
        return subprocess.run(words, cwd=toy, capture_output=True, text=True, check=False)

    refused = offline()
    assert refused.returncode == 4
    assert "model far is not downloaded yet, and --offline forbids connections" in refused.stderr
    assert "model far: not downloaded" in gen_cli("doctor").out
    made = gen_cli("toy", "red", "-m", "far", "-o", "far.png", "--json").envelope["data"]
    assert made["artifacts"][0]["recipe"]["versions"]["gen-far"] == "1.0"
    assert offline().returncode == 0
    assert len(Server.asked) == 1


def test_what_an_author_declares_after_training(toy_folder: Path) -> None:
    from gen.cli.commands.train import model_spec, spec_source

    path = toy_folder / "gen_toy" / "weights" / "crayon.safetensors"
    source = spec_source(model_spec(path, "toy", None))
    spec = eval(source, {"ModelSpec": ModelSpec})
    assert not model_fault(spec)
    assert (spec.name, spec.source) == ("crayon", "package:gen_toy/weights/crayon.safetensors")
    assert (spec.sha256, spec.size) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
    assert spec.licence == "CC0-1.0"
    # One that is declared already keeps what its author wrote.
    declared = replace(spec, summary="Red.", source="package:gen_toy/crayon.safetensors", size=1)
    again = eval(spec_source(model_spec(path, "toy", declared)), {"ModelSpec": ModelSpec})
    assert again == replace(declared, size=spec.size)
