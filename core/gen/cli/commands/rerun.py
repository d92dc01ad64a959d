"""``gen rerun``: make a file again from the recipe that it carries."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gen import formats
from gen.api import plan_again, read_recipe
from gen.atomic import temporary_folder
from gen.cli.flags import parse_params
from gen.cli.making import make
from gen.cli.outputs import STDOUT, metadata_level, plan_outputs
from gen.cli.progress import progress_bar
from gen.cli.session import Session
from gen.cli.switches import JSON, OFFLINE, QUIET, VERBOSE
from gen.errors import GenError, UsageError
from gen.metadata import METADATA_LEVELS
from gen.plan import settings_of
from gen.plugin.host import Host
from gen.run import generate, load

if TYPE_CHECKING:
    from gen.plan import Plan
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
        files = parse_params(inputs or [], "--input", "rerun")
        plan = plan_again(recipe, host, model=model, init=init, mask=mask, inputs=files, device=device)
        known = host.formats(plan.spec.kind)
        if check:
            _check(session, host, plan, file, formats.find_format(known, path=file), recipe.versions)
            return
        level = metadata_level(metadata, settings_of(plan.spec))
        make(session, host, plan, plan_outputs(plan, output, known, overwrite=overwrite), metadata=level)


def _check(
    session: Session, host: Host, plan: Plan, file: Path, form: FormatSpec, versions: Mapping[str, str]
) -> None:
    """Compare what the recipe makes, stored in the same format, with what is in the file."""
    from gen.run.kinds import distance

    # A contact sheet of a clip, for instance, can be read as a picture only.
    readable = [form] if form.reader else host.formats()
    there = formats.read(file, readable)
    with contextlib.redirect_stdout(sys.stderr), progress_bar(plan.spec.name, quiet=session.quiet) as bar:
        made = next(iter(generate(plan, load(plan, host), on_step=bar.report)))
    with temporary_folder() as folder:
        stored = folder / f"again{form.suffixes[0]}"
        formats.write(made, stored, [form], metadata="none")
        again = formats.read(stored, readable)
    difference = distance(plan, there, again)
    session.data.update(same=difference == 0, largest_difference=difference)
    if difference:
        others = [
            f"{name} {made}, here is {plan.versions.get(name, 'none')}"
            for name, made in versions.items()
            if made != plan.versions.get(name)
        ]
        raise GenError(
            f"{file} is not what its recipe makes here: values differ by up to {difference:g}",
            f"it was made with {'; '.join(others)}" if others else "another device may round differently",
        )
    session.show(f"{file}: the same")
