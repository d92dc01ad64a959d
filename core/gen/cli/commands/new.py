"""``gen new plugin``: write a plugin distribution that passes its own tests."""

from pathlib import Path
from typing import Annotated

import typer

from gen import scaffold
from gen.cli.session import Session
from gen.cli.switches import JSON, QUIET
from gen.plugin.host import Host


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:  # noqa: ARG001
    """Add the command with its sub-command."""
    group = typer.Typer(help=summary, add_completion=False, no_args_is_help=True)

    @group.callback()
    def default() -> None:
        """Hold the sub-command."""

    @group.command(help="Write the folder gen-NAME with a plugin that passes its own tests.")
    def plugin(
        name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and hyphens.")],
        kind: Annotated[
            str,
            typer.Option(
                metavar="KIND",
                help=f"{', '.join(scaffold.KINDS)}.",
                autocompletion=lambda incomplete: [
                    kind for kind in scaffold.KINDS if kind.startswith(incomplete)
                ],
            ),
        ] = "modality",
        out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to make it.")] = Path(),
        as_json: JSON = False,  # noqa: ARG001
        quiet: QUIET = False,
    ) -> None:
        session.quiet = quiet
        paths = scaffold.write_plugin(name, kind, out)
        session.data["files"] = [str(path) for path in paths]
        for path in paths:
            session.show_path(str(path))
        folder = out / f"gen-{name}"
        session.say(f'next: pip install -e "{folder}[test]" && pytest {folder}')

    app.add_typer(group, name="new")
