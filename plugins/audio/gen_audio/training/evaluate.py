"""Metrics of a text-to-sound model, on prompts and seeds fixed beforehand."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property, partial
from pathlib import Path

import torch
from torch import Tensor

from gen.evaluation import Share, Trial, frechet_distance
from gen.train.natural_prompts import natural_prompts
from gen_audio import composition
from gen_audio.artifacts import fitted, mono
from gen_audio.composition import Note
from gen_audio.mel import HOP, RATE, log_mel
from gen_audio.training import classifier as judges
from gen_audio.training import measures
from gen_audio.training.data import clips, effects, midi, music
from gen_audio.training.data.clips import Clip

DATA = Path(__file__).parent / "data"
SEED = 20_250_000
GROUP = 150
KINDS, SPLITS = ("instruments", "effects"), ("seen", "held out")
STEADY = ("piano", "organ", "violin", "cello", "flute", "trumpet", "clarinet", "oboe", "saxophone", "guitar")


def evaluate(trial: Trial) -> Mapping[str, object]:
    """Measure a model of sounds.

    Args:
        trial: The model. All prompts are the natural ones, those that the reading was mended by, and at most
            150 of each other sort.

    Returns:
        Metric to its value as text, in groups.

    Raises:
        UsageError: The programs that render the references are not installed.
    """
    return _Evaluation(trial).run()


class _Evaluation:
    def __init__(self, trial: Trial) -> None:
        self.trial, self.draw, self.report = trial, trial.draw, trial.report
        self.limit, self.count = trial.samples, min(trial.samples or GROUP, GROUP)
        self.levels = measures.Levels()

    @cached_property
    def classifier(self) -> judges.Classifier:
        """The judge."""
        return judges.judge(self.report)

    def run(self) -> Mapping[str, object]:
        groups: dict[str, Callable[[], object]] = {
            "natural prompts": lambda: self._natural("natural_prompts"),
            "development prompts": lambda: self._natural("development_prompts"),
        }
        for kind in KINDS:
            for split in SPLITS:
                groups[f"{kind}, {split}"] = partial(self._recovered, kind, split)
        groups |= {
            "pitch": self._pitch,
            "tempo": self._tempo,
            "notes in order": self._order,
            "levels": self._levels,
            "loops": self._loops,
            "distribution": self._distribution,
        }
        return self.trial.measure(groups)

    @cache  # noqa: B019 - an evaluation lives as long as its process
    def _made(self, kind: str, split: str) -> tuple[list[Clip], Tensor]:
        """Clips, and log-mels of what the model makes of their captions."""
        wanted = self._clips(kind, split)
        return wanted, torch.stack([log_mel(x)[0] for x in self._sounds(wanted, f"{kind}, {split}")])

    def _levels(self) -> Mapping[str, str]:
        """Of all that has been made so far, at least of instruments and effects."""
        for kind in KINDS:
            for split in SPLITS:
                self._made(kind, split)
        return self.levels.told()

    def _natural(self, name: str) -> Mapping[str, str]:
        """How often the classifier hears what is right for a prompt of free words, of one of the files."""
        answers = natural_prompts(DATA / f"{name}.txt")
        prompts = random.Random(SEED).sample(sorted(answers), len(answers))[: self.limit]
        mels = torch.stack([log_mel(x)[0] for x in self._heard(prompts, name)])
        names = [
            [judges.CLASSES[at] for at in row] for row in judges.classify(self.classifier, mels).tolist()
        ]
        return {
            f"top {top}": _share(
                [bool({*row[:top]}.intersection(answers[p])) for row, p in zip(names, prompts, strict=True)]
            )
            for top in (1, 5)
        }

    def _clips(self, kind: str, split: str) -> list[Clip]:
        """Clips that were seen in training or held out, in a fixed order."""
        rng = random.Random(f"{SEED} {kind} {split}")
        found: list[Clip] = []
        while len(found) < self.count:
            if kind == "effects":
                name = rng.choice(list(effects.EFFECTS))
                levels = {axis: rng.choice((-1, 0, 1)) for axis in effects.EFFECTS[name].axes}
                effect = effects.Clip(name, **levels, far=rng.random() < 0.15, seed=rng.getrandbits(32))
                if effects.held_out(effect) == (split == "held out"):
                    found.append(effect)
                continue
            tune = dataclasses.replace(
                music.draw(rng),
                instrument=rng.choice(list(composition.RANGES)),
                figure=rng.choice(composition.FIGURES),
            )
            if music.held_out(tune) == (split == "held out"):
                found.append(tune)
        return found

    def _sounds(self, wanted: Sequence[Clip], name: str, **params: object) -> Iterator[Tensor]:
        """What the model makes of the clips' captions, (1, 110592) at the model's rate."""
        return self._heard([clips.canonical(clip) for clip in wanted], name, **params)

    def _heard(self, prompts: Sequence[str], name: str, **params: object) -> Iterator[Tensor]:
        """What the model makes of prompts, (1, 110592) at the model's rate."""
        seeds = range(SEED, SEED + len(prompts))
        for index, artifact in enumerate(self.draw(prompts, seeds, **params)):
            self.levels.add(artifact)
            if index % 50 == 0:
                self.report(f"{name}: {index} of {len(prompts)}")
            sound = fitted(mono(artifact), judges.FRAMES * HOP)
            # At the level of the references.
            yield torch.from_numpy(clips.levelled(sound.numpy()))[None]

    def _recovered(self, kind: str, split: str) -> Mapping[str, str]:
        """How often the classifier hears what was asked for, in what is made and in what is rendered."""
        wanted, mels = self._made(kind, split)
        labels = torch.tensor([judges.label(clip) for clip in wanted])
        result = {}
        for name, found in (("", mels), (", rendered", judges.rendered(list(wanted)))):
            order = judges.classify(self.classifier, found)
            for top in (1, 5):
                right = (order[:, :top] == labels[:, None]).any(1).tolist()
                result[f"recovered, top {top}{name}"] = _share(right)
        return result

    def _pitch(self) -> Mapping[str, str]:
        """Distance of single notes from their pitch."""
        rng = random.Random(f"{SEED} pitch")
        wanted: list[Clip] = [
            composition.Tune(rng.choice(STEADY), "note", key=rng.randrange(12), seed=rng.getrandbits(32))
            for _ in range(self.count)
        ]
        keys = [clip.pitch for clip in wanted if isinstance(clip, composition.Tune)]
        rendered = torch.from_numpy(clips.render(wanted, judges.FRAMES * HOP))
        result = {}
        for name, sounds in (("", self._sounds(wanted, "pitch")), (", rendered", iter(rendered[:, None]))):
            off = [
                abs(measures.cents(measures.pitch(x[0]), key)) for x, key in zip(sounds, keys, strict=True)
            ]
            result[f"median error, octaves aside{name}"] = f"{measures.median(off):.1f} cents"
            result[f"within 50 cents, octaves aside{name}"] = _share([x < 50 for x in off])
        return result

    def _tempo(self) -> Mapping[str, str]:
        """Error of the rate of onsets, of which arpeggios and scales have two per beat."""
        rng = random.Random(f"{SEED} tempo")
        wanted: list[Clip] = []
        while len(wanted) < self.count:
            tune = dataclasses.replace(
                music.draw(rng), instrument=rng.choice(("piano", "guitar", "marimba", "harp", "xylophone"))
            )
            if tune.figure in ("arpeggio", "scale") and not music.held_out(tune):
                wanted.append(tune)
        rates = [clip.bpm / 30 for clip in wanted if isinstance(clip, composition.Tune)]
        made = (log_mel(x)[0] for x in self._sounds(wanted, "tempo"))
        result = {}
        for name, mels in (("", made), (", rendered", iter(judges.rendered(wanted)))):
            off = [
                abs(measures.rate_of_onsets(mel) / rate - 1) for mel, rate in zip(mels, rates, strict=True)
            ]
            result[f"median error{name}"] = f"{100 * measures.median(off):.1f} %"
            result[f"within 4 %{name}"] = _share([x < 0.04 for x in off])
        return result

    def _order(self) -> Mapping[str, str]:
        """How many notes of scales, and of melodies that prompts write out, are at their place.

        A note is right where its pitch class is heard from 0.05 s after its beginning to its end; a clip
        where nine in ten of its notes are.
        """
        rng = random.Random(f"{SEED} order")
        scales: list[composition.Tune] = []
        while len(scales) < self.count // 2:
            tune = dataclasses.replace(
                music.draw(rng),
                instrument=rng.choice(STEADY),
                figure="scale",
                bpm=rng.choice(range(60, 130, 10)),
            )
            if not music.held_out(tune):
                scales.append(tune)
        melodies = [_melody(rng) for _ in range(self.count - len(scales))]
        seconds = judges.FRAMES * HOP / RATE
        played = {
            "scales": [(clips.canonical(tune), music.part(tune, seconds)) for tune in scales],
            "written": [(prompt, part) for prompt, part in melodies],
        }
        result = {}
        for kind, pairs in played.items():
            prompts, parts = [prompt for prompt, _ in pairs], [part for _, part in pairs]
            rendered = torch.from_numpy(midi.render(parts, seconds, RATE))[:, None]
            for name, sounds in (("", self._heard(prompts, kind)), (", rendered", iter(rendered))):
                right = [
                    [_sounds_at(x[0], note) for note in part.notes if note.start + note.length < seconds]
                    for x, part in zip(sounds, parts, strict=True)
                ]
                result[f"notes of {kind}{name}"] = _share([one for clip in right for one in clip])
                result[f"clips of {kind}{name}"] = _share([sum(clip) >= 0.9 * len(clip) for clip in right])
        return result

    def _loops(self) -> Mapping[str, str]:
        """How much a loop changes where it begins again, beside renderings, which end before they do."""
        wanted = self._clips("effects", "seen")
        made = self._sounds(wanted, "loops", loop=True, duration=judges.FRAMES * HOP / RATE)
        rendered = torch.from_numpy(clips.render(wanted, judges.FRAMES * HOP))
        result = {}
        for name, sounds in (("", made), (", rendered", iter(rendered[:, None]))):
            steps = [measures.seam(x[0]) for x in sounds]
            result[f"step over the seam{name}"] = f"{measures.median(steps):.2f} of the median step"
            result[f"within twice the median step{name}"] = _share([x < 2 for x in steps])
        return result

    def _distribution(self) -> Mapping[str, str]:
        """Fréchet distance on statistics of log-mels, to clips that training never saw."""
        parts = [self._made(kind, "seen") for kind in KINDS]
        wanted, made = [clip for clips, _ in parts for clip in clips], torch.cat([mels for _, mels in parts])
        rng = random.Random(f"{SEED} distribution")
        again: list[Clip] = [dataclasses.replace(clip, seed=rng.getrandbits(32)) for clip in wanted]
        seeds = [dataclasses.replace(clip, seed=rng.getrandbits(32)) for clip in wanted]
        real, other = (measures.statistics(judges.rendered(found)) for found in (again, list(seeds)))
        _, _, rows = torch.linalg.svd(real - real.mean(0), full_matrices=False)
        axes = rows[: min(16, len(real) - 1)].mT
        features = [(x - real.mean(0)) @ axes for x in (measures.statistics(made), real, other)]
        drawn, floor = (frechet_distance(features[i], features[1]) for i in (0, 2))
        return {
            "Fréchet distance to fresh renderings": f"{drawn:.3f}",
            "the same between two sets of renderings": f"{floor:.3f}",
            "clips in each": str(len(made)),
        }


def _melody(rng: random.Random) -> tuple[str, midi.Part]:
    """A prompt that writes out notes of one beat, and what is to be played."""
    instrument, bpm = rng.choice(STEADY), rng.choice(range(90, 150, 5))
    low = composition.RANGES[instrument]
    keys = [rng.randrange(low, low + 20) for _ in range(bpm * 5 // 60)]
    names = (
        music.note_name(key).replace(" sharp", "#").replace(" flat", "b").replace(" ", "") for key in keys
    )
    beat = 60 / bpm
    notes = [Note(index * beat, 0.95 * beat, key) for index, key in enumerate(keys)]
    return f"{instrument}: {' '.join(names)}, {bpm} bpm", midi.Part(music.PROGRAMS[instrument], tuple(notes))


def _sounds_at(samples: Tensor, note: Note) -> bool:
    """Whether samples (L,) have the pitch class of a note where it is."""
    hertz = measures.pitch(samples, note.start + 0.05, note.length - 0.05)
    return abs(measures.cents(hertz, note.pitch)) < 50


def _share(right: Sequence[bool]) -> str:
    return str(Share(sum(right), len(right)))
