"""The speech synthesizer flite as a teacher: speech with its phones, and the pronunciation of words.

Its shared libraries (Debian: ``flite``) are called directly: the program prints no stress and no words.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gen.errors import UsageError
from gen_audio.voice.phones import VOWELS, is_vowel

VOICES = {"female": "slt", "male": "rms"}
RATE = 16_000


@dataclass(frozen=True, eq=False)
class Speech:
    """One spoken sentence.

    Args:
        samples: (N,) int16 at 16 kHz.
        phones: As in ``phones.PHONES``, with a pause at both ends.
        first: Whether a phone begins a word.
        ends: Seconds at which each phone ends.
    """

    samples: NDArray[np.int16]
    phones: tuple[str, ...]
    first: tuple[bool, ...]
    ends: tuple[float, ...]


class _Wave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("rate", ctypes.c_int),
        ("samples", ctypes.c_int),
        ("channels", ctypes.c_int),
        ("data", ctypes.POINTER(ctypes.c_short)),
    )


class Flite:
    """The synthesizer.

    Raises:
        UsageError: It is not installed.
    """

    def __init__(self) -> None:
        try:
            self._core = ctypes.CDLL("libflite.so.1", mode=ctypes.RTLD_GLOBAL)
            ctypes.CDLL("libflite_usenglish.so.1", mode=ctypes.RTLD_GLOBAL)
            lexicon = ctypes.CDLL("libflite_cmulex.so.1", mode=ctypes.RTLD_GLOBAL)
            voices = {name: ctypes.CDLL(f"libflite_cmu_us_{of}.so.1") for name, of in VOICES.items()}
        except OSError as error:
            raise UsageError(
                f"the voice is trained on flite, which is missing: {error}", "apt install flite"
            ) from None
        self._core.flite_init()
        self._lexicon = _pointer(lexicon, "cmu_lex_init")()
        self._voices = {
            name: _pointer(library, f"register_cmu_us_{VOICES[name]}")(None)
            for name, library in voices.items()
        }

    def say(self, text: str, voice: str) -> Speech:
        """Speak one sentence.

        Args:
            text: ASCII; other characters are left out.
            voice: One of ``VOICES``.
        """
        core = self._core
        utterance = _pointer(core, "flite_synth_text")(_bytes(text), ctypes.c_void_p(self._voices[voice]))
        here = ctypes.c_void_p(utterance)
        wave = ctypes.cast(_pointer(core, "utt_wave")(here), ctypes.POINTER(_Wave)).contents
        samples = np.ctypeslib.as_array(wave.data, (wave.samples,)).copy()
        assert wave.rate == RATE
        phones: list[str] = []
        first: list[bool] = []
        ends: list[float] = []
        word = 0
        segments = _pointer(core, "utt_relation")(here, b"Segment")
        item = _pointer(core, "relation_head")(ctypes.c_void_p(segments))
        while item:
            phone = self._text(item, b"name")
            stress = "1" if self._text(item, b"R:SylStructure.parent.stress") == "1" else "0"
            of = self._word(item)
            # The ending 's is a word of its own here.
            ending = self._text(item, b"R:SylStructure.parent.parent.name").startswith("'")
            phones.append(phone + stress if is_vowel(phone) else phone)
            first.append(bool(of) and of != word and not ending)
            ends.append(self._number(item, b"end"))
            word = of
            item = _pointer(core, "item_next")(ctypes.c_void_p(item))
        core.delete_utterance(here)
        return Speech(samples, tuple(phones), tuple(first), tuple(ends))

    def pronounce(self, word: str) -> tuple[str, ...]:
        """Phones of a word in lower-case letters, without knowledge of what is around it."""
        entry = _pointer(self._core, "lex_lookup")(ctypes.c_void_p(self._lexicon), _bytes(word), None, None)
        found = []
        text = self._core.val_string
        text.restype = ctypes.c_char_p
        while entry:
            head = _pointer(self._core, "val_car")(ctypes.c_void_p(entry))
            phone = text(ctypes.c_void_p(head)).decode()
            found.append(phone + "0" if phone in VOWELS else phone)
            entry = _pointer(self._core, "val_cdr")(ctypes.c_void_p(entry))
        return tuple(found)

    def _word(self, item: int) -> int:
        """The address of the word that a segment is in; 0 for a pause."""
        syllable = _pointer(self._core, "item_as")(ctypes.c_void_p(item), b"SylStructure")
        for _ in range(2):
            syllable = syllable and _pointer(self._core, "item_parent")(ctypes.c_void_p(syllable))
        return syllable or 0

    def _text(self, item: int, feature: bytes) -> str:
        read = self._core.ffeature_string
        read.restype = ctypes.c_char_p
        value: bytes = read(ctypes.c_void_p(item), feature)
        return value.decode()

    def _number(self, item: int, feature: bytes) -> float:
        read = self._core.ffeature_float
        read.restype = ctypes.c_float
        return float(read(ctypes.c_void_p(item), feature))


def _pointer(library: ctypes.CDLL, name: str) -> ctypes._NamedFuncPointer:
    function = getattr(library, name)
    function.restype = ctypes.c_void_p
    return function


def _bytes(text: str) -> bytes:
    return text.encode("ascii", "ignore")
