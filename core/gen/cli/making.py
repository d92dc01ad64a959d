"""From a plan to written files, with everything that is said on the way."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gen import formats
from gen.cli.outputs import Outputs, next_name
from gen.cli.progress import progress_bar
from gen.cli.session import Session, StdoutError, spelt_out
from gen.errors import GenError, OutputError, PartialError
from gen.plan import Item, Plan
from gen.plugin.host import Host
from gen.plugin.specs import FormatSpec
from gen.run import generate, load, notices
from gen.run.watching import Watch

if TYPE_CHECKING:
    from gen.artifact import Artifact


def make(
    session: Session,
    host: Host,
    plan: Plan,
    outputs: Outputs,
    *,
    metadata: str,
    watch: Watch | None = None,
) -> None:
    """Make the items of a plan and write each as soon as it is there.

    Args:
        session: Where to say what.
        host: Where plugins come from.
        plan: What to make.
        outputs: Where to.
        metadata: Level of the metadata.
        watch: Where the first item is shown while it is sampled.

    Raises:
        PartialError: Something failed after files had been written.
        GenError: Something failed before.
    """
    written: list[dict[str, object]] = []
    session.data["artifacts"] = written
    expected = len(plan.items) * (2 if outputs.preview else 1)
    started = time.perf_counter()
    try:
        with (
            contextlib.redirect_stdout(sys.stderr),
            progress_bar(plan.spec.name, quiet=session.quiet) as bar,
        ):
            model = load(plan, host)
            loaded = time.perf_counter()
            for notice in notices(plan, model):
                session.warn(notice)
            # Closed here, so that run hooks end also where writing fails.
            with contextlib.closing(generate(plan, model, on_step=bar.report, watch=watch)) as made:
                for item, artifact in zip(plan.items, made, strict=True):
                    bar.clear()
                    place = "stdout"
                    if outputs.paths:
                        path = _write(session, item, artifact, outputs, metadata)
                        # On a terminal the path is in the line above.
                        place = "" if session.on_terminal else spelt_out(str(path))
                    else:
                        session.show_bytes(formats.encode(artifact, outputs.form, metadata=metadata))
                    session.say(_summary(plan, item, place))
    except GenError as error:
        if not written or isinstance(error, StdoutError):
            raise
        raise PartialError(
            f"{len(written)} of {expected} were written, then: {error.message}", error.hint
        ) from error
    ended = time.perf_counter()
    session.data["timings"] = {"load": round(loaded - started, 3), "make": round(ended - loaded, 3)}
    if session.verbose:
        session.say(f"model loaded in {loaded - started:.2f} s, made in {ended - loaded:.2f} s")


def _write(session: Session, item: Item, artifact: Artifact, outputs: Outputs, metadata: str) -> Path:
    """Write an item and its preview, say where, and return the path of the first."""

    def write(form: FormatSpec, path: Path) -> None:
        file = formats.write(
            artifact, path, [form], name=form.name, overwrite=outputs.overwrite, metadata=metadata
        )
        session.data["artifacts"].append(_written(item, artifact, file))

    path = wanted = outputs.paths[item.index]
    while True:
        try:
            write(outputs.form, path)
            break
        except OutputError:
            # Another run may have taken the name since it was chosen.
            free = next_name(wanted, outputs)
            if not outputs.named or free == path:
                raise
            path = free
    session.show_path(str(path))
    beside = outputs.beside(path)
    if outputs.preview and beside:
        write(outputs.preview, beside)
        session.show_path(str(beside))
    return path


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
    start = f"{place}: " if place else ""
    return (
        f"{start}seed {item.seed}, model {plan.file.name}, {plan.steps} steps of {plan.solver} on "
        f"{plan.grid}, guidance {plan.guidance:g}{_guides(plan)}, {plan.device}"
    )


def _guides(plan: Plan) -> str:
    """The chain of guidance in words, where it is not the plain rule of the solver."""
    guides = list(map(str, plan.choices.guides))
    return "" if guides == [plan.choices.solver.spec.guidance] else f" by {', then '.join(guides)}"
