"""Which seeds a hunt takes: those of its share that nobody has had, and what it keeps of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Container, Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Annotated, Any, Literal

from conformance.harness.records import Meta, RecordError, record
from conformance.trial.options import UsageError

from .deduplication import FailureSignature, Hash

SCHEMA = 1
MOST = 10**9  # rounds of a share: each takes milliseconds at least
LOOKS = 100_000  # at seeds of this share, one after the other, that others have had
Count = Annotated[int, Meta(ge=0, le=10**15)]
Place = Annotated[int, Meta(ge=0, le=MOST)]  # of a seed among those of its share
Seed = Annotated[int, Meta(ge=-(10**18), le=10**18)]  # the first one, as an option says it


@dataclass(frozen=True)
class SeedsFile:
    """What a file says that one shard has done; see Part."""

    schema: Literal[1]
    target: str
    seed: Seed
    shard: str
    next: Place
    ahead: set[Place]
    covered: str
    examples: Count
    coverage: dict[str, Count]
    mutants: Count
    alike: list[str] | None
    held: list[str]
    seen: list[tuple[str, str, Hash]]
    rounds: dict[Hash, Count]


@dataclass(frozen=True)
class Shard:
    """One share of the seeds of a hunt, counted from 1, of so many."""

    number: int = 1
    of: int = 1

    @classmethod
    def read(cls, text: str) -> Shard:
        """The shard that ``2/8`` names. Raises UsageError."""
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"shard: {text!r} is no share like 2/8, the second of eight")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def seeds(self, base: int, place: int = 0) -> Iterator[int]:
        """The seeds of this share from a place on, without end: no two shards of so many have one in common."""
        return count(base + self.number - 1 + place * self.of, self.of)


@dataclass
class Part:
    """What one shard has done on a target.

    seed      the first of all seeds;  next  of its seeds, how many in a row are done;  ahead  the places of others
    covered   what was judged on the covering cases: target, kit and options, as a hash
    examples  cases judged;  coverage  how many of them exercised what
    mutants   how many mistakes were derived;  alike  those of them that no case has told apart
    held      the properties that held on the covering cases
    seen      how failures show that belong to findings;  rounds  by finding: how many showed it
    """

    target: str
    seed: int
    shard: Shard
    next: int = 0
    ahead: set[int] = field(default_factory=set)
    covered: str = ""
    examples: int = 0
    coverage: Counter[str] = field(default_factory=Counter)
    mutants: int = 0
    alike: list[str] | None = None
    held: list[str] = field(default_factory=list)
    seen: dict[FailureSignature, str] = field(default_factory=dict)
    rounds: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """How many seeds are done."""
        return self.next + len(self.ahead)

    @property
    def end(self) -> int:
        """A seed behind all that are done."""
        return self.seed + self.shard.of * (1 + max(self.next, *self.ahead, 0))

    def has(self, seed: int) -> bool:
        """Whether a seed is done."""
        place, other = divmod(seed - self.seed - self.shard.number + 1, self.shard.of)
        return not other and (0 <= place < self.next or place in self.ahead)

    def add(self, seed: int) -> None:
        """Notes that a seed of this shard is done."""
        self.ahead.add((seed - self.seed) // self.shard.of)
        while self.next in self.ahead:
            self.ahead.remove(self.next)
            self.next += 1

    def skip(self, others: Collection[Part], taken: Container[int]) -> int:
        """A seed of this shard that is neither done by any part nor taken: the first, or one behind all that are."""
        parts = (self, *others)
        seeds = self.shard.seeds(self.seed, self.next)
        for seed in islice(seeds, LOOKS):
            if seed not in taken and not any(part.has(seed) for part in parts):
                return seed
        end = max(part.end for part in parts)
        behind = max(self.next, (end - self.seed) // self.shard.of + 1)
        return next(seed for seed in self.shard.seeds(self.seed, behind) if seed not in taken)

    def with_(self, other: Part) -> Part:
        """What both have done, where they are the same share: nothing counts twice."""
        further = max(self, other, key=lambda part: part.done)
        alike = [part.alike for part in (self, other) if part.alike is not None]
        done = Part(
            self.target, self.seed, self.shard, max(self.next, other.next), self.ahead | other.ahead,
            further.covered, further.examples, further.coverage, further.mutants,
            [id for id in alike[0] if id in alike[-1]] if alike else None,
            further.held, self.seen | other.seen, self.rounds | other.rounds,
        )  # fmt: skip
        done.ahead = {place for place in done.ahead if place >= done.next}
        while done.next in done.ahead:
            done.ahead.remove(done.next)
            done.next += 1
        return done

    def to_data(self) -> dict[str, Any]:
        """The part as plain data."""
        return {
            "schema": SCHEMA, "target": self.target, "seed": self.seed, "shard": str(self.shard), "next": self.next,
            "ahead": sorted(self.ahead), "covered": self.covered, "examples": self.examples,
            "coverage": dict(self.coverage), "mutants": self.mutants, "alike": self.alike,
            "held": self.held,
            "seen": [[shown.id, shown.kind, id] for shown, id in self.seen.items()],
            "rounds": dict(self.rounds),
        }  # fmt: skip

    @classmethod
    def from_data(cls, data: Any) -> Part:
        """The part that ``to_data`` described. Raises RecordError for what is none."""
        file: SeedsFile = record(SeedsFile, data)
        try:
            shard = Shard.read(file.shard)
        except UsageError as error:
            raise RecordError(str(error).partition(": ")[2], "shard") from None
        seen = {FailureSignature(property, kind): id for property, kind, id in file.seen}
        return cls(
            file.target, file.seed, shard, file.next, file.ahead, file.covered, file.examples, Counter(file.coverage),
            file.mutants, file.alike, file.held, seen, Counter(file.rounds),
        )  # fmt: skip
