"""What this plugin declares. Imports nothing heavy."""

from gen.plugin import Param, SolverSpec, hookimpl


@hookimpl
def gen_solvers() -> tuple[SolverSpec, ...]:
    """A solver that `--solver example` names, for every modality."""
    place = Param(
        name="place",
        type=float,
        help="Where the second evaluation is, as a share of the step.",
        default=2 / 3,
        minimum=0.1,
        maximum=1,
    )
    return (
        SolverSpec(
            name="example",
            summary="Ralston's method in flow time; second order, two evaluations.",
            factory="gen_example.solver:Ralston",
            settings=(place,),
            order=2,
            evaluations=2,
        ),
    )
