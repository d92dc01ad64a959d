"""``gen train``: train a model by one of the recipes that a modality brings."""

import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from gen.checks import find_device, unknown
from gen.cli import arguments
from gen.cli.flags import parse_params
from gen.cli.session import Session
from gen.cli.switches import JSON, OFFLINE, QUIET, VERBOSE
from gen.cli.tables import table
from gen.errors import UsageError
from gen.model import ModelFile
from gen.plugin.boundary import calling
from gen.plugin.host import Host
from gen.plugin.specs import ModalitySpec, ModelSpec

if TYPE_CHECKING:
    from gen.train import Recipe


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the command."""

    @app.command("train", help=summary)
    def train(
        modality: Annotated[str, arguments.modality(host)],
        *,
        recipe: Annotated[str | None, arguments.recipe(host)] = None,
        preset: Annotated[str | None, typer.Option(help="Size; the recipe's first by default.")] = None,
        out: Annotated[
            Path | None,
            typer.Option(metavar="FOLDER", help="Checkpoints, log and model; runs/RECIPE by default."),
        ] = None,
        steps: Annotated[
            list[str] | None,
            typer.Option(metavar="STAGE=N", help="Steps of a stage other than the recipe's; repeatable."),
        ] = None,
        resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
        device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
        offline: OFFLINE = False,  # noqa: ARG001
        as_json: JSON = False,  # noqa: ARG001
        quiet: QUIET = False,
        verbose: VERBOSE = False,
    ) -> None:
        session.quiet, session.verbose = quiet, verbose
        modality_spec = host.modality(modality)
        recipes = {item.name: item for item in modality_spec.recipes}
        if recipe is None:
            if preset or out or steps or resume:
                raise UsageError("no recipe is named", f"add `--recipe NAME`: {', '.join(recipes)}")
            _list(session, modality_spec)
            return
        if recipe not in recipes:
            raise unknown("recipe", recipe, recipes)
        spec = recipes[recipe]
        size = preset or spec.presets[0]
        if size not in spec.presets:
            raise UsageError(f"unknown preset {size!r}", f"one of {', '.join(spec.presets)}")
        folder = out or Path("runs") / recipe
        counts = _counts(steps or [])
        place = find_device(device)
        with contextlib.redirect_stdout(sys.stderr):
            make = cast(
                "Callable[[str, Path, Callable[[str], None]], Recipe]",
                host.resolve(spec.factory, modality_spec.plugin),
            )
            from gen.train import Recipe, run, run_folder

            with run_folder(folder):
                with calling(modality_spec.plugin, f"recipe factory {recipe}") as call:
                    made = make(size, folder, session.say)
                    if not isinstance(made, Recipe):
                        raise call.returned(made, "a gen.train.Recipe")
                with calling(modality_spec.plugin, f"recipe {recipe}"):
                    path = run(made, folder, device=place, steps=counts, resume=resume, report=session.say)
        session.data["model"] = str(path)
        known = {item.name: item for item in host.models(modality)}
        session.data["spec"] = model_spec(path, modality, known.get(path.stem))
        session.show_path(str(path))
        session.say(f"to publish it, declare it in gen_models:\n{spec_source(session.data['spec'])}")


def _list(session: Session, spec: ModalitySpec) -> None:
    """Show the recipes of a modality."""
    session.data["recipes"] = [
        {"name": one.name, "summary": one.summary, "presets": list(one.presets)} for one in spec.recipes
    ]
    if not spec.recipes:
        session.show(f"{spec.name} has no recipes")
        return
    rows = [(one.name, ", ".join(one.presets), one.summary) for one in spec.recipes]
    for line in table([("RECIPE", "PRESETS", "SUMMARY"), *rows]):
        session.show(line)


def _counts(texts: list[str]) -> dict[str, int]:
    counts = {}
    for stage, text in parse_params(texts, "--steps", "train").items():
        if not (text.isdecimal() and int(text)):
            raise UsageError(f"--steps {stage}={text} is not a whole number of at least 1")
        counts[stage] = int(text)
    return counts


def model_spec(path: Path, modality: str, declared: ModelSpec | None) -> dict[str, str | int]:
    """The fields of the ``ModelSpec`` of a trained model.

    Args:
        path: The model's file.
        modality: Name of its modality.
        declared: The model of that name that is declared already, whose summary and source are kept; of a
            new one the author completes them.
    """
    file = ModelFile(path)
    licence = file.card.get("licence")
    folder = f"package:gen_{modality.replace('-', '_')}"
    return {
        "name": path.stem,
        "modality": modality,
        "summary": declared.summary if declared else "…",
        "source": declared.source if declared else f"{folder}/weights/{path.name}",
        "sha256": file.sha256,
        "size": path.stat().st_size,
        "licence": licence if isinstance(licence, str) else "…",
    }


def spec_source(fields: dict[str, str | int]) -> str:
    """The same as Python source."""
    lines = (f"    {name}={json.dumps(value, ensure_ascii=False)}," for name, value in fields.items())
    return "\n".join(["ModelSpec(", *lines, ")"])
