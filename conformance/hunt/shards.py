"""Which seeds a hunt takes: those of its share that nobody has had, and what it keeps of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from conformance.trial.options import UsageError

from .distinct import Shown

SCHEMA = 1


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

    def seeds(self, base: int) -> Iterator[int]:
        """The seeds of this share, without end: no two shards of so many have one in common."""
        return count(base + self.number - 1, self.of)


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
    seen: dict[Shown, str] = field(default_factory=dict)
    rounds: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """How many seeds are done."""
        return self.next + len(self.ahead)

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
        """The first seed of this shard that is neither done by any part nor taken."""
        parts = (self, *others)
        seeds = self.shard.seeds(self.seed)
        return next(seed for seed in seeds if seed not in taken and not any(part.has(seed) for part in parts))

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
    def from_data(cls, data: Mapping[str, Any]) -> Part:
        """The part that ``to_data`` described; raises ValueError, KeyError or TypeError for what is none."""
        if data["schema"] != SCHEMA:
            raise ValueError(f"it has schema {data['schema']!r}, must be {SCHEMA}")
        seen = {Shown(str(property), str(kind)): str(id) for property, kind, id in data["seen"]}
        alike, held = data["alike"], list(map(str, data["held"]))
        return cls(
            str(data["target"]), int(data["seed"]), Shard.read(data["shard"]), int(data["next"]),
            set(map(int, data["ahead"])), str(data["covered"]), int(data["examples"]), Counter(data["coverage"]),
            int(data["mutants"]), None if alike is None else list(map(str, alike)), held, seen, Counter(data["rounds"]),
        )  # fmt: skip
