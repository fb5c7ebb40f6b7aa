"""Judges a target: runs properties on cases, and makes counterexamples small."""

from __future__ import annotations

import contextlib
import random
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from conformance.properties import NotApplicable, NotRun, Property
from conformance.target.load import Target
from reference_rnn import Case
from strategies import shrink
from strategies.cases import BLOCK_SIZE, BLOCKS, Allowed, calm_from_block, from_block
from strategies.covering import covering

from .counterexamples import case_to_data
from .coverage import covered, expected
from .judgement import Failure, Refused
from .profiles import PROFILES
from .subject import Subject

SHRINK_RUNS = 400
SHRINK_SECONDS = 10.0  # of which most targets take less than one, so that the result does not depend on the machine
MORE = 3000  # cases looked at, for what neither the covering nor the random ones have exercised
MORE_JUDGED = 150  # of them, since a target may be slow
# Failures that cost a process each time: fewer, but patient runs.
DEATHS = {"hang", "crash", "exit", "memory"}
DEATH_RUNS = 12
DEATH_SECONDS = 60.0


@dataclass
class PropertyResult:
    """What became of one property.

    status    passed, failed, inconclusive, not_claimed, not_run or expected_failure
    examples  cases that it was judged on;  counterexample  the expression that rebuilds the smallest case
    case      the same case as plain data, as it is saved;  kind  what sort of failure it is
    """

    id: str
    status: str
    examples: int = 0
    message: str = ""
    counterexample: str | None = None
    case: dict[str, Any] | None = None
    seconds: float = 0.0
    coverage: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    kind: str = ""


def judge(
    prop: Property,
    target: Target,
    profile: str,
    base_seed: int,
    seconds: float | None = None,
    first: Case | None = None,
) -> PropertyResult:
    """The verdict on one property; depends on the seed, and not on what is judged before or beside it.

    seconds: how long random cases may be drawn; the covering cases are always run
    first: a case to begin with, such as the counterexample of an earlier run
    """
    began = time.monotonic()
    if missing := prop.missing(target.capabilities):
        return PropertyResult(prop.id, "not_claimed", message=f"{', '.join(missing)} is not claimed")
    if prop.about_memory and not target.observes_memory:
        return PropertyResult(prop.id, "not_run", message="not observable: the line protocol sends numbers, not memory")
    if not prop.allowed(target.capabilities).possible:
        return PropertyResult(prop.id, "not_claimed", message="what is claimed leaves no case for it")
    judging = Judging(prop, Subject(target), prop.allowed(target.capabilities))
    try:
        judging.restart()
        judging.each([first] if first is not None and judging.allowed.admits(first) else [])
        number = zlib.crc32(prop.id.encode())
        judging.each(covering(judging.allowed, number, prop.every_cell))
        judging.random(PROFILES[profile], number ^ base_seed, began, seconds)
        judging.complete(number ^ base_seed)
        result = judging.result()
    except Found:
        result = judging.result()
    except NotRun as missing_piece:
        result = PropertyResult(prop.id, "not_run", message=str(missing_piece))
    result.seconds = time.monotonic() - began
    result.notes = target.told()
    if result.status == "passed" and (hint := judging.subject.grade.hint()):
        result.notes.append(hint)
    return result


def judge_case(prop: Property, target: Target, case: Case) -> PropertyResult:
    """The verdict on one property and one case; nothing is made smaller."""
    judging = Judging(prop, Subject(target), prop.allowed(target.capabilities))
    try:
        judging.restart()
        judging.one(case)
    except Found:
        assert judging.failure is not None
        failure = judging.failure
        return PropertyResult(prop.id, "failed", 1, failure.message, repr(case), case_to_data(case), kind=failure.kind)
    except NotRun as missing_piece:
        return PropertyResult(prop.id, "not_run", message=str(missing_piece))
    if judging.examples:
        return PropertyResult(prop.id, "passed", 1)
    return PropertyResult(prop.id, "inconclusive", message="it says nothing about this case")


class Found(Exception):
    """A counterexample has been found: stop drawing cases."""


class OutOfTime(Exception):
    """The budget for random cases is spent."""


def each_block(count: int, number: int, body: Callable[[bytes], None]) -> None:
    """Calls ``body`` with so many random blocks, the same for the same number; every setting of Hypothesis is ours."""

    def drawn(block: bytes) -> None:  # bytes, not cases: Hypothesis would print the last case, at length
        body(block)

    settings(
        max_examples=count, database=None, derandomize=False, deadline=None, phases=(Phase.generate,),
        verbosity=Verbosity.quiet, report_multiple_bugs=False, print_blob=False, backend="hypothesis",
        suppress_health_check=list(HealthCheck), stateful_step_count=1,
    )(seed(number)(given(block=BLOCKS)(drawn)))()  # fmt: skip


class Judging:
    """One property being judged on case after case, by one instance of the target."""

    def __init__(self, prop: Property, subject: Subject, allowed: Allowed) -> None:
        self.prop = prop
        self.subject = subject
        self.allowed = allowed
        self.examples = 0
        self.refused = False
        self.failure: Failure | None = None
        self.case: Case | None = None
        self.last_message = ""  # of the smallest case that failed in the same way

    def restart(self) -> None:
        """A new instance of the target."""
        try:
            self.subject.restart()
        except Failure as failure:
            self.failure = failure
            raise Found from None

    def each(self, cases: Iterable[Case]) -> None:
        """Judges cases in turn; raises Found at the first counterexample."""
        for case in cases:
            self.one(case)

    def one(self, case: Case) -> None:
        """Judges one case."""
        try:
            self.prop.check(self.subject, case)
            self.examples += 1
        except NotApplicable as nothing:
            self.refused |= isinstance(nothing, Refused)
        except Failure as failure:
            self.examples += 1
            self.failure, self.case = failure, case
            raise Found from None

    def random(self, count: int, number: int, began: float, seconds: float | None) -> None:
        """Judges random cases."""

        def body(block: bytes) -> None:
            if self.failure:
                raise Found  # Hypothesis asks once more about what it was told
            if seconds is not None and time.monotonic() - began > seconds:
                raise OutOfTime
            self.one(from_block(block, self.allowed))

        with contextlib.suppress(OutOfTime):
            each_block(count, number, body)

    def complete(self, number: int) -> None:
        """Judges cases of what is claimed and has not been exercised yet, if the property counts that."""
        generator, coverage = random.Random(number), self.subject.coverage
        areas = expected(self.subject.capabilities) if coverage else []
        most = self.examples + MORE_JUDGED
        for _ in range(MORE):
            missing = {area for area in areas if not coverage[area]}
            if not missing or self.examples >= most:
                return
            case = calm_from_block(generator.randbytes(BLOCK_SIZE), self.allowed)
            if not missing.isdisjoint(covered(case)):
                self.one(case)

    def result(self) -> PropertyResult:
        """What became of the property; a counterexample is made small first."""
        coverage = dict(self.subject.coverage)
        if self.failure is None and not self.examples and (self.refused or self.subject.capabilities.sizes_drawn):
            return PropertyResult(self.prop.id, "not_claimed", message="what is claimed leaves no case for it")
        if self.failure is None:
            status = "passed" if self.examples else "inconclusive"
            text = "" if self.examples else "no case exercised it; claim more, or restrict sizes less"
            return PropertyResult(self.prop.id, status, self.examples, text, coverage=coverage)
        if self.case is None:
            return PropertyResult(self.prop.id, "failed", 0, self.failure.message, kind=self.failure.kind)
        text = self.failure.message
        if self.fails(self.case):
            text = self.smallest()
        else:
            text += "; not every time: a new instance that was called with this case alone was right"
        return PropertyResult(
            self.prop.id, "failed", self.examples, text, repr(self.case), case_to_data(self.case),
            coverage=coverage, kind=self.failure.kind,
        )  # fmt: skip

    def smallest(self) -> str:
        """Shrinks the counterexample; the message of the smallest one."""
        assert self.case is not None
        assert self.failure is not None
        died = self.failure.kind in DEATHS
        runs, seconds = (DEATH_RUNS, DEATH_SECONDS) if died else (SHRINK_RUNS, SHRINK_SECONDS)
        self.case = shrink(self.case, self.fails, self.allowed.admits, runs=runs, seconds=seconds)
        return self.last_message

    def fails(self, case: Case) -> bool:
        """Whether a new instance fails on a case in the same way."""
        assert self.failure is not None
        try:
            self.subject.restart()
            self.prop.check(self.subject, case)
        except Failure as failure:
            same = failure.kind == self.failure.kind
            self.last_message = failure.message if same else self.last_message
            return same
        except (NotApplicable, NotRun):
            return False
        return False
