"""What the house rules declare. Imports nothing heavy."""

from gen.plugin import CommandSpec, Param, RunSpec, hookimpl


@hookimpl
def gen_run() -> tuple[RunSpec, ...]:
    """One hook that refuses prompts, and one that marks pictures."""
    return (
        RunSpec(
            name="refused-words",
            summary="Refuses prompts with words that GEN_REFUSED_WORDS names.",
            before="gen_house_rules.rules:refuse",
        ),
        RunSpec(
            name="watermark",
            summary="Writes a text into the lowest bits of every picture.",
            after="gen_house_rules.rules:mark",
            modalities=("image",),
        ),
    )


@hookimpl
def gen_commands() -> tuple[CommandSpec, ...]:
    """A command that finds the mark."""
    return (
        CommandSpec(
            name="watermark",
            summary="Say whether a picture has the mark of the house rules.",
            run="gen_house_rules.rules:find_mark",
            params=(Param(name="picture", type=str, help="The picture.", kind="image"),),
            arguments=("picture",),
            examples=("gen x watermark fox.png",),
        ),
    )
