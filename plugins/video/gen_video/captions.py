"""Prompts in free words, said as the captions that the network was trained on.

A caption is "a small red car drives to the left slowly on the road": a thing, what it does, where to and how
fast, at most a second thing, and what is behind them. Here these parts are found in a prompt in any form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import dropwhile, islice, takewhile

import numpy as np

from gen.nn import Caption, not_read, read_as
from gen.words import (
    Phrases,
    Stock,
    base_forms,
    closeness,
    likeness,
    nearest_name,
    plain,
    plural,
    read,
    request,
    sorts,
    with_article,
    words_of,
)
from gen_video.phrases import MOTIONS, MOVES, SIZES, SPEEDS, TINTS, WAYS
from gen_video.scenery import any_of, scenery
from gen_video.vocabulary import (
    ALIASES,
    COLOURS,
    GAITS,
    GOES,
    HUES,
    NO_ARTICLE,
    PATTERNS,
    PEOPLE,
    PERSON,
    PERSONS,
    PLACES,
    SIZE_WORDS,
    SPEED_WORDS,
    VERBS,
)

CLEAR = 0.58
"""A second thing is at least so near to its name."""
NAMED = 0.02
"""So much nearer is a thing that a word names, than it is by the meaning of the whole. The things of 96 % of
796 prompts are read rightly so, of 95 % with 0.08."""
PEOPLE_NAMED = 0.15
"""The same for words for people of no sort that the model knows, which mean nothing near to a runner."""
VERB = 0.1
"""The same for a motion that a verb says. The motions of 95 % of 1,306 development prompts are read rightly
so, of 94 % without."""
UNSAID = 0.07
"""A text that is less near to all motions says none, as "two women"."""
ANIMAL = 0.16
"""So much nearer to an animal than to people is what is no person, though the table of words calls it one:
a cardinal by 0.18, a hunter by 0.15."""

GAIT = {name: gait for gait, names in GAITS.items() for name in names}
GAIT |= {alias: GAIT[name] for name, alias in ALIASES.items() if name in GAIT}
"""Every name of a thing, and its verb of moving."""

_SIZE = any_of([word for words in SIZE_WORDS.values() for word in words])
_THING = rf"(?:an? )?(?:{_SIZE} )?(?:{any_of(HUES)} )?{any_of([*GAIT, *map(plural, GAIT)])}"
_BARE = re.compile(
    rf"(?:{_SIZE} )?(?:{any_of(HUES)} )?{any_of([name for name in GAIT if name not in NO_ARTICLE])}"
)
"""The network has seen few names without an article and a motion, and draws some of them faintly."""
_SPEED = rf"(?: {any_of([word for words in SPEED_WORDS.values() for word in words if word])})?"
_GOES = any_of(list(dict.fromkeys([*GAITS, *(verb for verbs in GOES.values() for verb in verbs)])))
_DEED = (
    rf"(?: (?:{_GOES}(?: past)?(?: to the)? (?:left|right)"
    rf"|{any_of([said for verbs in VERBS.values() for said in verbs])}){_SPEED})?"
)
_GROUND = (
    rf"(?: {any_of(tuple(PLACES.values()))}| on an? {any_of(COLOURS)}(?: {any_of(PATTERNS)})? background)?"
)
_CAPTION = re.compile(
    rf"{_THING}{_DEED}(?: past {_THING}| (?:orbits|circles) {_THING}{_SPEED}| and {_THING}{_DEED}"
    rf"| (?:beside|next to) {_THING})?{_GROUND}(?:, the background scrolls (?:left|right))?"
    r"(?:, the camera (?:pans (?:left|right)|zooms (?:in|out)))?(?:, loop)?"
)
_RIDER = re.compile(
    rf"\b{any_of([*PEOPLE, 'runner'])} (?P<deed>riding|rides|on) (?:an?|the|his|her) (?:bike|bicycle)\b"
)
_TO_US = re.compile(
    r"\b(?:runn?|charg|com|driv|fly|flie|walk|rush|rac|swimm?|wander|mov|crawl|creep|roll)(?:ing|e?s|e)?"
    r" (?:over |up |right )?(?:at|to|towards?|into) (?:(?:the|my) (?:camera|viewer|screen)|me|us)$"
)
"""Going where a thing is seen from, so that it grows."""
_COMPOUNDS = {
    "sunset": "sun going down",
    "sunrise": "sun rising",
    "moonrise": "moon rising",
    "snowfall": "snow falling",
    "rainfall": "rain falling",
    "heartbeat": "heart beating",
}
"""Nouns that hold a thing and what it does, where they are what a prompt is about."""
_COMPOUND = re.compile(rf"^((?:an?|the|some) (?:[\w-]+ )?)?({any_of(list(_COMPOUNDS))})\b")
_UNSEEN = re.compile(
    r",? (?P<said>in the (?:sun|sunshine|sunlight|moonlight|rain|wind|breeze|storm|heat)"
    r"|at (?:sunset|sunrise|dawn|dusk|noon|midday)"
    r"|(?:turn|chang|transform|morph|curl)(?:e?s|ed|ing)? into (?:an? |the )?[\w-]+)\b"
)
"""What things are in without its being seen beside them, and what they become."""
_A = "(?=(?:an?|the|some|his|her|its|my|two) )"
_SECOND = re.compile(
    rf",? (?P<past>past|in front of|passing|passes|chasing|chases|following|follows|running after) {_A}"
    rf"|,? (?P<around>around|circling|circles|orbiting|orbits|round) {_A}"
    rf"|,? (?P<beside>next to|beside|near) {_A}"
    rf"|,? (?P<also>and|while) {_A}|(?P<list>,| and)(?= )"
    r"|,? (?P<at>left of|right of|between|on top of|over|under|from|away from|at|with|behind|through|above"
    rf"|below|towards?|to|into|onto|on|off|in|out of|against) {_A}"
    rf"| (?P<verb>[\w-]+(?:ing|[^\Ws]s)) {_A}"
)
"""What a second thing is to the first, by the name of the group."""
TRIED = 16
"""So many places of a prompt are tried at which a second thing may begin."""
_MARK = "·"
"""Begins a name of several words, where it has been read."""
_DONE = "¦"
"""Stands for what has been read."""
_SETTING = frozenset(["with", "in", "into", "at", "under", "through", "against", "off", "from", "out of"])
"""Words for where or with what a thing is, which is left out where the thing stays in its place."""
_GOING = frozenset(["go", "goes", "going"])
"""A verb that says little by itself: "going off"."""
_SEVERAL = frozenset(["two", "three", "four", "five"])
_LEADS = _SEVERAL | {"a", "an", "the", "some", "one", "my", "his", "her", "its"}
_BREAKS = frozenset(
    "in on at of for from with by over to into out like after under through behind against toward towards "
    f"off above below {_DONE}".split()
)
_LITTLE = (
    _LEADS
    | _BREAKS
    | {"is", "are", "was", "being", "that", "which", "there", ",", "and", "around", "very", "away", "along"}
)
_IN_PLACE = frozenset(
    ["still", "bounce", "spin", "swing", "grow", "shrink", "beat", "shake", "blink", "appear", "disappear"]
)
"""Motions that leave room for a second thing."""
_WITHOUT_A_WAY = {"turn": "spin", "tumble": "fall"}
"""What verbs mean where no way to a side is said."""
_CAUSED = _IN_PLACE - {"still", "blink", "beat"}
"""Motions into which something else may set a thing."""
_ACROSS = frozenset(["go", "roll", "pass"])
"""Motions that may go past a second thing."""
_YIELDS = frozenset(["bounce", "shake", "fall", "disappear"])
"""Motions that a way to a side outweighs."""


@dataclass(frozen=True)
class _Part:
    """One thing and what it does.

    Args:
        thing: As captions say it, with its article, size and colour.
        name: Of the thing.
        named: Whether the prompt says that name, or another word for it.
        near: How near the name is to what the prompt says; 1 where it is named, or a person.
        motion: ``still``, ``go`` or another.
        deed: As captions say it; empty for what stays as it is.
        two: Whether there are two of it.
        remarks: Lines about what was guessed.
        unread: Parts of the prompt that say nothing of it.
    """

    thing: str
    name: str
    named: bool
    near: float
    motion: str
    deed: str
    two: bool
    remarks: tuple[str, ...]
    unread: tuple[str, ...]

    @property
    def said(self) -> str:
        """The thing and its deed."""
        return f"{self.thing} {self.deed}".strip()


@lru_cache(maxsize=1024)
def caption(prompt: str, stock: Stock) -> Caption:
    """Say a prompt as a caption.

    Args:
        prompt: In any language that the table of words knows.
        stock: What the network can make.
    """
    if _BARE.fullmatch(text := plain(prompt)):
        return Caption(with_article(text))
    if _CAPTION.fullmatch(text):
        return Caption(prompt)
    asked = request(prompt, stock.names)
    text = _RIDER.sub(r"cyclist \g<deed>", asked.text)
    text = _TO_US.sub("getting big", text)
    text = _COMPOUND.sub(lambda found: f"{found[1] or ''}{_COMPOUNDS[found[2]]}", text)
    text, behind = scenery(text)
    unseen, text = _UNSEEN.search(text), _UNSEEN.sub("", text)
    text = _marked(text, _names(stock))
    parts, said = _pair(text, stock) or _alone(text, stock)
    if not parts:
        return Caption(prompt)
    remarks = [remark for part in parts for remark in part.remarks]
    unread = [*asked.unread, *(words for part in parts for words in part.unread)]
    if unseen:
        unread.append(unseen["said"])
    return Caption(said + behind, (*remarks, *not_read(unread)))


def _alone(text: str, stock: Stock) -> tuple[list[_Part], str]:
    """One thing, or two alike where there is room, and their caption; nothing where no thing is near."""
    part = _part(text, stock)
    if part is None:
        return [], ""
    if part.two and part.motion in _IN_PLACE:
        return [part], f"{part.said} {'and' if part.deed else 'beside'} {part.said}"
    return [_one_only(part)], part.said


def _pair(text: str, stock: Stock) -> tuple[list[_Part], str] | None:
    """Two things that differ, and their caption; None where a prompt does not have two."""
    for split in islice(_SECOND.finditer(text), TRIED):
        relation = split.lastgroup or ""
        # A verb is the first thing's.
        one = _part(text[: split.end("verb") if relation == "verb" else split.start()], stock)
        other = _part(text[split.end() :], stock)
        if one is None or other is None or other.near < CLEAR:
            continue
        if relation == "list":
            differ = one.named and other.named and one.name != other.name
            if not (differ and _begins_with_name(text[split.end() :], stock)):
                continue
        if relation in ("beside", "also", "list") and not {one.motion, other.motion} <= _IN_PLACE:
            # The model has seen such things apart, or one go past another that rests.
            mover = next((part for part in (one, other) if part.motion in _ACROSS), None)
            if mover is None:
                return [_one_only(replace(one, unread=(*one.unread, other.said)))], one.said
            rests = other if mover is one else one
            if rests.deed:
                rests = replace(rests, unread=(*rests.unread, rests.deed))
            one, other, relation = mover, rests, "past"
        if relation in ("at", "verb"):
            if not other.named or other.deed or other.name == one.name:
                continue
            if relation == "verb" and not one.named and one.name != PERSON and one.motion in _CAUSED:
                # "an earthquake shakes a house"
                moved = _part(f"{text[split.end() :]} {split['verb']}", stock)
                if moved and moved.motion == one.motion:
                    cause = " ".join(word for word in words_of(text[: split.start()]) if word not in _LEADS)
                    return [_one_only(replace(moved, unread=(cause, *moved.unread)))], moved.said
            # A cherry is on the ice cream, but a dog is beside the boy.
            company = split["at"] == "with" and GAIT[one.name] in ("runs", "flies", "swims")
            setting = split["at"] in _SETTING and one.motion not in _ACROSS and not company
            if (setting or company) and not one.named and one.name != PERSON:
                continue
            if setting or one.motion not in {*_IN_PLACE, *_ACROSS}:
                return [_one_only(replace(one, unread=(*one.unread, other.name)))], one.said
            word, relation = split[relation], "past" if one.motion in _ACROSS else "beside"
            if split["at"]:
                one = replace(one, remarks=(*one.remarks, read_as(word, relation)))
        return [_one_only(one), _one_only(other)], _both(relation, one, other)
    return None


def _begins_with_name(text: str, stock: Stock) -> bool:
    """Whether a text begins with a thing, perhaps with its size and colour: "round the lamp" does not."""
    words = words_of(text)
    first = next((at for at, word in enumerate(words) if not _describes(word)), len(words) - 1)
    return bool(_name_at(words, first, _names(stock)))


def _one_only(part: _Part) -> _Part:
    """A part of which one thing is shown."""
    return replace(part, two=False, unread=("two", *part.unread)) if part.two else part


def _both(relation: str, one: _Part, other: _Part) -> str:
    """Two things and what they do, as captions say it."""
    speed = next((word for word in ("slowly", "fast") if one.deed.endswith(f" {word}")), "")
    if relation == "past":
        way = "left" if other.deed.endswith(" left") else "right"
        going = one.deed if one.deed.startswith(tuple(GAITS)) else f"{_gone(GAIT[one.name])} {way}"
        return f"{one.thing} {going} past {other.thing}"
    if relation == "around":
        return f"{one.thing} circles {other.thing} {speed}".strip()
    if other.deed and one.deed:
        return f"{one.said} and {other.said}"
    if other.deed:
        one, other = other, one
    return f"{one.said} beside {other.thing}"


def _part(text: str, stock: Stock) -> _Part | None:
    """A thing and what it does; None where no thing of the model is near."""
    words, named = words_of(text), _names(stock)
    deeds, words = _deeds(words, named)
    motions = list(deeds)
    ways = list(WAYS.take(words)[0])
    if motions == ["go"] and deeds["go"] in _GOING and not ways:
        deeds, motions, words = {}, [], words_of(text)
    _, words = WAYS.take(words)
    speeds, words = SPEEDS.take(words)
    sizes, bare = SIZES.take(words)
    hues, bare = TINTS.take(bare)
    name, rest = _subject(bare, named)
    if not name:
        # A colour may be a thing: "an orange".
        name, rest = _subject(words, named)
        hues.pop(name, None)
    # "A man with a hat" is no hat.
    before = list(takewhile(lambda word: word != "with", bare))
    subject = before if name and _subject(before, named)[0] == name else bare
    said = [word for word in subject if word not in _LITTLE]
    guess = _unmarked(" ".join([word for word in said if not _is_participle(word)] or said))
    nearer = PEOPLE_NAMED if name == PERSON else NAMED
    nearest = nearest_name(guess, stock, (name,) if name else (), nearer, _unmarked(text))
    exact = bool(name) and nearest in ("", name)
    if not exact:
        name = PERSON if _is_person(guess, nearest) else nearest
        if not name:
            return None
        rest = []
    remarks, dropped = [] if exact else [read_as(guess, name)], list[str]()
    # One word alone names a thing that stays.
    if sum(word not in _LITTLE for word in words_of(text)) > 1:
        motions, ways, guessed = _meant(text, motions, ways)
        remarks += guessed
        if guessed:
            rest = []
        else:
            dropped = [said for motion, said in deeds.items() if motion not in motions]
    motion, deed, unread = _deed(motions, ways, GAIT[name])
    spoken = SPEED_WORDS[next(iter(speeds), "normal")][0] if deed else ""
    more = (*islice(sizes.values(), 1, None), *islice(hues.values(), 1, None))
    several = [word for word in words if word in _SEVERAL]
    return _Part(
        thing=_with_article(" ".join([*islice(sizes, 1), *islice(hues, 1), name]), name),
        name=name,
        named=exact,
        near=1.0 if exact or name == PERSON else float(closeness(guess, Stock((name,))).max()),
        motion=motion,
        deed=f"{deed} {spoken}".strip(),
        two=several == ["two"],
        remarks=tuple(remarks),
        unread=(*(several if several != ["two"] else ()), *dropped, *unread, *more, *_left(rest)),
    )


def _is_person(guess: str, nearest: str) -> bool:
    """Whether one word means a person of no sort that the model knows.

    A chef is one, though he means something near to bread; a retriever is none, though the table of words
    calls it a person.
    """
    words = guess.split()
    if len(words) != 1 or "person" not in sorts(words[0]):
        return False
    if not nearest:
        return True
    nearer = float(closeness(words[0], Stock((nearest,))).max() - closeness(words[0], Stock(PEOPLE)).max())
    if nearest in PERSONS:
        return nearer < 0
    animal = GAIT[nearest] == "runs" or "animal" in sorts(nearest)
    return nearer < ANIMAL or not animal


def _meant(text: str, motions: list[str], ways: list[str]) -> tuple[list[str], list[str], list[str]]:
    """The motion and the way that a whole text means, and a remark where no word of it says so.

    Args:
        text: Of one thing.
        motions, ways: That words of it say.
    """
    if "" in ways and not motions:
        # What is upside down goes nowhere.
        return motions, ways, []
    if any(map(_is_sideways, ways)):
        motions = [motion for motion in motions if motion not in _YIELDS]
    sides = [way.removesuffix("ward") for way in ways if way]
    said = [
        name
        for name, (motion, way) in MOVES.items()
        if (motion in motions and (not sides or way in ("", *sides)))
        or (way in sides and not motions)
        or (motion in ways and set(motions) <= {"go"})
    ]
    text = _unmarked(text)
    moves = tuple(MOVES)
    alike = likeness(text, moves) + np.float32(VERB) * np.isin(moves, said)
    if alike.max() < UNSAID:
        return motions, ways, []
    name = moves[int(alike.argmax())]
    motion, way = MOVES[name]
    if motion == "pass" and "go" in motions:
        return motions, ways or [way], []
    if motion == "still" and not any(map(_is_sideways, ways)):
        return [motion], ways, []
    if name in said:
        first = [motion] if motion in motions else []
        return list(dict.fromkeys([*first, *motions])), ways or [way] * bool(way), []
    return [motion], [way] if way else ways, [read_as(text, name)]


def _is_sideways(way: str) -> bool:
    return way.removesuffix("ward") in ("left", "right")


def _with_article(said: str, name: str) -> str:
    return said if name in NO_ARTICLE else with_article(said)


def _deeds(words: Sequence[str], named: Phrases) -> tuple[dict[str, str], list[str]]:
    """The motions that words say, each with those words, and the words with a mark in place of those.

    A word behind an article is a noun ("a fly", "in a ring"), and so is the only name of a thing.
    """
    names = [at for at in range(len(words)) if _name_at(words, at, named)]
    found: dict[str, str] = {}
    described: dict[str, str] = {}
    left: list[str] = []
    at, noun = 0, True
    while at < len(words):
        # All before it are articles, sizes and colours.
        noun = noun and (at == 0 or _describes(words[at - 1]))
        behind_article = at > 0 and words[at - 1] in _LEADS
        thing = names == [at] or ((noun or behind_article) and at > 0 and not _is_verb(words[at]))
        phrase = None if thing else MOTIONS.at(words, at)
        if phrase is None:
            left.append(words[at])
            at += 1
        else:
            # A "sparkling gem rotating" rotates.
            into = described if names and at < names[0] and _is_verb(words[at]) else found
            into.setdefault(phrase[1], " ".join(words[at : at + phrase[0]]))
            left.append(_DONE)
            at += phrase[0]
            noun = False
    return found | described, left


def _describes(word: str) -> bool:
    """Whether a word is an article, a number, a size or a colour."""
    return word in _LEADS or bool(SIZES.at([word], 0) or TINTS.at([word], 0))


def _deed(motions: Sequence[str], ways: Sequence[str], gait: str) -> tuple[str, str, list[str]]:
    """What a thing does, and as captions say it, and the ways that it does not go."""
    unread = ["upside down" for way in ways if not way]
    ways = [way.removesuffix("ward") for way in ways if way]
    way = ways[0] if ways else ""
    sideways = next(filter(_is_sideways, ways), "")
    meant = motions if sideways else [_WITHOUT_A_WAY.get(motion, motion) for motion in motions]
    special = [motion for motion in meant if motion in VERBS]
    if len(special) > 1 and "up" in special:
        special.remove("up")
    upright = way in ("up", "down")
    if special and not (special[0] in ("up", "down") and upright):
        vertical = special[0] in ("fly up", "fall", "up", "down", "grow", "bounce")
        unread += [one for one in ways if not (vertical and one in ("up", "down"))]
        return special[0], VERBS[special[0]][0], unread
    if "still" in motions and "go" not in motions:
        return "still", "", unread + ways
    if "roll" in motions or "tumble" in motions:
        return "roll", f"rolls {sideways or 'right'}", unread
    if upright:
        motion = "fly up" if way == "up" and gait == "flies" and "go" in motions else way
        return motion, VERBS[motion][0], unread
    side = sideways or "right"
    if "pass" in motions:
        return "pass", f"{_gone(gait)} past to the {side}", unread
    return ("go", f"{_gone(gait)} {side}", unread) if motions or way else ("still", "", unread)


def _gone(gait: str) -> str:
    """The verb of moving of a gait."""
    return GOES.get(gait, (gait,))[0]


def _name_at(words: Sequence[str], at: int, named: Phrases) -> str:
    """The name of one word, or the marked one, at a place; empty where there is none."""
    if words[at].startswith(_MARK):
        return words[at].removeprefix(_MARK).replace("_", " ")
    found = named.at(words[: at + 1], at)
    # "a rooster crowing" is no crow.
    return found[1] if found and (found[1] == words[at] or not _is_verb(words[at])) else ""


def _is_verb(word: str) -> bool:
    """Whether a word may be a verb in -ing, for which "ring" is too short."""
    return len(word) > len("ring") and word.endswith("ing")


def _is_participle(word: str) -> bool:
    """Whether a word in -ing is a form of a word that is known: not so a duckling."""
    found = (read(form).words for form in base_forms(word) if form != word)
    return _is_verb(word) and any(words and words[0].rows and not words[0].misspelt for words in found)


def _marked(text: str, named: Phrases) -> str:
    """A text with a mark for each name of several words, as these may hold verbs and colours."""
    words, marked, at = words_of(text), [], 0
    while at < len(words):
        found = named.at(words, at)
        count = found[0] if found else 1
        marked.append(f"{_MARK}{found[1].replace(' ', '_')}" if found and count > 1 else words[at])
        at += count
    return " ".join(marked).replace(" ,", ",")


def _unmarked(text: str) -> str:
    """A text whose names have no marks."""
    return text.replace(_MARK, "").replace("_", " ")


def _subject(words: Sequence[str], named: Phrases) -> tuple[str, list[str]]:
    """The last name of the first noun phrase that has one, and the words with a mark in its place."""
    subject, name = -1, ""
    for at, word in enumerate(words):
        here = _name_at(words, at, named)
        ends = word in _BREAKS or word in _LEADS or word in (",", "and")
        verb = len(word) > len("ring") and word.endswith(("ing", "s", "ed"))
        if name and not here and (ends or verb):
            break
        if here:
            subject, name = at, here
    return name, [*words[:subject], _DONE, *words[subject + 1 :]] if name else list(words)


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
    text = _unmarked(" ".join(words))
    parts = [part.split() for part in re.split(rf" ?(?:,|\band\b|{_DONE}) ?", text)]
    found = [[*dropwhile(_LEADS.__contains__, part)] for part in parts]
    return [" ".join(part) for part in found if set(part) - _LITTLE]
