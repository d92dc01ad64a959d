"""Choices: any case, other spellings, and faults of what a plugin declares."""

import pytest

from gen.checks import check_param
from gen.errors import UsageError
from gen.plugin.checks import param_fault
from gen.plugin.specs import Param

FINISH = Param(
    name="finish", type=str, help="Surface.", choices=("matt", "gloss"), aliases=(("shiny", "gloss"),)
)
SIZE = Param(name="size", type=str, help="Size.", choices=("m", "M", "xl"), aliases=(("big one", "M"),))


@pytest.mark.parametrize(("text", "choice"), [("matt", "matt"), ("Gloss", "gloss"), ("SHINY ", "gloss")])
def test_a_choice_is_known_in_any_case_and_by_its_aliases(text: str, choice: str) -> None:
    assert check_param(FINISH, text) == choice


def test_the_exact_spelling_comes_first_and_two_in_another_case_are_none() -> None:
    assert [check_param(SIZE, text) for text in ("m", "M", "XL", "Big  ONE")] == ["m", "M", "xl", "M"]
    mixed = Param(name="size", type=str, help="Size.", choices=("ab", "AB"))
    with pytest.raises(UsageError, match="unknown size 'Ab'"):
        check_param(mixed, "Ab")
    with pytest.raises(UsageError, match=r"one of matt, gloss"):
        check_param(FINISH, "dull")


def test_an_alias_means_a_choice() -> None:
    assert param_fault(FINISH) == ""
    stray = Param(name="finish", type=str, help="Surface.", choices=("matt",), aliases=(("shiny", "gloss"),))
    assert param_fault(stray) == "an alias means 'gloss', which is no choice"
