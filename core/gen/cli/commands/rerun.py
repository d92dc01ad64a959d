"""``gen rerun``: make a file again from the recipe that it carries."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gen import formats
from gen.api import plan_again, read_recipe
from gen.atomic import check_writable, temporary_folder
from gen.cli.flags import parse_params
from gen.cli.making import make
from gen.cli.outputs import STDOUT, metadata_level, plan_outputs
from gen.cli.progress import progress_bar
from gen.cli.session import Session
from gen.cli.switches import JSON, OFFLINE, QUIET, VERBOSE
from gen.errors import GenError, UsageError
from gen.metadata import METADATA_LEVELS
from gen.plan import settings_of
from gen.plan.inputs import Source
from gen.plugin.host import Host
from gen.recipe import Conversion
from gen.rerunning import Maker
from gen.run import Progress, generate, load
from gen.run.kinds import distance

if TYPE_CHECKING:
    from gen.artifact import Artifact
    from gen.plugin.specs import FormatSpec


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the command."""

    @app.command("rerun", help=summary)
    def rerun(
        file: Annotated[Path, typer.Argument(metavar="FILE", help="A file with a recipe.")],
        *,
        output: Annotated[
            str | None, typer.Option("-o", "--output", metavar="FILE", help="Where to; '-' is stdout.")
        ] = None,
        check: Annotated[
            bool, typer.Option("--check", help="Write nothing; compare with what is in the file.")
        ] = False,
        model: Annotated[
            str | None, typer.Option("-m", "--model", help="The recipe's model, when it is not installed.")
        ] = None,
        init: Annotated[
            Path | None, typer.Option(metavar="FILE", help="What the recipe started from.")
        ] = None,
        mask: Annotated[Path | None, typer.Option(metavar="FILE", help="The recipe's mask.")] = None,
        inputs: Annotated[
            list[str] | None,
            typer.Option("--input", metavar="NAME=FILE", help="A file behind an option of the modality."),
        ] = None,
        device: Annotated[str | None, typer.Option(help="Where to run; as in the recipe by default.")] = None,
        allow_pickle: Annotated[
            bool, typer.Option("--allow-pickle", help="Read a checkpoint's pickles, as weights only.")
        ] = False,
        metadata: Annotated[
            str | None,
            typer.Option(
                metavar="LEVEL",
                help="What the file tells: full, minimal or none.",
                autocompletion=lambda: list(METADATA_LEVELS),
            ),
        ] = None,
        overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
        offline: OFFLINE = False,  # noqa: ARG001
        as_json: JSON = False,
        quiet: QUIET = False,
        verbose: VERBOSE = False,
    ) -> None:
        session.quiet, session.verbose = quiet, verbose
        if as_json and output == STDOUT:
            raise UsageError("--json and -o - both want stdout", "give -o a file")
        if check and output is not None:
            raise UsageError("--check writes nothing", "leave out -o or --check")
        recipe = read_recipe(file, host)
        given = {"init": init, "mask": mask, **parse_params(inputs or [], "--input", "rerun")}
        files: dict[str, Source] = {role: one for role, one in given.items() if one is not None}
        with _progress(session, "inputs") as on_step:
            maker = Maker(host, device, on_step, allow_pickle)
            if isinstance(recipe, Conversion):
                _convert(session, host, maker, recipe, files, file, output, check, overwrite, metadata)
                return
            made = maker.inputs(recipe, files)
        plan = plan_again(
            recipe,
            host,
            model=model,
            inputs={**files, **made},
            remade=frozenset(made),
            device=device,
            allow_pickle=allow_pickle,
        )
        known = host.formats(plan.spec.kind)
        if check:
            form = formats.find_format(known, path=file)
            with _progress(session, plan.spec.name) as on_step:
                again = next(iter(generate(plan, load(plan, host), on_step=on_step)))
            _check(session, host, again, file, form, recipe.versions, plan.versions, partial(distance, plan))
            return
        level = metadata_level(metadata, settings_of(plan.spec))
        make(session, host, plan, plan_outputs(plan, output, known, overwrite=overwrite), metadata=level)


@contextlib.contextmanager
def _progress(session: Session, what: str) -> Iterator[Callable[[Progress], None]]:
    with contextlib.redirect_stdout(sys.stderr), progress_bar(what, quiet=session.quiet) as bar:
        yield bar.report


def _convert(
    session: Session,
    host: Host,
    maker: Maker,
    recipe: Conversion,
    files: Mapping[str, Source],
    file: Path,
    output: str | None,
    check: bool,
    overwrite: bool,
    metadata: str | None,
) -> None:
    """Convert again, and write the result or compare it with what is in the file."""
    from gen.artifact import distance as largest_difference

    known = host.formats(recipe.kind)
    if output is None and not check:
        raise UsageError(f"{file} was converted from others", "say with -o where the result goes")
    form = formats.find_format(known, path=file if output in (None, STDOUT) else output)
    if output not in (None, STDOUT):
        check_writable(str(output), overwrite=overwrite)
    artifact = maker.make(recipe, files)
    if check:
        assert artifact.recipe is not None
        here = artifact.recipe.versions
        _check(session, host, artifact, file, form, recipe.versions, here, largest_difference)
        return
    level = metadata or METADATA_LEVELS[0]
    if output == STDOUT:
        session.show_bytes(formats.encode(artifact, form, metadata=level))
        return
    written = formats.write(artifact, str(output), [form], overwrite=overwrite, metadata=level)
    session.data["artifacts"] = [
        {"path": str(written.path), "kind": artifact.kind, "format": written.format, "sha256": written.sha256}
    ]
    session.show_path(str(written.path))


def _check(
    session: Session,
    host: Host,
    made: Artifact,
    file: Path,
    form: FormatSpec,
    versions: Mapping[str, str],
    here: Mapping[str, str],
    measure: Callable[[Artifact, Artifact], float],
) -> None:
    """Compare what the recipe makes, stored in the same format, with what is in the file."""
    # A contact sheet of a clip, for instance, can be read as a picture only.
    readable = [form] if form.reader else host.formats()
    there = formats.read(file, readable)
    with temporary_folder() as folder:
        stored = folder / f"again{form.suffixes[0]}"
        formats.write(made, stored, [form], metadata="none")
        again = formats.read(stored, readable)
    difference = measure(there, again)
    session.data.update(same=difference == 0, largest_difference=difference)
    if difference:
        others = [
            f"{name} {before}, here is {here.get(name, 'none')}"
            for name, before in versions.items()
            if before != here.get(name)
        ]
        raise GenError(
            f"{file} is not what its recipe makes here: values differ by up to {difference:g}",
            f"it was made with {'; '.join(others)}" if others else "another device may round differently",
        )
    session.show(f"{file}: the same")
