"""What happens in a hunt, for those who listen."""

from __future__ import annotations

from dataclasses import dataclass, field

from .corpus import Kept


@dataclass
class Target:
    """What is known of one target of a hunt.

    claims     in words, those that are to be exercised;  exercised  how many cases of all hunts did
    rounds     done in this hunt, of ``before`` that were done before;  cases  judged, in all hunts
    mutants    mistakes derived from its cells;  alike  those not told apart yet, None where nobody has looked
    """

    name: str
    areas: list[str] = field(default_factory=list)
    exercised: dict[str, int] = field(default_factory=dict)
    rounds: int = 0
    before: int = 0
    cases: int = 0
    mutants: int = 0
    alike: list[str] | None = None

    @property
    def covered(self) -> list[str]:
        """What was to be exercised and has been."""
        return [area for area in self.areas if self.exercised.get(area)]


@dataclass
class State:
    """Where a hunt is.

    findings  those that this hunt has seen, by id, with the status that they had when it began
    again     how many rounds of it have shown each
    share     of the time of all workers, what went into telling mutants apart
    lost      what could not be done, in a sentence each;  early  why it ended before its time, empty if it did not
    unkept    whether the corpus could not be written, and what was found last is not in it
    """

    corpus: str
    shard: str
    workers: int
    targets: list[Target]
    findings: dict[str, Kept] = field(default_factory=dict)
    again: dict[str, int] = field(default_factory=dict)
    share: float = 0.0
    seconds: float = 0.0
    lost: list[str] = field(default_factory=list)
    early: str = ""
    unkept: bool = False

    @property
    def new(self) -> list[Kept]:
        """The findings that nobody has marked as known."""
        return [one for one in self.findings.values() if one.is_new]

    @property
    def known(self) -> list[Kept]:
        """The findings that are marked as known."""
        return [one for one in self.findings.values() if not one.is_new]

    @property
    def rounds(self) -> int:
        """How many rounds this hunt has done."""
        return sum(target.rounds for target in self.targets)

    @property
    def status(self) -> int:
        """The exit status: 1 something that is not known, 2 could not tell, 0 the budget is over without."""
        if self.new:
            return 1
        return 2 if self.early or self.lost or not self.rounds else 0


@dataclass(frozen=True)
class Begun:
    """All targets are loaded."""

    state: State


@dataclass(frozen=True)
class FindingFound:
    """A distinct failure that the corpus did not have, or that this hunt had not seen yet.

    fresh  whether the corpus did not have it
    """

    state: State
    finding: Kept
    fresh: bool


@dataclass(frozen=True)
class Moved:
    """Something was done: a round, or a look at mutants."""

    state: State


@dataclass(frozen=True)
class Idle:
    """There are no workers, for so many seconds now."""

    state: State
    seconds: float


@dataclass(frozen=True)
class HuntOver:
    """The hunt is over."""

    state: State


Happening = Begun | FindingFound | Moved | Idle | HuntOver
