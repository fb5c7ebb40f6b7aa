"""Diagnosis: which mistake in the reference gives the target's numbers.

Single faults are tried on all probes, pairs among those that change the smallest telling one. Where none gives the
numbers, experiments say what is wrong. A diagnosis explains a verdict; it never changes it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain, combinations
from typing import Any

import numpy as np

from conformance.events import Diagnosis, Finding, PropertyResult
from conformance.faults import FAULTS
from conformance.faults.operators import derived
from conformance.faults.patching import Fault, FaultyReference, PatchError
from conformance.faults.wiring import wiring
from conformance.harness.load import Target, open_target
from conformance.judging.data import case_from_data
from conformance.judging.judge import judge_case
from conformance.judging.judgement import Failure
from conformance.judging.properties import Property
from conformance.judging.subject import Subject
from reference_rnn import Cell

from .faulty import FaultyTarget
from .localisation import error_map, left_out, right_alone, what_is_known
from .measured import findings_of, measured
from .probes import Answered, Arrays, answers
from .work import CALLS, DEAR_CALLS, DEAR_EXPERIMENTS, EVALUATIONS, EXPERIMENTS, PATIENCE, Work

# Where these fail, they fail in the same words whatever the mistake is; probes tell more.
SAME_WORDS = {"equivalence.first_look", "equivalence.steps", "gradients.back_propagation"}
PAIRS = 0.7  # the share of what is left for pairs, so that what is only alike has its turn
ODD = 10  # wrong answers of which one may be off, since a wrong target rounds in its own way
NUMBERS = 0.85  # of the evaluations, for what gives the target's numbers; the rest for what fails alike
JUDGING = 5  # evaluations that one judgement of a faulty reference is worth
ALIKE = 0.9  # how nearly parallel two deviations are that look like the same mistake, or how well their places agree
EVERYWHERE = 0.5  # of all numbers: who is wrong in so many says nothing by where


def diagnose(
    target: Target,
    properties: Mapping[str, Property],
    failed: Sequence[PropertyResult] = (),
    passed: Collection[str] = (),
    seconds: float = PATIENCE,
    progress: Callable[[str], None] = lambda text: None,
) -> Diagnosis:
    """Why a target fails; by counted work, which a time ends only where calls take long.

    properties: by their ids.  failed: those that do not hold, with their counterexamples
    passed: the ids of those that do
    """
    deadline = time.monotonic() + seconds
    subject = Subject(target)
    calls = Work(DEAR_CALLS if subject.capabilities.recompiles else CALLS, deadline)
    experiments = Work(DEAR_EXPERIMENTS if subject.capabilities.recompiles else EXPERIMENTS, deadline)
    work = Work(EVALUATIONS, deadline)
    progress("asking the target")
    try:
        answered = answers(subject, calls)
    except Failure:
        return Diagnosis([], [])
    shapes = misread(subject, answered)
    findings, unexplained = by_numbers(answered, passed, work.part(NUMBERS), progress)
    told_apart = all(a.right for a in answered) or not SAME_WORDS & {result.id for result in failed}
    if told_apart and not any(finding.exact for finding in findings):
        progress("comparing what fails")
        findings = by_properties(properties, failed, passed, work) or findings
    known = right_alone(subject, answered, calls) if unexplained else []
    if known:  # then neither conditions nor likeness mean anything: it depends on the calls before
        findings = [finding for finding in findings if finding.exact or finding.explains]
    else:
        alike = any(finding.explains for finding in findings if not finding.exact)
        progress("measuring")
        sentences = {} if alike else measured(subject, answered, unexplained, experiments)
        findings = best_first(findings, list(findings_of(sentences, answered)))
        stated = {cell for cells in sentences.values() for cell in cells}
        known = what_is_known(answered, unexplained, subject, calls, stated)
    known += left_out(answered, subject.capabilities)
    wrong = [str(a.probe.case.config.cell) for a in answered if not a.right]
    return Diagnosis([*shapes, *findings], known, list(dict.fromkeys(wrong)), error_map(answered))


def best_first(findings: Sequence[Finding], measured: Sequence[Finding]) -> list[Finding]:
    """What gives the numbers, then what was measured, then what is only alike."""
    exact = [finding for finding in findings if finding.exact]
    return [*exact, *measured, *(finding for finding in findings if not finding.exact)]


def misread(subject: Subject, answered: Sequence[Answered]) -> list[Finding]:
    """The shape mistakes that were recognised and looked through."""
    habits = subject.reader.habits.items()
    return [
        Finding(f"shape-of-{name}", f"{name}: {mistake}", "", len(answered), len(answered), "shape-contract")
        for name, mistake in habits
    ]


def by_numbers(
    answered: list[Answered], passed: Collection[str], work: Work, progress: Callable[[str], None]
) -> tuple[list[Finding], list[Any]]:
    """The faults that give the target's numbers, cell by cell, and the cells that none explains."""
    found: dict[frozenset[str], list[Finding]] = {}
    unexplained = []
    cells = list(dict.fromkeys(a.probe.case.config.cell for a in answered if not a.right))
    for number, cell in enumerate(cells):
        progress(f"comparing {cell} with faulty references")
        search = Search(answered, cell, passed, work.part(1 / (len(cells) - number)))
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


def by_properties(
    properties: Mapping[str, Property], failed: Sequence[PropertyResult], passed: Collection[str], work: Work
) -> list[Finding]:
    """The faults that fail in the same words where no probe shows a difference: what is random, or about memory."""
    failed = [result for result in failed if result.case]
    found = []
    for fault in FAULTS.values():
        if not {result.id for result in failed} & set(fault.killed_by) or set(fault.killed_by) & set(passed):
            continue
        if work.over:
            break
        if all(fails_alike(fault, properties[result.id], result, work) for result in failed[:6]):
            found.append(finding_of(fault, explains=len(failed), telling=len(failed), exact=False))
    return found[:3]


def fails_alike(fault: Fault, prop: Property, result: PropertyResult, work: Work) -> bool:
    """Whether a faulty reference fails a property on the same case in the same words; numbers may differ."""
    work.spend(JUDGING)
    target = open_target(FaultyTarget(fault))
    verdict = judge_case(prop, target, case_from_data(result.case))
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

    def __init__(self, answered: list[Answered], cell: Cell, passed: Collection[str], work: Work) -> None:
        self.passed = set(passed)
        self.sequence = answered
        self.work = work
        mine = [a for a in answered if a.probe.case.config.cell == cell]
        forward_wrong = any(not a.right for a in mine if a.probe.d is None)
        # where forward is wrong, gradients are those of another function
        mine = [a for a in mine if a.probe.d is None or not forward_wrong]
        heard = [a for a in mine if a.given is not None]
        # what gives no result tells something only where all that is wrong is that
        mine = mine if all(a.right for a in heard) else heard
        self.telling = sorted((a for a in mine if not a.right), key=lambda a: a.probe.size)
        self.right = sorted((a for a in mine if a.right), key=lambda a: a.probe.size)
        fitting = [f for f in FAULTS.values() if f.about(cell) and f.backward_only == (not forward_wrong)]
        # no number shows that inputs are changed, and the probes are needed again
        self.faults = [fault for fault in fitting if fault.fault_class != "changed-inputs"]
        self.cell = cell if forward_wrong else None

    def findings(self, likely: list[Fault]) -> list[Finding]:
        """The fault that explains everything, likely ones tried first; else a pair; else those that come nearest."""
        if not self.telling:
            return []
        most, best, whole = 0, None, self.work
        for fault in self.in_turn(likely):
            if self.work.over:
                break
            explains = self.explained(fault)
            if explains == len(self.telling):
                return [self.finding(fault, explains=explains)]
            if explains > most:
                most, best = explains, fault
        self.work = whole.part(PAIRS)
        for pair in (*combinations(likely, 2), *self.pairs()) if len(likely) > 1 else self.pairs():
            if self.work.over:
                break
            if (explains := self.explained(*pair)) == len(self.telling):
                return [self.finding(*pair, explains=explains), self.finding(*reversed(pair), explains=explains)]
        self.work = whole
        return [self.finding(best, explains=most)] if best else self.nearest()

    def in_turn(self, likely: list[Fault]) -> Iterator[Fault]:
        """Single faults: first those that give the smallest wrong answer, with a story and then without; then others.

        The mistakes without a story are those that follow from the equations, and from the loops around them.
        """
        others = []
        for fault in filter(self.possible, (*likely, *self.faults)):
            if self.gives_smallest(fault):
                yield fault
            else:
                others.append(fault)
        if self.cell is not None:
            for fault in chain(derived(self.cell).values(), wiring().values()):
                if self.possible(fault) and self.gives_smallest(fault):
                    yield fault
        yield from others

    def possible(self, fault: Fault) -> bool:
        """Whether the target passes nothing that whoever has this mistake fails."""
        return not self.passed & set(fault.killed_by)

    def gives_smallest(self, fault: Fault) -> bool:
        """Whether a fault alone gives the smallest wrong answer; not asked of one that depends on the calls before."""
        if stateful(fault) or self.work.over:
            return False
        answer = self.try_on(self.telling[0], fault)
        return answer is not None and self.telling[0].same(answer)

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
            if self.work.over:
                return 0
            if not answered.same(self.ask(reference, answered)):
                missed += 1
                if answered.right or missed > len(self.telling) // ODD:
                    return 0
        return len(self.telling) - missed

    def explained_in_sequence(self, reference: FaultyReference) -> int:
        """The same for a fault that depends on the calls before: every probe is asked, in the order of the target."""
        for answered in self.sequence:
            answer = self.ask(reference, answered)
            if self.work.over:
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
            if self.work.over:
                return
            answer = self.try_on(smallest, *pair)
            if answer is not None and smallest.same(answer):
                yield pair

    def try_on(self, answered: Answered, *faults: Fault) -> Arrays | None:
        """What a reference with these faults answers to one probe; None where they do not fit, or it fails."""
        try:
            return self.ask(FaultyReference(*faults), answered)
        except PatchError:
            return None

    def nearest(self) -> list[Finding]:
        """Up to two faults that are wrong in the same way: their deviations are parallel, or in the same places."""
        scores = []
        for fault in self.faults:
            if self.work.over or stateful(fault):
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
            answer = self.ask(reference, answered)
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

    @np.errstate(all="ignore")
    def ask(self, reference: FaultyReference, answered: Answered) -> Arrays | None:
        """What a faulty reference answers; None where it fails: a mistake may not work for every case."""
        self.work.spend()
        try:
            return answered.probe.ask(reference)
        except Exception:
            return None

    def finding(self, fault: Fault, *together: Fault, explains: int = 0) -> Finding:
        """What is said about a fault that explains some wrong answers, alone or with others, or is only like them."""
        return finding_of(fault, explains, len(self.telling), explains > 0, together)


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
