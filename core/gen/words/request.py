"""What a prompt asks for, in plain English: what all modalities read alike.

Words of other languages and emoji are English; what only frames it ("draw me a picture of"), tags of style
and what shall not be made are taken off; numbers, places and colours that are things are said in one way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from gen.words.head import ENDS
from gen.words.inflection import with_article
from gen.words.reading import read
from gen.words.stock import plain
from gen.words.table import word_table
from gen.words.translation import english

_DETERMINER = r"(?:an?|the|some|any|one|two|three|four|five|another|my|your|his|her|its|our|their|\d+)"
_SEPARATOR = re.compile(r"\s*(?:[;|+\n、，。]|(?<!\bw)(?<!\d)/|\.(?=\s+\S)|(?<!\d),(?=\S))\s*")
_SETTINGS = re.compile(r"<\w+:[^<>]*>|(?:^|\s)--?[a-z]+(?:\s+[\d:.]+)?(?=\s|$)")
"""Settings of other programs: "<lora:film:0.8>", "--ar 16:9"."""
_ASKED = re.compile(
    r"^(?:(?:(?:hey|hi|yo)(?=,? (?:please|i|can|could|draw|show|give|make|paint|play)\b)|please|i want|i need"
    r"|i'd like|i would like|can you|could you|to(?= (?:see|hear))|see|hear)\b,? ?"
    r"(?=\w))*"
    r"(?:(?:draw|generate|create|imagine|animate) (?:me )?|(?:show|give|make|paint|play|model|build) me "
    rf"|(?:show|make|paint|play|record|model|build|render|design) (?={_DETERMINER} ))?"
)
_POLITE = re.compile(r"(?:,? (?:please|pls|plz|thanks|thank you|thx|for me))+$")
"""What may stand behind what is asked for."""
_FRAME = re.compile(
    r"^(?:(?:an?|the|some) )?(?:(?:short|funny|cute|little|small|animated|slow-motion|high[ -]quality|simple"
    r"|detailed|realistic|beautiful|low[ -]poly|3d|hd|4k|colou?r(?:ful)?|stock|oil|watercolou?r|pencil) )*"
    r"(?:(?:picture|image|drawing|photo|photograph|icon|illustration|painting|sketch|emoji|portrait|logo|sticker|cartoon|video|clip"
    r"|animation|movie|film|gif|scene|time-?lapse|close-up|shot|sound|noise|sound effect|recording|model|mesh"
    r"|shape|object|render|rendering)s? (?:of|with|showing)|(?:statue|sculpture)s? of(?= an? )) "
)
_FRAME_BEHIND = re.compile(
    r"(?:, please| (?:video|clip|animation|movie|gif|emoji|sticker|clip ?art|sound effect|3d model))+$"
)
_TAG = re.compile(
    r"masterpiece|(?:best|high|highest|top|good|ultra|super|studio)[ -]?(?:quality|res|resolution|detail)"
    r"|(?:(?:very|highly|ultra|super|extremely|hyper)[ -]?)?(?:detailed|realistic|intricate)|\d+k|uhd|hdr|hq"
    r"|(?:hyper|photo)-?(?:realism|realistic)|(?:(?:ultra|full) )?hd|high definition|hi-?fi|lossless"
    r"|(?:trending on )?(?:artstation|pixiv)|(?:octane|unreal engine|3d)(?: \d)?(?: render)?|sharp focus"
    r"|depth of field|bokeh|award[ -]winning|wallpaper|studio recording|(?:digital|concept) art|cinematic"
    r"|(?:(?:cinematic|dramatic|studio|soft|natural|volumetric) )+light(?:ing)?|aesthetic"
    r"|professional(?: photo(?:graphy)?)?|by (?!the\b|an?\b)[a-z]+(?: [a-z]+)?"
    r"|(?:in (?:the )?)?(?:[\w-]+ )?style(?: of .+)?"
)
"""Tags that say how a picture or sound shall be made, and nothing of what is on it."""
_TAG_WORDS = re.compile(
    r"\b(?:low[ -]poly|(?:high|best|top)[ -]quality|(?:photo|hyper)-?realistic|highly detailed) (?=\w)"
    r"|(?: (?:\d+k|u?hdr?|hq|masterpiece))+(?=$|,)"
)
"""The same beside what is made."""
_PAIRED = (
    r"(?:sun|eye)?glasses|spectacles|scissors|jeans|trousers|pants|shorts|goggles|binoculars|headphones|tweezers"
    r"|tongs|pliers|tights|pyjamas|pajamas|gloves|mittens|socks|chopsticks"
)
_SHADE = re.compile(
    r"(?:\b(?P<article>an?) )?\b(?:lime|olive|forest|mint|sea|moss|grass|apple|bottle|emerald|navy|royal|ice"
    r"|midnight|steel|cobalt|hot|salmon|candy|blood|cherry|wine|brick|ruby|fire|lemon|mustard|golden|canary"
    r"|chocolate|coffee|chestnut|coal|jet|pitch|snow|ivory|ash|slate|silver|neon)"
    r" (?P<colour>red|orange|yellow|green|blue|purple|pink|brown|black|white|gray|grey|turquoise|violet)\b"
)
"""Things that say which shade a colour has; in other languages a colour stands behind the thing itself."""
_USUAL = (
    (r"(?:^|(?<=, ))(?:but|just|only) (?=\w)", ""),
    (rf"\b(?:an? |the )?pair of (?=(?:[\w-]+ )*(?:{_PAIRED})\b)", ""),
    (r"\b(?:an? |the )?(?:couple|pair) of (?:the )?", "two "),
    (r"\bthe (?:deep|big|great|wide) blue(?=$|,| (?:and|in|on|at|with|from|to)\b)", "the ocean"),
    (
        r" (?:that is |which is )?(?:parked|located|placed|situated) "
        r"(?=(?:in|on|at|under|below|above|behind|beside|near|next to|in front of|left of|right of) )",
        " ",
    ),
    (r"\bhalf a dozen (?:of )?", "six "),
    (r"\ba dozen (?:of )?", "twelve "),
    (
        r"(?:^|(?<=, )|(?<= and ))(?:an? |the )?([a-z][\w' -]*?) (?:x ?(\d+)|(\d+) ?x)(?=$|,| and )",
        r"\2\3 \1",
    ),
    (r"\b(?:x ?(\d+)|(\d+) ?x) (?=[a-z])", r"\1\2 "),
    (r" of the (?:picture|image|photo|screen|frame|canvas)$", ""),
    (
        r"\b(?:to|on|at|in|from) (?:the |its |his |her )?(left|right)(?:[ -]hand)?(?: side)?"
        r" (?:of |from )?(?:of|from|next to|beside)\b",
        r"\1 of",
    ),
    (r"\b(left|right)(?: side)? (?:of )?(?:of|next to|beside)\b", r"\1 of"),
    (r"\b(?:on the top of|atop(?: of)?)\b", "on top of"),
    (r"\b(?:beneath|underneath)\b", "below"),
    (r"\b(?:beside|alongside|close to|adjacent to|by the side of|side by side with)\b", "next to"),
)
"""Ways to say a number or a place, and the usual one."""
_WAYS = tuple((re.compile(pattern), usual) for pattern, usual in _USUAL)
_FRACTION = re.compile(r"\b\d+[.,]\d+ (?=[a-z]+s\b(?! per\b))")
_NOUNS = {
    "orange": "tangerine",
    "violet": "violet flower",
    "lilac": "lilac flower",
    "turquoise": "turquoise gem",
}
"""Colours that are things as well, and what says these and no colour."""
_COLOUR = re.compile(
    rf"\b(?:(?P<article>an?|one) |(?P<before>{_DETERMINER}(?: \w+)?) |^)"
    rf"(?P<colour>{'|'.join(_NOUNS)})(?P<many>s)?\b"
    r"(?P<behind>,?(?: (?P<next>[\w-]+)(?: (?P<after>[\w-]+))?)?)"
)


@dataclass(frozen=True)
class Request:
    """What a prompt asks for.

    Args:
        text: In lower case and plain English, without punctuation other than commas and hyphens.
        unread: Parts of the prompt that say nothing of what is made.
    """

    text: str
    unread: tuple[str, ...] = ()


@lru_cache(maxsize=1024)
def request(prompt: str, names: tuple[str, ...] = ()) -> Request:
    """What a prompt asks for.

    Args:
        prompt: In any language that the table of words knows.
        names: Of what the model can make, which stay as they are written.

    Raises:
        UsageError: It holds a control character.
    """
    settings = tuple(found[0].strip() for found in _SETTINGS.finditer(prompt))
    text = plain(_SEPARATOR.sub(", ", english(_SETTINGS.sub(" ", prompt), names).strip()))
    if asked := _end(_ASKED.match(text)):
        text = _POLITE.sub("", text[asked:])
    text = text[_end(_FRAME.match(text)) :]
    if text not in names:
        text = _FRAME_BEHIND.sub("", text)
    text, unread = _without_tags(text)
    if read(prompt).language == "en":
        text = _SHADE.sub(lambda at: with_article(at["colour"]) if at["article"] else at["colour"], text)
    for pattern, usual in _WAYS:
        text = pattern.sub(usual, text)
    unread += settings + tuple(found[0].strip() for found in _FRACTION.finditer(text))
    return Request(_colours_as_things(_FRACTION.sub("", text)), unread)


def _end(found: re.Match[str] | None) -> int:
    return found.end() if found else 0


def _without_tags(text: str) -> tuple[str, tuple[str, ...]]:
    """A text without tags of style, and these; a text of tags alone stays."""
    parts = text.split(", ")
    kept = ", ".join(part for part in parts if not _TAG.fullmatch(part))
    if not kept:
        return text, ()
    tags = [*filter(_TAG.fullmatch, parts), *(found[0].strip() for found in _TAG_WORDS.finditer(kept))]
    return _TAG_WORDS.sub("", kept), tuple(tags)


def _colours_as_things(text: str) -> str:
    """A text in which an orange that is a fruit, which no word follows that it describes, is a tangerine."""

    def said(found: re.Match[str]) -> str:
        if not (found["many"] or _is_thing(found)):
            return found[0]
        before = f"{'a' if found['article'] == 'an' else found['article'] or found['before'] or ''} ".lstrip()
        return f"{before}{_NOUNS[found['colour']]}{found['many'] or ''}{found['behind']}"

    return _COLOUR.sub(said, text)


def _is_thing(colour: re.Match[str]) -> bool:
    following = colour["next"]
    if not (colour["article"] or colour["before"]):
        return colour.end() == len(colour.string) and not following
    if following is None or colour["behind"].startswith(","):
        return True
    if following == "and":
        return re.fullmatch(_DETERMINER, colour["after"] or "") is not None
    table = word_table()
    rows = read(following).rows
    if not rows or rows[0] < table.closed:
        # "an orange on a table"; but "an orange striped cat".
        return not rows or following in (*ENDS, "left", "right", "next")
    if following.endswith("ing") and table.names[rows[0]] != following:
        after = read(colour["after"] or "").rows
        return not any(table.things[row] for row in after)
    verb = following.endswith("s") and not following.endswith("ss") and table.names[rows[0]] != following
    return verb and colour["article"] is not None
