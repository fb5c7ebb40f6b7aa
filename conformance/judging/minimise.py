"""A failure repeated: with ever smaller cases, and where it depends on the calls before, with ever fewer of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from conformance.claims.allowed import in_own_layout
from conformance.harness.answer import DEATHS, Answer
from conformance.harness.call import Call
from conformance.harness.process import ProcessTarget
from reference_rnn import Case
from strategies import shrink
from strategies.forms import PLAIN, Form

from .counterexample import Counterexample, counterexample
from .metamorphic import other_numbers, rows
from .oracle import Failure, NotApplicable, NotRun
from .properties import Property
from .subject import Subject

SHRINK_RUNS = 400
SHRINK_SECONDS = 10.0  # of which most targets take less than one, so that the result does not depend on the machine
# Failures that cost a process each time: fewer, but patient runs.
DEATH_RUNS = 12
DEATH_SECONDS = 60.0
SEQUENCE_RUNS = 60  # for the calls that can be left out
RESERVED = 4  # runs that are not for smaller cases, but for fewer calls
LONGEST = 1000  # calls before the one that fails
ALONE = "; it is wrong without any call before, too"  # what is said of a failure of a property about history
KEPT = "; a new process that is called with it alone is right"  # said instead, where such a process was asked
ONLY = "; only "  # before the form that a failure takes

T = TypeVar("T")
Made = list[tuple[Call, Answer]]


class Unrepeatable(Exception):
    """A new instance did not fail again, whatever it was called with before."""


class Repeating:
    """One failure of a property, repeated by new instances of the target."""

    def __init__(self, prop: Property, subject: Subject, failure: Failure, admits: Callable[[Case], bool]) -> None:
        self.prop = prop
        self.subject = subject
        self.failure = self.first = failure
        self.admits = admits
        self.died = failure.kind in DEATHS
        self.left, self.seconds = (DEATH_RUNS, DEATH_SECONDS) if self.died else (SHRINK_RUNS, SHRINK_SECONDS)
        self.before: Made = []
        self.plain = self.anew = False  # see Record
        self.applied = True  # whether the property had something to say about the last case

    def fails(self, case: Case, before: Sequence[Case | Call] = (), left_out: dict[int, Answer] | None = None) -> bool:
        """Whether a new instance fails on a case in the same way, and not much less.

        before    what it is called with first: calls, or cases that the property is judged on, whatever comes of it
        left_out  calls of the property that are not made, see Record
        """
        subject = self.subject
        self.left -= 1
        try:
            self.begin(before)
            subject.record.left_out = left_out or {}
            self.prop.judge(subject, case)
        except Failure as failure:
            if not self.is_same(failure, case):
                return False
            self.failure = failure
            return True
        except Exception:  # nothing is said about the case, or the kit made a mistake: neither is a failure
            return False
        return False

    def is_same(self, failure: Failure, case: Case) -> bool:
        """Whether it may be the same mistake; if the first failure is about no number, the next one says its size."""
        if failure.kind != self.first.kind:
            return False
        if self.first.error is None:
            self.first = failure
        return failure.as_large_as(self.first, self.subject.arithmetic(case).u)

    def begin(self, before: Sequence[Case | Call]) -> None:
        """A new instance that has been called with what comes before; raises Failure if it cannot be built."""
        self.subject.restart()
        self.subject.record.plain, self.subject.record.anew = self.plain, self.anew
        for one in before:
            self.prepare(one)
        self.before = list(self.subject.record.made)
        self.subject.record.begin()

    def prepare(self, one: Case | Call) -> None:
        """Makes a call, or judges the property on a case; what comes of it does not matter."""
        try:
            if isinstance(one, Call):
                self.subject.make(one.do, one.case, one.cotangents, one.in_place)
            else:
                self.prop.judge(self.subject, one)
        except (Failure, NotApplicable, NotRun):
            return

    def smallest(self, case: Case, earlier: Sequence[Call] = ()) -> Counterexample:
        """The failure with as little as shows it. Raises Unrepeatable.

        earlier: what the instance that failed had been called with before
        """
        try:
            return self.with_instances(case, earlier)
        except Unrepeatable:
            if not isinstance(self.subject.target, ProcessTarget):
                raise
        self.own_processes()  # something is kept outside instances
        return self.with_instances(case, earlier)

    def own_processes(self) -> None:
        """Every new instance gets a new process from now on."""
        self.subject.fresh, self.left, self.seconds = True, DEATH_RUNS, DEATH_SECONDS

    def judged(self, case: Case, before: Sequence[Call] = (), brief: bool = False) -> Counterexample | None:
        """The failure of a new instance on a case, of whatever kind; None if it does not fail.

        brief: whether only that is wanted, and not what would have been right
        """
        subject, failed = self.subject, None
        self.applied = True
        try:
            self.begin(before)
            self.prop.judge(subject, case)
        except Failure as failure:
            failed = failure
        except (NotApplicable, NotRun):
            self.applied = False
        if failed is None:
            return None
        if brief:
            return Counterexample(self.prop.id, failed.message, failed.kind, case)
        made = [*self.before, *subject.record.made]
        return self.shown(case, failed, made, len(self.before))

    def with_instances(self, case: Case, earlier: Sequence[Call]) -> Counterexample:
        """The smallest failure, found by new instances: in one process, or with a new process for each."""
        if self.died and self.fails(plainest := self.plainest(case)):  # which saves a process for each step to it
            return self.found(plainest, ())
        if self.fails(case):
            case = self.shrunk(case)
            return self.found(case, ())
        own = max(1, len(self.subject.record.made))
        for repeated in [*possible_histories(min(len(earlier) // own, LONGEST)), self.of_more_rows]:
            if self.fails(case, repeated(case)):
                case = self.shrunk(case, repeated)
                return self.found(case, self.fewest(case, repeated(case)))
        if 0 < len(earlier) <= LONGEST and self.fails(case, earlier):
            return self.found(case, self.fewest(case, earlier))
        raise Unrepeatable

    def plainest(self, case: Case) -> Case:
        """The smallest case with a step that making this one small could lead to, in the simplest form."""
        meant, _ = self.taken_apart(case)
        return shrink(meant, lambda _: True, lambda c: bool(c.num_steps and c.num_rows) and self.admits(c))

    def of_more_rows(self, case: Case) -> list[Case]:
        """A case of other sizes that may have come before one: each row twice, where the target takes that."""
        meant, _ = self.taken_apart(case)
        if not isinstance(meant, Case):  # but a recurrence
            return []
        larger = rows(meant, [*range(meant.num_rows)] * 2)
        return [larger] * self.subject.takes(larger)

    def shrunk(self, case: Case, before: Callable[[Case], Sequence[Case]] = lambda case: ()) -> Case:
        """The smallest case that still fails, in the simplest form; what comes before changes with it."""
        fails = lambda smaller: self.fails(smaller, before(smaller))  # noqa: E731
        meant, form = self.taken_apart(case)
        form = simplest(form, lambda simpler: fails(simpler.ask(meant)))
        runs = max(self.left - RESERVED, 0)
        least = shrink(meant, lambda c: fails(form.ask(c)), self.admits, runs=runs, seconds=self.seconds)
        return simplest(form, lambda simpler: fails(simpler.ask(least))).ask(least)  # the smallest may need less

    def taken_apart(self, case: Case) -> tuple[Case, Form]:
        """A case without the form in which it is asked, and this form."""
        return self.prop.allowed(self.subject.capabilities).taken_apart(case)

    def shown(self, case: Case, failure: Failure, made: Made, before: int) -> Counterexample:
        """What shows a failure; the message says if it takes the form that the case has, and if no call before it."""
        case = in_own_layout(case, self.subject.capabilities)
        found = counterexample(self.prop.id, case, failure, self.subject, made, before)
        if self.prop.about_history and len(found.calls) == 1:
            found = replace(found, message=found.message + ALONE)
        meant, form = self.taken_apart(case)
        if form == PLAIN:
            return found
        self.failure = failure
        otherwise = self.fails(meant, found.calls[:before])
        return found if otherwise else replace(found, message=f"{found.message}{ONLY}{form}")

    def fewest(self, case: Case, before: Sequence[Case | Call]) -> list[Call]:
        """The calls before the one that fails of which none can be left out."""
        least = fewest(before, lambda fewer: self.fails(case, fewer), self.left, self.seconds)
        if not self.fails(case, least):
            raise Unrepeatable
        calls = [call for call, _ in self.before]
        if len(calls) > len(least):  # a case that the property is judged on may be more calls than it takes
            calls = fewest(calls, lambda fewer: self.fails(case, fewer), min(SEQUENCE_RUNS, self.left), self.seconds)
        return calls

    def found(self, case: Case, before: Sequence[Call]) -> Counterexample:
        """The counterexample, without the calls of the property that do not matter."""
        if not self.fails(case, before):
            raise Unrepeatable
        if any(call.in_place for call, _ in (*self.before, *self.subject.record.made)):
            self.leave_out("anew", case, before)
        if not all(call.is_plain for call, _ in (*self.before, *self.subject.record.made)):
            self.leave_out("plain", case, before)
        made, first = list(self.subject.record.made), self.before
        about = self.subject.record.calls_of(self.failure.about)
        others = [number for number, (call, _) in enumerate(made) if call not in about]

        def without(kept: Sequence[int]) -> dict[int, Answer]:
            return {number: made[number][1] for number in others if number not in kept}

        if others:
            runs = min(SEQUENCE_RUNS, max(self.left, 1))
            kept = fewest(others, lambda fewer: self.fails(case, before, without(fewer)), runs, self.seconds)
            if not self.fails(case, before, without(kept)):
                raise Unrepeatable
            again = list(enumerate(self.subject.record.made))
            made = [one for number, one in again if number in kept or number not in others]
            shown = {call.number for call in self.subject.record.calls_of(self.failure.about)}
            if not shown <= {call.number for call, _ in made}:  # with fewer calls it fails on others
                if not self.fails(case, before):
                    raise Unrepeatable
                made = list(self.subject.record.made)
        return self.shown(case, self.failure, [*first, *made], len(first))

    def leave_out(self, name: str, case: Case, before: Sequence[Call]) -> None:
        """Makes all calls ``plain`` or ``anew`` from now on, if it fails so, too. Raises Unrepeatable."""
        setattr(self, name, True)
        if not self.fails(case, before):
            setattr(self, name, False)
            if not self.fails(case, before):
                raise Unrepeatable


def as_judged(message: str) -> str:
    """The message of a failure without what was found by asking again: that it is wrong alone, or in one form only."""
    return message.partition(ONLY)[0].removesuffix(ALONE).removesuffix(KEPT)


def right_in_new_process(message: str) -> str:
    """The message of a failure that an instance showed without a call before it, and a new process does not."""
    return message.removesuffix(KEPT).replace(ALONE, "") + KEPT


def simplest(form: Form, fails: Callable[[Form], bool]) -> Form:
    """The form with as little as still fails; one that has nothing is tried first."""
    if form == PLAIN or fails(PLAIN):
        return PLAIN
    for name in form.names():
        simpler = form.only(set(form.names()) - {name})
        if simpler != PLAIN and fails(simpler):
            form = simpler
    return form


def possible_histories(many: int) -> list[Callable[[Case], Sequence[Case]]]:
    """What may have come before a case so that it fails: the same, the same with other weights, the same many times."""
    return [
        lambda case: [case],
        lambda case: [case.map(lambda name, array: other_numbers(array) if name not in ("x", "h_0", "c_0") else array)],
        *([lambda case: [case] * many] if many > 1 else []),
    ]


def fewest(items: Sequence[T], fails: Callable[[Sequence[T]], bool], runs: int, seconds: float) -> list[T]:
    """Delta debugging: a failing list from which no single item can go, as far as runs and time allow.

    runs, seconds: how often and how long it may be tried. By halves first, then one by one, the last ones last.
    """
    kept, deadline = list(items), time.monotonic() + seconds
    span = len(kept)
    while span and kept:
        at, before = 0, len(kept)
        while at < len(kept):
            fewer = kept[:at] + kept[at + span :]
            if runs <= 0 or time.monotonic() > deadline:
                return kept
            runs -= 1
            if fails(fewer):
                kept = fewer
            else:
                at += span
        span = span // 2 or int(len(kept) < before)
    return kept
