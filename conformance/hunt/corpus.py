"""The corpus: a folder with one folder for each distinct failure, and one file for each share of the seeds.

    DIR/findings/ID/finding.json         what is wrong, when and with which versions it was first seen; new or known
    DIR/findings/ID/counterexample.json  what shows it, as check keeps it too
    DIR/seeds/NAME.json                  what one shard has done on one target

ID is a hash of what makes the failure distinct, NAME one of target, seed and shard. So several hunts agree on names;
a finding appears whole or not at all, and belongs to whoever was first; each file of seeds has one writer.

Others may have written it. What cannot be read is left out, and told in a line; what it names is not opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from conformance.harness.files import UNFINISHED, FileError, Folder
from conformance.harness.records import Meta, RecordError, record
from conformance.judging.serialisation import (
    CounterexampleError,
    Numbers,
    Unclaimed,
    counterexample_from_data,
    document,
)
from conformance.trial.options import UsageError
from conformance.trial.verdict import kit_version

from .deduplication import FAILURE, MISTAKE, SENTENCE, FailureSignature, Hash
from .shards import Part, Seed, Shard

SCHEMA = 1
LARGEST = 2**26  # bytes of a file
NEW, KNOWN = "new", "known"
FINDING, COUNTEREXAMPLE = "finding.json", "counterexample.json"
WRITING = 3600.0  # seconds that nobody takes to write a file
SHORTEST = 4  # characters of the beginning of an id

Value = TypeVar("Value")


@dataclass(frozen=True)
class Kept:
    """A finding of a corpus.

    key        what makes it distinct;  title, patch  see Defect;  status  NEW or KNOWN
    failing    the property that stands for it, with its statement and the message;  shown  how it shows
    seed       of the round that found it;  first_seen  when;  kit_version, environment  with what
    given      what the target answered to the calls of the counterexample
    """

    id: Hash
    target: str
    key: Annotated[list[str], Meta(min_length=2)]
    title: str
    patch: str
    status: Annotated[str, Meta(pattern=f"{NEW}|{KNOWN}")]
    failing: str
    statement: str
    message: str
    shown: list[FailureSignature]
    seed: Seed
    first_seen: Annotated[str, Meta(pattern=r"\d{4}-\d\d-\d\dT[0-9:.+-]{1,32}Z?")]
    kit_version: str
    environment: dict[str, str | None]
    given: list[dict[str, Numbers]] = field(default_factory=list)
    schema: Literal[1] = 1

    @classmethod
    def of(cls, defect: Mapping[str, Any], seed: int, environment: dict[str, str | None]) -> Kept:
        """The finding that a defect is, as it comes from a worker."""
        result, shown = defect["result"], [FailureSignature(**one) for one in defect["shown"]]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(
            defect["id"], defect["target"], list(defect["key"]), defect["title"], defect["patch"], NEW, result["id"],
            result["statement"], result["message"], shown, seed, now, kit_version(), environment,
            record(list[dict[str, Numbers]], defect.get("given", [])),
        )  # fmt: skip

    def to_data(self) -> dict[str, Any]:
        """The finding as plain data."""
        return {"schema": self.schema} | asdict(self)

    @classmethod
    def from_data(cls, data: Any) -> Kept:
        """The finding that ``to_data`` described. Raises RecordError."""
        found: Kept = record(cls, data)
        if found.key[0] not in (MISTAKE, SENTENCE, FAILURE):
            raise RecordError(f"is {found.key[0]!r}, must be one of {MISTAKE}, {SENTENCE}, {FAILURE}", "key[0]")
        return found

    @property
    def is_new(self) -> bool:
        """Whether nobody has said that it is known."""
        return self.status == NEW


class Corpus:
    """A corpus in a folder. Raises OSError where that cannot be written, UsageError for what is no corpus.

    unread  what could not be read so far, in a line each, which names the file and the key
    """

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, Folder(root, durable=True)
        self.unread: dict[str, None] = {}

    @classmethod
    def made(cls, root: Path) -> Corpus:
        """The corpus in a folder, which is made, and can be written."""
        made = cls(root)
        for name in ("findings", "seeds"):
            made.folder.make(name)
            for left in (root / name).glob(f"{UNFINISHED}*"):
                cleared(left)
        return made

    @classmethod
    def there(cls, root: Path) -> Corpus:
        """The corpus in a folder that has one. Raises UsageError."""
        if not (root / "findings").is_dir():
            raise UsageError(f"{root} is no corpus: it has no folder findings; rnn-conformance hunt TARGET makes one")
        return cls(root)

    def understood(self, file: Path, of: Callable[[Any], Value]) -> Value:
        """What a file of the corpus describes. Raises UsageError, naming it and the key."""
        try:
            return of(self.folder.read_json(file.relative_to(self.root).parts, LARGEST))
        except FileError as error:
            raise UsageError(f"{file} cannot be read: {error}") from None
        except (RecordError, CounterexampleError) as error:
            raise UsageError(f"{file}: {error}") from None

    def attempt(self, file: Path, of: Callable[[Any], Value]) -> Value | None:
        """What a file of the corpus describes; None where that cannot be read, which is noted."""
        try:
            return self.understood(file, of)
        except UsageError as error:
            self.unread[str(error)] = None
            return None

    # ------------------------------------------------------------ findings

    def findings(self) -> dict[str, Kept]:
        """All findings that can be read, by id, those first that were seen first."""
        places = [place for place in (self.root / "findings").iterdir() if not place.name.startswith(".")]
        found = [one for place in sorted(places) if place.is_dir() and (one := self.finding(place.name))]
        return {one.id: one for one in sorted(found, key=lambda one: (one.first_seen, one.id))}

    def finding(self, id: str) -> Kept | None:
        """One finding; None where it cannot be read."""

        def here(data: Any) -> Kept:
            found = Kept.from_data(data)
            if found.id != id:
                raise RecordError(f"is {found.id!r}, must be {id!r}, the name of its folder", "id")
            return found

        return self.attempt(self.root / "findings" / id / FINDING, here)

    def counterexample(self, id: str) -> Path:
        """The file of what shows a finding; some have none, since the target could not even be built."""
        return self.root / "findings" / id / COUNTEREXAMPLE

    def shown_by(self, id: str) -> Any | None:
        """What shows a finding, as data; None where there is nothing, or it cannot be read."""
        file = self.counterexample(id)
        return self.attempt(file, read_entry) if os.path.lexists(file) else None

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
        texts = {FINDING: document(finding.to_data())}
        if counterexample is not None:
            texts[COUNTEREXAMPLE] = document(counterexample)
        return self.folder.add(("findings", finding.id), texts)

    def mark(self, finding: Kept, status: str) -> None:
        """Says that a finding is known, or new."""
        self.folder.write(("findings", finding.id, FINDING), document(finding.to_data() | {"status": status}))

    # ------------------------------------------------------------ seeds

    def parts(self) -> list[Part]:
        """What all shards have done, as far as it can be read."""
        files = sorted((self.root / "seeds").glob("[!.]*.json"))
        return [part for file in files if (part := self.attempt(file, self.of_its_name(file)))]

    def of_its_name(self, file: Path) -> Callable[[Any], Part]:
        """The reader of a file of seeds, which must have the name that its shard has."""

        def read(data: Any) -> Part:
            part = Part.from_data(data)
            if self.file_of(part.target, part.seed, part.shard).name != file.name:
                raise RecordError("has another name than its target, seed and shard give")
            return part

        return read

    def file_of(self, target: str, seed: int, shard: Shard) -> Path:
        """The file of a part."""
        name = hashlib.sha256(json.dumps([target, seed, str(shard)]).encode()).hexdigest()
        return self.root / "seeds" / f"{name}.json"

    def part(self, target: str, seed: int, shard: Shard) -> Part:
        """What a shard has done on a target. Raises UsageError where that cannot be read."""
        file = self.file_of(target, seed, shard)
        try:
            return self.understood(file, self.of_its_name(file)) if os.path.lexists(file) else Part(target, seed, shard)
        except UsageError as error:
            raise UsageError(f"{error}; move it away to begin this share anew") from None

    def save(self, part: Part) -> None:
        """Keeps what a shard has done."""
        file = self.file_of(part.target, part.seed, part.shard)
        self.folder.write(("seeds", file.name), json.dumps(part.to_data()) + "\n")

    @contextlib.contextmanager
    def alone(self, target: str, seed: int, shard: Shard) -> Iterator[None]:
        """A block in which no other process works on a part. Raises UsageError where one does."""
        file = self.file_of(target, seed, shard).with_suffix(".lock")
        with self.folder.locked(("seeds", file.name)) as alone:
            if not alone:
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
        """Adds what another corpus has and can be read; how many findings are new here. What is known in one of them is
        known.
        """
        added, here = 0, self.findings()
        for id, finding in other.findings().items():
            if id not in here:
                data = other.shown_by(id)
                if data is not None or not os.path.lexists(other.counterexample(id)):
                    added += self.keep(finding, data)
            elif here[id].is_new and not finding.is_new:
                self.mark(here[id], KNOWN)
        for part in other.parts():
            with self.alone(part.target, part.seed, part.shard):
                try:
                    mine = self.part(part.target, part.seed, part.shard)
                except UsageError as error:
                    self.unread[str(error)] = None
                else:
                    self.save(mine.with_(part))
        return added


def read_entry(data: Any) -> Any:
    """The data of a counterexample. Raises CounterexampleError for what is none; its target's cells are not needed."""
    with contextlib.suppress(Unclaimed):
        counterexample_from_data(data, described=True)
    return data


def cleared(left: Path) -> None:
    """Removes what a process left that was killed while it wrote, if nobody can be writing it any more."""
    with contextlib.suppress(OSError):
        if time.time() - left.stat().st_mtime > WRITING:
            shutil.rmtree(left) if left.is_dir() else left.unlink()
