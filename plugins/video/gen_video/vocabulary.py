"""The words that the captions of clips hold: things, what they do, and what is behind them."""

from __future__ import annotations

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

ALIASES = {
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
"""Name of a thing to the name that captions have for it, too."""

GAITS = {
    gait: tuple(names.replace("\n", "|").split("|"))
    for gait, names in (
        ("drives", _DRIVES),
        ("flies", _FLIES),
        ("swims", _SWIMS),
        ("runs", _RUNS),
        ("rolls", _ROLLS),
        ("moves", _REST),
    )
}
"""Verb of moving to the things that move so."""

VERBS = {
    "up": ("moves up", "goes up", "rises"),
    "down": ("moves down", "goes down", "sinks"),
    "fly up": ("flies up", "takes off", "shoots up"),
    "fall": ("falls", "falls down", "drops"),
    "bounce": ("bounces", "jumps up and down"),
    "spin": ("spins", "turns around", "rotates"),
    "swing": ("swings",),
    "grow": ("grows", "gets bigger"),
    "shrink": ("shrinks", "gets smaller"),
    "beat": ("beats", "pulses"),
    "shake": ("shakes", "trembles"),
    "circle": ("circles", "moves in a circle"),
    "blink": ("blinks", "flashes"),
    "appear": ("appears", "fades in"),
    "disappear": ("disappears", "fades out"),
}
GOES = {"runs": ("runs", "walks", "moves"), "rolls": ("moves", "slides"), "moves": ("moves", "slides")}
NO_ARTICLE = frozenset(
    [
        "scissors",
        "glasses",
        "sunglasses",
        "gloves",
        "jeans",
        "cherries",
        "grapes",
        "pancakes",
        "french fries",
        "fireworks",
        "peanuts",
        "popcorn",
        "bread",
        "bacon",
        "sushi",
        "sparkles",
        "two hearts",
        "books",
        "cheese",
        "lightning",
        "santa claus",
        "corn",
        "coffee",
        "poo",
    ]
)
SIZE_WORDS = {"small": ("small", "little", "tiny"), "big": ("big", "large", "huge")}
SPEED_WORDS = {"slow": ("slowly",), "normal": ("",), "fast": ("fast", "quickly")}

PATTERNS = ("striped", "dotted", "checkered")
PLACES = {
    "sky": "in the sky",
    "space": "in space",
    "grass": "on the grass",
    "sea": "at sea",
    "desert": "in the desert",
    "road": "on the road",
    "snow": "in the snow",
}
"""Place to how a caption says it."""
COLOURS = (
    "white",
    "black",
    "grey",
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "light blue",
    "purple",
    "pink",
    "brown",
)
"""Of backgrounds."""
HUES = ("red", "orange", "yellow", "green", "blue", "purple")
"""Of things."""

PERSON = "runner"
"""What the model draws for a person whom it does not know."""

PERSONS = frozenset(
    (
        *("runner", "cyclist", "princess", "wizard", "genie", "ninja", "santa claus", "superhero", "fairy"),
        *("angel", "vampire", "zombie", "clown face", "cowboy hat face"),
    )
)
"""Names of persons."""

PEOPLE = (
    "person",
    "man",
    "woman",
    "boy",
    "girl",
    "child",
    "kid",
    "guy",
    "lady",
    "people",
    "men",
    "women",
    "children",
    "athlete",
    "someone",
)
"""Words for a person of no sort that the model knows."""

_OTHERS = {
    "dog": "puppy|hound|poodle|doggy",
    "cat": "kitten|kitty",
    "rabbit": "bunny|hare",
    "horse": "pony|stallion|foal",
    "cow": "bull|calf|ox",
    "pig": "piglet|hog",
    "sheep": "lamb",
    "bird": "sparrow|robin|songbird|pigeon|crow|raven",
    "duck": "goose|duckling",
    "chicken": "hen",
    "bee": "bumblebee|wasp|hornet",
    "bug": "beetle|cockroach|grasshopper",
    "fish": "goldfish|salmon|trout",
    "turtle": "tortoise|sea turtle",
    "snake": "cobra|python|serpent",
    "monkey": "ape|chimpanzee",
    "crocodile": "alligator",
    "bear": "grizzly",
    "frog": "toad",
    "mouse": "mice",
    "car": "automobile|vehicle|sports car",
    "race car": "formula one car",
    "truck": "lorry|van",
    "bus": "coach",
    "train": "locomotive|steam train",
    "tram": "streetcar",
    "bike": "bicycle|cycle",
    "cyclist": "biker",
    "runner": "jogger",
    "cherries": "cherry",
    "motorbike": "motorcycle",
    "motor scooter": "scooter|vespa",
    "plane": "jet|airplane|aeroplane|aircraft",
    "helicopter": "chopper",
    "rocket": "spaceship|space shuttle|missile|spacecraft",
    "ufo": "alien ship",
    "balloon": "hot air balloon",
    "ship": "submarine|steamship|ocean liner|cruise ship",
    "boat": "motorboat",
    "sailing boat": "yacht|sailing ship",
    "comet": "meteor|asteroid|meteorite",
    "superhero": "superman|batman|hero",
    "santa claus": "santa",
    "wizard": "magician|sorcerer",
    "zombie": "undead",
    "droplet": "rain|raindrop|rain drop|drop|tear",
    "snowflake": "snow",
    "globe": "earth|world",
    "crescent moon": "half moon",
    "sun": "sunshine",
    "fire": "flame|campfire",
    "lightning": "lightning bolt",
    "flashlight": "torch",
    "light bulb": "bulb|lightbulb|lamp",
    "alarm clock": "clock",
    "bell": "church bell",
    "ball": "soccer ball|football",
    "phone": "smartphone|mobile|cellphone",
    "television": "tv",
    "sunflower": "flower|daisy",
    "potted plant": "plant",
    "fir tree": "spruce|pine tree",
    "tree": "oak",
    "leaf": "autumn leaf",
    "cake": "birthday cake",
    "gift": "present",
    "ice cream": "gelato|ice cube",
    "donut": "doughnut|bagel",
    "hamburger": "burger|cheeseburger",
    "cupcake": "muffin",
    "smiley": "happy face|smile|emoji|face",
    "poo": "poop",
    "clown face": "clown",
    "heart": "red heart",
    "gear": "cog|cogwheel",
    "house": "home|cottage|hut",
    "castle": "palace|fortress",
    "diamond": "gem|jewel|crystal",
    "coin": "money|penny",
    "shoe": "boot|sneaker",
    "hourglass": "sandglass",
    "teddy bear": "teddy",
    "coffee": "cup of coffee|tea",
    "beer": "glass of beer",
}
KEYWORDS = (
    *((word, name) for name, words in _OTHERS.items() for word in words.split("|")),
    *((word, PERSON) for word in PEOPLE),
)
"""Other words that people have for the things."""
