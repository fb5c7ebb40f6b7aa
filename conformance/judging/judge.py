"""Judges a target: runs one property on cases, and makes its counterexample small."""

from __future__ import annotations

import contextlib
import copy
import itertools
import random
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from math import inf
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from conformance.claims.capabilities import Capabilities
from conformance.events import FailureFound, Judged, PropertyResult
from conformance.harness.answer import DEATHS, Answer
from conformance.harness.call import Call
from conformance.harness.load import Target
from reference_rnn import Case, CellError
from strategies.cases import BLOCK_SIZE, BLOCKS, Allowed

from .counterexample import Counterexample, call_lines, counterexample
from .coverage import expected_areas
from .minimise import Repeating, Unrepeatable
from .oracle import CannotTell, CaseRefused, Failure, is_silence
from .properties import CALLS, NotApplicable, NotRun, Property
from .recurrent_subject import subject_of
from .serialisation import case_to_data, counterexample_to_data
from .subject import Subject

MOST_OTHERS = 3  # failures that are said behind one by which a call had no answer
# Cases that are judged for them: those that are answered, those that are not, and those of these that cost a process.
FURTHER, UNANSWERED, LOST = 16, 48, 2
MORE = 6000  # cases looked at, for what neither the covering nor the random ones have exercised
MORE_NUMBERS = 2**27  # in these cases: where they are large, few are looked at
MORE_JUDGED = 400  # of them, since a target may be slow


def judge(
    prop: Property,
    target: Target,
    count: int,
    base_seed: int,
    seconds: float | None = None,
    first: Counterexample | None = None,
    covers: bool = True,
    known: Counter[str] | None = None,
) -> Iterator[FailureFound | Judged]:
    """Judges one property: yields the failure as it is found, and the verdict once its counterexample is small.

    The verdict depends on the seed, and not on what is judged before or beside it. Where the kit itself makes a
    mistake it is inconclusive, or remains the failure that was found before.

    count: how many random cases a profile has.  seconds: how long they may be drawn; the covering cases are always run
    first: the counterexample of an earlier run, to begin with
    covers: whether what is claimed must be covered; else the random cases are all there is
    known: kinds of failures that are passed over, and counted there, so that they hide no others; without it, what a
    failure by which a call had no answer hides is looked for here
    """
    began = time.monotonic()
    result, subject = PropertyResult(prop.id, "inconclusive", prop.statement), None
    before = dict(target.deaths)
    try:
        if silent := unjudged(prop, target.capabilities, target.observes_memory):
            result.status, result.message = silent
        else:
            subject = subject_of(target)
            judging = Judging(prop, subject, result, known)
            try:
                judging.every(count, base_seed, began + seconds if seconds is not None else None, first, covers)
                judging.held()
            except CounterexampleFound:
                judging.failed(None)  # what follows may take nothing from the verdict
                judging.failed(judging.found)
                yield FailureFound(copy.copy(result))
                judging.failed(judging.smallest())
                if known is None:
                    judging.look_behind(base_seed, began + seconds if seconds is not None else inf)
                result.silent = not subject.answered
    except CannotTell as refusal:
        result.status, result.message = "inconclusive", str(refusal)
    except NotRun as missing_piece:
        result.status, result.message = "not_run", str(missing_piece)
    except CellError as error:  # its equations, on which nothing of the target depends
        if result.status != "failed":
            result.status, result.message = "inconclusive", str(error)
    except Exception as error:
        note_own_mistake(result, error)
    result.seconds = time.monotonic() - began
    result.deaths = {how: n - before.get(how, 0) for how, n in target.deaths.items() if n > before.get(how, 0)}
    result.notes = [*target.all_notes(), *(subject.suspected.values() if subject else ())]
    yield Judged(result)


def note_own_mistake(result: PropertyResult, error: Exception) -> None:
    """Notes a mistake of the kit's own; it is never a verdict about the target."""
    result.error = "".join(traceback.format_exception(error))
    if result.status != "failed":
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        result.status, result.message = "inconclusive", f"a mistake of this kit, not of the target: {said}"


def unjudged(prop: Property, claims: Capabilities, observes_memory: bool) -> tuple[str, str] | None:
    """The status of a property that says nothing about a target, and why; None where it says something.

    observes_memory  whether it can be seen what a call of the target does to memory
    """
    if missing := prop.missing(claims):
        return "not_claimed", f"{', '.join(missing)} is not claimed"
    if prop.about_memory and not observes_memory:
        return "not_run", "not observable: the line protocol sends numbers, not memory"
    if not prop.allowed(claims).possible:
        return "not_claimed", "what is claimed leaves no case for it"
    return None


def judge_case(prop: Property, target: Target, case: Case) -> PropertyResult:
    """The verdict on one property and one case; nothing is made smaller."""
    judging = Judging(prop, subject_of(target), PropertyResult(prop.id, "inconclusive", prop.statement))
    try:
        judging.restart()
        judging.one(case)
    except CounterexampleFound:
        judging.failed(judging.found)
    except CannotTell as refusal:
        judging.verdict_is("inconclusive", str(refusal))
    except NotRun as missing_piece:
        judging.verdict_is("not_run", str(missing_piece))
    else:
        if judging.result.examples:
            judging.verdict_is("passed")
        else:
            judging.verdict_is("inconclusive", "it says nothing about this case")
    return judging.result


def failure_on(prop: Property, target: Target, case: Case) -> Failure | None:
    """How one property fails on one case; None if it does not, or says nothing about it."""
    judging = Judging(prop, subject_of(target), PropertyResult(prop.id, "inconclusive", prop.statement))
    try:
        judging.restart()
        judging.one(case)
    except CounterexampleFound:
        return judging.failure
    except NotRun:
        pass
    return None


class CounterexampleFound(Exception):
    """A counterexample has been found: stop drawing cases."""


class DeadlinePassed(Exception):
    """The time for random cases is over."""


def each_block(count: int, number: int, body: Callable[[bytes], None]) -> None:
    """Calls ``body`` with so many random blocks, the same for the same number; every setting of Hypothesis is ours."""

    def drawn(block: bytes) -> None:  # bytes, not cases: Hypothesis would print the last case, at length
        body(block)

    settings(
        max_examples=count, database=None, derandomize=False, deadline=None, phases=(Phase.generate,),
        verbosity=Verbosity.quiet, report_multiple_bugs=False, print_blob=False, backend="hypothesis",
        suppress_health_check=list(HealthCheck), stateful_step_count=1,
    )(seed(number)(given(block=BLOCKS)(drawn)))()  # fmt: skip


def number_of(prop: Property) -> int:
    """The number that the cases of a property follow from: its own, so that no two properties have the same cases."""
    return zlib.crc32(prop.id.encode())


def covering_cases(prop: Property, allowed: Allowed) -> Iterable[Case]:
    """The covering cases of a property, whatever the seed."""
    return prop.covering(allowed, number_of(prop))


class Judging:
    """One property being judged on case after case, by one instance of the target."""

    def __init__(
        self, prop: Property, subject: Subject, result: PropertyResult, known: Counter[str] | None = None
    ) -> None:
        self.prop = prop
        self.known = Counter[str]() if known is None else known
        self.subject = subject
        subject.spare = prop.spare(subject.capabilities)
        self.allowed = prop.allowed(subject.capabilities)
        self.result = result
        self.refused = False
        self.failure: Failure | None = None
        self.ahead: Iterator[Case] = iter(())  # the covering cases that were not judged yet
        self.seen: tuple[Case, list[tuple[Call, Answer]]] | None = None  # what failed, and the calls that show it
        self.earlier: list[Call] = []  # made by the instance that failed, before the case it failed on

    def restart(self) -> None:
        """A new instance of the target."""
        try:
            self.subject.restart()
        except Failure as failure:
            self.failure = failure
            raise CounterexampleFound from None

    def every(
        self, count: int, base_seed: int, deadline: float | None, first: Counterexample | None, covers: bool
    ) -> None:
        """Judges the saved case, covering ones, random ones, and what is still missing; raises CounterexampleFound."""
        number = number_of(self.prop)
        if covers:
            self.ahead = iter(covering_cases(self.prop, self.allowed))
        self.restart()
        self.again(first)
        self.each(self.ahead)
        before = self.result.examples
        self.random(self.prop.random_cases(count), number ^ base_seed, deadline)
        self.result.random = self.result.examples - before
        if covers:
            self.complete(number ^ base_seed)
        self.outlast(number ^ base_seed, deadline)
        self.repeat(deadline)

    def each(self, cases: Iterable[Case]) -> None:
        """Judges cases in turn; raises CounterexampleFound at the first counterexample."""
        for case in cases:
            self.one(case)

    def again(self, first: Counterexample | None) -> None:
        """Judges the counterexample of an earlier run, after the calls that came before it."""
        if first is None or not self.allowed.admits(first.case):
            return
        for call in first.calls[: first.before]:
            with contextlib.suppress(Failure):
                self.subject.make(call.do, call.case, call.cotangents, call.in_place)
        self.one(first.case)

    def one(self, case: Case) -> None:
        """Judges one case; raises CounterexampleFound if it is a counterexample."""
        self.subject.record.begin()
        try:
            self.prop.judge(self.subject, case)
            self.result.examples += 1
        except NotApplicable as nothing:
            self.refused |= isinstance(nothing, CaseRefused)
        except Failure as failure:
            self.result.examples += 1
            if failure.kind in self.known and failure.kind not in DEATHS:
                self.known[failure.kind] += 1
                self.restart()  # nobody says that an instance may be called after it has failed
                return
            self.failure = failure
            self.seen, self.earlier = (case, list(self.subject.record.made)), list(self.subject.record.earlier)
            raise CounterexampleFound from None

    @cached_property
    def found(self) -> Counterexample | None:
        """The counterexample as it was seen; None if there is none, since the target could not even be built."""
        if self.seen is None or self.failure is None:
            return None
        case, made = self.seen
        return counterexample(self.prop.id, case, self.failure, self.subject, made, 0)

    def random(self, count: int, number: int, deadline: float | None) -> None:
        """Judges random cases."""
        if not count:
            return

        def body(block: bytes) -> None:
            if self.failure:
                raise CounterexampleFound  # Hypothesis asks once more about what it was told
            if deadline is not None and time.monotonic() > deadline:
                raise DeadlinePassed
            self.one(self.allowed.from_block(block))

        with contextlib.suppress(DeadlinePassed):
            each_block(count, number, body)

    def complete(self, number: int) -> None:
        """Judges cases of what is claimed and has not been exercised or verified yet, if the property counts that."""
        subject, coverage = self.subject, self.subject.coverage
        areas = expected_areas(subject.capabilities) if coverage else []
        most, numbers = self.result.examples + MORE_JUDGED, 0
        for case in itertools.islice(self.prop.completion(self.allowed, number), MORE):
            missing = {area for area in areas if not coverage[area]}
            met = not missing and not subject.unverified
            if met or self.result.examples >= most or numbers > MORE_NUMBERS:
                return
            numbers += sum(array.size for _, array in case.arrays())
            kind = str(case.config.cell), case.config.dtype
            if kind in subject.unverified or not missing.isdisjoint(subject.covered(case)):
                self.one(case)

    def outlast(self, number: int, deadline: float | None) -> None:
        """Judges more random cases, if the property has any, until the instance has had CALLS calls."""
        generator = random.Random(~number)
        for _ in range(CALLS if self.result.random else 0):
            late = deadline is not None and time.monotonic() > deadline
            if late or self.subject.record.count >= CALLS:
                return
            self.one(self.allowed.from_block(generator.randbytes(BLOCK_SIZE)))

    def repeat(self, deadline: float | None) -> None:
        """Judges the smallest covering case until the instance has had as many calls as the property asks for.

        However often, it is no further case: neither examples nor coverage count it. Nothing is repeated where there
        are no random cases, or no covering case has a step.
        """
        record, before = self.subject.record, -1
        least = self.least if self.result.random and record.count < self.prop.calls else None
        if least is None:
            return
        examples, coverage = self.result.examples, self.subject.coverage.copy()
        while before < record.count < self.prop.calls and (deadline is None or time.monotonic() <= deadline):
            before = record.count
            self.one(least)
        self.result.examples, self.subject.coverage = examples, coverage

    @property
    def least(self) -> Case | None:
        """The covering case with the fewest numbers, of those with a step of a row; None if there is none."""
        cases = (case for case in covering_cases(self.prop, self.allowed) if case.num_steps and case.num_rows)
        return min(cases, key=lambda case: sum(array.size for _, array in case.arrays()), default=None)

    def further(self, base_seed: int) -> Iterator[Case]:
        """The cases that come after the one that failed: the covering ones that are left, then random ones."""
        yield from self.ahead
        generator = random.Random(~(number_of(self.prop) ^ base_seed))
        while self.prop.random_cases(FURTHER):
            yield self.allowed.from_block(generator.randbytes(BLOCK_SIZE))

    def look_behind(self, base_seed: int, deadline: float) -> None:
        """Notes what fails in other ways on further cases, where the failure is that a call had no answer.

        The verdict remains, whatever comes of it.
        """
        if self.seen is None or not is_silence(self.failed_as):
            return
        with contextlib.suppress(NotRun):  # no more can be told
            others = Behind(self, self.failed_as).look(self.further(base_seed), deadline)
            self.result.others = [judging.as_other() for judging in others]

    def as_other(self) -> dict[str, Any]:
        """The failure as one that stands behind another."""
        found = self.smallest()
        assert found is not None
        return {
            "kind": found.kind, "message": found.message, "counterexample": "\n".join(call_lines(found)),
            "found": counterexample_to_data(found),
        }  # fmt: skip

    def verdict_is(self, status: str, message: str = "") -> None:
        """Notes what became of the property."""
        self.result.status, self.result.message = status, message
        subject = self.subject
        self.result.coverage = dict(subject.coverage) | dict(subject.backward)
        self.result.void = dict(subject.void_areas)
        self.result.verified = {
            f"{name} of {cell} in {dtype}": n for (name, cell, dtype), n in subject.verified.items()
        }

    def held(self) -> None:
        """No case was a counterexample."""
        if self.result.examples:
            self.verdict_is("passed")
        elif self.refused or self.subject.capabilities.sizes_drawn:
            self.verdict_is("not_claimed", "what is claimed leaves no case for it")
        else:
            self.verdict_is("inconclusive", "no case exercised it; claim more, or restrict sizes less")

    @property
    def failed_as(self) -> str:
        """The kind of the failure that was found."""
        assert self.failure is not None
        return self.failure.kind

    def failed(self, found: Counterexample | None) -> None:
        """The property does not hold; without a counterexample, all that is known is what the failure says."""
        assert self.failure is not None
        self.verdict_is("failed", self.failure.message if found is None else found.message)
        self.result.kind = self.failed_as
        if found is not None:
            self.result.kind = found.kind
            self.result.counterexample, self.result.case = "\n".join(call_lines(found)), case_to_data(found.case)
            self.result.found = counterexample_to_data(found)

    def smallest(self) -> Counterexample | None:
        """The counterexample made small; as it was seen where a new instance does not fail again."""
        if self.found is None or self.failure is None:
            return None
        try:
            repeating = Repeating(self.prop, self.subject, self.failure, self.allowed.admits)
            return repeating.smallest(self.found.case, self.earlier)
        except Unrepeatable:
            unsteady = "not every time: a new instance that was called with this case alone was right"
            return replace(self.found, message=f"{self.found.message}; {unsteady}", repeatable=False)


class Behind(Judging):
    """Judges the cases behind one on which a call had no answer, and passes over whatever fails on them.

    others  of each other kind of failure the first one;  lost: how often it cost a process
    """

    def __init__(self, first: Judging, kind: str) -> None:
        result = PropertyResult(first.prop.id, "failed")
        super().__init__(first.prop, first.subject, result, Counter({kind: 0}))
        self.others: list[Judging] = []
        self.lost = 0

    def look(self, cases: Iterable[Case], deadline: float) -> list[Judging]:
        """What failed, wrong numbers first: on as many cases as are enough, or until too many have no answer."""
        self.subject.fresh = False
        with contextlib.suppress(CounterexampleFound):  # it cannot be built any more
            self.restart()
            for case in itertools.islice(cases, FURTHER + UNANSWERED):
                silent = sum(times for kind, times in self.known.items() if is_silence(kind))
                enough = self.result.examples - silent >= FURTHER
                if enough or silent >= UNANSWERED or self.lost >= LOST or time.monotonic() > deadline:
                    break
                self.one(case)
        return sorted(self.others, key=lambda other: is_silence(other.failed_as))[:MOST_OTHERS]

    def one(self, case: Case) -> None:
        """Judges one case; raises CounterexampleFound only where there is no instance any more."""
        try:
            super().one(case)
        except CounterexampleFound:
            kind = self.failed_as
            self.lost += kind in DEATHS
            if kind not in self.known and self.found:  # which is made of the calls of this instance
                self.others.append(copy.copy(self))
            self.known[kind] += 1
            vars(self).pop("found", None)
            self.restart()
