"""How a text is read aloud: sentences of plain words and pauses, numbers and abbreviations spelled out."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gen_audio.voice import numerals, symbols

PAUSE = ""
"""Stands among words for a comma and the like."""

BREATH = 40
"""Words and pauses that are spoken at once: more than the longest sentence that a voice is trained on."""

ABBREVIATIONS = {
    **{
        "mr.": "mister",
        "mrs.": "missus",
        "ms.": "miz",
        "dr.": "doctor",
        "prof.": "professor",
        "st.": "saint",
    },
    **{"jr.": "junior", "sr.": "senior", "vs.": "versus", "etc.": "et cetera", "e.g.": "for example"},
    **{
        "i.e.": "that is",
        "a.m.": "a m",
        "p.m.": "p m",
        "no.": "number",
        "ft.": "feet",
        "approx.": "approximately",
    },
}
LAST = ("etc.", "a.m.", "p.m.")
"""Abbreviations that end a sentence where a capital letter follows."""

SIGNS = {
    **{"&": "and", "%": "percent", "+": "plus", "=": "equals", "@": "at", "#": "number", "°": "degrees"},
    **{"×": "times", "÷": "divided by", "*": "times", "<": "less than", ">": "greater than", "/": "slash"},
    **{"~": "about", "¢": "cents"},
}
UNITS = {
    **{"km": "kilometers", "cm": "centimeters", "mm": "millimeters", "kg": "kilograms", "mg": "milligrams"},
    **{"m": "meters", "g": "grams", "s": "seconds", "ms": "milliseconds", "h": "hours", "min": "minutes"},
    **{
        "hz": "hertz",
        "khz": "kilohertz",
        "mb": "megabytes",
        "gb": "gigabytes",
        "kb": "kilobytes",
        "mph": "miles per hour",
    },
}
CURRENCIES = {
    **{"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny"), "¥": ("yen", "sen")},
    **{"₹": ("rupee", "paisa"), "₩": ("won", "jeon"), "₽": ("ruble", "kopeck"), "₺": ("lira", "kurush")},
    **{"₪": ("shekel", "agora"), "₿": ("bitcoin", "satoshi")},
}
PLURALS = {"penny": "pence", "paisa": "paise", **{name: name for name in ("yen", "sen", "won", "jeon")}}
DENOMINATORS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 20, 32, 64, 100)
"""Below the line of what is read as a fraction, if the number above it is smaller."""

MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september", "october"),
    *("november", "december"),
)

_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|(?<![\w.])\.\d+"
_CURRENCY = "".join(CURRENCIES)
_TOKEN = re.compile(
    r"(?P<date>\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}/\d{1,2}/\d{4}\b)"
    r"|(?P<fraction>(?<![\w/.])(?:\d+ )?\d{1,2}/\d{1,3}(?![\w/]|\.\d))"
    rf"|(?P<money>[{_CURRENCY}](?:{_NUMBER})(?: (?:thousand|million|billion|trillion)\b)?)"
    r"|(?P<time>\b\d{1,2}:\d{2}\b)"
    r"|(?P<ordinal>\b\d+(?:st|nd|rd|th)\b)"
    r"|(?P<decade>\b\d{4}s\b)"
    rf"|(?P<number>(?:(?<![\w)])-)?(?:{_NUMBER}))"
    r"|(?P<word>[^\W\d_]+(?:'[^\W\d_]+)*'?)"
    r"|(?P<end>[.!?]+)"
    r"|(?P<pause>[,;:()\[\]{}\"]|\s-+\s|--+)"
    rf"|(?P<sign>[{re.escape(''.join(SIGNS))}{_CURRENCY}])"
    # An emoji may be several characters.
    r"|(?P<other>\S(?:\ufe0f|\u200d\S|[\U0001f3fb-\U0001f3ff])*)"
)
# "No." is a word of its own, unless a number follows.
_SHORT = "|".join(
    re.escape(key) + (r"(?=\s*\d)" if key == "no." else "")
    for key in sorted(ABBREVIATIONS, key=len, reverse=True)
)
_ABBREVIATION = re.compile(rf"""(?<!\w)({_SHORT})(?=[)"]*\s+["(]*(?P<capital>(?-i:[A-Z]))|)""", re.IGNORECASE)
# A single letter is a unit only after a space: not in "the 1990s".
_LONG_UNITS, _SHORT_UNITS = ("|".join(u for u in UNITS if (len(u) > 1) is many) for many in (True, False))
_UNIT = re.compile(
    rf"(?:(?P<one>(?<![\d.,/])1)|(?<=\d))(?: ?(?P<long>{_LONG_UNITS})| (?P<short>{_SHORT_UNITS}))"
    rf"(?: (?P<power>squared|cubed) |(?:/(?P<per>{'|'.join(UNITS)}))?(?![\w/]))",
    re.IGNORECASE,
)
_DEGREES = re.compile(r"° ?([CF])\b")
_INITIALS = re.compile(r"\b((?:[A-Za-z]\.){2,})")


@dataclass(frozen=True)
class Reading:
    """What is said.

    Args:
        sentences: Words in lower-case letters and apostrophes, with ``PAUSE`` between some; at most
            ``BREATH`` of them: what is longer is cut at a pause, where it has one.
        unreadable: Parts of the text that are left out: words in other alphabets, and symbols without a name.
    """

    sentences: tuple[tuple[str, ...], ...]
    unreadable: tuple[str, ...]


def read(text: str) -> Reading:
    """How a text is read.

    Args:
        text: Any; accents are dropped, numbers, fractions, powers, dates (2024-05-17 or 5/17/2024), money,
            times, units and common abbreviations are spelled out, and words of capitals without a vowel are
            read letter by letter.
    """
    text = symbols.written_out(text)
    text = _INITIALS.sub(_initials, text)
    text = _ABBREVIATION.sub(_abbreviation, text)
    text = _UNIT.sub(_unit, _DEGREES.sub(_degrees, text))
    sentences: list[tuple[str, ...]] = []
    unreadable: list[str] = []
    words: list[str] = []

    def finish() -> None:
        while words and words[-1] == PAUSE:
            words.pop()
        if words:
            sentences.extend(_breaths(words))
            words.clear()

    # A blank line ends a sentence too, as after a title.
    for paragraph in re.split(r"\n\s*\n", text):
        for match in _TOKEN.finditer(paragraph):
            kind, token = match.lastgroup, match[0]
            if kind == "end":
                finish()
            elif kind == "pause":
                if words and words[-1] != PAUSE:
                    words.append(PAUSE)
            elif kind == "word":
                plain = _plain(token)
                words += _letters(plain) if plain.isupper() and _is_initials(plain) else plain.lower().split()
                if not plain:
                    unreadable.append(token)
            elif kind == "other":
                if not symbols.is_silent(token[0]):
                    unreadable.append(token)
            else:
                words += _spoken(str(kind), token).split()
        finish()
    return Reading(tuple(sentences), tuple(dict.fromkeys(unreadable)))


def _breaths(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    while len(words) > BREATH:
        end = next((index for index in range(BREATH, 0, -1) if words[index] == PAUSE), BREATH)
        yield tuple(words[:end])
        words = words[end + (words[end] == PAUSE) :]
    yield tuple(words)


def _plain(word: str) -> str:
    """A word in the letters a to z and apostrophes; empty where other alphabets are in it."""
    stripped = "".join(
        letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter)
    )
    return stripped.strip("'") if stripped.isascii() and stripped.replace("'", "").isalpha() else ""


def _initials(match: re.Match[str]) -> str:
    """ "U.S.A." without its points, but not "p.m."."""
    if match[0].lower() in ABBREVIATIONS:
        return match[0]
    return " ".join(_letters(match[0].replace(".", ""))) + " "


def _abbreviation(match: re.Match[str]) -> str:
    short = match[1].lower()
    return f" {ABBREVIATIONS[short]}{'.' if match['capital'] and short in LAST else ''} "


def _unit(match: re.Match[str]) -> str:
    """One kilometer, but two kilometers: what is counted is the first word. "m²" is "square meters"."""
    counted, *rest = UNITS[(match["long"] or match["short"]).lower()].split()
    if match["per"]:
        rest += ["per", UNITS[match["per"].lower()].removesuffix("s")]
    kind = {"squared": ("square",), "cubed": ("cubic",)}.get(match["power"], ())
    one = [str(match["one"])] if match["one"] else [""]
    return " ".join((*one, *kind, counted.removesuffix("s") if match["one"] else counted, *rest, ""))


def _degrees(match: re.Match[str]) -> str:
    return f" degrees {'celsius' if match[1] == 'C' else 'fahrenheit'}"


def _is_initials(word: str) -> bool:
    return len(word) > 1 and not set(word) & set("AEIOUY'")


def _letters(word: str) -> list[str]:
    # "a" by itself is the article.
    return ["ay" if letter == "a" else letter for letter in word.lower()]


def _spoken(kind: str, token: str) -> str:
    """Something with digits or a sign, in words."""
    if kind == "sign":
        return SIGNS.get(token) or _plural(CURRENCIES[token][0])
    if kind == "date":
        return _date(token)
    if kind == "fraction":
        return _fraction(token)
    if kind == "money":
        return _money(token[0], *token[1:].replace(",", "").split())
    if kind == "time":
        hours, minutes = map(int, token.split(":"))
        rest = "" if minutes == 0 else ("oh " if minutes < 10 else "") + numerals.cardinal(minutes)
        return f"{numerals.cardinal(hours)} {rest}" if rest else f"{numerals.cardinal(hours)} o'clock"
    if kind == "ordinal":
        return numerals.ordinal(int(token[:-2]))
    if kind == "decade":
        *before, last = numerals.year(int(token[:-1])).split()
        return " ".join((*before, last[:-1] + "ies" if last.endswith("y") else last + "s"))
    return _number(token)


def _date(token: str) -> str:
    """A day, the American way; what is none is read as numbers."""
    parts = [int(part) for part in re.split("[-/]", token)]
    year, month, day = parts if "-" in token else (parts[2], *parts[:2])
    try:
        date = datetime.date(year, month, day)
    except ValueError:
        return " ".join(map(numerals.cardinal, parts))
    spoken = numerals.year(date.year) if date.year >= 1000 else numerals.cardinal(date.year)
    return f"{MONTHS[date.month - 1]} {numerals.ordinal(date.day)} {spoken}"


def _number(token: str) -> str:
    sign, token = ("minus ", token[1:]) if token.startswith("-") else ("", token)
    whole, _, fraction = token.replace(",", "").partition(".")
    if fraction:
        before = f"{numerals.cardinal(int(whole))} " if whole else ""
        return f"{sign}{before}point {numerals.digits(fraction)}"
    if len(whole) > 1 and whole.startswith("0"):
        return sign + numerals.digits(whole)
    if not sign and "," not in token and len(whole) == 4 and 1100 <= int(whole) < 2100:
        return numerals.year(int(whole))
    return sign + numerals.cardinal(int(whole))


def _fraction(token: str) -> str:
    """ "1 3/4" -> "one and three quarters"; "24/7", which is no fraction, number by number."""
    *whole, parts = token.split()
    above, below = map(int, parts.split("/"))
    before = [_number(number) for number in whole]
    if not 0 < above < below or below not in DENOMINATORS:
        return " ".join((*before, _number(str(above)), SIGNS["/"], _number(str(below))))
    name = {2: "half", 4: "quarter"}.get(below) or numerals.ordinal(below)
    fraction = f"{numerals.cardinal(above)} {name if above == 1 else _plural(name)}"
    return " and ".join((*before, fraction))


def _money(currency: str, amount: str, power: str = "") -> str:
    one, part = CURRENCIES[currency]
    whole, _, fraction = amount.partition(".")
    units = int(whole or 0)
    if power or (fraction and len(fraction) != 2):
        point = f" point {numerals.digits(fraction)}" if fraction else ""
        return f"{numerals.cardinal(units)}{point} {power} {_plural(one)}"
    parts = int(fraction or 0)
    said = [f"{numerals.cardinal(units)} {one if units == 1 else _plural(one)}"] if units or not parts else []
    if parts:
        said.append(f"{numerals.cardinal(parts)} {part if parts == 1 else _plural(part)}")
    return " and ".join(said)


def _plural(name: str) -> str:
    return PLURALS.get(name) or f"{name}s"


def words_of(reading: Reading) -> Iterator[str]:
    """The words of all sentences, without pauses."""
    return (word for sentence in reading.sentences for word in sentence if word != PAUSE)
