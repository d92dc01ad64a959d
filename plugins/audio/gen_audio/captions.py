"""Prompts in free words, said as the captions that the network was trained on.

Captions of music are "a slow sad violin melody in a minor, 80 bpm" and "a jazz drum beat"; those of effects
are "a distant deep church bell". Here their parts are found in a prompt in any order and form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from gen.nn import Caption, not_read, read_as
from gen.words import Phrases, Stock, nearest_name, plain, request, with_article, words_of
from gen_audio.plugin import KEYS
from gen_audio.vocabulary import AXES, DRUMS, EFFECTS, FIGURES, INSTRUMENTS, MOODS, STYLES


def any_of(words: Sequence[str]) -> str:
    """A pattern of any of some words, the longest that fits."""
    return f"(?:{'|'.join(sorted(map(re.escape, words), key=len, reverse=True))})"


def _effect(name: str) -> str:
    """A name of an effect with room for adjectives behind its article."""
    article, _, rest = name.partition(" ")
    if article in ("a", "an", "the"):
        return rf"{'an?' if article != 'the' else 'the'} (?:{_ADJECTIVE} )*{re.escape(rest)}"
    return rf"(?:{_ADJECTIVE} )*{re.escape(name)}"


_ADJECTIVE = any_of(["distant", *(word for less, more in AXES.values() for word in (*less, *more))])
_KEY = rf"(?: in {any_of(tuple(KEYS.values()))})?"
_TEMPO = r"(?:, \d+ bpm)?"
_INSTRUMENT = any_of(INSTRUMENTS)
_MOOD, _HIGH = rf"(?:(?:slow|fast) )?(?:{any_of(MOODS)} )?", "(?:(?:high|low) )?"
_MUSIC = "|".join(
    (
        rf"(?:an? )?{_INSTRUMENT}",
        rf"(?:an? )?{_MOOD}{_HIGH}{_INSTRUMENT} {any_of(FIGURES)}{_KEY}{_TEMPO}",
        rf"(?:an? )?{_MOOD}{any_of(FIGURES)} on the {_INSTRUMENT}{_KEY}{_TEMPO}",
        rf"(?:an? )?(?:(?:single|long) )?{_HIGH}{_INSTRUMENT} note(?:, [a-g](?: flat| sharp)? -?\d)?",
        rf"(?:an? )?{_HIGH}{_INSTRUMENT} (?:(?:major|minor) )?chord{_KEY}",
        rf"(?:an? )?(?:(?:slow|fast) )?{any_of(STYLES)} (?:drum beat|beat|drums|drum loop){_TEMPO}",
    )
)
_NAMES = "|".join(_effect(name) for _, names in EFFECTS.values() for name in names.split("|"))
_CAPTION = re.compile(
    rf"{_MUSIC}|(?:the sound of )?(?:{_NAMES})(?: far away| in the distance)?|{any_of(tuple(EFFECTS))}"
)
BPM = re.compile(r",?(?: at)? ?\b(\d+) ?bpm\b", re.IGNORECASE)
IN_KEY = re.compile(rf" in ({any_of(tuple(KEYS.values()))})\b")

_PACE = {
    "slow": ("slow", "slowly", "unhurried", "adagio"),
    "fast": ("fast", "quick", "quickly", "rapid", "rapidly", "speedy", "hurried", "presto"),
}
_HEIGHT = {
    "low": ("low", "deep", "low pitched", "low-pitched"),
    "high": ("high", "high pitched", "high-pitched", "shrill"),
}
_FORCE = {
    "light": ("light", "soft", "softly", "gentle", "gently", "quiet", "quietly", "faint", "weak"),
    "heavy": ("heavy", "strong", "loud", "loudly", "violent", "powerful", "hard", "intense", "huge"),
}
_FAR = {"distant": ("distant", "far away", "in distance", "from afar", "far off")}
_VARIED = Phrases({**_PACE, **_HEIGHT, **_FORCE, **_FAR})
_PLAYED = Phrases(
    {
        **_PACE,
        **_HEIGHT,
        "happy": ("happy", "cheerful", "joyful", "merry", "jolly", "bright", "playful", "funny", "upbeat"),
        "sad": (
            "sad",
            "mournful",
            "lonely",
            "melancholy",
            "melancholic",
            "sorrowful",
            "gloomy",
            "tragic",
            "cry",
        ),
        "calm": ("calm", "relaxing", "peaceful", "gentle", "soothing", "soft", "softly", "quiet", "dreamy"),
        "energetic": ("energetic", "lively", "exciting", "wild", "loud", "driving", "dramatic", "epic"),
        "note": ("note", "tone"),
        "chord": ("chord",),
        "chords": ("chords", "strum", "strumming", "accompaniment"),
        "arpeggio": ("arpeggio", "broken chord"),
        "scale": ("scale",),
        "solo": ("solo",),
        "tune": ("tune",),
        "melody": ("melody",),
    }
)
_STYLES = Phrases(
    {
        "rock": ("rock", "metal", "punk", "pop"),
        "disco": ("disco", "dance", "house", "techno", "club", "funky", "funk"),
        "hip hop": ("hip hop", "hip-hop", "rap", "trap"),
        "jazz": ("jazz", "swing", "blues"),
        "march": ("march", "marching", "military", "parade"),
    }
)
_ARTICLES = frozenset(["a", "an", "the"])
_BREAKS = frozenset([",", "in", "on", "at", "of", "for", "from", "with", "and", "by", "over", "to", "when"])

_PLAYING = frozenset(["play", "plays", "playing", "played"])


@dataclass(frozen=True)
class _Sound:
    """What a prompt asks for.

    Args:
        name: Of an instrument or effect, or ``DRUMS``.
        part: Of the prompt, which became the name by guess; empty where it is another word for it.
        rest: The words beside it.
    """

    name: str
    part: str
    rest: tuple[str, ...]


@lru_cache(maxsize=1024)
def caption(prompt: str, stock: Stock) -> Caption:
    """Say a prompt as a caption.

    Args:
        prompt: In any language that the table of words knows; a key in it as captions say it.
        stock: What the network can make.
    """
    if _CAPTION.fullmatch(plain(prompt)):
        return Caption(prompt)
    asked = request(prompt, stock.names)
    text = asked.text
    key, tempo = IN_KEY.search(text), BPM.search(text)
    text = BPM.sub("", IN_KEY.sub("", text))
    sound = _sound([word for word in words_of(text) if word not in _ARTICLES], stock)
    if sound is None:
        return Caption(prompt)
    if sound.name == DRUMS:
        styles, rest = _STYLES.take(sound.rest)
        found, rest = _VARIED.take(rest)
        pace = [word for word in found if word in _PACE][:1]
        style = next(iter(styles), "rock")
        said = " ".join([*pace, style, DRUMS])
        unread = [words for word, words in (found | styles).items() if word not in (*pace, style)]
    elif sound.name in INSTRUMENTS:
        said, unread, rest = _music(sound)
        said += f" in {key[1]}" if key else ""
    else:
        said, unread, rest = _varied(sound)
        unread += [found[0].strip(" ,") for found in (key, tempo) if found]
    if tempo and (sound.name == DRUMS or sound.name in INSTRUMENTS):
        said += f", {tempo[1]} bpm"
    remarks = [read_as(sound.part, sound.name)] if sound.part else []
    unread += [*asked.unread, *([] if sound.part else _unread(rest))]
    return Caption(_in_form(said), (*remarks, *not_read(unread)))


def _sound(words: Sequence[str], stock: Stock) -> _Sound | None:
    """The sound that is named in a prompt, or is the nearest to it; None where none is near."""
    sounds = Stock((*stock.names, DRUMS), stock.keywords)
    named = _phrases(sounds)
    hits = [(at, *hit) for at in range(len(words)) if (hit := named.at(words, at))]
    text = " ".join(words)
    name = nearest_name(text, sounds, [name for *_, name in hits])
    # A name of several words is meant; of others that which is the nearest to all that is said.
    if hits and (not name or name in {hit[2] for hit in hits} or max(hit[1] for hit in hits) > 1):
        # Longer names first, then what comes before a preposition, there the last: "a church organ".
        clause = [sum(word in _BREAKS for word in words[:at]) for at, _, _ in hits]
        best = max(range(len(hits)), key=lambda i: (hits[i][1], hits[i][2] == name, -clause[i], hits[i][0]))
        name = hits[best][2]
        # "A dog barks" says the same sound twice.
        said = {at + i for at, count, same in hits if same == name for i in range(count)}
        return _Sound(name, "", tuple(word for at, word in enumerate(words) if at not in said))
    return _Sound(name, text, tuple(words)) if name else None


@lru_cache(maxsize=16)
def _phrases(stock: Stock) -> Phrases:
    """All names and other words, without articles."""
    found: dict[str, list[str]] = {name: [name] for name in stock.names}
    for word, name in stock.keywords:
        if name in found:
            found[name].append(" ".join(part for part in word.split() if part not in _ARTICLES))
    return Phrases(found)


def _music(sound: _Sound) -> tuple[str, list[str], list[str]]:
    """An instrument with its figure, mood, height and tempo; what does not fit together; and other words."""
    found, rest = _PLAYED.take(sound.rest)
    figure = next((word for word in found if word in (*FIGURES, "note", "chord")), "melody")
    sorts: tuple[Sequence[str], ...] = (tuple(_HEIGHT),)
    if figure in FIGURES:
        sorts = (tuple(_PACE), MOODS, tuple(_HEIGHT))
    kept = [next((word for word in found if word in sort), "") for sort in sorts]
    unread = [words for word, words in found.items() if word not in (*kept, figure)]
    return " ".join(filter(None, [*kept, sound.name, figure])), unread, rest


def _varied(sound: _Sound) -> tuple[str, list[str], list[str]]:
    """An effect with its adjectives; those that it does not have; and other words."""
    found, rest = _VARIED.take(sound.rest)
    axes, names = EFFECTS[sound.name]
    words = {word for axis in axes.split() for side in AXES[axis] for word in side} | {"distant"}
    sorts = (tuple(_FAR), tuple(_PACE), tuple(_HEIGHT), tuple(_FORCE))
    kept = [next((word for word in found if word in sort and word in words), "") for sort in sorts]
    name = re.sub("^(?:an?|the) ", "", names.split("|")[0])
    unread = [words for word, words in found.items() if word not in kept]
    return " ".join(filter(None, [*kept, name])), unread, rest


def _in_form(said: str) -> str:
    """A caption with the article that captions of its sound have, where they have one."""
    bare = tuple(names.split("|")[0] for _, names in EFFECTS.values())
    if said.endswith(tuple(name for name in bare if not name.startswith(("a ", "an ", "the ")))):
        return said
    if "chords" in said.split():
        return said
    return with_article(said)


def _unread(words: Sequence[str]) -> list[str]:
    """Parts of a prompt that say nothing of the sound."""
    parts = [part.split() for part in re.split(r" ?(?:,|\bwith\b|\band\b) ?", " ".join(words))]
    return [" ".join(part) for part in parts if set(part) - _BREAKS - _PLAYING]
