"""The corpus: a folder with one folder for each distinct failure, and one file for each share of the seeds.

    DIR/findings/ID/finding.json         what is wrong, when and with which versions it was first seen; new or known
    DIR/findings/ID/counterexample.json  what shows it, as check keeps it too
    DIR/seeds/NAME.json                  what one shard has done on one target

ID is a hash of what makes the failure distinct, NAME one of target, seed and shard. So several hunts agree on names;
a finding appears whole or not at all, and belongs to whoever was first; each file of seeds has one writer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance.harness.files import FileError, read_json
from conformance.judging.data import document
from conformance.trial.options import UsageError
from conformance.trial.verdict import kit_version

from .distinct import Shown
from .shards import Part, Shard

SCHEMA = 1
LARGEST = 2**26  # bytes of a file
NEW, KNOWN = "new", "known"
FINDING, COUNTEREXAMPLE = "finding.json", "counterexample.json"
WRITING = 3600.0  # seconds that nobody takes to write a file
SHORTEST = 4  # characters of the beginning of an id


@dataclass(frozen=True)
class Kept:
    """A finding of a corpus.

    key        what makes it distinct;  title, patch  see Defect;  status  NEW or KNOWN
    failing    the property that stands for it, with its statement and the message;  shown  how it shows
    seed       of the round that found it;  first_seen  when;  kit_version, environment  with what
    given      what the target answered to the calls of the counterexample
    """

    id: str
    target: str
    key: list[str]
    title: str
    patch: str
    status: str
    failing: str
    statement: str
    message: str
    shown: list[Shown]
    seed: int
    first_seen: str
    kit_version: str
    environment: dict[str, str | None]
    given: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, defect: Mapping[str, Any], seed: int, environment: dict[str, str | None]) -> Kept:
        """The finding that a defect is, as it comes from a worker."""
        result, shown = defect["result"], [Shown(**one) for one in defect["shown"]]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(
            defect["id"], defect["target"], list(defect["key"]), defect["title"], defect["patch"], NEW, result["id"],
            result["statement"], result["message"], shown, seed, now, kit_version(), environment,
            defect.get("given", []),
        )  # fmt: skip

    def to_data(self) -> dict[str, Any]:
        """The finding as plain data."""
        return {"schema": SCHEMA} | asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Kept:
        """The finding that ``to_data`` described; raises KeyError, TypeError or ValueError for what is none."""
        if data.pop("schema") != SCHEMA or data["status"] not in (NEW, KNOWN):
            raise ValueError(f"it is no finding of schema {SCHEMA}")
        return cls(**data | {"shown": [Shown(**one) for one in data["shown"]]})

    @property
    def is_new(self) -> bool:
        """Whether nobody has said that it is known."""
        return self.status == NEW


class Corpus:
    """A corpus in a folder. Raises OSError where that cannot be read or written, UsageError for what is no corpus."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def made(cls, root: Path) -> Corpus:
        """The corpus in a folder, which is made, and can be written."""
        for name in ("findings", "seeds"):
            (root / name).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=root / name):
                pass
            for left in (root / name).glob(".new-*"):
                cleared(left)
        return cls(root)

    @classmethod
    def there(cls, root: Path) -> Corpus:
        """The corpus in a folder that has one. Raises UsageError."""
        if not (root / "findings").is_dir():
            raise UsageError(f"{root} is no corpus: it has no folder findings; rnn-conformance hunt TARGET makes one")
        return cls(root)

    # ------------------------------------------------------------ findings

    def findings(self) -> dict[str, Kept]:
        """All findings by id, those first that were seen first. Raises UsageError, naming the file."""
        places = [place for place in (self.root / "findings").iterdir() if not place.name.startswith(".")]
        found = [self.finding(place.name) for place in places if place.is_dir()]
        return {one.id: one for one in sorted(found, key=lambda one: (one.first_seen, one.id))}

    def finding(self, id: str) -> Kept:
        """One finding. Raises UsageError, naming its file."""
        return understood(self.root / "findings" / id / FINDING, Kept.from_data)

    def counterexample(self, id: str) -> Path:
        """The file of what shows a finding; some have none, since the target could not even be built."""
        return self.root / "findings" / id / COUNTEREXAMPLE

    def called(self, beginning: str) -> Kept:
        """The finding whose id begins so. Raises UsageError where there is none or more than one."""
        found = self.findings()
        fits = [one for id, one in found.items() if id.startswith(beginning) and len(beginning) >= SHORTEST]
        if len(fits) == 1:
            return fits[0]
        there = ", ".join(f"{one.id[:12]} ({one.title[:60]})" for one in fits or found.values()) or "none yet"
        raise UsageError(f"{beginning!r} names {'no' if not fits else 'more than one'} finding; there are: {there}")

    def keep(self, finding: Kept, counterexample: Any | None) -> bool:
        """Keeps a finding, all of it in one step; False if it was there already."""
        home = self.root / "findings"
        if (home / finding.id).exists():
            return False
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=home))
        try:
            written(new / FINDING, document(finding.to_data()))
            if counterexample is not None:
                written(new / COUNTEREXAMPLE, document(counterexample))
            synced(new)
            os.chmod(new, 0o755)
            os.rename(new, home / finding.id)
        except OSError:
            shutil.rmtree(new, ignore_errors=True)
            if (home / finding.id).exists():  # another hunt was first
                return False
            raise
        synced(home)
        return True

    def mark(self, finding: Kept, status: str) -> None:
        """Says that a finding is known, or new."""
        replaced(self.root / "findings" / finding.id / FINDING, document(finding.to_data() | {"status": status}))

    # ------------------------------------------------------------ seeds

    def parts(self) -> list[Part]:
        """What all shards have done. Raises UsageError, naming the file."""
        files = sorted((self.root / "seeds").glob("[!.]*.json"))
        return [understood(file, Part.from_data) for file in files]

    def file_of(self, target: str, seed: int, shard: Shard) -> Path:
        """The file of a part."""
        name = hashlib.sha256(json.dumps([target, seed, str(shard)]).encode()).hexdigest()
        return self.root / "seeds" / f"{name}.json"

    def part(self, target: str, seed: int, shard: Shard) -> Part:
        """What a shard has done on a target."""
        file = self.file_of(target, seed, shard)
        return understood(file, Part.from_data) if file.exists() else Part(target, seed, shard)

    def save(self, part: Part) -> None:
        """Keeps what a shard has done."""
        replaced(self.file_of(part.target, part.seed, part.shard), json.dumps(part.to_data()) + "\n")

    @contextlib.contextmanager
    def alone(self, target: str, seed: int, shard: Shard) -> Iterator[None]:
        """A block in which no other process works on a part. Raises UsageError where one does."""
        file = self.file_of(target, seed, shard).with_suffix(".lock")
        with open(file, "a") as lock:
            if not locked(lock.fileno()):
                raise UsageError(
                    f"another hunt is at work on share {shard} of {target} in {self.root}; give each its own, as with "
                    "--shard 1/2 and --shard 2/2"
                )
            yield

    def rounds(self) -> Counter[str]:
        """How many rounds have shown each finding."""
        total: Counter[str] = Counter()
        for part in self.parts():
            total.update(part.rounds)
        return total

    def add(self, other: Corpus) -> int:
        """Adds what another corpus has; how many findings are new here. What is known in one of them is known."""
        added, here = 0, self.findings()
        for id, finding in other.findings().items():
            if id not in here:
                file = other.counterexample(id)
                added += self.keep(finding, read(file) if file.exists() else None)
            elif here[id].is_new and not finding.is_new:
                self.mark(here[id], KNOWN)
        for part in other.parts():
            with self.alone(part.target, part.seed, part.shard):
                self.save(self.part(part.target, part.seed, part.shard).with_(part))
        return added


def read(file: Path) -> Any:
    """The data in a file of a corpus. Raises UsageError, naming it."""
    try:
        return read_json(file, LARGEST)
    except FileError as error:
        raise UsageError(f"{file} cannot be read: {error}") from None


def understood(file: Path, of: Any) -> Any:
    """What a file of a corpus describes. Raises UsageError, naming it."""
    try:
        return of(read(file))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{file} is no file of a corpus: {type(error).__name__}: {error}") from None


def replaced(file: Path, text: str) -> None:
    """Puts a file in the place of the one that had its name: whoever reads finds the old text or the new one, and what
    was written is on the disk.
    """
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
        os.replace(name, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    synced(file.parent)


def cleared(left: Path) -> None:
    """Removes what a process left that was killed while it wrote, if nobody can be writing it any more."""
    with contextlib.suppress(OSError):
        if time.time() - left.stat().st_mtime > WRITING:
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def written(file: Path, text: str) -> None:
    """Writes a new file to the disk."""
    with open(file, "x", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def synced(folder: Path) -> None:
    """Has the names in a folder on the disk, where the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def locked(descriptor: int) -> bool:
    """Whether this process alone holds a file from now on; where the system has no such locks, it is not asked."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
