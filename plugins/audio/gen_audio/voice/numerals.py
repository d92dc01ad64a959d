"""Numbers in words, the American way: "one hundred five", "nineteen eighty four", "twenty third"."""

from __future__ import annotations

ONES = (
    *(
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    ),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
POWERS = ("", "thousand", "million", "billion", "trillion", "quadrillion")
ORDINALS = {
    **{
        "one": "first",
        "two": "second",
        "three": "third",
        "five": "fifth",
        "eight": "eighth",
        "nine": "ninth",
    },
    **{"twelve": "twelfth"},
}
LARGEST = 10 ** (3 * len(POWERS)) - 1


def cardinal(number: int) -> str:
    """21 -> "twenty one"; beyond ``LARGEST`` digit by digit.

    Args:
        number: Not negative.
    """
    if number > LARGEST:
        return digits(str(number))
    if number == 0:
        return ONES[0]
    groups: list[str] = []
    for power in POWERS:
        number, group = divmod(number, 1000)
        if group:
            groups.insert(0, f"{_below_thousand(group)} {power}".strip())
        if not number:
            break
    return " ".join(groups)


def ordinal(number: int) -> str:
    """23 -> "twenty third"."""
    words = cardinal(number).split()
    last = words[-1]
    ending = last[:-1] + "ieth" if last.endswith("y") else last + "th"
    return " ".join((*words[:-1], ORDINALS.get(last, ending)))


def year(number: int) -> str:
    """1984 -> "nineteen eighty four", 1905 -> "nineteen oh five", 2005 -> "two thousand five".

    Args:
        number: 1000 to 9999.
    """
    century, rest = divmod(number, 100)
    if century % 10 == 0:
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def digits(text: str) -> str:
    """ "007" -> "zero zero seven"."""
    return " ".join(ONES[int(digit)] for digit in text)


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    words = [ONES[hundreds], "hundred"] if hundreds else []
    if rest >= 20:
        words.append(TENS[rest // 10])
        rest %= 10
    if rest:
        words.append(ONES[rest])
    return " ".join(words)
