"""What the distribution declares. Imports nothing heavy."""

from gen.plugin import GuidanceSpec, Param, hookimpl


@hookimpl
def gen_guidances():
    until = Param(
        name="until", type=float, help="Time at which it ends.", default=0.3, minimum=0, maximum=0.9
    )
    return [
        GuidanceSpec(
            name="fading",
            summary="Classifier-free guidance that fades out.",
            factory="gen_fading.guidance:make",
            settings=(until,),
        )
    ]
