"""``gen eval``: measure a model by the yardstick that its modality brings."""

import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, cast

import typer

from gen.cli import arguments
from gen.cli.session import Session
from gen.cli.switches import JSON, OFFLINE, QUIET, VERBOSE
from gen.errors import PluginError
from gen.evaluation import Trial, metrics_of
from gen.plan import Request, resolve
from gen.plan.abilities import any_prompts
from gen.plugin.boundary import calling
from gen.plugin.host import Host
from gen.run import generate, load

if TYPE_CHECKING:
    from gen.artifact import Artifact

    Measure = Callable[[Trial], Mapping[str, object]]

BATCH = 8
"""Items at once. What is measured is a share of many, so that the last bit of each does not matter."""


def add(app: typer.Typer, session: Session, host: Host, summary: str) -> None:
    """Add the command."""

    @app.command("eval", help=summary)
    def evaluate(
        modality: Annotated[str, arguments.modality(host)],
        *,
        model: Annotated[
            str | None, typer.Option("-m", "--model", help="Name of a model or path of a model file.")
        ] = None,
        samples: Annotated[
            int | None, typer.Option(min=1, help="At most so many of each sort of prompt; all by default.")
        ] = None,
        group: Annotated[
            list[str] | None,
            typer.Option(metavar="NAME", help="Measure this group of metrics alone; may be given again."),
        ] = None,
        device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
        offline: OFFLINE = False,  # noqa: ARG001
        as_json: JSON = False,  # noqa: ARG001
        quiet: QUIET = False,
        verbose: VERBOSE = False,
    ) -> None:
        session.quiet, session.verbose = quiet, verbose
        spec = host.modality(modality)
        if not spec.evaluation:
            raise PluginError(f"{modality} brings no evaluation")
        wanted = model or spec.default_model
        prompts = any_prompts(spec, next((one for one in host.models(modality) if one.name == wanted), None))
        request = Request(modality=modality, prompts=prompts, seeds=(0,), model=model, device=device)
        plan = resolve(request, host)
        recipe = plan.recipe(plan.items[0]).to_dict()
        shown = ("model", "solver", "grid", "steps", "guidance", "params", "device", "dtype", "versions")
        session.data.update({key: recipe[key] for key in shown})
        with contextlib.redirect_stdout(sys.stderr):
            loaded = load(plan, host)

            def draw(prompts: Sequence[str], seeds: Sequence[int], **params: object) -> "Iterator[Artifact]":
                for first in range(0, len(prompts), BATCH):
                    part = slice(first, first + BATCH)
                    asked = dataclasses.replace(
                        request,
                        prompts=tuple(prompts[part]),
                        seeds=tuple(seeds[part]),
                        count=1,
                        params=params,
                    )
                    yield from generate(resolve(asked, host), loaded, batch_size=BATCH)

            measure = cast("Measure", host.resolve(spec.evaluation, spec.plugin))
            groups = frozenset(group) if group else None
            trial = Trial(model=loaded, draw=draw, samples=samples, report=session.say, groups=groups)
            with calling(spec.plugin, "evaluation") as call:
                metrics = metrics_of(call, measure(trial))
            # An evaluation may measure all groups whatever is wanted.
            trial.check_groups(metrics)
            session.data["metrics"] = {
                name: value for name, value in metrics.items() if groups is None or name in groups
            }
        session.show(json.dumps(session.data, indent=2, ensure_ascii=False))
