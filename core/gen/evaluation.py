"""What an evaluation is given, the model and a way to make things with it; its judges, and shares."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from gen.errors import UsageError, line_of
from gen.plugin.boundary import Call
from gen.plugin.cache import cache_folder, keep_in_cache

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gen.artifact import Artifact
    from gen.model import Model

Judge = TypeVar("Judge", bound="nn.Module")


class Draw(Protocol):
    """Makes things with the model that is measured, as ``gen MODALITY`` does."""

    def __call__(self, prompts: Sequence[str], seeds: Sequence[int], **params: object) -> Iterator[Artifact]:
        """Make one artifact for each prompt, one after another, several at once inside.

        Args:
            prompts: What to make.
            seeds: As many, each from 0 to 2**63 - 1.
            params: Values of the modality's parameters; those left out are as when nobody gives them.

        Raises:
            GenError: Something cannot be made.
        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """A model that is to be measured by the evaluation of its modality, behind ``gen eval``.

    Args:
        model: The model, for what cannot be seen in the things that it makes.
        draw: Makes things with it.
        samples: At most so many of each sort of prompt; None for all.
        report: Takes lines of progress.
        groups: Names of the groups of metrics that are measured; None for all.
    """

    model: Model
    draw: Draw
    samples: int | None
    report: Callable[[str], None]
    groups: frozenset[str] | None = None

    def measure(self, groups: Mapping[str, Callable[[], object]]) -> dict[str, object]:
        """Measure the groups that are wanted, in order.

        Args:
            groups: Every group of the evaluation: its name, and what measures it.

        Raises:
            UsageError: A group that is wanted is none of them.
        """
        self.check_groups(groups)
        return {name: group() for name, group in groups.items() if self.groups is None or name in self.groups}

    def check_groups(self, names: Collection[str]) -> None:
        """Refuse groups that are wanted and that an evaluation does not have.

        Raises:
            UsageError: It names them.
        """
        missing = sorted(self.groups.difference(names)) if self.groups else []
        if missing:
            raise UsageError(
                f"the evaluation has no group {', '.join(map(repr, missing))}",
                f"it has {', '.join(names)}",
            )


@dataclass(frozen=True)
class Share:
    """How often something was right; its text is the share with its 95 % interval (Wilson 1927).

    Args:
        right, of: Counts.
    """

    right: int
    of: int

    def __str__(self) -> str:
        if not self.of:
            return "no samples"
        share = self.right / self.of
        centre = share + 1.92 / self.of
        spread = 1.96 * math.sqrt(share * (1 - share) / self.of + 0.96 / self.of**2)
        low, high = (abs(centre + sign * spread) / (1 + 3.84 / self.of) for sign in (-1, 1))
        return f"{100 * share:.1f} % of {self.of} (95 %: {100 * low:.1f} to {100 * high:.1f})"


def metrics_of(call: Call, found: object) -> dict[str, object]:
    """What an evaluation has measured, as JSON values by name.

    Args:
        call: The call that returned it.
        found: What it returned.

    Raises:
        PluginError: It is something else, or empty.
    """
    if not isinstance(found, Mapping) or not found:
        raise call.returned(found, "metrics by name")
    try:
        metrics: dict[str, object] = json.loads(json.dumps(dict(found), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise call.fault(f"returned metrics that JSON cannot hold: {line_of(error)}") from error
    return metrics


def kept_judge(
    name: str,
    version: int,
    classes: Sequence[str],
    build: Callable[[], Judge],
    examples: Iterator[tuple[Tensor, Tensor]],
    *,
    steps: int,
    report: Callable[[str], None],
    rate: float = 4e-3,
    decay: float = 1e-3,
) -> Judge:
    """Read a small classifier that judges what was made from the user's cache, or train and keep it.

    It is trained on the CPU with AdamW, one cycle of the learning rate (Smith & Topin 2018) and cross
    entropy with labels smoothed by 0.05. Weights and examples come from one fixed seed of torch; the caller's
    random numbers are left as they are.

    Args:
        name: What it judges; with the version and a digest of the classes the name of the file.
        version: Another for everything that changes what it learns, except the classes.
        classes: What it tells apart, in the order of its logits.
        build: Makes the network: inputs (B, ...) to logits (B, classes).
        examples: As many batches of inputs and labels (B,) as there are steps, at least. Not touched when the
            judge is in the cache, so that a generator does its work only where there is need.
        steps: Steps of training.
        report: Takes lines of progress.
        rate: Highest learning rate, > 0.
        decay: Weight decay, >= 0.

    Returns:
        The network, in evaluation mode.
    """
    import torch
    from safetensors.torch import load_file, save
    from torch.nn import functional

    digest = hashlib.sha256("\n".join(classes).encode()).hexdigest()[:8]
    file = f"judge-{name}-{version}-{digest}.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = build()
        if (cache_folder() / file).exists():
            network.load_state_dict(load_file(cache_folder() / file))
            return network.eval()
        optimiser = torch.optim.AdamW(network.parameters(), weight_decay=decay)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
        for step, (inputs, labels) in zip(range(steps), examples, strict=False):
            loss = functional.cross_entropy(network(inputs), labels, label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            cycle.step()
            if step % 200 == 0:
                report(f"judge of {name}: step {step} of {steps}, loss {loss.item():.3f}")
    keep_in_cache(file, save(network.state_dict()))
    return network.eval()


def frechet_distance(one: Tensor, other: Tensor) -> float:
    """Fréchet distance of the Gaussians that fit two sets of features (N, D) (Dowson & Landau 1982).

    Args:
        one, other: At least two rows each.
    """
    import torch

    a, b = (x.double() for x in (one, other))
    values, vectors = torch.linalg.eigh(torch.cov(a.T))
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    middle = torch.linalg.eigvalsh(root @ torch.cov(b.T) @ root).clamp(min=0).sqrt().sum()
    spread = torch.cov(a.T).trace() + torch.cov(b.T).trace() - 2 * middle
    return float((a.mean(0) - b.mean(0)).square().sum() + spread)
