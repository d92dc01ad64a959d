"""What this plugin declares. Imports nothing heavy."""

from gen.plugin import GuidanceSpec, Param, hookimpl


@hookimpl
def gen_guidances() -> tuple[GuidanceSpec, ...]:
    """A rule that `--guide example` names, for every modality."""
    power = Param(name="power", type=float, help="How fast it fades.", default=1.0, minimum=0.0, maximum=10.0)
    return (
        GuidanceSpec(
            name="example",
            summary="Classifier-free guidance that fades out towards the data.",
            factory="gen_example.guidance:fading",
            settings=(power,),
        ),
    )
