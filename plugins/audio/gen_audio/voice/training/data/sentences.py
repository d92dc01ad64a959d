"""Sentences to be spoken: stories from a grammar, numbers and questions, and prose that is free to use."""

from __future__ import annotations

import ast
import gzip
import random
import re
import sysconfig
import textwrap
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from gen.train.data_files import locate
from gen.train.emoji import find_annotations

ALICE = Path("/usr/share/doc/flite/examples/alice")
"""The first two chapters of "Alice's Adventures in Wonderland", in the public domain."""

PLAIN = re.compile(r"[A-Z][A-Za-z,;:' -]*[A-Za-z'][.!?]")
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
LONGEST = 160
"""Characters of a sentence."""

NAMES = (
    *(
        "Anna",
        "Ben",
        "Clara",
        "David",
        "Emma",
        "Fred",
        "Grace",
        "Henry",
        "Ida",
        "Jack",
        "Kate",
        "Leo",
        "Mary",
    ),
    *("Nora", "Oscar", "Peter", "Rosa", "Sam", "Tom", "Ursula", "Victor", "Wendy", "Zoe", "Alice", "Hugo"),
)
BEINGS = (
    *("fox", "bear", "king", "queen", "wizard", "dragon", "mouse", "cat", "dog", "sailor", "baker", "giant"),
    *(
        "princess",
        "child",
        "old woman",
        "young man",
        "giraffe",
        "penguin",
        "thief",
        "doctor",
        "teacher",
        "horse",
    ),
    *(
        "robot",
        "ghost",
        "knight",
        "shepherd",
        "owl",
        "rabbit",
        "wolf",
        "farmer",
        "boy",
        "girl",
        "witch",
        "frog",
    ),
)
QUALITIES = (
    *("little", "old", "brave", "clever", "lazy", "hungry", "strange", "gentle", "quiet", "angry", "golden"),
    *(
        "tiny",
        "huge",
        "beautiful",
        "ugly",
        "proud",
        "sleepy",
        "white",
        "black",
        "red",
        "green",
        "blue",
        "wise",
    ),
    *("cheerful", "lonely", "curious", "foolish", "generous", "invisible", "famous", "ordinary", "wicked"),
)
PLACES = (
    *(
        "forest",
        "castle",
        "village",
        "river",
        "mountain",
        "city",
        "garden",
        "kitchen",
        "ocean",
        "desert",
        "cave",
    ),
    *("island", "library", "school", "bridge", "market", "tower", "valley", "station", "theatre", "harbour"),
)
DEEDS = (
    *(
        "found",
        "lost",
        "bought",
        "carried",
        "painted",
        "watched",
        "followed",
        "forgot",
        "loved",
        "stole",
        "gave away",
    ),
    *(
        "dropped",
        "built",
        "measured",
        "described",
        "remembered",
        "wanted",
        "needed",
        "admired",
        "broke",
        "repaired",
    ),
)
MOVES = (
    *(
        "walked",
        "ran",
        "flew",
        "swam",
        "travelled",
        "jumped",
        "crept",
        "sailed",
        "climbed",
        "hurried",
        "danced",
    ),
    *("wandered", "rode", "marched"),
)
MANNERS = (
    *(
        "slowly",
        "quickly",
        "happily",
        "silently",
        "suddenly",
        "carefully",
        "bravely",
        "all alone",
        "together",
    ),
    *("every morning", "without a word", "as usual", "once again", "at last", "after dinner", "in the rain"),
)
TIMES = (
    *(
        "Once upon a time",
        "One day",
        "Long ago",
        "The next morning",
        "At midnight",
        "In the summer",
        "Last year",
    ),
    *("On Thursday", "In December", "Before sunrise", "After a while", "Meanwhile", "Many years later"),
)


def prose() -> tuple[str, ...]:
    """Sentences of Alice and of the documentation inside Python's standard library, distinct, in order.

    Raises:
        UsageError: Alice is not installed.
    """
    found = dict.fromkeys(_cut(_alice()))
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        tree = ast.parse(path.read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                found.update(dict.fromkeys(_cut(ast.get_docstring(node) or "")))
    return tuple(found)


def things() -> tuple[str, ...]:
    """Names and keywords of emoji and signs: some thousands of words for things, from Unicode's CLDR.

    Raises:
        UsageError: They are not installed.
    """
    texts = (node.text or "" for node in ElementTree.parse(find_annotations()).iter("annotation"))
    phrases = (part.strip() for text in texts for part in text.split("|"))
    return tuple(sorted({phrase for phrase in phrases if re.fullmatch(r"[a-z]+(?: [a-z]+)?", phrase)}))


def tale(rng: random.Random, objects: tuple[str, ...]) -> str:
    """One sentence of a story, a question, or something with numbers."""
    name, other = rng.sample(NAMES, 2)
    being, other_being = (f"{rng.choice(QUALITIES)} {rng.choice(BEINGS)}" for _ in range(2))
    one, two, three = rng.sample(objects, 3)
    place, quality, manner = rng.choice(PLACES), rng.choice(QUALITIES), rng.choice(MANNERS)
    did, moved, when = rng.choice(DEEDS), rng.choice(MOVES), rng.choice(TIMES)
    number, few = rng.randint(2, 99_999), rng.randint(2, 99)
    forms = (
        f"{when}, there was {article(being)} who lived in a {place}.",
        f"{when}, {name} {did} the {one} and {moved} to the {place}.",
        f"The {being} {moved} {manner} to the {place}, because {name} {did} {article(one)}.",
        f"Who {did} the {one}, the {two}, and the {three}?",
        f"Is the {being} in the {place}, or has {name} seen {article(other_being)}?",
        f"{name} said: I never {did} your {one}!",
        f"Where is {name}'s {one}? It was under the {two}.",
        f"There were {few} of them, and {number} in the {place}.",
        f"The {quality} {one} and the {two} are not the same thing.",
        f"Do you know why {other} {did} {few} of the {three}?",
        f"{name} and {other} {moved} {manner}, but nobody {did} the {one}.",
        f"What {article(quality)} {one}! cried the {being}.",
        f"In {rng.randint(1200, 2050)}, {name} {did} the {quality} {one}.",
        f"{one}, {two}, {three}, and {quality} {place}.".capitalize(),
        f"If you {rng.choice(('see', 'hear', 'touch'))} {article(one)}, please tell {name} about it.",
        f"She {did} it {manner}; he {moved} into the {quality} {place}.",
        f"They would have {moved} further, had the {one} been as {quality} as the {two}.",
    )
    return rng.choice(forms)


def article(noun: str) -> str:
    """A noun with "a" or "an"."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def held_out(sentence: str) -> bool:
    """Whether a sentence is kept from training: one in twenty."""
    return zlib.crc32(sentence.encode()) % 20 == 0


def draw(count: int, seed: int, *, held: bool = False) -> list[str]:
    """Sentences, about half of them prose.

    Args:
        count: How many.
        seed: Of the choice.
        held: Whether from those that are kept from training, or from the others.
    """
    rng = random.Random(seed)
    texts, objects = prose(), things()
    drawn: list[str] = []
    while len(drawn) < count:
        sentence = rng.choice(texts) if rng.random() < 0.5 else tale(rng, objects)
        if held_out(sentence) is held:
            drawn.append(sentence)
    return drawn


def words(text: str) -> list[str]:
    """The words of a text in lower case."""
    return WORD.findall(text.lower())


def _alice() -> str:
    path = locate(ALICE, ALICE.with_suffix(".gz"), packages="flite")
    read = gzip.open if path.suffix == ".gz" else open
    with read(path, "rt", encoding="ascii") as file:
        text: str = file.read()
    return textwrap.dedent(text)


def _cut(text: str) -> Iterator[str]:
    """The sentences of a text that consist of 4 or more plain words."""
    for paragraph in re.split(r"\n\s*\n", text):
        joined = " ".join(paragraph.replace("`", " ").replace("' ", " ").split())
        for sentence in re.split(r"(?<=[.!?])\s+", joined):
            shouted = any(len(word) > 1 and word.isupper() for word in sentence.split())
            if (
                PLAIN.fullmatch(sentence)
                and len(sentence.split()) >= 4
                and len(sentence) <= LONGEST
                and not shouted
            ):
                yield sentence
