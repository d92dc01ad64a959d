"""Checkpoints on the hub: of their files, those that a family needs are downloaded, and checked."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gen.checkpoints.checkpoint import INDEX, SCREENS, TEXTS, listed_parts, pipeline_of, read_json
from gen.checkpoints.pulled import SCHEME, HubReference, Pulled, PulledFile, find_pulled, keep_pulled
from gen.checkpoints.weights import PICKLED, choose_weights
from gen.errors import GenError, ModelError, line_of
from gen.model.remote import hub_address
from gen.offline import forbidden_by

TIMEOUT = 30.0
"""Seconds without an answer after which the hub is given up."""
OTHER = "its owner may have another repository that can be used"
"""What to do about a repository that is of no use."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSALS: Mapping[int, tuple[str, str]] = {
    401: (
        "the hub shows {} to nobody without access (401)",
        "check the name; accept its licence on its page, and run `hf auth login` or set HF_TOKEN",
    ),
    403: ("the hub refuses {} to you (403)", "accept its licence on its page with the account of your token"),
    404: ("the hub has no {} (404)", "check owner, name and revision"),
    429: (
        "the hub takes no more requests for {} now (429)",
        "wait some minutes; files that came whole are kept",
    ),
}


@dataclass(frozen=True)
class _Listed:
    """A file of a repository: its size, and its sha256 or the id that git gives it."""

    size: int
    sha256: str
    git: str


def pull(
    reference: HubReference,
    pipelines: Collection[str] | None,
    *,
    variant: str | None = None,
    allow_pickle: bool = False,
    single: bool = False,
    anew: bool = False,
) -> Pulled:
    """A checkpoint of the hub, downloaded where it is not there yet.

    Where a connection breaks off, the file is continued; a later call keeps the files that came whole. They
    go into the hub's own cache (``HF_HUB_CACHE``), which other programs share: what they have
    downloaded is not downloaded again. A checkpoint counts as pulled when all of its files are there and have
    the hub's digests.

    Args:
        reference: Which one.
        pipelines: The classes of pipelines that can be driven; of others nothing is downloaded. None takes
            any.
        variant: Of the weights: ``"fp16"``; None takes those without, or the only one.
        allow_pickle: Whether weights in pickles will do.
        single: Whether a part without a pipeline will do, as a ControlNet, or the only file of weights.
        anew: Whether the hub is asked which commit the revision means now; else what is there will do.

    Raises:
        ModelError: Connections are forbidden, the hub refuses or does not answer, the checkpoint lacks files
            or is of another pipeline, or there is no room for it.
    """
    found = find_pulled(reference, variant)
    if found is not None and not anew:
        return found
    if origin := forbidden_by() or _offline_variable():
        raise ModelError(
            f"{reference} is not downloaded yet, and {origin} forbids connections",
            f"run `gen models pull {reference}` once without it",
        )
    with _library(reference) as hub:
        return _pull(hub, reference, pipelines, variant, allow_pickle, single)


def _pull(
    hub: Any,
    reference: HubReference,
    pipelines: Collection[str] | None,
    variant: str | None,
    allow_pickle: bool,
    single: bool,
) -> Pulled:
    endpoint = hub_address()
    cache = Path(os.environ.get("HF_HUB_CACHE") or hub.constants.HF_HUB_CACHE)
    info = hub.HfApi(endpoint=endpoint).model_info(
        reference.repository, revision=reference.revision, files_metadata=True, timeout=TIMEOUT
    )
    commit, files = str(info.sha), _listing(info.siblings or ())

    def download(name: str) -> Path:
        path = hub.hf_hub_download(
            reference.repository, name, revision=commit, cache_dir=cache, endpoint=endpoint
        )
        _check(Path(path), name, files[name], reference)
        return Path(path)

    if INDEX in files and not reference.file:
        content = read_json(download(INDEX))
        if pipelines is not None and (pipeline := pipeline_of(content)) not in pipelines:
            raise ModelError(
                f"{reference} is a checkpoint of {pipeline}, which no family here drives",
                "see docs/checkpoints.md for the families, or install a plugin that brings one",
            )
        names = [INDEX, *_needed(reference, content, files, variant, allow_pickle)]
    elif single or reference.file:
        names = _single(reference, files, variant, allow_pickle)
    else:
        raise ModelError(
            f"{reference} is no checkpoint in the layout of diffusers: it has no {INDEX}",
            OTHER,
        )
    # Where the cache has them; the first is there then.
    folder = Path(download(names[0])).parents[names[0].count("/")]
    _check_room(cache, reference, sum(files[name].size for name in names if not (folder / name).is_file()))
    for name in names[1:]:
        download(name)
    pulled = Pulled(
        reference=reference,
        commit=commit,
        folder=folder,
        licence=_licence(info),
        variant=variant,
        files={name: PulledFile(files[name].size, files[name].sha256, files[name].git) for name in names},
    )
    keep_pulled(pulled)
    return pulled


def _listing(siblings: Any) -> dict[str, _Listed]:
    found = {}
    for one in siblings:
        digest = str(getattr(one.lfs, "sha256", "") or "") if one.lfs else ""
        found[str(one.rfilename)] = _Listed(int(one.size or 0), digest, str(one.blob_id or ""))
    return found


def _needed(
    reference: HubReference,
    index: Mapping[str, object],
    files: Mapping[str, _Listed],
    variant: str | None,
    allow_pickle: bool,
) -> Iterator[str]:
    """The files of all parts but ``SCREENS``: configurations, vocabularies, and weights as they are chosen.

    Raises:
        ModelError: A part is missing, needs code of the repository, or has no weights that can be read.
    """
    for part, (library, _) in listed_parts(index).items():
        inside = sorted(
            name.removeprefix(f"{part}/")
            for name in files
            if name.startswith(f"{part}/") and name.count("/") == 1
        )
        if part in SCREENS:
            continue
        if not inside:
            raise ModelError(f"{reference} lacks the part {part} that its {INDEX} names", OTHER)
        if not {f"{part}/{library}.py", f"{library}.py"}.isdisjoint(files):
            raise ModelError(
                f"the part {part} of {reference} needs {library}.py, code that gen does not run", OTHER
            )
        yield from (f"{part}/{name}" for name in inside if name.endswith(TEXTS) and ".index." not in name)
        if "config.json" in inside:
            where = f"{part} of {reference}"
            chosen = choose_weights(inside, where, variant=variant, allow_pickle=allow_pickle)
            yield from (f"{part}/{name}" for name in chosen)


def _single(
    reference: HubReference, files: Mapping[str, _Listed], variant: str | None, allow_pickle: bool
) -> list[str]:
    """The file of a reference, those of the only part, or the only file of weights, in that order.

    Raises:
        ModelError: There is no such file, or none, or more than one.
    """
    inside = [name for name in files if "/" not in name]
    endings = (".safetensors", *(PICKLED if allow_pickle else ()))
    weights = [name for name in inside if name.endswith(endings)]
    if reference.file:
        if reference.file not in files:
            known = ", ".join(sorted(inside)[:8])
            raise ModelError(f"the hub has no {reference}", f"files there: {known}" if known else "")
        return [reference.file]
    if "config.json" in inside:
        return [
            "config.json",
            *choose_weights(inside, str(reference), variant=variant, allow_pickle=allow_pickle),
        ]
    if len(weights) == 1:
        return weights
    if weights:
        raise ModelError(
            f"{reference} has several files of weights: {', '.join(sorted(weights)[:8])}",
            f"name one: {SCHEME}{reference.repository}/{min(weights)}",
        )
    if pickles := sorted(name for name in inside if name.endswith(PICKLED)):
        raise ModelError(
            f"{reference} has only pickles ({pickles[0]}), which can run code and are not read",
            "convert them to safetensors; or `allow_pickle=True`, which reads them as weights only",
        )
    raise ModelError(
        f"{reference} is no checkpoint in the layout of diffusers, no part of one and no file: "
        f"it has no {INDEX}, no config.json, and no single file of weights",
        OTHER,
    )


def _check_room(cache: Path, reference: HubReference, size: int) -> None:
    """Refuse before the download what the disk cannot hold.

    Raises:
        ModelError: There is too little room.
    """
    free = shutil.disk_usage(cache).free
    if size > free:
        raise ModelError(
            f"{reference} needs {_amount(size)} more, and {cache} has {_amount(free)} free",
            "free some room, or set HF_HUB_CACHE to a folder on another disk",
        )


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _check(path: Path, name: str, listed: _Listed, reference: HubReference) -> None:
    """Refuse, and delete, a file whose bytes are not those that the hub lists.

    Raises:
        ModelError: They differ.
    """
    file = PulledFile(listed.size, listed.sha256, listed.git)
    if not file.fits(path):
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise ModelError(
            f"{name} of {reference} came damaged: its digest is not the hub's", "pull it once more"
        )


def _licence(info: Any) -> str:
    card = getattr(info, "card_data", None)
    found = getattr(card, "license", None) if card is not None else None
    if not isinstance(found, str):
        tags = [tag for tag in getattr(info, "tags", None) or () if str(tag).startswith("license:")]
        found = str(tags[0]).removeprefix("license:") if tags else ""
    return found


def _offline_variable() -> str:
    """The variable of the environment with which the hub's library refuses connections; empty without."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return next(
        (name for name in names if os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")), ""
    )


@contextmanager
def _library(reference: HubReference) -> Iterator[Any]:
    """huggingface_hub, with bars on a terminal only; what it raises comes out as one line.

    Raises:
        ModelError: It is not installed, or failed.
    """
    try:
        import huggingface_hub
        import huggingface_hub.constants
        from huggingface_hub.utils import logging as messages
    except ImportError:
        raise ModelError(
            f"{reference} needs huggingface_hub, which is not installed", "pip install 'gen-toolkit[hub]'"
        ) from None
    utils: Any = huggingface_hub.utils
    shown, level = not utils.are_progress_bars_disabled(), messages.get_verbosity()
    terminal = sys.stderr is not None and sys.stderr.isatty()
    messages.set_verbosity(logging.ERROR)
    if not terminal:
        utils.disable_progress_bars()
    try:
        yield huggingface_hub
    except GenError:
        raise
    except Exception as error:  # the library has errors of its own, of its client, and of the system
        raise _explained(error, reference) from error
    finally:
        messages.set_verbosity(level)
        if shown and not terminal:
            utils.enable_progress_bars()


def _explained(error: BaseException, reference: HubReference) -> ModelError:
    """One line for what the hub's library raised."""
    causes = list(_chain(error))
    statuses = (getattr(getattr(one, "response", None), "status_code", None) for one in causes)
    status = next((status for status in statuses if isinstance(status, int)), None)
    if status is not None and status in _REFUSALS:
        message, hint = _REFUSALS[status]
        return ModelError(message.format(reference), hint)
    if status is not None:
        return ModelError(
            f"the hub failed at {reference} ({status})", "try again later; files that came whole are kept"
        )
    system = next((one for one in causes if isinstance(one, OSError) and one.errno), None)
    if system is not None and system.errno in _FULL:
        return ModelError(
            f"there is no room for {reference}: {system.strerror}",
            "free some room, or set HF_HUB_CACHE to a folder on another disk; files that came whole are kept",
        )
    if isinstance(system, PermissionError):
        return ModelError(
            f"the hub's cache cannot be written: {system.filename}",
            "set HF_HUB_CACHE to a folder of your own",
        )
    place = hub_address()
    reason = "no answer" if any("Timeout" in type(one).__name__ for one in causes) else line_of(causes[-1])
    return ModelError(
        f"cannot download {reference} from {re.sub(r'^https?://', '', place)}: {reason}",
        "check the network and try again; files that came whole are kept",
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what caused it, the first cause last."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
