"""The prompts that models are measured by: phrases, whose answers the models can give."""

from importlib.resources import files
from pathlib import Path

import pytest

from gen.model import ModelFile
from gen.train.natural_prompts import natural_prompts
from gen.words import Stock, nearest_name

LEAST = {"image": 200, "audio": 200, "video": 200, "mesh": 200}


def prompts(modality: str, file: str = "natural_prompts") -> dict[str, tuple[str, ...]]:
    path = files(f"gen_{modality}") / "training" / "data" / f"{file}.txt"
    return dict(natural_prompts(Path(str(path))))


def bare(prompt: str) -> str:
    """A prompt in lower case, without articles and punctuation at its ends."""
    return " ".join(word for word in prompt.lower().strip("!?. ").split() if word not in ("a", "an", "the"))


@pytest.fixture(scope="module")
def phrases() -> frozenset[str]:
    """What the network of sentences learned from."""
    texts = [*(prompts(modality, "phrases") for modality in LEAST), prompts("video", "motions")]
    said = (phrase for text in texts for each in text.values() for phrase in each)
    learned = (prompt for modality in ("image", "video") for prompt in prompts(modality, "training_prompts"))
    return frozenset(map(bare, (*said, *learned)))


@pytest.mark.parametrize("modality", LEAST)
def test_no_prompt_was_trained_on_or_used_to_mend_the_reading(modality: str, phrases: frozenset[str]) -> None:
    seen = phrases | {bare(prompt) for prompt in prompts(modality, "development_prompts")}
    assert not [prompt for prompt in prompts(modality) if bare(prompt) in seen]


def test_words_held_out_are_in_no_phrase(phrases: frozenset[str]) -> None:
    words = {word for phrase in phrases for word in phrase.split()}
    assert not [prompt for prompt in prompts("image", "held_out_words") if set(bare(prompt).split()) & words]


@pytest.mark.parametrize("modality", LEAST)
def test_there_are_enough_and_most_are_phrases(modality: str) -> None:
    found = prompts(modality)
    assert len(found) >= LEAST[modality]
    assert all(prompt not in answers and answers for prompt, answers in found.items())
    assert sum(len(prompt.split()) > 2 for prompt in found) > 2 / 3 * len(found)


@pytest.mark.parametrize(
    ("modality", "model", "share"),
    [("audio", "sounds", 0.75), ("mesh", "shapes", 0.9), ("video", "motion", 0.9)],
)
def test_the_answers_are_names_and_the_nearest_name_is_mostly_one(
    modality: str, model: str, share: float
) -> None:
    weights = files(f"gen_{modality}") / "weights" / f"{model}.safetensors"
    names = ModelFile(Path(str(weights))).names
    found = {
        prompt: {answer.partition(", ")[0] for answer in answers}
        for prompt, answers in prompts(modality).items()
    }
    # A judge of sounds knows beats, too, which are no instrument.
    assert set().union(*found.values()) - {"drums"} <= set(names)
    right = sum(nearest_name(prompt, Stock(names)) in answers for prompt, answers in found.items())
    assert right > share * len(found)


def test_other_lines_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    for text in ("a puppy\n", "a puppy = dog\na puppy = cat\n"):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"line [12]: a new prompt"):
            natural_prompts(path)
    path.write_text("# remark\na puppy = dog | poodle\n")
    assert natural_prompts(path) == {"a puppy": ("dog", "poodle")}
