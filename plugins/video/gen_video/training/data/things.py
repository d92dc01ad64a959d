"""What appears in the clips: emoji that one would name, and how each of them gets about."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from gen.train import emoji

_DRIVES = """kick scooter|sled|articulated lorry|trolleybus|locomotive|bullet train|tram car|bus
ambulance|fire engine|police car|taxi|automobile|delivery truck|tractor|bicycle|motor scooter
pickup truck|motorcycle|racing car|skateboard|shopping cart"""
_FLIES = """swan|peacock|baby angel|fairy|superhero|comet|satellite|fly|mosquito|airplane|helicopter
rocket|flying saucer|balloon|kite|parachute|bird|eagle|duck|bat|owl|butterfly|honeybee|lady beetle|parrot
dove|ghost|dragon|shooting star|flamingo"""
_SWIMS = """squid|lobster|seal|speedboat|canoe|blowfish|shrimp|otter|spouting whale|dolphin|fish
tropical fish|shark|octopus|crab|turtle|sailboat|ship"""
_RUNS = """rat|ram|ewe|hamster|wolf|gorilla|lizard|rhinoceros|hippopotamus|scorpion|zombie|vampire|ninja
princess|mage|genie|person running|person biking|chipmunk|alien monster|mouse|cow|tiger|leopard|rabbit
cat|crocodile|snail|snake|horse|goat|monkey|rooster|chicken|dog|pig|elephant|ant|bug|penguin|koala|camel
frog|bear|panda|fox|deer|giraffe|zebra|hedgehog|t-rex|kangaroo|llama|raccoon|lion|turkey|unicorn|spider
baby chick|dog face|cat face|robot|santa claus|alien|snowman"""
_ROLLS = """tomato|melon|coconut|american football|compass|red circle|green circle|blue circle|bullseye
ferris wheel|soccer ball|baseball|basketball|tennis|volleyball|pool 8 ball|bowling|wheel|yarn|coin
globe showing europe-africa|full moon|ringed planet|yellow circle|gear|doughnut|cookie|tangerine
red apple|green apple|peach"""
_REST = """watch|hourglass done|telephone|sparkles|tornado|hot dog|taco|bread|sushi|popcorn|candy|top hat
microphone|headphone|school|wrench|laptop|mobile phone|books|chair|teapot|magnet|broom|bone|brain|ladder
door|bed|beer mug|pretzel|sandwich|pancakes|egg|onion|seedling|hot pepper|ear of corn|four leaf clover
christmas tree|fireworks|microscope|telescope|radio|jeans|dress|glasses|money bag|pill|magic wand
puzzle piece|bucket|feather|angry face|crying face|thinking face|smiling face with sunglasses
partying face|cowboy hat face|pile of poo|shield|water wave|eggplant|green heart|yellow heart
purple heart|two hearts|pencil|high voltage|droplet|bouquet|floppy disk|flashlight|artist palette
video game|cheese wedge|pie|potted plant|stop sign|gloves|peanuts|bacon|alarm clock|sun|cloud|umbrella
red heart|evergreen tree|deciduous tree|palm tree|cactus|tulip|sunflower|cherry blossom|mushroom
strawberry|banana|watermelon|lemon|carrot|hamburger|pizza|ice cream|birthday cake|wrapped gift
hot beverage|star|crescent moon|snowflake|fire|house|castle|crown|key|bell|guitar|light bulb|bomb|hammer
anchor|scissors|open book|gem stone|trophy|teddy bear|jack-o-lantern|skull|grinning face|rose|hibiscus
maple leaf|pineapple|pear|cherries|grapes|cupcake|lollipop|saxophone|trumpet|violin|musical note
sunglasses|t-shirt|running shoe|ring|candle|camera|television|clown face|drum|croissant|avocado|axe
rainbow|volcano|tent|mountain|fountain|game die|wine glass|french fries|broken heart|blue heart
glowing star"""

_ALIASES = {
    "automobile": "car",
    "delivery truck": "truck",
    "locomotive": "train",
    "tram car": "tram",
    "bicycle": "bike",
    "motorcycle": "motorbike",
    "racing car": "race car",
    "fire engine": "fire truck",
    "sailboat": "sailing boat",
    "airplane": "plane",
    "flying saucer": "ufo",
    "honeybee": "bee",
    "lady beetle": "ladybug",
    "t-rex": "dinosaur",
    "baby chick": "chick",
    "soccer ball": "ball",
    "tennis": "tennis racket",
    "pool 8 ball": "billiard ball",
    "bowling": "bowling ball",
    "yarn": "ball of yarn",
    "globe showing europe-africa": "globe",
    "full moon": "moon",
    "ringed planet": "planet",
    "tangerine": "orange",
    "red apple": "apple",
    "doughnut": "donut",
    "hot beverage": "coffee",
    "red heart": "heart",
    "deciduous tree": "tree",
    "evergreen tree": "fir tree",
    "wrapped gift": "gift",
    "birthday cake": "cake",
    "jack-o-lantern": "pumpkin",
    "gem stone": "diamond",
    "grinning face": "smiley",
    "spouting whale": "whale",
    "maple leaf": "leaf",
    "running shoe": "shoe",
    "game die": "die",
    "wine glass": "glass of wine",
    "articulated lorry": "lorry",
    "baby angel": "angel",
    "satellite": "space satellite",
    "speedboat": "boat",
    "ewe": "sheep",
    "mage": "wizard",
    "person running": "runner",
    "person biking": "cyclist",
    "hourglass done": "hourglass",
    "mobile phone": "phone",
    "beer mug": "beer",
    "ear of corn": "corn",
    "four leaf clover": "clover",
    "pile of poo": "poo",
    "high voltage": "lightning",
    "video game": "game controller",
    "cheese wedge": "cheese",
    "bullseye": "target",
}

GAITS = {"drives": _DRIVES, "flies": _FLIES, "swims": _SWIMS, "runs": _RUNS, "rolls": _ROLLS, "moves": _REST}
"""Verb of moving to the things that move so."""

FACES_LEFT = ("drives", "swims", "runs")
"""Gaits of things that look to the left in the font, and are mirrored when they go to the right."""


@dataclass(frozen=True, eq=False)
class Things:
    """Everything that can appear.

    Args:
        names: The first is the thing's own, the others are aliases.
        gaits: Verb of moving of each.
        sprites: (N, 128, 128, 4) uint8, straight alpha.
    """

    names: tuple[tuple[str, ...], ...]
    gaits: tuple[str, ...]
    sprites: np.ndarray

    def __len__(self) -> int:
        return len(self.names)


def load() -> Things:
    """The things, in the order of the lists above.

    Raises:
        UsageError: The font or its names are not installed.
    """
    return _read(emoji.find_font(), emoji.find_annotations())


@cache
def _read(font: Path, annotations: Path) -> Things:
    everything = emoji.load(font, annotations)
    rows = {one.name: row for row, one in enumerate(everything.emoji)}
    found: dict[str, str] = {}
    for gait, listed in GAITS.items():
        for name in listed.replace("\n", "|").split("|"):
            if name in rows:
                found.setdefault(name, gait)
    names = tuple((name, *([_ALIASES[name]] if name in _ALIASES else [])) for name in found)
    return Things(names, tuple(found.values()), everything.sprites[[rows[name] for name in found]])
