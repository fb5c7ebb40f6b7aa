"""The loop of a hunt: gives rounds to whoever does them, keeps what is found, and says what happens.

A round is one seed on one target. It counts as done when all that it found is on the disk; whatever ends a hunt, the
next one does what is not done, and nothing twice.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from conformance.chapters import catalogue
from conformance.events import PropertyResult
from conformance.harness.load import TargetError
from conformance.harness.text import LINE, visible
from conformance.trial.interrupts import Interrupted, Interrupts
from conformance.trial.options import Options
from conformance.trial.plan import Plan
from conformance.trial.verdict import kit_version

from .corpus import Corpus, Kept, read
from .distinct import Shown, defects, how
from .engines import Engine, Gone
from .happenings import Begun, Found, Happening, Moved, Over, State, Target
from .shards import Part, Shard
from .units import NOTHING, Unit, hashed, options_of, sent

POLL = 0.1  # seconds between two looks at whether a signal came
SHARE = 0.1  # of the time of all workers, at most, for telling mutants apart
LOOK = 2.0  # seconds for one look at mutants, at most
DIAGNOSIS = 60.0  # seconds to explain failures, at most, once the budget is over


@dataclass
class Quarry:
    """One target of a hunt, and what is to be done about it.

    part      what this shard has done;  others  what other shards have, when the hunt began
    seen      how failures show that belong to findings, with the ids of these
    given     seeds of rounds that are being done;  rounds  given in this hunt
    waiting   rounds with failures that show in a new way, as they came back;  explaining  the one that is looked at
    looking   whether mutants are being told apart;  unlooked  the round whose cases are next, if there is one
    """

    target: str
    file: dict[str, str] | None
    part: Part
    others: list[Part]
    told: Target
    seen: dict[Shown, str]
    environment: dict[str, str | None] = field(default_factory=dict)
    first: dict[str, Any] = field(default_factory=dict)
    given: set[int] = field(default_factory=set)
    rounds: int = 0
    waiting: list[tuple[Unit, dict[str, Any]]] = field(default_factory=list)
    explaining: tuple[Unit, dict[str, Any]] | None = None
    looking: bool = False
    unlooked: Unit | None = None

    def fingerprint(self, options: dict[str, Any]) -> str:
        """What the covering cases were judged with: another file, kit or option is judged on them anew."""
        return hashed(repr((kit_version(), self.file and self.file["sha256"], sorted(options.items()))))

    def known(self) -> dict[str, list[str]]:
        """By property: the kinds of failures that are no news."""
        found: dict[str, list[str]] = {}
        for one in self.seen:
            found.setdefault(one.id, []).append(one.kind)
        return found


class Hunt:
    """A hunt for failures of some targets.

    rounds  how many of each target, None for any number
    away    whether the files of targets are sent
    """

    def __init__(
        self, targets: Sequence[str], options: Options, corpus: Corpus, engine: Engine, shard: Shard,
        rounds: int | None = None, away: bool = False,
    ) -> None:  # fmt: skip
        self.options, self.corpus, self.engine, self.shard = options, corpus, engine, shard
        self.carried = options_of(options)
        self.limit, self.away = rounds, away
        self.properties = Plan.of(options, catalogue).properties
        self.began = time.monotonic()
        self.spent = self.looked = 0.0  # seconds of workers, and of these for mutants
        self.before = corpus.findings()
        self.quarries = [self.quarry(target) for target in dict.fromkeys(targets)]
        told = [quarry.told for quarry in self.quarries]
        self.state = State(str(corpus.root), str(shard), engine.workers, told)

    def quarry(self, target: str) -> Quarry:
        """A target, with what the corpus knows of it. Raises TargetError where its file cannot be read."""
        part = self.corpus.part(target, self.options.seed, self.shard)
        parts = [one for one in self.corpus.parts() if one.target == target]
        others = [one for one in parts if (one.seed, one.shard) != (part.seed, part.shard)]
        mine = [one for one in self.before.values() if one.target == target]
        seen = {shown: id for one in (part, *others) for shown, id in one.seen.items() if id in self.before}
        seen |= {shown: one.id for one in mine for shown in one.shown}
        files = [(one.failing, self.corpus.counterexample(one.id)) for one in mine]
        first = {property: read(file) for property, file in files if file.exists() and property in self.properties}
        alike = [one.alike for one in parts if one.alike is not None]
        told = Target(
            visible(target, LINE), exercised=dict(sum((one.coverage for one in parts), Counter())),
            before=sum(one.done for one in parts), cases=sum(one.examples for one in parts),
            mutants=max([one.mutants for one in parts], default=0),
            alike=[id for id in alike[0] if all(id in ids for ids in alike)] if alike else None,
        )  # fmt: skip
        return Quarry(target, sent(target), part, others, told, seen, first=first)

    def events(self, interrupts: Interrupts) -> Iterator[Happening]:
        """What happens, until the budget is over, or a signal comes. Raises TargetError, UsageError, and Interrupted
        while targets are loaded.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(self.engine.end)
            for quarry in self.quarries:
                stack.enter_context(self.corpus.alone(quarry.target, self.options.seed, self.shard))
            self.load(interrupts)
            yield Begun(self.state)
            try:
                yield from self.work(interrupts)
            except (Interrupted, Gone) as end:
                self.state.interrupted = str(end)
                yield from self.unexplained()
            self.measure()
            yield Over(self.state)

    def load(self, interrupts: Interrupts) -> None:
        """Has every target loaded once. Raises TargetError, naming it, for one that cannot be."""
        for quarry in self.quarries:
            self.engine.give(self.unit("open", quarry))
        while self.engine.busy:
            interrupts.check()
            for unit, answer in self.engine.finished(POLL):
                quarry = self.of(unit)
                if why := answer.get("refused") or answer.get("lost"):
                    raise TargetError(why if quarry.told.name in why else f"{quarry.told.name}: {why}")
                quarry.told.areas, quarry.environment = answer["areas"], answer["environment"]

    def work(self, interrupts: Interrupts) -> Iterator[Happening]:
        """Gives units and hears of them, until there is nothing left to do."""
        while True:
            interrupts.check()
            while self.engine.room > 0 and (unit := self.next()):
                self.engine.give(unit)
            if not self.engine.busy and self.ended:
                return
            for unit, answer in self.engine.finished(POLL):
                yield from self.heard(unit, answer)

    # ------------------------------------------------------------ what to do next

    @property
    def left(self) -> float | None:
        """The seconds that are left; None for any time."""
        return None if self.options.budget is None else self.began + self.options.budget - time.monotonic()

    @property
    def ended(self) -> bool:
        """Whether no more rounds are to be given, or there is nothing that could be."""
        return (self.left is not None and self.left <= 0) or all(map(self.has_enough, self.quarries))

    def has_enough(self, quarry: Quarry) -> bool:
        """Whether a target has had all its rounds."""
        return self.limit is not None and quarry.rounds >= self.limit

    def next(self) -> Unit | None:
        """The next unit: failures are explained first; mutants get their share; else a round of whoever had fewest."""
        for quarry in self.quarries:
            if quarry.waiting and quarry.explaining is None and (unit := self.explanation(quarry)):
                return unit
        if self.ended:
            return None
        for quarry in self.quarries:
            if unit := self.look(quarry):
                return unit
        hungry = [quarry for quarry in self.quarries if not self.has_enough(quarry)]
        return self.round(min(hungry, key=lambda quarry: quarry.rounds))

    def unit(self, do: str, quarry: Quarry, **more: Any) -> Unit:
        """A unit about a target."""
        return Unit(do, quarry.target, self.carried, file=quarry.file if self.away else None, **more)

    def round(self, quarry: Quarry) -> Unit:
        """The next round of a target; in the first one of a hunt, what the corpus has is judged again."""
        seed = quarry.part.skip(quarry.others, quarry.given)
        covers = not quarry.rounds and quarry.part.covered != quarry.fingerprint(self.carried)
        first = {} if quarry.rounds else quarry.first
        quarry.given.add(seed)
        quarry.rounds += 1
        known = quarry.known()
        return self.unit("judge", quarry, seed=seed, covers=covers, seconds=self.left, known=known, first=first)

    def explanation(self, quarry: Quarry) -> Unit | None:
        """The first of the rounds that wait, to be explained; those that have become clear by now are noted."""
        while quarry.waiting:
            unit, answer = quarry.waiting[0]
            fresh = [one for one in answer["failed"] if how_of(one) not in quarry.seen]
            quarry.waiting.pop(0)
            if fresh:
                quarry.explaining = unit, answer
                seconds = None if self.left is None else max(self.left, DIAGNOSIS)
                return self.unit("explain", quarry, seed=unit.seed, failed=fresh, held=answer["held"], seconds=seconds)
            self.close(quarry, unit, answer)
        return None

    def look(self, quarry: Quarry) -> Unit | None:
        """A look at mutants, if there are any left and their share of the time allows it."""
        round, told = quarry.unlooked, quarry.told
        allowed = SHARE * self.spent - self.looked
        if round is None or quarry.looking or told.alike == [] or allowed < LOOK * SHARE:
            return None
        quarry.looking, quarry.unlooked = True, None
        self.looked += min(LOOK, allowed)  # until it is known how long it took
        return self.unit(
            "tell apart", quarry, seed=round.seed, covers=round.covers, alike=told.alike, seconds=min(LOOK, allowed)
        )

    # ------------------------------------------------------------ what came of it

    def of(self, unit: Unit) -> Quarry:
        """The target that a unit is about."""
        return next(quarry for quarry in self.quarries if quarry.target == unit.target)

    def heard(self, unit: Unit, answer: dict[str, Any]) -> Iterator[Happening]:
        """Notes what came of a unit."""
        quarry = self.of(unit)
        if refused := answer.get("refused"):
            raise Gone(refused)
        self.spent += answer.get("seconds", 0.0)
        if unit.do == "tell apart":
            quarry.looking = False
            self.looked += answer.get("seconds", 0.0) - (unit.seconds or 0.0)
            if "lost" not in answer:
                quarry.told.mutants, quarry.told.alike = answer["mutants"], answer["alike"]
        elif unit.do == "explain":
            yield from self.explained(quarry, answer)
        elif "lost" in answer:
            quarry.given.discard(unit.seed)
            self.lose(f"seed {unit.seed} of {quarry.told.name}: {answer['lost']}")
        else:
            yield from self.judged(quarry, unit, answer)
        self.measure()
        yield Moved(self.state)

    def lose(self, sentence: str) -> None:
        """Notes what could not be done, once."""
        if sentence not in self.state.lost:
            self.state.lost.append(sentence)

    def judged(self, quarry: Quarry, unit: Unit, answer: dict[str, Any]) -> Iterator[Happening]:
        """Notes a round; one with failures that show in a new way waits until they are explained."""
        for id, message, _ in answer["stumbled"]:
            self.lose(f"{id} at seed {unit.seed} of {quarry.told.name}: {message}")
        if unit.covers or quarry.unlooked is None:
            quarry.unlooked = unit
        for id, kind in answer["again"]:
            yield from self.see(quarry, quarry.seen[Shown(id, kind)])
        if all(how_of(one) in quarry.seen for one in answer["failed"]):
            self.close(quarry, unit, answer)
        else:
            quarry.waiting.append((unit, answer))

    def explained(self, quarry: Quarry, answer: dict[str, Any]) -> Iterator[Happening]:
        """Keeps the defects that some failures are."""
        assert quarry.explaining is not None
        (unit, round), quarry.explaining = quarry.explaining, None
        if "lost" in answer:  # then they are kept as they show
            self.lose(f"what fails at seed {unit.seed} of {quarry.told.name} could not be explained: {answer['lost']}")
            found = self.as_shown(quarry, round)
        else:
            found = answer["defects"]
        yield from self.keep(quarry, unit, round, found, answer.get("environment", quarry.environment))

    def as_shown(self, quarry: Quarry, round: dict[str, Any]) -> list[dict[str, Any]]:
        """The defects of a round without an explanation."""
        failed = [PropertyResult(**one) for one in round["failed"]]
        fresh = [one for one in failed if how(one) not in quarry.seen]
        found = defects(quarry.target, fresh, NOTHING, self.properties, lambda *_: False)
        for one in found:
            one.result.found = one.result.found and one.result.found | {"target": quarry.target}
        return [asdict(one) | {"id": one.id} for one in found]

    def keep(
        self, quarry: Quarry, unit: Unit, round: dict[str, Any], found: Sequence[dict[str, Any]],
        environment: dict[str, str | None],
    ) -> Iterator[Happening]:  # fmt: skip
        """Keeps the findings of a round, and then that it is done."""
        for defect in found:
            finding = Kept.of(defect, unit.seed, environment)
            fresh = self.corpus.keep(finding, defect["result"]["found"])
            for shown in finding.shown:
                quarry.seen[shown] = quarry.part.seen[shown] = finding.id
            yield from self.see(quarry, finding.id, fresh)
        for one in round["failed"]:
            if (id := quarry.seen.get(how_of(one))) and id not in {defect["id"] for defect in found}:
                yield from self.see(quarry, id)
        self.close(quarry, unit, round)

    def see(self, quarry: Quarry, id: str, fresh: bool = False) -> Iterator[Happening]:
        """Notes that this hunt has seen a finding."""
        first = id not in self.state.findings
        if first:
            self.state.findings[id] = self.before.get(id) or self.corpus.finding(id)
            yield Found(self.state, self.state.findings[id], fresh)

    def close(self, quarry: Quarry, unit: Unit, answer: dict[str, Any]) -> None:
        """Keeps that a round is done; what it found is on the disk already."""
        part, told = quarry.part, quarry.told
        shows = [how_of(one) for one in answer["failed"]] + [Shown(*one) for one in answer["again"]]
        for id in dict.fromkeys(quarry.seen[shown] for shown in shows):
            part.rounds[id] += 1
            self.state.again[id] = self.state.again.get(id, 0) + 1
        for shown in shows:
            part.seen[shown] = quarry.seen[shown]
        part.examples += answer["examples"]
        part.coverage.update(answer["coverage"])
        part.mutants, part.alike = told.mutants, told.alike
        if unit.covers and not answer["cut"]:
            part.covered = quarry.fingerprint(self.carried)
        part.add(unit.seed)
        quarry.given.discard(unit.seed)
        told.rounds += 1
        told.cases += answer["examples"]
        for area, number in answer["coverage"].items():
            told.exercised[area] = told.exercised.get(area, 0) + number
        self.corpus.save(part)

    def unexplained(self) -> Iterator[Happening]:
        """Keeps what has been heard of and not explained, when a hunt is interrupted."""
        for quarry in self.quarries:
            rounds = [quarry.explaining] if quarry.explaining else []
            rounds += quarry.waiting
            quarry.explaining, quarry.waiting = None, []
            for unit, round in rounds:
                yield from self.keep(quarry, unit, round, self.as_shown(quarry, round), quarry.environment)

    def measure(self) -> None:
        """Notes how far the hunt is."""
        self.state.seconds = time.monotonic() - self.began
        self.state.share = self.looked / self.spent if self.spent else 0.0
        self.state.workers = self.engine.workers


def how_of(failed: dict[str, Any]) -> Shown:
    """How a failure shows that came back as data."""
    return Shown(failed["id"], failed["kind"])
