"""Characters beyond letters, digits and ASCII signs, written out before a text is read."""

from __future__ import annotations

import re
import unicodedata

PUNCTUATION = {
    **{"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‹": '"', "›": '"'},
    **{"–": "-", "−": "-", "‐": "-", "‑": "-", "—": ", ", "…": "... ", "•": ", ", "、": ", ", "。": ". "},
}
LETTERS = {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "th", "þ": "th"}
OTHER_FORMS = {
    **LETTERS,
    **{letter.upper(): plain.upper() for letter, plain in LETTERS.items()},
    **{"ß": "ss", "ẞ": "SS", "ſ": "s", "ı": "i", "İ": "I"},
}
NAMES = {
    **{"≈": "approximately", "±": "plus or minus", "≤": "less than or equal to", "≠": "not equal to"},
    **{"≥": "greater than or equal to", "√": "square root of", "∞": "infinity", "©": "copyright"},
    **{"®": "registered", "™": "trademark", "§": "section", "№": "number", "‰": "per mille", "→": "to"},
    **{"∑": "sum", "∆": "delta", "Ω": "ohms", "µ": "micro"},
}
# Soft hyphens and the like stand within words.
_INVISIBLE = dict.fromkeys("\u00ad\u2060\ufeff\u200b", "")
_NAMED = {sign: f" {name} " for sign, name in NAMES.items()}
_TABLE = str.maketrans({**PUNCTUATION, **OTHER_FORMS, **_INVISIBLE, **_NAMED})
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-")
_POWER = re.compile(r"(?<=[\w)])[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_POWERS = {"2": " squared ", "3": " cubed "}
_FORMULA = re.compile(r"(?<![^\W\d_])[A-Z]{1,2}(?=\d)|(?<=\d)[A-Z]{1,2}(?![^\W\d_])")


def written_out(text: str) -> str:
    """A text with powers, subscripts, fractions and symbols in letters, digits and ASCII signs.

    "x²" becomes "x squared", "H₂O" "H 2 O", "1½" "1 1/2"; characters in another form, as of full width,
    become the plain ones (Unicode's NFKC). Other symbols stay as they are.
    """
    text = unicodedata.normalize("NFC", text).translate(_TABLE)
    text = _POWER.sub(_power, text).translate(_LOWERED)
    # A fraction stands apart from the whole number before it.
    text = re.sub(r"(?<=\d)(?=[¼-¾⅐-⅞])", " ", text)
    text = unicodedata.normalize("NFKC", text).replace("⁄", "/")
    return _FORMULA.sub(lambda match: f" {' '.join(match[0])} ", text)


def is_silent(character: str) -> bool:
    """Whether a character has no sound: punctuation, marks and what only shapes a text."""
    category = unicodedata.category(character)
    return category[0] in "PZM" or category in ("Cc", "Cf", "Sk")


def _power(match: re.Match[str]) -> str:
    exponent = match[0].translate(_RAISED)
    return _POWERS.get(exponent, f" to the power of {exponent} ")
