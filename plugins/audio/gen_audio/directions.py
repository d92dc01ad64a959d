"""The key and the tempo of a prompt, as people write them: "in C# minor", "Bb major", "90 beats a minute"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gen_audio.plugin import KEYS, spellings_of_keys

SLOWEST, FASTEST = 20, 300
"""Beats per minute of notes."""
_WORDS = {
    **{"larghissimo": 30, "grave": 40, "largo": 50, "lento": 50, "larghetto": 60, "adagio": 70},
    **{"andante": 90, "andantino": 90, "moderato": 110, "allegretto": 120, "allegro": 130, "vivace": 160},
    **{"presto": 180, "prestissimo": 200},
}
"""Beats per minute of the usual Italian words."""
_NUMBER = r"(?P<{}>\d+(?:[.,]\d+)?)"
_TEMPO = re.compile(
    rf",?(?: at| with)?(?: an?| the)?(?: tempo(?: of)?)? ?\b{_NUMBER.format('bpm')}"
    r" ?(?:bpm|beats (?:per|a) minute)\b"
    rf"|,?(?: at| with)?(?: an?| the)? ?\btempo(?: of|:| =)? {_NUMBER.format('tempo')}\b"
    rf"|,? ?\b(?P<word>{'|'.join(_WORDS)})\b",
    re.IGNORECASE,
)
_TONICS = {
    **{letter: letter for letter in "cdefgab"},
    **{"h": "b", "do": "c", "re": "d", "ré": "d", "mi": "e", "fa": "f", "sol": "g", "la": "a", "si": "b"},
}
_MINOR = ("minor", "min", "m", "moll", "mineur", "menor", "minore")
_MAJOR = ("major", "maj", "dur", "majeur", "mayor", "maggiore", "maior")
_SHARP = r"#|♯|[ -]?(?:sharp|dièse|diese|sostenido|diesis|sustenido)|(?<=[a-hA-H])is"
_FLAT = r"♭|b(?![a-z])|[ -]?(?:flat|bémol|bemol|bemolle)|(?<=[d-hD-H])es|(?<=[aAeE])s"
_NOTE = rf"(?P<{{0}}>{'|'.join(sorted(_TONICS, key=len, reverse=True))})(?P<{{0}}_sign>{_SHARP}|{_FLAT})?"
_MODE = rf"[ -]?(?P<{{}}>{'|'.join((*_MAJOR, *_MINOR))})\b"
_IN = r"(?:^|,? )(?:in|en|em) (?:the key of )?|(?:^|,? )(?:in )?(?:the )?key(?: of|:)? "
# "A minor crash" and "in a major city" are no keys.
_KEY = re.compile(
    rf"(?:{_IN})(?!a m\w+ (?!at|with|and|on|by)){_NOTE.format('tonic')}"
    rf"(?:{_MODE.format('mode')}|(?=$|,| at\b| with\b))"
    rf"|,? ?\b(?!a[ -]m){_NOTE.format('bare')}{_MODE.format('bare_mode')}",
    re.IGNORECASE,
)


_SPELLINGS = dict(spellings_of_keys())


@dataclass(frozen=True)
class Directions:
    """What a prompt says of its music.

    Args:
        rest: The prompt without its key and tempo.
        key: As captions say it, "c sharp minor"; empty where it names none.
        bpm: Beats per minute that can be played; 0 where it names none.
    """

    rest: str
    key: str = ""
    bpm: float = 0.0


def directions(prompt: str) -> Directions:
    """Find the key and the tempo of a prompt."""
    key, tempo = _KEY.search(prompt), _TEMPO.search(prompt)
    if not (key or tempo):
        return Directions(prompt)
    rest = _TEMPO.sub("", _KEY.sub("", prompt, 1), 1)
    return Directions(rest.strip(" ,"), _named(key) if key else "", _bpm(tempo) if tempo else 0.0)


def _bpm(found: re.Match[str]) -> float:
    if found["word"]:
        return _WORDS[found["word"].lower()]
    number = float((found["bpm"] or found["tempo"]).replace(",", ".")[:8])
    return min(max(number, SLOWEST), FASTEST)


def _named(found: re.Match[str]) -> str:
    """A key as captions say it: "Db major" is "c sharp major"."""
    which = "tonic" if found["tonic"] else "bare"
    written, sign = found[which].lower(), (found[f"{which}_sign"] or "").lower()
    mode = (found["mode"] if found["tonic"] else found["bare_mode"]) or "major"
    tonic = _TONICS[written].upper()
    german = mode.lower() in ("dur", "moll")
    if german and written == "b":
        sign = "flat"
    if sign:
        tonic += "#" if re.fullmatch(_SHARP.replace("(?<=[a-hA-H])", ""), sign) else "b"
    key = f"{tonic}{'m' if mode.lower() in _MINOR else ''}"
    return KEYS[_SPELLINGS.get(key, key)]
