"""Files and folders that are used beside a model: on this machine, or on the hub."""

from __future__ import annotations

import os
from pathlib import Path

from gen.checkpoints.pulled import SCHEME, HubReference

WEB = ("https://", "http://127.0.0.1", "http://localhost")
"""How addresses begin; without encryption from this machine alone."""


def located(source: str | os.PathLike[str], *, allow_pickle: bool) -> tuple[Path, str]:
    """Where a file or folder is, and its name in recipes.

    Args:
        source: A path; or what is downloaded where it is not there: ``hf:OWNER/NAME[/FILE][@REVISION]``, a
            pipeline, a part of one, or a file, by default the only one of weights; or the address of a file,
            ``https://…``.
        allow_pickle: Whether weights in pickles will do.

    Raises:
        ModelError: It cannot be downloaded.
    """
    text = os.fspath(source)
    if text.startswith(WEB):
        from gen.checkpoints.web_file import fetch_file

        file = fetch_file(text)
        return file, file.name
    if not text.startswith(SCHEME):
        path = Path(text).expanduser()
        return path, path.resolve().name
    from gen.checkpoints.hub import pull

    pulled = pull(HubReference.parse(text), None, allow_pickle=allow_pickle, single=True)
    return pulled.path, pulled.name
