"""From a plan to written files, with everything that is said on the way."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gen import formats
from gen.cli.progress import progress_bar
from gen.cli.session import Session
from gen.errors import GenError, OutputError, PartialError
from gen.generate import generate, load, notices
from gen.plan import Item, Plan
from gen.plugin.host import Host
from gen.plugin.specs import FormatSpec

if TYPE_CHECKING:
    from gen.artifact import Artifact


def make(
    session: Session,
    host: Host,
    plan: Plan,
    form: FormatSpec,
    paths: Sequence[Path],
    *,
    overwrite: bool,
    metadata: str,
    preview: tuple[FormatSpec, Sequence[Path]] | None = None,
) -> None:
    """Make the items of a plan and write each as soon as it is there.

    Args:
        session: Where to say what.
        host: Where plugins come from.
        plan: What to make.
        form: The file format.
        paths: One per item; none for stdout.
        overwrite: Whether files may be replaced.
        metadata: Level of the metadata.
        preview: A second format, and one path per item.

    Raises:
        PartialError: Something failed after files had been written.
        GenError: Something failed before.
    """
    written: list[dict[str, object]] = []
    session.data["artifacts"] = written
    started = time.perf_counter()
    try:
        with (
            contextlib.redirect_stdout(sys.stderr),
            progress_bar(plan.spec.name, quiet=session.quiet) as report,
        ):
            model = load(plan, host)
            loaded = time.perf_counter()
            for notice in notices(plan, model):
                session.warn(notice)
            made = generate(plan, model, on_step=report)
            for item, artifact in zip(plan.items, made, strict=True):
                if paths:
                    for kind, places in ((form, paths), *([preview] if preview else [])):
                        path = places[item.index]
                        file = formats.write(
                            artifact, path, [kind], name=kind.name, overwrite=overwrite, metadata=metadata
                        )
                        written.append(_written(item, artifact, file))
                        session.show_path(str(path))
                else:
                    _to_stdout(session, formats.encode(artifact, form, metadata=metadata))
                session.say(_summary(plan, item, str(paths[item.index]) if paths else "stdout"))
    except GenError as error:
        if not written:
            raise
        raise PartialError(
            f"{len(written)} of {_expected(plan, preview)} were written, then: {error.message}", error.hint
        ) from error
    ended = time.perf_counter()
    session.data["timings"] = {"load": round(loaded - started, 3), "make": round(ended - loaded, 3)}
    if session.verbose:
        session.say(f"model loaded in {loaded - started:.2f} s, made in {ended - loaded:.2f} s")


def _expected(plan: Plan, preview: object) -> int:
    return len(plan.items) * (2 if preview else 1)


def _written(item: Item, artifact: Artifact, file: formats.WrittenFile) -> dict[str, object]:
    return {
        "path": str(file.path),
        "kind": artifact.kind,
        "format": file.format,
        "media_type": file.media_type,
        "bytes": file.bytes,
        "sha256": file.sha256,
        "seed": item.seed,
        "recipe": artifact.recipe.to_dict() if artifact.recipe else None,
    }


def _summary(plan: Plan, item: Item, place: str) -> str:
    return (
        f"{place}: seed {item.seed}, model {plan.file.name}, {plan.steps} steps of {plan.solver} on "
        f"{plan.grid}, guidance {plan.guidance:g}, {plan.device}"
    )


def _to_stdout(session: Session, content: bytes) -> None:
    if session.stdout is None:
        raise OutputError("stdout is closed")
    try:
        session.stdout.buffer.write(content)
        session.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write to stdout: {error.strerror}") from error
