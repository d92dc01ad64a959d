"""What appears in the clips: emoji that one would name, and how each of them gets about."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from gen.train import emoji

_DRIVES = """locomotive|high-speed train|bullet train|tram car|bus|oncoming bus|trolleybus|minibus
ambulance|fire engine|police car|taxi|oncoming taxi|automobile|oncoming automobile
sport utility vehicle|delivery truck|articulated lorry|tractor|bicycle|kick scooter|motor scooter
auto rickshaw|pickup truck|motorcycle|racing car|skateboard|shopping cart|sled|manual wheelchair"""
_FLIES = """airplane|helicopter|rocket|flying saucer|small airplane|satellite|balloon|kite|parachute
bird|eagle|duck|bat|owl|butterfly|honeybee|lady beetle|parrot|dove|fly|mosquito|comet|baby angel|fairy
superhero|ghost|dragon|shooting star|flamingo|swan|peacock"""
_SWIMS = """whale|spouting whale|dolphin|fish|tropical fish|blowfish|shark|octopus|squid|crab|lobster
shrimp|turtle|seal|otter|ferry|sailboat|ship|speedboat|motor boat|passenger ship|canoe"""
_RUNS = """rat|mouse|ox|water buffalo|cow|tiger|leopard|rabbit|cat|crocodile|snail|snake|horse|ram|ewe
goat|monkey|rooster|chicken|dog|pig|elephant|ant|bug|penguin|koala|poodle|camel|frog|hamster|wolf|bear
panda|chipmunk|fox|deer|gorilla|lizard|rhinoceros|giraffe|zebra|hedgehog|sauropod|t-rex|kangaroo|llama
hippopotamus|raccoon|lion|scorpion|turkey|unicorn|spider|baby chick|hatching chick|tiger face|dog face
cat face|cow face|pig face|mouse face|rabbit face|horse face|monkey face|dragon face|robot|santa claus
person running|zombie|vampire|ninja|alien|alien monster|goblin|ogre|princess|mage|genie|snowman
person biking"""
_ROLLS = """soccer ball|baseball|basketball|tennis|volleyball|softball|pool 8 ball|bowling|wheel
ring buoy|yarn|coin|optical disk|globe showing europe-africa|full moon|ringed planet|crystal ball
mirror ball|record button|red circle|orange circle|yellow circle|green circle|blue circle
purple circle|gear|doughnut|cookie|tangerine|tomato|red apple|green apple|peach|melon|coconut|bullseye
american football|nazar amulet|clockwise vertical arrows|compass|flying disc|ferris wheel|dizzy
cyclone"""
_REST = """watch|alarm clock|mantelpiece clock|hourglass done|sun|sun with face|cloud|umbrella
telephone|hot beverage|shamrock|skull|red heart|blue heart|green heart|yellow heart|purple heart
orange heart|broken heart|two hearts|sparkling heart|anchor|high voltage|warning|mountain|fountain
tent|scissors|envelope|pencil|sparkles|snowflake|star|glowing star|crescent moon|rainbow|water wave
volcano|tornado|cloud with rain|cloud with lightning|hot dog|taco|seedling|evergreen tree
deciduous tree|palm tree|cactus|hot pepper|tulip|cherry blossom|rose|hibiscus|sunflower|ear of corn
four leaf clover|maple leaf|mushroom|eggplant|grapes|watermelon|lemon|banana|pineapple|pear|cherries
strawberry|hamburger|pizza|bread|french fries|sushi|ice cream|soft ice cream|candy|lollipop
chocolate bar|shortcake|wine glass|cocktail glass|beer mug|popcorn|ribbon|wrapped gift|birthday cake
jack-o-lantern|christmas tree|fireworks|graduation cap|trophy|microphone|movie camera|headphone
artist palette|top hat|video game|game die|saxophone|guitar|trumpet|violin|musical note|house|castle
school|factory|tokyo tower|crown|glasses|necktie|t-shirt|jeans|dress|handbag|running shoe
high-heeled shoe|lipstick|pill|ring|gem stone|bouquet|light bulb|bomb|droplet|pile of poo|money bag
laptop|briefcase|floppy disk|open book|closed book|key|locked|bell|fire|flashlight|wrench|hammer
water pistol|microscope|telescope|candle|sunglasses|joystick|crayon|printer|television|radio|camera
mobile phone|battery|magnifying glass tilted left|grinning face|face with tears of joy
smiling face with sunglasses|angry face|winking face|sleeping face|face with tongue|crying face
clown face|smiling face with heart-eyes|thinking face|cowboy hat face|partying face|teddy bear|drum
long drum|croissant|avocado|bacon|carrot|egg|pancakes|pretzel|sandwich|cheese wedge|cupcake|onion
teapot|bubble tea|chair|axe|magnet|broom|boomerang|magic wand|puzzle piece|test tube|ladder|bucket
feather|potted plant|jar|bone|brain|tooth|package|books|newspaper|door|bed|shield|bow and arrow
stop sign|spoon|pie|peanuts|scarf|gloves|yo-yo|fire extinguisher|bathtub|toilet"""

_ALIASES = {
    "automobile": "car",
    "delivery truck": "truck",
    "locomotive": "train",
    "tram car": "tram",
    "bicycle": "bike",
    "motorcycle": "motorbike",
    "racing car": "race car",
    "fire engine": "fire truck",
    "passenger ship": "cruise ship",
    "sailboat": "sailing boat",
    "motor boat": "boat",
    "airplane": "plane",
    "flying saucer": "ufo",
    "honeybee": "bee",
    "lady beetle": "ladybug",
    "ewe": "sheep",
    "t-rex": "dinosaur",
    "sauropod": "long-necked dinosaur",
    "baby chick": "chick",
    "soccer ball": "ball",
    "tennis": "tennis ball",
    "pool 8 ball": "billiard ball",
    "bowling": "bowling ball",
    "yarn": "ball of yarn",
    "globe showing europe-africa": "globe",
    "full moon": "moon",
    "ringed planet": "planet",
    "mirror ball": "disco ball",
    "optical disk": "disc",
    "tangerine": "orange",
    "red apple": "apple",
    "doughnut": "donut",
    "hot beverage": "coffee",
    "red heart": "heart",
    "high voltage": "lightning",
    "deciduous tree": "tree",
    "evergreen tree": "fir tree",
    "four leaf clover": "clover",
    "maple leaf": "leaf",
    "ear of corn": "corn",
    "wrapped gift": "gift",
    "birthday cake": "cake",
    "jack-o-lantern": "pumpkin",
    "video game": "game controller",
    "game die": "die",
    "gem stone": "diamond",
    "pile of poo": "poo",
    "locked": "lock",
    "mobile phone": "phone",
    "magnifying glass tilted left": "magnifying glass",
    "grinning face": "smiley",
    "running shoe": "shoe",
    "handbag": "bag",
    "cheese wedge": "cheese",
    "wine glass": "glass of wine",
    "beer mug": "beer",
    "satellite": "space satellite",
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


@cache
def load() -> Things:
    """The things, in the order of the lists above.

    Raises:
        UsageError: The font or its names are not installed.
    """
    everything = emoji.load()
    rows = {one.name: row for row, one in enumerate(everything.emoji)}
    found: dict[str, str] = {}
    for gait, listed in GAITS.items():
        for name in listed.replace("\n", "|").split("|"):
            if name in rows:
                found.setdefault(name, gait)
    names = tuple((name, *([_ALIASES[name]] if name in _ALIASES else [])) for name in found)
    return Things(names, tuple(found.values()), everything.sprites[[rows[name] for name in found]])
