"""Diagnosis: which mistake in the reference gives the target's numbers.

Single faults are tried on all probes, pairs among those that change the smallest telling one. A diagnosis explains
a verdict; it never changes it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from conformance.engine.counterexamples import case_from_data
from conformance.engine.judgement import Failure
from conformance.engine.run import PropertyResult, judge_case
from conformance.engine.subject import Subject
from conformance.properties import catalogue
from conformance.target.load import Target, open_target
from reference_rnn import CELLS

from . import FAULTS
from .localisation import error_map, left_out, right_alone, what_is_known
from .patching import Fault, FaultyReference, FaultyTarget, PatchError
from .probes import Answered, Arrays, answers

# Where these fail, they fail in the same words whatever the mistake is; probes tell more.
SAME_WORDS = {"equivalence.steps", "gradients.back_propagation"}
SECONDS = 5.0
ODD = 10  # wrong answers of which one may be off, since a wrong target rounds in its own way
ASKING = 0.4  # of the time, for the target's own answers
KEPT = 0.15  # of the time, for what fails, and for calls of new instances
ALIKE = 0.9  # how nearly parallel two deviations are that look like the same mistake, or how well their places agree
EVERYWHERE = 0.5  # of all numbers: who is wrong in so many says nothing by where


@dataclass
class Finding:
    """A mistake that gives the target's numbers, or (not exact) numbers that are wrong in the same way.

    explains, telling  how many of the answers that are wrong it explains, and how many are wrong
    together           other faults that it needs for that
    """

    fault: str
    title: str
    patch: str
    explains: int
    telling: int
    fault_class: str = ""
    exact: bool = True
    together: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)


@dataclass
class Diagnosis:
    """The mistakes that were recognised, and what else is known about what is wrong."""

    findings: list[Finding]
    known: list[str]
    wrong_cells: list[str] = field(default_factory=list)
    error_map: dict[str, Any] | None = None


def diagnose(
    target: Target,
    failed: Sequence[PropertyResult] = (),
    passed: Collection[str] = (),
    seconds: float = SECONDS,
    progress: Callable[[str], None] = lambda text: None,
) -> Diagnosis:
    """Why a target fails, within a time.

    failed, passed: the properties that do not hold, with their counterexamples, and the ids of those that do
    """
    deadline = time.monotonic() + seconds
    subject = Subject(target)
    progress("asking the target")
    try:
        answered = answers(subject, time.monotonic() + ASKING * seconds)
    except Failure:
        return Diagnosis([], [])
    findings, unexplained = by_numbers(answered, passed, deadline - KEPT * seconds, progress)
    told_apart = all(a.right for a in answered) or not SAME_WORDS & {result.id for result in failed}
    if told_apart and not any(finding.exact for finding in findings):
        progress("comparing what fails")
        findings = by_properties(failed, passed, deadline) or findings
    known = right_alone(subject, answered, deadline) if unexplained else []
    if known:  # then neither conditions nor likeness mean anything: it depends on the calls before
        findings = [finding for finding in findings if finding.exact or finding.explains]
    else:
        known = what_is_known(answered, unexplained, subject, deadline)
    known += left_out(answered, subject.capabilities)
    wrong = [a.probe.case.config.cell for a in answered if not a.right]
    findings = [*misread(subject, answered), *findings]
    return Diagnosis(findings, known, list(dict.fromkeys(wrong)), error_map(answered))


def misread(subject: Subject, answered: Sequence[Answered]) -> list[Finding]:
    """The shape mistakes that were recognised and looked through."""
    habits = subject.reader.habits.items()
    return [
        Finding(f"shape-of-{name}", f"{name}: {mistake}", "", len(answered), len(answered), "shape-contract")
        for name, mistake in habits
    ]


def by_numbers(
    answered: list[Answered], passed: Collection[str], deadline: float, progress: Callable[[str], None]
) -> tuple[list[Finding], list[str]]:
    """The faults that give the target's numbers, cell by cell, and the cells that none explains."""
    found: dict[frozenset[str], list[Finding]] = {}
    unexplained = []
    cells = [cell for cell in CELLS if any(a.probe.case.config.cell == cell and not a.right for a in answered)]
    for number, cell in enumerate(cells):
        progress(f"comparing {cell} with faulty references")
        share = (deadline - time.monotonic()) / (len(cells) - number)
        search = Search(answered, cell, passed, time.monotonic() + share)
        # what explains one cell is likely to explain the next
        findings = search.findings([fault for fault in FAULTS.values() if any(fault.id in key for key in found)])
        unexplained += [] if findings and findings[0].exact else [cell]
        key = frozenset(id for finding in findings for id in (finding.fault, *finding.together))
        for finding, before in zip(findings, found.get(key, ())):
            before.explains += finding.explains
            before.telling += finding.telling
        found.setdefault(key, findings)
    everything = [finding for findings in found.values() for finding in findings]
    return sorted(everything, key=lambda finding: (not finding.exact, -finding.explains)), unexplained


def by_properties(failed: Sequence[PropertyResult], passed: Collection[str], deadline: float) -> list[Finding]:
    """The faults that fail in the same words where no probe shows a difference: what is random, or about memory."""
    failed = [result for result in failed if result.case]
    found = []
    for fault in FAULTS.values():
        if not {result.id for result in failed} & set(fault.killed_by) or set(fault.killed_by) & set(passed):
            continue
        if time.monotonic() > deadline:
            break
        if all(fails_alike(fault, result) for result in failed[:6]):
            found.append(finding_of(fault, explains=len(failed), telling=len(failed), exact=False))
    return found[:3]


def fails_alike(fault: Fault, result: PropertyResult) -> bool:
    """Whether a faulty reference fails a property on the same case in the same words; numbers may differ."""
    target = open_target(FaultyTarget(fault))
    verdict = judge_case(catalogue()[result.id], target, case_from_data(result.case))
    return verdict.status == "failed" and without_numbers(verdict.message) == without_numbers(result.message)


def without_numbers(message: str) -> str:
    """A message with # for every number."""
    return re.sub(r"[-+]?(\d[\d.,]*(e[-+]?\d+)?|nan|inf)", "#", message)


def finding_of(fault: Fault, explains: int, telling: int, exact: bool, together: Sequence[Fault] = ()) -> Finding:
    """What is said about a fault."""
    return Finding(
        fault.id, fault.title, fault.patch(), explains, telling, fault.fault_class, exact,
        [other.id for other in together], list(fault.seen),
    )  # fmt: skip


class Search:
    """The search for the mistakes of one cell."""

    def __init__(self, answered: list[Answered], cell: str, passed: Collection[str], deadline: float) -> None:
        self.passed = set(passed)
        self.sequence = answered
        self.deadline = deadline
        mine = [a for a in answered if a.probe.case.config.cell == cell]
        forward_wrong = any(not a.right for a in mine if a.probe.d is None)
        # where forward is wrong, gradients are those of another function
        mine = [a for a in mine if a.probe.d is None or not forward_wrong]
        heard = [a for a in mine if a.given is not None]
        # what gives no result tells something only where all that is wrong is that
        mine = mine if all(a.right for a in heard) else heard
        self.telling = sorted((a for a in mine if not a.right), key=lambda a: a.probe.size)
        self.right = sorted((a for a in mine if a.right), key=lambda a: a.probe.size)
        fitting = [f for f in FAULTS.values() if cell in f.cells and f.backward_only == (not forward_wrong)]
        # no number shows that inputs are changed, and the probes are needed again
        self.faults = [fault for fault in fitting if fault.fault_class != "changed-inputs"]

    def findings(self, likely: list[Fault]) -> list[Finding]:
        """The fault that explains everything, likely ones tried first; else a pair; else those that come nearest."""
        if not self.telling:
            return []
        most, best = 0, None
        for fault in [*likely, *self.faults]:
            if self.passed & set(fault.killed_by):  # which whoever has this mistake fails
                continue
            explains = self.explained(fault)
            if explains == len(self.telling):
                return [self.finding(fault, explains=explains)]
            if explains > most:
                most, best = explains, fault
        for pair in (*combinations(likely, 2), *self.pairs()) if len(likely) > 1 else self.pairs():
            if time.monotonic() > self.deadline:
                break
            if (explains := self.explained(*pair)) == len(self.telling):
                return [self.finding(*pair, explains=explains), self.finding(*reversed(pair), explains=explains)]
        return [self.finding(best, explains=most)] if best else self.nearest()

    def explained(self, *faults: Fault) -> int:
        """How many wrong answers these faults give, if they leave those that are right alone; 0 if not nearly all."""
        try:
            reference = FaultyReference(*faults)
        except PatchError:
            return 0
        if any(stateful(fault) for fault in faults):
            return self.explained_in_sequence(reference)
        missed = 0
        for answered in [*self.telling, *self.right]:
            if time.monotonic() > self.deadline:
                return 0
            if not answered.same(ask(reference, answered)):
                missed += 1
                if answered.right or missed > len(self.telling) // ODD:
                    return 0
        return len(self.telling) - missed

    def explained_in_sequence(self, reference: FaultyReference) -> int:
        """The same for a fault that depends on the calls before: every probe is asked, in the order of the target."""
        for answered in self.sequence:
            answer = ask(reference, answered)
            if time.monotonic() > self.deadline:
                return 0
            mine = any(answered is other for other in (*self.telling, *self.right))
            if mine and not answered.same(answer):
                return 0
        return len(self.telling)

    def pairs(self) -> Iterator[tuple[Fault, Fault]]:
        """Pairs that give the smallest wrong answer: of a fault that does so alone, or of two that both change it."""
        smallest = self.telling[0]
        alone, active = [], []
        for fault in self.faults:
            answer = self.try_on(smallest, fault)
            if answer is None:
                continue
            if smallest.same(answer):
                alone.append(fault)
            if not same_numbers(answer, smallest.expected):
                active.append(fault)
        for fault in alone:
            yield from ((fault, other) for other in self.faults if other is not fault and not stateful(other))
        for pair in combinations(active, 2):
            if time.monotonic() > self.deadline:
                return
            answer = self.try_on(smallest, *pair)
            if answer is not None and smallest.same(answer):
                yield pair

    def try_on(self, answered: Answered, *faults: Fault) -> Arrays | None:
        """What a reference with these faults answers to one probe; None where they do not fit, or it fails."""
        try:
            return ask(FaultyReference(*faults), answered)
        except PatchError:
            return None

    def nearest(self) -> list[Finding]:
        """Up to two faults that are wrong in the same way: their deviations are parallel, or in the same places."""
        scores = []
        for fault in self.faults:
            if time.monotonic() > self.deadline or stateful(fault):
                continue
            score = self.likeness(fault)
            if score >= ALIKE:
                scores.append((score, fault))
        scores.sort(key=lambda scored: -scored[0])
        return [self.finding(fault) for _, fault in scores[:2]]

    def likeness(self, fault: Fault) -> float:
        """How alike the target and a fault deviate, each probe counting the same: in direction, or in the places."""
        try:
            reference = FaultyReference(fault)
        except PatchError:
            return 0.0
        cosines, places, reach = [], [], []
        for answered in [*self.telling[:12], *self.right[:6]]:
            answer = ask(reference, answered)
            if answer is None:
                return 0.0
            mine, theirs = deviation(answered, answered.given), deviation(answered, answer)
            here, there = mine != 0, theirs != 0
            reach.append(here.mean() if here.size else 0.0)
            if not (here | there).any():
                continue
            norm = np.linalg.norm(mine) * np.linalg.norm(theirs)
            cosines.append(float(mine @ theirs / norm) if norm else 0.0)
            places.append((here & there).sum() / (here | there).sum())
        telling = bool(reach) and np.mean(reach) < EVERYWHERE
        return float(max(np.mean(cosines), np.mean(places) if telling else 0.0)) if cosines else 0.0

    def finding(self, fault: Fault, *together: Fault, explains: int = 0) -> Finding:
        """What is said about a fault that explains some wrong answers, alone or with others, or is only like them."""
        return finding_of(fault, explains, len(self.telling), explains > 0, together)


@np.errstate(all="ignore")
def ask(reference: FaultyReference, answered: Answered) -> Arrays | None:
    """What a faulty reference answers; None where it fails: a mistake may not work for every case."""
    try:
        return answered.probe.ask(reference)
    except Exception:
        return None


@np.errstate(all="ignore")
def deviation(answered: Answered, answer: Arrays | None) -> np.ndarray:
    """How far an answer is from what is expected, where that is more than rounding."""
    parts = []
    for name, expected in answered.expected.items():
        value = (answer or {}).get(name)
        if value is None or np.shape(value) != expected.shape:
            value = expected
        apart = np.where(answered.close(name, np.asarray(value), expected), 0.0, value - expected)
        parts.append(np.clip(np.nan_to_num(apart), -10, 10).ravel())
    return np.concatenate(parts)


def same_numbers(one: Arrays, other: Arrays) -> bool:
    """Whether two answers are the same, bit for bit."""
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k], equal_nan=True) for k in one)


def stateful(fault: Fault) -> bool:
    """Whether a mistake depends on the calls before: it keeps something on a function."""
    return "__dict__" in fault.new
