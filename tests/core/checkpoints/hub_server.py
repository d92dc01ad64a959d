"""A server on this machine that speaks the hub's protocol, and can be made to fail."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".bin", ".ckpt")


@dataclass
class Hub:
    """One repository.

    Args:
        files: Content by path.
        repository: Owner and name.
        commit: That ``main`` means.
        licence: On its card.
        status: Every request is answered with it, where it is not 200.
        silent: Seconds before an answer.
        cuts: By path, after how many bytes its next downloads break off.
        damage: Whether large files come with another byte.
        requests: What was asked for: method, path and range.
    """

    files: dict[str, bytes]
    repository: str = "someone/tiny"
    commit: str = "c" * 40
    licence: str = "openrail++"
    status: int = 200
    silent: float = 0.0
    cuts: dict[str, list[int]] = field(default_factory=dict)
    damage: bool = False
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)

    @property
    def downloads(self) -> list[str]:
        """Paths of the files that were sent, or begun."""
        return [path for method, path, _ in self.requests if method == "GET"]


def of_folder(folder: Path) -> Hub:
    return Hub({p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()})


@contextmanager
def serving(hub: Hub) -> Iterator[str]:
    """The address of a server for a repository."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(send=False)

        def do_GET(self) -> None:
            self._answer(send=True)

        def _answer(self, send: bool) -> None:
            time.sleep(hub.silent)
            path = unquote(urlsplit(self.path).path)
            if hub.status != 200:
                self._refuse(hub.status, "")
                return
            listing, files = f"/api/models/{hub.repository}/revision/", f"/{hub.repository}/resolve/"
            if path.startswith(listing) and path.removeprefix(listing) in ("main", hub.commit):
                self._send(json.dumps(self._listing()).encode(), send)
            elif path.startswith("/api/") and not path.startswith(listing):
                self._refuse(404, "RepoNotFound")
            elif path.startswith("/api/"):
                self._refuse(404, "RevisionNotFound")
            elif path.startswith(files) and path.removeprefix(files).partition("/")[2] in hub.files:
                self._file(path.removeprefix(files).partition("/")[2], send)
            else:
                self._refuse(404, "EntryNotFound")

        def _listing(self) -> dict[str, object]:
            siblings = []
            for name, content in hub.files.items():
                one: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": git_id(content)}
                if name.endswith(LARGE):
                    digest = hashlib.sha256(content).hexdigest()
                    one["lfs"] = {"size": len(content), "sha256": digest, "pointerSize": 130}
                siblings.append(one)
            return {
                "_id": "1", "id": hub.repository, "modelId": hub.repository, "sha": hub.commit,
                "private": False, "tags": [f"license:{hub.licence}"], "siblings": siblings,
                "cardData": {"license": hub.licence},
            }  # fmt: skip

        def _file(self, name: str, send: bool) -> None:
            content = hub.files[name]
            wanted = self.headers.get("Range")
            hub.requests.append((self.command, name, wanted))
            large = name.endswith(LARGE)
            tag = hashlib.sha256(content).hexdigest() if large else git_id(content)
            if hub.damage and large:
                content = bytes([content[0] ^ 1]) + content[1:]
            start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
            self.send_response(206 if wanted else 200)
            self.send_header("ETag", f'"{tag}"')
            self.send_header("X-Repo-Commit", hub.commit)
            if large:
                self.send_header("X-Linked-Etag", f'"{tag}"')
                self.send_header("X-Linked-Size", str(len(content)))
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            if send:
                cuts = hub.cuts.get(name)
                self.wfile.write(content[start : start + cuts.pop(0)] if cuts else content[start:])

        def _send(self, body: bytes, send: bool) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if send:
                self.wfile.write(body)

        def _refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that leaves early is no fault, and its test reads stderr."""

    server = Quiet(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def git_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
