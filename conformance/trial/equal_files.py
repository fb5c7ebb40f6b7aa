"""Where the files of targets are, and which of them are the same in the same surroundings."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from conformance.harness.files import FileError, read_bytes
from conformance.harness.snapshot import Snapshot
from conformance.harness.source_text import LARGEST
from conformance.harness.text import LINE, visible

from .configuration import Job

# By these a text could behave otherwise under another name.
OWN_NAME = re.compile(
    r"__(file|spec|loader|path|cached|module|name__(?!\s*==\s*['\"]__main__))|\bsys\b|co_filename|getsource|inspect|"
    r"traceback|dir\b|\b(glob|globals|walk)\b"
)


@dataclass
class FileCopy:
    """Where the file of a target is: its path, its hash, and the snapshot of its folder, None if it is not copied."""

    path: Path
    sha256: str
    snapshot: Snapshot | None


def places(jobs: Sequence[Job], kept: BinaryIO, say: Callable[[str], None]) -> list[FileCopy | None]:
    """Where the file of each target is, with a snapshot of each folder; None for what is no file."""
    snapshots: dict[Path, Snapshot | None] = {}
    found: list[FileCopy | None] = []
    for one in jobs:
        if not one.file:
            found.append(None)
            continue
        path = Path(os.path.abspath(one.file))
        if path.parent not in snapshots:
            snapshots[path.parent] = snapshot = Snapshot.take(path.parent, kept)
            if snapshot is None:
                what = f"{visible(os.path.dirname(one.file) or os.curdir, LINE)} is too large to be copied"
                say(f"{what}: what is judged there can change, or delete, what others need")
        snapshot = snapshots[path.parent]
        entry = snapshot.entries.get(Path(path.name)) if snapshot else None
        found.append(FileCopy(path, entry.sha256 if entry else hash_of(path), snapshot if entry else None))
    return found


def hash_of(path: Path) -> str:
    """The SHA-256 of a file; empty if it cannot be read."""
    with contextlib.suppress(FileError):
        return hashlib.sha256(read_bytes(path, LARGEST)).hexdigest()
    return ""


def leaders(jobs: Sequence[Job], places: Sequence[FileCopy | None]) -> dict[int, int]:
    """Of each target, by its number, the first that is the same file in the same surroundings; itself if there is none.

    The same: as bytes, with the same options, and beside it nothing but the same, in a folder that was copied. A text
    by which it could tell one name from another, its own or that of another such file, makes it another one.
    """
    often = Counter(place.sha256 for place in places if place)
    alike: dict[Any, list[int]] = {}
    for number, (one, place) in enumerate(zip(jobs, places)):
        kind: Any = number
        if place and place.snapshot and often[place.sha256] > 1 and not one.refusal:
            kind = place.sha256, one.target.replace(one.file, ""), one.options, surroundings(place)
        alike.setdefault(kind, []).append(number)
    found: dict[int, int] = {}
    for same in alike.values():
        one_for_all = len(same) > 1 and are_nameless([place for number in same if (place := places[number])])
        found |= {number: same[0] if one_for_all else number for number in same}
    return dict(sorted(found.items()))


def surroundings(place: FileCopy) -> frozenset[tuple[str, str, bool]]:
    """All in the folder of a file but what has its bytes: names, and hashes or goals."""
    assert place.snapshot is not None
    others = [(name, entry) for name, entry in place.snapshot.entries.items() if entry.sha256 != place.sha256]
    return frozenset((str(name), entry.sha256 or entry.link, entry.is_folder) for name, entry in others)


def are_nameless(places: Sequence[FileCopy]) -> bool:
    """Whether files of the same bytes do the same under each of their names, as far as their text tells.

    In several folders the texts beside them count, too, where each could look for what is around its own.
    """
    first, names = places[0], {place.path.stem for place in places}
    assert first.snapshot is not None
    apart = len({place.path.parent for place in places}) > 1
    read = [entry for name, entry in first.snapshot.entries.items()
            if str(name) == first.path.name or (apart and entry.sha256 and name.suffix == ".py")]  # fmt: skip
    text = "\n".join(first.snapshot.bytes_of(entry).decode(errors="replace") for entry in read)
    return not OWN_NAME.search(text) and (len(names) == 1 or not names & set(re.findall(r"\w+", text)))
