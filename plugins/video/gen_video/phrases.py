"""Phrases that people have for motions, ways, speeds, sizes, colours and places."""

from __future__ import annotations

from gen.words import Phrases

MOVES = {
    "stays": ("still", ""),
    **{f"goes {way}": ("go", way) for way in ("left", "right")},
    "goes up": ("up", ""),
    "goes down": ("down", ""),
    **{f"passes to the {way}": ("pass", way) for way in ("left", "right")},
    **{f"rolls {way}": ("roll", way) for way in ("left", "right")},
    "flies up": ("fly up", ""),
    "falls": ("fall", ""),
    "bounces": ("bounce", ""),
    "spins": ("spin", ""),
    "swings": ("swing", ""),
    "grows": ("grow", ""),
    "shrinks": ("shrink", ""),
    "beats": ("beat", ""),
    "shakes": ("shake", ""),
    "circles": ("circle", ""),
    "blinks": ("blink", ""),
    "appears": ("appear", ""),
    "disappears": ("disappear", ""),
}
"""What a whole prompt may mean, and the motion and the way of it."""
MOTIONS = Phrases(
    {
        "fly up": (
            *("take off", "lift off", "blast off", "launch", "shoot up", "fly up", "fly upward", "takeoff"),
            *("fly upwards", "fly away", "soar up", "liftoff", "fly off", "fly into space"),
            *(
                "take wing",
                "take flight",
                "off into space",
                "into orbit",
                "up and away",
                "skyrocket",
                "blow away",
            ),
        ),
        "fall": (
            *("fall", "fall down", "drop", "drop down", "plummet", "crash", "plunge", "collapse"),
            *("pour", "pour down", "drip", "tumble down", "crash down", "plop", "fall off", "fall over"),
            *("slip off", "topple", "hit the ground", "hit the floor", "rain down", "trickle"),
        ),
        "bounce": (
            *("bounce", "jump", "hop", "leap", "jump up and down", "bounce up and down", "up and down"),
            *("hop around", "jump around", "dribble", "skip", "dance", "spring", "bob", "bob up and down"),
            *("bounce around", "dance around", "prance", "frolic", "romp", "stomp", "jog in place"),
        ),
        "spin": (
            *("spin", "spin around", "turn around", "rotate", "twirl", "whirl", "revolve", "gyrate"),
            *("go round", "go around", "flip", "flip over", "doing a flip", "backflip"),
            *(
                "doing somersaults",
                "doing a kickflip",
                "somersault",
                "cartwheel",
                "pirouette",
                "swirl",
                "twist",
            ),
        ),
        "turn": ("turn",),
        "tumble": ("tumble",),
        "swing": (
            *("swing", "sway", "from side to side", "side to side", "back and forth", "dangle", "rock"),
            *(
                "ring",
                "to and fro",
                "oscillate",
                "swing back and forth",
                "rock back and forth",
                "sway back and forth",
            ),
            *("swing from side to side", "sway from side to side", "rock from side to side"),
        ),
        "grow": (
            *("grow", "expand", "inflate", "swell", "bloom", "get big", "get large", "get tall", "enlarge"),
            *("get big and big", "grow tall", "grow big", "blow up", "grow big and big", "big and big"),
            *("grow tall and tall", "get tall and tall", "grow up", "sprout", "blossom", "unfold", "puff up"),
            *("get fat", "get wide", "get thick", "fatten", "thicken", "lengthen", "widen"),
        ),
        "shrink": (
            *("shrink", "deflate", "melt", "get small", "get small and small", "dwindle", "melt away"),
            *("small and small", "grow small", "wilt", "wither", "shrivel"),
            *("get thin", "get short", "die down", "burn down", "dry up", "waste away"),
        ),
        "beat": ("beat", "pulse", "pulsate", "throb", "pump", "pound", "thump"),
        "shake": (
            *("shake", "tremble", "shiver", "vibrate", "wobble", "quake", "jiggle", "wiggle", "quiver"),
            *("twitch", "rattle", "rumble", "wriggle", "squirm", "shudder"),
        ),
        "circle": (
            *(
                "circle",
                "in circle",
                "in a circle",
                "round and round",
                "go round and round",
                "orbit",
                "chase its tail",
            ),
            *("loop the loop", "doing a loop", "doing loops", "fly a loop", "spiral"),
            *("in a ring", "in loops", "doing donuts", "doing laps", "chase its own tail"),
        ),
        "blink": (
            *("blink", "flash", "flicker", "twinkle", "glitter", "sparkle", "shine", "glow", "gleam"),
            *("shimmer", "glimmer", "glisten", "on and off", "turn on and off", "flash on and off"),
            *("blink on and off",),
        ),
        "appear": (
            *("appear", "emerge", "materialize", "materialise", "fade in", "show up", "turn on", "switch on"),
            *("light up", "come into view", "come into being", "pop up"),
            *(
                "into view",
                "into sight",
                "reappear",
                "pop into existence",
                "out of nowhere",
                "out of thin air",
            ),
        ),
        "disappear": (
            *("disappear", "vanish", "fade out", "fade away", "fade", "dissolve", "turn off", "switch off"),
            *("go out", "go dark", "evaporate", "turn invisible", "become invisible"),
            *("from view", "out of view", "from sight", "out of sight", "go missing"),
            *("into thin air", "melt into", "eaten up", "poof"),
        ),
        "up": (
            *("rise", "ascend", "climb", "come up", "float", "levitate", "lift", "rise up", "climb up"),
            *("float up", "go up", "move up", "surface"),
            *("clamber", "scramble up", "hoist", "haul up", "winch up"),
        ),
        "down": (
            *("sink", "descend", "dive", "land", "set", "go down", "come down", "lower", "climb down"),
            *("sink down", "dive down", "move down", "touch down"),
            *("float to the floor", "float to the ground", "drift to the floor", "drift to the ground"),
        ),
        "roll": ("roll", "roll away", "roll along", "roll around"),
        "pass": (
            "pass",
            "past",
            "pass by",
            "drive by",
            "drive past",
            "run past",
            "fly past",
            "fly by",
            "walk by",
        ),
        "still": (
            *("sit", "sleep", "stand", "lie", "rest", "wait", "stay", "sit still", "stand still", "stop"),
            *("fall asleep", "lie down", "sit down", "park", "look", "stare", "gaze", "facing", "pose"),
            *("perch", "doze", "doze off", "nap", "snooze", "immobile", "motionless", "immovable", "at rest"),
            *("nothing happens", "stock still", "frozen in place"),
        ),
        "go": (
            *("run", "walk", "drive", "fly", "swim", "move", "go", "ride", "slide", "travel", "march"),
            *("sneak", "rush", "race", "speed", "hurry", "dash", "sprint", "gallop", "trot", "crawl"),
            *("creep", "glide", "sail", "paddle", "row", "flutter", "flap", "soar", "drift", "hover"),
            *("stroll", "waddle", "scurry", "slither", "cross", "chase", "skate", "come", "wander", "ski"),
            *("jog", "hike", "surf", "cruise", "zoom", "scamper", "scuttle", "stalk", "prowl", "roam"),
            *("leave", "arrive", "depart", "escape", "flee", "enter", "approach", "tiptoe", "limp", "hobble"),
            *("charge", "pedal", "cycle", "follow", "run away", "walk away", "speed away", "drive away"),
            *("swim away", "sail away", "drive off", "run off", "go away", "speed off", "walk around"),
            *(
                "run around",
                "swim around",
                "fly around",
                "drive around",
                "float by",
                "drift by",
                "zip",
                "back up",
                "reverse",
            ),
            *(
                "back away",
                "trundle",
                "dart",
                "sneak up on",
                "creep up on",
                "streak",
                "sweep",
                "plough",
                "plow",
            ),
        ),
    }
)
"""What things do, by the names of motions; ``roll``, ``pass``, ``go``, ``turn`` and ``tumble`` need a way."""

WAYS = Phrases(
    {
        "left": ("left", "to the left", "leftward", "leftwards", "leftbound", "left-bound"),
        "right": (
            *("right", "to the right", "rightward", "rightwards", "rightbound", "right-bound"),
            *("from left to right", "left to right", "from the left to the right"),
        ),
        "up": ("up", "upward", "upwards", "skyward"),
        "down": ("down", "downward", "downwards"),
        "leftward": ("from right to left", "right to left", "from the right to the left"),
        "": ("upside down",),
    }
)
"""Where to; empty for what sounds like a way and is none."""

SPEEDS = Phrases(
    {
        "slow": (
            "slow",
            "slowly",
            "gently",
            "leisurely",
            "lazily",
            "in slow motion",
            "slow motion",
            "softly",
        ),
        "fast": (
            *("fast", "quick", "quickly", "rapidly", "speedily", "wildly", "swiftly", "rapid", "hastily"),
            *("at full speed", "at high speed", "at top speed", "frantically", "furiously", "hurriedly"),
        ),
    }
)
SIZES = Phrases(
    {
        "small": ("small", "little", "tiny", "mini", "miniature", "teeny"),
        "big": ("big", "large", "huge", "giant", "enormous", "gigantic", "massive", "colossal"),
    }
)
TINTS = Phrases(
    {
        "red": ("red", "crimson", "scarlet"),
        "orange": ("orange",),
        "yellow": ("yellow", "golden"),
        "green": ("green",),
        "blue": ("blue", "light blue", "dark blue"),
        "purple": ("purple", "violet", "lilac"),
    }
)
WHERE = Phrases(
    {
        "sky": ("sky", "air", "cloud", "heaven"),
        "space": ("space", "universe", "cosmos", "orbit", "galaxy"),
        "grass": (
            *("grass", "meadow", "lawn", "field", "park", "garden", "forest", "woods", "jungle", "hill"),
            *("yard", "backyard", "pasture", "farm"),
        ),
        "sea": ("sea", "ocean", "water", "lake", "river", "waves", "underwater", "pond", "pool"),
        "desert": ("desert", "sand", "beach", "dunes", "shore"),
        "road": ("road", "street", "highway", "motorway", "lane", "track", "racetrack"),
        "snow": ("snow", "ice", "snowfield", "slope"),
        "night": ("night", "dark", "darkness", "midnight"),
    }
)
"""Places, and the night."""
