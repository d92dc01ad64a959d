"""Arguments that commands share, with what the shell may complete them to."""

from typing import Any

import typer

from gen.plugin.host import Host


def modality(host: Host) -> Any:
    """The name of a modality."""

    def complete(incomplete: str) -> list[str]:
        return [record.name for record in host.modalities if record.name.startswith(incomplete)]

    return typer.Argument(metavar="MODALITY", help="Name of the modality.", autocompletion=complete)


def recipe(host: Host) -> Any:
    """The name of a training recipe of the modality that stands before it."""

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        # The parser stops at an option without its value, before it has told arguments apart.
        name = context.params.get("modality") or next(iter(context.args), "")
        recipes = host.modality(name).recipes if name else ()
        return [spec.name for spec in recipes if spec.name.startswith(incomplete)]

    return typer.Option(help="Name of the recipe; without one, they are listed.", autocompletion=complete)
