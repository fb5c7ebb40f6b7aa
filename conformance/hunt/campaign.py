"""The loop of a hunt: gives rounds to whoever does them, keeps what is found, and says what happens.

A round is one seed on one target. It counts as done when all that it found is on the disk; whatever ends a hunt, the
next one does what is not done, and nothing twice. With a budget, rounds end with it, explanations have EXPLAINING
seconds more, and one call may still be under way; then all workers are ended.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import inf
from typing import Any

from conformance.chapters import catalogue
from conformance.events import PropertyResult
from conformance.harness.load import TargetError
from conformance.harness.text import LINE, visible
from conformance.trial.interrupts import Interrupted, Interrupts
from conformance.trial.options import Options, UsageError
from conformance.trial.plan import Plan, limits_of
from conformance.trial.verdict import kit_version

from .corpus import Corpus, Kept
from .deduplication import FAILURE, FailureSignature, defects
from .executors import Engine, Gone
from .hunt_events import Begun, FindingFound, Happening, HuntOver, Idle, Moved, State, Target
from .shards import Part, Shard
from .units import NOTHING, Unit, file_to_send, options_of, text_hash

POLL = 0.1  # seconds between two looks at whether a signal came
SHARE = 0.1  # of the time of all workers, at most, for telling mutants apart
LEAST, LOOK = 1.0, 5.0  # seconds of that share that one look at mutants is begun with, and that it may have
BEHIND = 8  # times that the properties of a round are judged on behind what is known
TRIES = 3  # for a unit whose worker dies
EXPLAINING = 60.0  # seconds to explain failures, at most, once the budget is over
WAIT = 600.0  # seconds without workers, at most, where there is no budget
MINUTE = 60.0  # seconds between two lines that there are none
DONE = {"open": "loaded", "judge": "judged", "explain": "explained", "tell apart": "looked at"}
CUT = "the budget is over"  # as it is for every round that was begun: nothing is lost with it

Heard = Callable[[Unit, dict[str, Any]], Iterator[Happening]]


@dataclass
class Round:
    """One seed on one target, while it is being judged.

    unit    what was given first;  judged  whether all of it is;  tries  how often some of it was given
    failed  what fails, each way in which it shows once, with its counterexample;  again  what was known before
    held    the properties that hold on all of its cases;  cut  whether the time was over before all was judged
    """

    unit: Unit
    judged: bool = False
    tries: int = 1
    failed: dict[FailureSignature, dict[str, Any]] = field(default_factory=dict)
    again: dict[FailureSignature, None] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)
    examples: int = 0
    coverage: dict[str, int] = field(default_factory=dict)
    cut: bool = False

    def hear(self, answer: dict[str, Any]) -> None:
        """Notes what came back: of the whole round, or of the properties that are judged on behind what is known."""
        self.failed |= {FailureSignature(one["id"], one["kind"]): one for one in answer["failed"]}
        self.again |= {shown: None for one in answer["again"] if (shown := FailureSignature(*one)) not in self.failed}
        if self.tries == 1:
            self.held, self.examples, self.coverage = answer["held"], answer["examples"], answer["coverage"]
        self.cut |= answer["cut"]

    @property
    def shows(self) -> list[FailureSignature]:
        """How all that fails shows."""
        return [*self.failed, *self.again]


@dataclass
class Quarry:
    """One target of a hunt, and what is to be done about it.

    part      what this shard has done;  others  what other shards have, when the hunt began
    seen      how failures show that belong to findings, with the ids of these
    going     the rounds that are not done, by seed;  given  the seeds of all in this hunt
    todo      units of rounds that have begun, to be given next
    explaining  the round whose failures are being explained;  looking  whether mutants are being told apart
    unlooked  the round whose cases are to be looked at next
    """

    target: str
    file: dict[str, str] | None
    part: Part
    others: list[Part]
    told: Target
    seen: dict[FailureSignature, str]
    environment: dict[str, str | None] = field(default_factory=dict)
    first: dict[str, list[Any]] = field(default_factory=dict)
    going: dict[int, Round] = field(default_factory=dict)
    given: set[int] = field(default_factory=set)
    todo: list[Unit] = field(default_factory=list)
    explaining: Round | None = None
    looking: bool = False
    unlooked: Unit | None = None

    def fingerprint(self, options: dict[str, Any]) -> str:
        """What the covering cases were judged with: another file, kit or option is judged on them anew."""
        return text_hash(repr((kit_version(), self.file and self.file["sha256"], sorted(options.items()))))

    def known(self, round: Round | None = None) -> dict[str, list[str]]:
        """The kinds of failures already seen, and of the round's if one is given, by the id of the property."""
        found: dict[str, list[str]] = {}
        for one in dict.fromkeys((*self.seen, *(round.shows if round else ()))):
            found.setdefault(one.id, []).append(one.kind)
        return found

    def fresh(self, round: Round) -> list[dict[str, Any]]:
        """The failures of a round that show in a way that is not known yet."""
        return [data for shown, data in round.failed.items() if shown not in self.seen]

    def due(self) -> Round | None:
        """The round to be explained next: in the order of seeds, so that what is found depends on nothing else."""
        first = self.going[min(self.going)] if self.going and self.explaining is None else None
        return first if first and first.judged and self.fresh(first) else None


class Hunt:
    """A hunt for failures of some targets.

    rounds  how many of each target, None for any number
    away    whether the files of targets are sent
    wait    seconds without workers, at most; None: until the budget is over, or WAIT without one
    clock   says the time, in seconds
    """

    def __init__(
        self, targets: Sequence[str], options: Options, corpus: Corpus, engine: Engine, shard: Shard,
        rounds: int | None = None, away: bool = False, wait: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.options, self.corpus, self.engine, self.shard = options, corpus, engine, shard
        self.carried = options_of(options)
        self.limit, self.away, self.name = rounds, away, uuid.uuid4().hex
        self.properties = Plan.of(options, catalogue).properties
        self.wait, self.clock, self.began = wait, clock, clock()
        self.latest = None if options.budget is None else options.budget + EXPLAINING + limits_of(options).call
        self.idle: tuple[float, float] | None = None  # since when there are no workers, and when that was said
        self.again: list[Unit] = []  # to be given once more
        self.out: list[Unit] = []  # have been given, and not come back
        self.deaths: Counter[str] = Counter()  # by the unit
        self.unwritable = ""  # why the corpus cannot be written any more
        self.spent = self.looked = 0.0  # seconds of workers, and of these for mutants
        self.before, self.kept = corpus.findings(), dict[str, Kept]()
        self.targets, self.quarries = list(dict.fromkeys(targets)), list[Quarry]()
        self.state = State(str(corpus.root), str(shard), engine.workers, [])

    def quarry(self, target: str) -> Quarry:
        """A target, with what the corpus knows of it. Raises TargetError where its file cannot be read."""
        part = self.corpus.part(target, self.options.seed, self.shard)
        parts = [one for one in self.corpus.parts() if one.target == target]
        others = [one for one in parts if (one.seed, one.shard) != (part.seed, part.shard)]
        mine = [one for one in self.before.values() if one.target == target]
        seen = {shown: id for one in (part, *others) for shown, id in one.seen.items() if id in self.before}
        seen |= {shown: one.id for one in mine for shown in one.shown}
        first: dict[str, list[Any]] = {}
        for one in mine:
            if one.failing in self.properties and (data := self.corpus.shown_by(one.id)):
                first.setdefault(one.failing, []).append(data)
        alike = [one.alike for one in parts if one.alike is not None]
        told = Target(
            visible(target, LINE), exercised=dict(sum((one.coverage for one in parts), Counter())),
            before=sum(one.done for one in parts), cases=sum(one.examples for one in parts),
            mutants=max([one.mutants for one in parts], default=0),
            alike=[id for id in alike[0] if all(id in ids for ids in alike)] if alike else None,
        )  # fmt: skip
        return Quarry(target, file_to_send(target), part, others, told, seen, first=first)

    def events(self, interrupts: Interrupts) -> Iterator[Happening]:
        """What happens, until the budget is over, or a signal comes. Raises TargetError, UsageError, and Interrupted
        while targets are loaded.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(self.engine.end)
            for target in self.targets:  # what is done is read when nobody else can be at it
                stack.enter_context(self.corpus.alone(target, self.options.seed, self.shard))
            self.quarries = [self.quarry(target) for target in self.targets]
            self.state.targets = [quarry.told for quarry in self.quarries]
            for line in self.corpus.unread:
                self.lose(f"reading {line}")
            begun = False
            try:
                self.again = [self.unit("open", quarry) for quarry in self.quarries]
                yield from self.work(interrupts, lambda: None, self.loaded)
                begun = True
                yield Begun(self.state)
                yield from self.work(interrupts, self.next, self.heard)
            except (Interrupted, Gone, OSError, UsageError) as end:
                if isinstance(end, Interrupted) and not begun:
                    raise
                self.state.early = f"interrupted by {end}" if isinstance(end, Interrupted) else str(end)
            yield from self.unexplained()
            self.measure()
            yield HuntOver(self.state)

    def work(self, interrupts: Interrupts, following: Callable[[], Unit | None], heard: Heard) -> Iterator[Happening]:
        """Gives units and hears of them, until there is nothing left to do, or no time. Raises Gone, Interrupted."""
        while self.latest is None or self.clock() < self.began + self.latest:
            interrupts.check()
            yield from self.without_workers()
            while self.engine.room > 0 and (unit := self.again.pop(0) if self.again else following()):
                self.out.append(unit)
                self.engine.give(unit)
            if not self.out and (self.engine.room > 0 or not self.has_more):
                return
            for unit, answer in self.engine.finished(POLL):
                self.out.remove(unit)
                if "died" not in answer:
                    yield from heard(unit, answer)
                elif why := self.given_up(unit, answer["died"]):
                    yield from heard(unit, {"lost": why})
            if self.unwritable:
                raise Gone(self.unwritable)
        while self.out:
            unit = self.out.pop(0)
            yield from heard(unit, {"lost": f"it was not {DONE[unit.do]} when the hunt had to end"})

    def given_up(self, unit: Unit, suspicion: str) -> str:
        """Why a unit whose worker died is not done once more; empty if it is, in what is left of its time."""
        key = replace(unit, seconds=None).to_text()
        self.deaths[key] += 1
        if self.deaths[key] >= TRIES:
            return f"its worker process died every time{suspicion}"
        if unit.do == "judge" and self.late:
            return CUT
        self.again.append(unit if unit.do == "tell apart" else replace(unit, seconds=self.seconds_for(unit.do)))
        return ""

    def without_workers(self) -> Iterator[Happening]:
        """Says that there are none, at once and every minute. Raises Gone where that has been so for too long."""
        if self.engine.workers:
            self.idle = None
            return
        now = self.clock()
        since, said = self.idle or (now, -inf)
        most = (WAIT if self.left is None else inf) if self.wait is None else self.wait
        if now - since >= most:
            raise Gone(f"there were no workers for {most:.0f} s")
        if self.late:
            raise Gone("there are no workers, and the budget is over")
        self.idle = since, said
        if now - said >= MINUTE:
            self.idle = since, now
            yield Idle(self.state, now - since)

    def loaded(self, unit: Unit, answer: dict[str, Any]) -> Iterator[Happening]:
        """Notes what is known of a target that was loaded. Raises TargetError, naming it, for one that cannot be."""
        quarry = self.of(unit)
        if why := answer.get("refused") or answer.get("lost"):
            raise TargetError(why if quarry.told.name in why else f"{quarry.told.name}: {why}")
        quarry.told.areas, quarry.environment = answer["areas"], answer["environment"]
        yield from ()

    # ------------------------------------------------------------ what to do next

    @property
    def left(self) -> float | None:
        """The seconds that are left; None for any time."""
        return None if self.options.budget is None else self.began + self.options.budget - self.clock()

    @property
    def late(self) -> bool:
        """Whether the budget is over."""
        return self.left is not None and self.left <= 0

    @property
    def ended(self) -> bool:
        """Whether no more rounds are to begin."""
        return self.late or all(map(self.has_enough, self.quarries))

    def seconds_for(self, do: str) -> float | None:
        """How long a unit may take that is given now: explanations have some more."""
        return None if self.left is None else self.left + EXPLAINING * (do == "explain")

    @property
    def explains(self) -> bool:
        """Whether there is still time for explanations."""
        return self.left is None or self.left > -EXPLAINING

    @property
    def has_more(self) -> bool:
        """Whether there is something to give."""
        due = any(quarry.todo or (self.explains and quarry.due()) for quarry in self.quarries)
        return bool(self.again) or due or not self.ended

    def has_enough(self, quarry: Quarry) -> bool:
        """Whether a target has had all its rounds."""
        return self.limit is not None and len(quarry.given) >= self.limit

    def next(self) -> Unit | None:
        """The next unit: rounds are brought to their end first; mutants get their share; else another round begins, of
        whoever had fewest.
        """
        for quarry in self.quarries:
            if quarry.todo:
                return quarry.todo.pop(0)
            if self.explains and (round := quarry.due()):
                return self.explanation(quarry, round)
        if self.ended:
            return None
        for quarry in self.quarries:
            if unit := self.look(quarry):
                return unit
        hungry = [quarry for quarry in self.quarries if not self.has_enough(quarry)]
        return self.round(min(hungry, key=lambda quarry: len(quarry.given)))

    def unit(self, do: str, quarry: Quarry, **more: Any) -> Unit:
        """A unit about a target."""
        return Unit(do, quarry.target, self.carried, hunt=self.name, file=quarry.file if self.away else None, **more)

    def round(self, quarry: Quarry) -> Unit:
        """The next round of a target; in the first one of a hunt, what the corpus has is judged again."""
        seed = quarry.part.skip(quarry.others, quarry.given)
        covers = not quarry.given and quarry.part.covered != quarry.fingerprint(self.carried)
        unit = self.unit(
            "judge", quarry, seed=seed, covers=covers, seconds=self.seconds_for("judge"), known=quarry.known(),
            first={} if quarry.given else quarry.first,
        )  # fmt: skip
        quarry.going[seed] = Round(unit)
        quarry.given.add(seed)
        return unit

    def explanation(self, quarry: Quarry, round: Round) -> Unit:
        """What fails in a round in a new way, to be explained."""
        quarry.explaining = round
        held = [id for id in quarry.part.held or round.held if id in round.held]
        also = [[one.id, one.kind] for one in self.without_name(quarry, round)]
        return self.unit(
            "explain", quarry, seed=round.unit.seed, failed=quarry.fresh(round), held=held, also=also,
            seconds=self.seconds_for("explain"),
        )  # fmt: skip

    def without_name(self, quarry: Quarry, round: Round) -> list[FailureSignature]:
        """How known failures show in a round of which nobody knows the mistake."""
        known = [one for one in round.shows if one in quarry.seen]
        return [one for one in known if self.finding(quarry.seen[one]).key[0] == FAILURE]

    def finding(self, id: str) -> Kept:
        """A finding, with the status that it had when the hunt began."""
        return self.state.findings.get(id) or self.before.get(id) or self.corpus.finding(id) or self.kept[id]

    def look(self, quarry: Quarry) -> Unit | None:
        """A look at mutants, if there are any left and their share of the time allows it."""
        round, told = quarry.unlooked, quarry.told
        allowed = SHARE * self.spent - self.looked
        if round is None or quarry.looking or told.alike == [] or allowed < LEAST:
            return None
        quarry.looking, quarry.unlooked = True, None
        seconds = min(LOOK, allowed) / 2  # what is begun then ends later
        self.looked += seconds  # until it is known how long it took
        return self.unit("tell apart", quarry, seed=round.seed, covers=round.covers, alike=told.alike, seconds=seconds)

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
            self.looked_at(quarry, unit, answer)
        elif unit.do == "explain":
            yield from self.explained(quarry, answer)
        elif "lost" in answer:
            yield from self.given_back(quarry, quarry.going[unit.seed], answer["lost"])
        else:
            yield from self.judged(quarry, unit, answer)
        self.measure()
        yield Moved(self.state)

    def given_back(self, quarry: Quarry, round: Round, why: str) -> Iterator[Happening]:
        """Notes that a round, or the rest of it, was not judged; what failed in it before that counts."""
        if why != CUT:
            self.lose(f"seed {round.unit.seed} of {quarry.told.name}: {why}")
        if round.failed:
            round.judged = round.cut = True
            yield from self.closed(quarry, round)
        else:
            del quarry.going[round.unit.seed]

    def lose(self, sentence: str) -> None:
        """Notes what could not be done, once."""
        if sentence not in self.state.lost:
            self.state.lost.append(sentence)

    def looked_at(self, quarry: Quarry, unit: Unit, answer: dict[str, Any]) -> None:
        """Notes which mutants are told apart."""
        quarry.looking = False
        self.looked += answer.get("seconds", 0.0) - (unit.seconds or 0.0)
        if answer.get("alike") is not None:
            quarry.told.mutants, quarry.told.alike = answer["mutants"], answer["alike"]

    def judged(self, quarry: Quarry, unit: Unit, answer: dict[str, Any]) -> Iterator[Happening]:
        """Notes a round, or what came behind its first failures: where these are passed over, they hide no others."""
        round = quarry.going[unit.seed]
        round.hear(answer)
        for id, message, _ in answer["stumbled"]:
            self.lose(f"{id} at seed {unit.seed} of {quarry.told.name}: {message}")
        if answer["failed"] and round.tries < BEHIND and not self.late:
            round.tries += 1
            only = [one["id"] for one in answer["failed"]]
            quarry.todo.append(replace(round.unit, known=quarry.known(round), only=only, seconds=self.left))
            return
        round.judged = True
        if round.unit.covers:
            quarry.part.held = round.held
        if round.unit.covers or quarry.unlooked is None:
            quarry.unlooked = round.unit
        yield from self.closed(quarry, round)

    def closed(self, quarry: Quarry, round: Round) -> Iterator[Happening]:
        """Ends a round, if all that fails in it is known by now."""
        if round.judged and not quarry.fresh(round):
            for shown in round.shows:
                yield from self.see(quarry.seen[shown])
            self.close(quarry, round)

    def explained(self, quarry: Quarry, answer: dict[str, Any]) -> Iterator[Happening]:
        """Keeps the defects that some failures are; other rounds may be clear by that."""
        assert quarry.explaining is not None
        round, quarry.explaining = quarry.explaining, None
        if "lost" in answer:  # then they are kept as they show
            self.lose(f"what fails at seed {round.unit.seed} of {quarry.told.name}: {answer['lost']}")
            answer = {"defects": self.as_shown(quarry, round), "environment": quarry.environment}
        yield from self.keep(quarry, round, answer["defects"], answer["environment"])
        for _, other in sorted(quarry.going.items()):
            yield from self.closed(quarry, other)

    def as_shown(self, quarry: Quarry, round: Round) -> list[dict[str, Any]]:
        """The defects of a round without an explanation."""
        failed = [PropertyResult(**one) for one in quarry.fresh(round)]
        also = self.without_name(quarry, round)
        found = defects(quarry.target, failed, NOTHING, self.properties, also)
        for one in found:
            one.result.found = one.result.found and one.result.found | {"target": quarry.target}
        return [asdict(one) | {"id": one.id} for one in found]

    def keep(
        self, quarry: Quarry, round: Round, found: Sequence[dict[str, Any]], environment: dict[str, str | None]
    ) -> Iterator[Happening]:
        """Keeps findings, and how they show."""
        for defect in found:
            finding = Kept.of(defect, round.unit.seed, environment)
            self.kept[finding.id] = finding
            there = self.stored(self.corpus.keep, finding, defect["result"]["found"]) is False
            for shown in finding.shown:
                quarry.seen[shown] = quarry.part.seen[shown] = finding.id
            yield from self.see(finding.id, None if there else finding)
        self.stored(self.corpus.save, quarry.part)

    def stored(self, store: Callable[..., Any], *arguments: Any) -> Any:
        """What came of writing something into the corpus; None where that cannot be written, which ends the hunt."""
        try:
            return store(*arguments)
        except OSError as error:
            self.unwritable = f"{self.corpus.root} cannot be written: {error.strerror or error}"
            self.state.unkept = True
            return None

    def see(self, id: str, fresh: Kept | None = None) -> Iterator[Happening]:
        """Notes that this hunt has seen a finding, perhaps one that the corpus did not have."""
        if id not in self.state.findings:
            self.state.findings[id] = fresh or self.finding(id)
            yield FindingFound(self.state, self.state.findings[id], fresh is not None)

    def close(self, quarry: Quarry, round: Round) -> None:
        """Keeps that a round is done; what it found is on the disk already."""
        part, told = quarry.part, quarry.told
        for id in {quarry.seen[shown]: None for shown in round.shows}:
            part.rounds[id] += 1
            self.state.again[id] = self.state.again.get(id, 0) + 1
        part.seen |= {shown: quarry.seen[shown] for shown in round.shows}
        part.examples += round.examples
        part.coverage.update(round.coverage)
        part.mutants, part.alike = told.mutants, told.alike
        if round.unit.covers and not round.cut:
            part.covered = quarry.fingerprint(self.carried)
        part.add(round.unit.seed)
        del quarry.going[round.unit.seed]
        told.rounds += 1
        told.cases += round.examples
        for area, number in round.coverage.items():
            told.exercised[area] = told.exercised.get(area, 0) + number
        self.stored(self.corpus.save, part)

    def unexplained(self) -> Iterator[Happening]:
        """Keeps what has been heard of and not explained when a hunt ends; its rounds are not done."""
        for quarry in self.quarries:
            for _, round in sorted(quarry.going.items()):
                if quarry.fresh(round):
                    yield from self.keep(quarry, round, self.as_shown(quarry, round), quarry.environment)

    def measure(self) -> None:
        """Notes how far the hunt is."""
        self.state.seconds = self.clock() - self.began
        self.state.share = self.looked / self.spent if self.spent else 0.0
        with contextlib.suppress(Gone):
            self.state.workers = self.engine.workers
