"""Prompts in free words, said as the captions that the network was trained on.

A caption is "a small red car drives to the left slowly on the road": a thing, what it does, where to and how
fast, at most a second thing, and what is behind them. Here these parts are found in a prompt in any form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import dropwhile

from gen.nn import Caption, read_as, shortened
from gen.words import Phrases, Stock, english, nearest_name, nearness, plain, plural, words_of
from gen_video.vocabulary import (
    ALIASES,
    COLOURS,
    GAITS,
    GOES,
    HUES,
    NO_ARTICLE,
    PATTERNS,
    PLACES,
    SIZE_WORDS,
    SPEED_WORDS,
    VERBS,
)

NEAR = 0.5
"""The least cosine at which a verb is taken for another."""


def _any(words: Sequence[str]) -> str:
    return f"(?:{'|'.join(sorted(map(re.escape, words), key=len, reverse=True))})"


GAIT = {name: gait for gait, names in GAITS.items() for name in names}
GAIT |= {alias: GAIT[name] for name, alias in ALIASES.items() if name in GAIT}
"""Every name of a thing, and its verb of moving."""

_SIZE = _any([word for words in SIZE_WORDS.values() for word in words])
_THING = rf"(?:an? )?(?:{_SIZE} )?(?:{_any(HUES)} )?{_any([*GAIT, *map(plural, GAIT)])}"
_SPEED = rf"(?: {_any([word for words in SPEED_WORDS.values() for word in words if word])})?"
_GOES = _any(list(dict.fromkeys([*GAITS, *(verb for verbs in GOES.values() for verb in verbs)])))
_DEED = (
    rf"(?: (?:{_GOES}(?: past)?(?: to the)? (?:left|right)"
    rf"|{_any([said for verbs in VERBS.values() for said in verbs])}){_SPEED})?"
)
_GROUND = rf"(?: {_any(tuple(PLACES.values()))}| on an? {_any(COLOURS)}(?: {_any(PATTERNS)})? background)?"
_CAPTION = re.compile(
    rf"{_THING}{_DEED}(?: past {_THING}| (?:orbits|circles) {_THING}{_SPEED}| and {_THING}{_DEED}"
    rf"| (?:beside|next to) {_THING})?{_GROUND}(?:, the background scrolls (?:left|right))?"
    r"(?:, the camera (?:pans (?:left|right)|zooms (?:in|out)))?(?:, loop)?"
)
_FRAME = re.compile(
    r"^(?:(?:please |i want |i need |i'd like )?(?:draw|show|make|create|generate|animate)?(?: me)? ?)?"
    r"(?:(?:an? |the )?(?:short )?(?:video|clip|animation|movie|film|gif|picture|scene) of )?"
)
_SCROLL = re.compile(r",? ?(?:the )?background (?:scroll|mov)(?:s|es|ing)? (?:to the )?(?P<way>left|right)")
_CAMERA = re.compile(
    r",? ?(?:(?:the )?camera )?(?:(?P<pan>pan)(?:s|ning)? (?:to the )?(?P<way>left|right)"
    r"|(?P<zoom>zoom)(?:s|ing)? (?P<how>in|out))\b"
)
_LOOP = re.compile(r",? ?(?:in an? |endless |as an? )?\bloop(?:s|ed|ing)?\b")
_BACKGROUND = re.compile(
    rf",? (?:on|against|with|in front of) (?:an? |the )?(?:(?P<colour>{_any([*COLOURS, 'gray'])}) ?)?"
    rf"(?P<pattern>{_any(PATTERNS)})? ?background"
)
_AT = re.compile(
    r",? (?:up |down )?(?:in|into|on|onto|at|across|over|through|along|under|by) (?:the |an? |outer )*"
    r"(?P<where>[\w-]+)\b"
)
_WHERE = Phrases(
    {
        "sky": ("sky", "air", "cloud", "heaven"),
        "space": ("space", "universe", "cosmos", "orbit"),
        "grass": ("grass", "meadow", "lawn", "field", "park", "garden"),
        "sea": ("sea", "ocean", "water", "lake", "river", "waves"),
        "desert": ("desert", "sand", "beach", "dunes"),
        "road": ("road", "street", "highway", "motorway"),
        "snow": ("snow", "ice"),
    }
)
_SECOND = re.compile(
    r"(?P<past>,? (?:past|in front of|passing) )(?=(?:an?|the|some) )"
    r"|(?P<around>,? (?:around|circling|circles|orbiting|orbits|round) )(?=(?:an?|the|some) )"
    r"|(?P<beside>,? (?:next to|beside|near) )(?=(?:an?|the|some) )"
    r"|(?P<also>,? (?:and|while) )(?=(?:an?|the|some) )"
)
_DEEDS = Phrases(
    {
        "fly up": (
            *("take off", "lift off", "blast off", "launch", "shoot up", "fly up", "fly upward"),
            *("fly upwards", "fly away", "soar up"),
        ),
        "fall": ("fall", "fall down", "drop", "drop down", "tumble", "plummet", "crash"),
        "bounce": (
            *("bounce", "jump", "hop", "leap", "jump up and down", "bounce up and down", "up and down"),
            *("hop around", "jump around", "dribble", "skip", "dance", "spring"),
        ),
        "spin": (
            *("spin", "spin around", "turn", "turn around", "rotate", "twirl", "whirl", "revolve"),
            *("go round", "go around"),
        ),
        "swing": ("swing", "sway", "from side to side", "back and forth", "dangle", "rock", "ring"),
        "grow": (
            *("grow", "expand", "inflate", "swell", "bloom", "get big", "get large", "get tall"),
            *("get big and big", "grow tall", "grow big", "blow up"),
        ),
        "shrink": ("shrink", "deflate", "melt", "get small", "get small and small", "dwindle"),
        "beat": ("beat", "pulse", "pulsate", "throb", "pump"),
        "shake": ("shake", "tremble", "shiver", "vibrate", "wobble", "quake", "jiggle", "wiggle"),
        "circle": ("circle", "in circle", "in a circle", "round and round", "orbit", "chase its tail"),
        "blink": ("blink", "flash", "flicker", "twinkle", "glitter", "sparkle", "shine"),
        "appear": ("appear", "emerge", "materialize", "materialise", "fade in", "show up"),
        "disappear": ("disappear", "vanish", "fade out", "fade away", "fade", "dissolve"),
        "up": ("rise", "ascend", "climb", "come up", "float"),
        "down": ("sink", "descend", "dive", "land", "set", "go down", "come down", "lower"),
        "roll": ("roll", "roll away"),
        "pass": ("pass", "pass by", "drive by", "drive past", "run past", "fly past", "fly by"),
        "still": ("sit", "sleep", "stand", "lie", "rest", "wait", "stay", "sit still", "stand still"),
        "go": (
            *("run", "walk", "drive", "fly", "swim", "move", "go", "ride", "slide", "travel", "march"),
            *("sneak", "rush", "race", "speed", "hurry", "dash", "sprint", "gallop", "trot", "crawl"),
            *("creep", "glide", "sail", "paddle", "row", "flutter", "flap", "soar", "drift", "hover"),
            *("stroll", "waddle", "scurry", "slither", "cross", "chase", "skate", "come", "wander"),
        ),
    }
)
"""What things do: by the names of motions, and ``roll``, ``pass`` and ``go``, which need a direction."""
_WAYS = Phrases(
    {
        "left": ("left", "to the left", "leftward", "leftwards"),
        "right": ("right", "to the right", "from left to right", "rightward", "rightwards"),
        "up": ("up", "upward", "upwards"),
        "down": ("down", "downward", "downwards"),
        "leftward": ("from right to left",),
    }
)
_SPEEDS = Phrases(
    {
        "slow": ("slow", "slowly", "gently", "leisurely"),
        "fast": ("fast", "quick", "quickly", "rapidly", "speedily", "wildly", "swiftly"),
    }
)
_SIZES = Phrases(
    {
        "small": ("small", "little", "tiny", "mini"),
        "big": ("big", "large", "huge", "giant", "enormous", "gigantic"),
    }
)
_TINTS = Phrases(
    {
        "red": ("red", "crimson", "scarlet"),
        "orange": ("orange",),
        "yellow": ("yellow", "golden"),
        "green": ("green",),
        "blue": ("blue", "light blue", "dark blue"),
        "purple": ("purple", "violet", "lilac"),
    }
)
_NAMED = "·"
"""Stands for the name of a thing, where it has been read."""
_SEVERAL = frozenset(["two", "three", "four", "five"])
_LEADS = _SEVERAL | {"a", "an", "the", "some", "one", "my", "his", "her", "its"}
_LITTLE = _LEADS | {
    "is",
    "are",
    "was",
    "being",
    "that",
    "which",
    "of",
    ",",
    "and",
    "in",
    "on",
    "to",
    "around",
}
_BREAKS = frozenset(
    ["in", "on", "at", "of", "for", "from", "with", "by", "over", "to", "into", "out", "like"]
)


@dataclass(frozen=True)
class _Part:
    """One thing and what it does.

    Args:
        thing: As captions say it, with its article, size and colour.
        name: Of the thing.
        deed: As captions say it; empty for what stays as it is.
        remarks: Lines about what was guessed.
        unread: Parts of the prompt that say nothing of it.
    """

    thing: str
    name: str
    deed: str
    remarks: tuple[str, ...]
    unread: tuple[str, ...]


@lru_cache(maxsize=1024)
def caption(prompt: str, stock: Stock) -> Caption:
    """Say a prompt as a caption.

    Args:
        prompt: In any language that the table of words knows.
        stock: What the network can make.
    """
    if _CAPTION.fullmatch(plain(prompt)):
        return Caption(prompt)
    text = plain(english(prompt))
    text = text[_FRAME.match(text).end() :]  # type: ignore[union-attr]
    text, behind = _setting(text)
    second = _SECOND.search(text)
    first, rest = (text[: second.start()], text[second.end() :]) if second else (text, "")
    parts = [part for one in (first, rest) if one and (part := _part(one, stock))]
    if not parts:
        return Caption(prompt)
    said = " ".join(filter(None, [parts[0].thing, parts[0].deed]))
    if second and len(parts) == 2:
        said = _both(second.lastgroup or "", *parts)
    elif second and first and rest:
        # One of the two is no thing of the model.
        parts = [part for part in [_part(text, stock)] if part] or parts
        said = " ".join(filter(None, [parts[0].thing, parts[0].deed]))
    unread = [shortened(words) for part in parts for words in part.unread]
    remarks = [remark for part in parts for remark in part.remarks]
    if unread:
        remarks.append(f"not read: {', '.join(unread)}")
    return Caption(said + behind, tuple(remarks))


def _setting(text: str) -> tuple[str, str]:
    """A prompt without what is behind the things and what the camera does, and that as captions say it."""
    behind = ending = ""
    if _LOOP.search(text):
        text, ending = _LOOP.sub("", text), ", loop"
    if found := _CAMERA.search(text):
        text = text.replace(found[0], "", 1)
        ending = (
            f", the camera pans {found['way']}" if found["pan"] else f", the camera zooms {found['how']}"
        ) + ending
    if found := _SCROLL.search(text):
        text, ending = text.replace(found[0], "", 1), f", the background scrolls {found['way']}" + ending
    if (found := _BACKGROUND.search(text)) and (found["colour"] or found["pattern"]):
        text = text.replace(found[0], "", 1)
        words = f"{(found['colour'] or 'blue').replace('gray', 'grey')} {found['pattern'] or ''}".strip()
        behind = f" on {'an' if words[0] in 'aeiou' else 'a'} {words} background"
    for found in () if behind else tuple(_AT.finditer(text)):
        if place := _WHERE.at([found["where"]], 0):
            return text.replace(found[0], "", 1), f" {PLACES[place[1]]}{ending}"
    return text, behind + ending


def _part(text: str, stock: Stock) -> _Part | None:
    """A thing and what it does; None where no thing of the model is near."""
    words = words_of(text)
    named = _names(stock)
    # Names of several words hold verbs and colours: "flying saucer", "blue heart".
    name, words = _taken(words, named, least=2)
    motions, words = _deeds(words)
    ways, words = _WAYS.take(words)
    speeds, words = _SPEEDS.take(words)
    sizes, bare = _SIZES.take(words)
    hues, bare = _TINTS.take(bare)
    remarks: list[str] = []
    if not name:
        name, found = _taken(bare, named, least=1)
        if not name:
            # A colour may be a thing: "an orange".
            name, found = _taken(words, named, least=1)
            hues = [hue for hue in hues if hue != name]
        bare = found if name else bare
    if not motions:
        motions, bare, remarks = _nearest_deed(bare)
    if not name:
        guess = " ".join(word for word in bare if word not in {*_LITTLE, _NAMED})
        name = nearest_name(guess, stock)
        if not name:
            return None
        remarks, bare = [read_as(guess, name), *remarks], []
    lead = " ".join(filter(None, [*sizes[:1], *hues[:1], name]))
    article = "" if name in NO_ARTICLE else "an " if lead[0] in "aeiou" else "a "
    deed, speed = _deed(motions, ways, GAIT[name]), speeds[0] if speeds else "normal"
    spoken = SPEED_WORDS[speed][0] if deed else ""
    left = [*(word for word in words if word in _SEVERAL), *sizes[1:], *hues[1:], *_left(bare)]
    return _Part(article + lead, name, f"{deed} {spoken}".strip(), tuple(remarks), tuple(left))


def _both(relation: str, one: _Part, other: _Part) -> str:
    """Two things and what they do, as captions say it."""
    speed = next((word for word in ("slowly", "fast") if one.deed.endswith(f" {word}")), "")
    if relation == "past":
        going = one.deed if one.deed.startswith(tuple(GAITS)) else f"{_gone(GAIT[one.name])} right"
        return f"{one.thing} {going} past {other.thing}"
    if relation == "around":
        return f"{one.thing} circles {other.thing} {speed}".strip()
    if other.deed and one.deed:
        return f"{one.thing} {one.deed} and {other.thing} {other.deed}"
    if other.deed:
        one, other = other, one
    return " ".join(filter(None, [one.thing, one.deed, "beside", other.thing]))


def _deeds(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The motions that words say, and the other words; a word behind an article is a noun ("a fly")."""
    found, left, at = [], [], 0
    while at < len(words):
        before = _SIZES.take(_TINTS.take(words[:at])[1])[1]
        noun = not words[at].endswith("ing") and _LEADS.issuperset(before)
        phrase = None if noun else _DEEDS.at(words, at)
        if phrase is None:
            left.append(words[at])
            at += 1
        else:
            found.append(phrase[1])
            at += phrase[0]
    return found, left


def _nearest_deed(words: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """The motion that an unknown verb is the nearest to, the other words, and the remark about it."""
    names = tuple(verb for verbs in VERBS.values() for verb in verbs)
    for at, word in enumerate(words):
        if word.endswith("ing") and len(word) > len("ring"):
            alike = nearness(word, names)
            if alike.max() >= NEAR:
                said = names[int(alike.argmax())]
                motion = next(motion for motion, verbs in VERBS.items() if said in verbs)
                return [motion], [*words[:at], *words[at + 1 :]], [read_as(word, said)]
    return [], list(words), []


def _deed(motions: Sequence[str], ways: Sequence[str], gait: str) -> str:
    """What a thing does as captions say it."""
    way = next((way.removesuffix("ward") for way in ways), "")
    special = [motion for motion in motions if motion not in ("go", "still", "roll", "pass")]
    if len(special) > 1 and "up" in special:
        special.remove("up")
    if special and not (special[0] in ("up", "down") and way in ("up", "down")):
        return VERBS[special[0]][0]
    if way in ("up", "down"):
        return VERBS["fly up" if way == "up" and gait == "flies" and "go" in motions else way][0]
    side = way or "right"
    if "roll" in motions:
        return f"rolls {side}"
    if "pass" in motions:
        return f"{_gone(gait)} past to the {side}"
    return f"{_gone(gait)} {side}" if "go" in motions or way else ""


def _gone(gait: str) -> str:
    """The verb of moving of a gait."""
    return GOES.get(gait, (gait,))[0]


def _taken(words: Sequence[str], named: Phrases, *, least: int) -> tuple[str, list[str]]:
    """The longest name of at least so many words, the last before a preposition, and the words beside it."""
    hits = [(at, *hit) for at in range(len(words)) if (hit := named.at(words, at)) and hit[0] >= least]
    if not hits:
        return "", list(words)
    clause = [sum(word in _BREAKS for word in words[:at]) for at, _, _ in hits]
    at, count, name = hits[max(range(len(hits)), key=lambda i: (hits[i][1], -clause[i], hits[i][0]))]
    return name, [*words[:at], _NAMED, *words[at + count :]]


@lru_cache(maxsize=16)
def _names(stock: Stock) -> Phrases:
    """All names and other words for the things that the model can make."""
    found: dict[str, list[str]] = {name: [name] for name in stock.names}
    others: Mapping[str, str] = {**dict(stock.keywords), **ALIASES}
    for word, name in others.items():
        if name in found:
            found[name].append(word)
    return Phrases(found)


def _left(words: Sequence[str]) -> list[str]:
    """Parts of a prompt that say nothing of what is made."""
    parts = [part.split() for part in re.split(rf" ?(?:,|\band\b|{_NAMED}) ?", " ".join(words))]
    found = [[*dropwhile(_LEADS.__contains__, part)] for part in parts]
    return [" ".join(part) for part in found if set(part) - _LITTLE - _BREAKS]
