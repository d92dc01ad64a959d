"""``gen eval``: measure a model by the yardstick that its modality brings."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, cast

import typer

from gen.cli.session import Session
from gen.cli.switches import JSON, QUIET, VERBOSE
from gen.errors import PluginError
from gen.generate import Request, load, resolve
from gen.model import Model
from gen.plugin.host import Host


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the command."""

    @app.command("eval", help=summary)
    def evaluate(
        modality: Annotated[str, typer.Argument(metavar="MODALITY", help="Name of the modality.")],
        *,
        model: Annotated[
            str | None, typer.Option("-m", "--model", help="Name of a model or path of a model file.")
        ] = None,
        samples: Annotated[int | None, typer.Option(min=1, help="How many samples; all by default.")] = None,
        device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
        as_json: JSON = False,  # noqa: ARG001
        quiet: QUIET = False,
        verbose: VERBOSE = False,
    ) -> None:
        session.quiet, session.verbose = quiet, verbose
        spec = host.modality(modality)
        if not spec.evaluation:
            raise PluginError(f"{modality} brings no evaluation")
        plan = resolve(Request(modality=modality, prompts=("-",), model=model, device=device), host)
        with contextlib.redirect_stdout(sys.stderr):
            measure = cast(
                "Callable[[Model, Mapping[str, Any]], Mapping[str, Any]]", host.resolve(spec.evaluation)
            )
            options = {"samples": samples, "device": plan.device, "report": session.say}
            session.data.update(measure(load(plan, host), options))
        session.show(json.dumps(session.data, indent=2, ensure_ascii=False))
