"""Prompts in free words, said as the captions that the network was trained on.

A caption is "a tall red house with a chimney and a white roof": an article, adjectives of the family, one
colour, a name, and what only this family has. Here these parts are found in a prompt in any order and form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from gen.nn import Caption, not_read, read_as
from gen.words import (
    Phrases,
    Stock,
    base_forms,
    forms,
    nearest_name,
    plain,
    plural,
    read,
    request,
    with_article,
    words_of,
)
from gen_mesh.vocabulary import ADJECTIVES, COLOURS, FEATURES, KEYWORDS, LETTER, NAMES, PARTS, SIZES

_KEYWORDS = dict(KEYWORDS)
_ADJECTIVES = tuple(dict.fromkeys([*SIZES, *(word for words in ADJECTIVES.values() for word in words)]))
_PHRASES = tuple(dict.fromkeys(phrase for phrases in FEATURES.values() for phrase in phrases))
_PARTS = tuple(dict.fromkeys(part for parts in PARTS.values() for part in parts))


def _any(words: Sequence[str]) -> str:
    return f"(?:{'|'.join(sorted(map(re.escape, words), key=len, reverse=True))})"


_FEATURE = rf"(?:{_any(_PHRASES)}|an? {_any(COLOURS)} {_any(_PARTS)})"
_FAMILIES = NAMES | {plural(name): family for name, family in NAMES.items()}
_CAPTION = re.compile(
    rf"(?:an? )?(?P<adjectives>(?:{_any(_ADJECTIVES)} )*)(?:{_any(COLOURS)} )?"
    rf"(?P<name>{_any(tuple(_FAMILIES))})(?: [a-z])?"
    rf"(?P<features>(?: with {_FEATURE}(?:,? {_FEATURE})*(?: and {_FEATURE})?)?)"
)
_ONE_FEATURE = re.compile(rf"an? {_any(COLOURS)} (?P<part>{_any(_PARTS)})|(?P<phrase>{_any(_PHRASES)})")
_ABSENCE = re.compile(
    rf"\bno (?={_any([phrase[3:] for phrase in _PHRASES if phrase[:3] == 'no '])}\b)", re.IGNORECASE
)
_SIZE = re.compile(rf"\b({_any(tuple(SIZES))}) ")
_HUES = Phrases(
    {
        "red": ("red", "crimson", "scarlet", "ruby", "maroon", "ginger"),
        "orange": ("orange", "amber", "copper"),
        "yellow": ("yellow", "lemon yellow", "golden", "gold", "blonde"),
        "green": ("green", "lime green", "olive", "emerald", "mint green"),
        "turquoise": ("turquoise", "cyan", "teal", "aqua", "aquamarine"),
        "blue": ("blue", "light blue", "dark blue", "sky blue", "navy", "navy blue", "azure"),
        "purple": ("purple", "violet", "lilac", "lavender", "magenta", "mauve"),
        "pink": ("pink", "rose-coloured", "salmon pink"),
        "brown": ("brown", "chestnut", "beige", "tan"),
        "black": ("black", "jet black"),
        "grey": ("grey", "gray", "silver", "silvery"),
        "white": ("white", "snow white", "ivory", "cream-coloured"),
    }
)
_MATERIALS = Phrases(
    {
        "brown": ("wooden", "wood", "leather", "cardboard"),
        "grey": ("metal", "metallic", "iron", "steel", "stone", "concrete"),
        "red": ("brick",),
        "orange": ("bronze", "brass", "clay"),
    }
)
"""What a thing is made of, as its usual colour."""
_SAYINGS = Phrases(
    {
        "small": ("small", "little", "tiny", "mini", "miniature", "wee"),
        "big": ("big", "large", "huge", "giant", "enormous", "gigantic", "massive"),
        "tall": ("tall", "high", "towering"),
        "short": ("short", "stubby"),
        "long": ("long", "lengthy", "elongated"),
        "flat": ("flat", "flattened"),
        "wide": ("wide", "broad"),
        "narrow": ("narrow", "slender"),
        "thick": ("thick", "chunky"),
        "thin": ("thin", "slim"),
        "deep": ("deep",),
        "shallow": ("shallow",),
        "low": ("low",),
        "round": ("round", "circular"),
        "square": ("square",),
        "sitting": ("sitting", "seated", "sit"),
        "standing": ("standing", "upright"),
        "round-headed": ("round-headed",),
    }
)
_LITTLE = frozenset(
    ["a", "an", "the", "of", "and", "in", "on", "at", "with", "is", "are", "it", "its", "has", "for", ","]
)
"""Words that tell no phrase from another."""
_AFTER = frozenset(
    (
        *("in", "on", "at", "of", "for", "from", "to", "by", "against", "near", "that", "which", "next"),
        *("left", "right", "above", "below", "over", "under", "behind", "between"),
    )
)
"""Words that end the head of a thing."""
_PARTITIVE = re.compile(r"^(?:pair|set|bunch|piece|slice|flight|couple|kind|sort|lot)s? of ")


@lru_cache(maxsize=1024)
def caption(prompt: str, stock: Stock) -> Caption:
    """Say a prompt as a caption.

    Args:
        prompt: In any language that the table of words knows.
        stock: What the network can make.
    """
    if _is_caption(plain(prompt)):
        return Caption(prompt)
    asked = request(prompt, stock.names)
    text = asked.text
    head, _, tail = text.partition(" with ")
    hues, words = _HUES.take(words_of(head))
    adjectives, words = _SAYINGS.take(words)
    materials, words = _MATERIALS.take(words)
    thing = _thing(words, text, stock)
    if thing is None:
        return Caption(prompt)
    family = NAMES[thing.name]
    colour = next(iter(hues or materials), "")
    kept = [word for word in adjectives if word in (*SIZES, *ADJECTIVES[family])]
    glyph = next((word for word in reversed(words) if len(word) == 1 and word.isalpha()), "a")
    said = " ".join(filter(None, [*kept, colour, thing.name, glyph if family == LETTER else ""]))
    features, left = _features(words_of(tail), family)
    absent = {part: phrase for part in read(prompt).left_out for phrase in _lacking(part, family)}
    features = list(dict.fromkeys([*features, *absent.values()]))
    *most, last = features or [""]
    behind = " and ".join(filter(None, [", ".join(most), last]))
    unread = [words for word, words in (hues | adjectives).items() if word not in (*kept, colour)]
    unread += [*asked.unread, *thing.unread, *left]
    remarks = (
        [read_as(thing.part, f"{thing.name} {glyph}" if family == LETTER else thing.name)]
        if thing.part
        else []
    )
    text = with_article(said) + (f" with {behind}" if behind else "")
    return Caption(text, (*remarks, *not_read(unread)), tuple(absent))


@dataclass(frozen=True)
class Sizes:
    """Words for the size of a thing, which are no part of what the network reads: its shape is scaled.

    Args:
        stock: What the network can make.
    """

    stock: Stock

    def factor(self, prompt: str) -> float:
        """How many times longer than usual the sides of a prompt's thing are."""
        found = _SIZE.search(_head(caption(prompt, self.stock).text))
        return SIZES[found[1]] if found else 1.0

    def caption(self, prompt: str, stock: Stock) -> Caption:
        """The caption of a prompt without these words; arguments as of ``caption``."""
        said = caption(prompt, stock)
        head = _head(said.text)
        bare = _SIZE.sub("", head)
        if bare == head:
            return said
        rest = plain(said.text)[len(head) :]
        noun = _without_article(bare)
        return replace(said, text=(noun if noun == bare else with_article(noun)) + rest)


def counted(text: str) -> str:
    """A caption with "zero handle" for "no handle": readers of words leave out a thing that is not wanted."""
    return _ABSENCE.sub("zero ", text)


def _head(text: str) -> str:
    """A caption up to its features, in plain words; empty where a text is no caption."""
    text = plain(text)
    return text.partition(" with ")[0] if _is_caption(text) else ""


def _is_caption(text: str) -> bool:
    """Whether training may have held a text: all that it says of a thing is said of its family."""
    found = _CAPTION.fullmatch(text)
    if found is None:
        return False
    family = _FAMILIES[found["name"]]
    said = {*SIZES, *ADJECTIVES[family], *FEATURES[family], *PARTS[family]}
    features = (one["part"] or one["phrase"] for one in _ONE_FEATURE.finditer(found["features"]))
    return said.issuperset([*found["adjectives"].split(), *features])


@dataclass(frozen=True)
class _Thing:
    """What a prompt asks for.

    Args:
        name: Of a family.
        part: Of the prompt, which became the name by guess; empty where it is another word for it.
        unread: Parts of the prompt that say nothing of it.
    """

    name: str
    part: str = ""
    unread: tuple[str, ...] = ()


def _thing(words: Sequence[str], text: str, stock: Stock) -> _Thing | None:
    """The thing that words without colours and adjectives mean; None where nothing is near them."""
    said = _said(words)
    name = nearest_name(text, stock, (said.name,) if said else ())
    if said and (not name or NAMES[name] == NAMES[said.name]):
        return said
    return _Thing(name, _without_article(text)) if name else None


def _said(words: Sequence[str]) -> _Thing | None:
    """The thing whose name, or another word for it, is among words without colours and adjectives."""
    clauses = [clause.split() for clause in re.split(r" and | ?, ?", " ".join(words))]
    clauses = [clause for clause in clauses if set(clause) - _LITTLE]
    for number, clause in enumerate(clauses):
        whole = _PARTITIVE.sub("", _without_article(" ".join(clause))).split()
        end = next((at for at, word in enumerate(whole) if word in _AFTER), len(whole))
        while end > 1 and (whole[end - 1] in _LITTLE or len(whole[end - 1]) == 1):
            end -= 1
        # The last noun is the thing: "a kitchen stool" is a stool.
        for start in range(end):
            for name in _singular(" ".join(whole[start:end])):
                if found := name if name in NAMES else _KEYWORDS.get(name):
                    behind = [word for word in whole[end:] if found != LETTER or len(word) > 1]
                    parts = (whole[:start], behind, *clauses[:number], *clauses[number + 1 :])
                    unread = (_without_article(" ".join(part)) for part in parts if set(part) - _LITTLE)
                    return _Thing(found, unread=tuple(unread))
    return None


def _singular(text: str) -> Iterator[str]:
    *before, last = text.split()
    return (" ".join([*before, form]) for form in (last, *base_forms(last)))


def _without_article(part: str) -> str:
    return re.sub(r"^(?:an?|the) ", "", part)


def _lacking(part: str, family: str) -> list[str]:
    """Phrases of a family's captions that say what a part of a prompt says, of what shall not be made."""
    words = words_of(request(part.partition(" ")[2]).text)
    return [phrase for phrase in FEATURES[family] if phrase[:3] == "no " and _means(phrase[3:], words)]


def _features(words: Sequence[str], family: str) -> tuple[list[str], list[str]]:
    """Phrases of a family's captions that words behind "with" mean, and the words that mean none of them."""
    found, left = [], []
    for clause in " ".join(words).replace(" and ", " , ").split(","):
        said = words_of(clause)
        if not set(said) - _LITTLE:
            continue
        hues, bare = _HUES.take(said)
        part = next((part for part in PARTS[family] if any(part in forms(word) for word in bare)), "")
        phrase = next((phrase for phrase in FEATURES[family] if _means(phrase, said)), "")
        if not phrase:
            # "With a bite" says enough, and "with legs" does not.
            holding = [phrase for phrase in FEATURES[family] if _means(" ".join(said), words_of(phrase))]
            phrase = holding[0] if len(holding) == 1 else ""
        if hues and part:
            found.append(with_article(f"{next(iter(hues))} {part}"))
        elif phrase:
            found.append(phrase)
        else:
            left.append("with " + " ".join(said))
    return list(dict.fromkeys(found)), left


def _means(phrase: str, words: Sequence[str]) -> bool:
    """Whether all that a phrase says is among words."""
    said = set().union(*(forms(word) for word in words)) | set(words)
    return all(forms(word) & said for word in phrase.split() if word not in _LITTLE)
