"""What is wrong beside what was found: another mistake, which shows where that one does not.

Where results are wrong, gradients are looked at in calls whose results are right; dropout where a call is right without
it; what is done beside giving numbers; shapes; and results where none of them was told. It is said as what was
measured: a name is what gives all numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from conformance.events import Finding
from conformance.faults.patching import Fault
from conformance.judging.counterexample import Counterexample
from conformance.judging.oracle import Failure, NotApplicable, NotRun
from conformance.judging.subject import Subject
from reference_rnn import Case, Cell

from .asking import Bench
from .earlier import is_wrong
from .measured import Failures, Sentences
from .partly import in_some_calls, partly, sentence
from .probes import Answered, Fresh, Probe, answered
from .search import Search
from .variations import gradients_alone, nearby, wrong_call
from .work import EVALUATIONS, Work

ENOUGH = 4  # wrong gradients of fresh calls, at least, before a mistake is told
THERE = ", where results are right"
# What a failure is about.
RESULTS, GRADIENTS, DROPOUT, HYGIENE, SHAPES = "results", "gradients", "dropout", "hygiene", "shapes"
BESIDE_NUMBERS = ("unchanged", "own memory", "dtypes")  # what such a failure breaks


class WhereRight(Fresh):
    """The same, of those calls alone whose results are right."""

    def __call__(self, cell: Cell, forward_wrong: bool, again: bool = False) -> list[Answered]:
        """Gradients of a cell where its results are right."""
        found = super().__call__(cell, forward_wrong, again)
        return [a for a in found if belongs_to_right(self.subject, a)]


class Beside:
    """What else is wrong with some cells.

    failures  those of the target;  told: by cell, what something was said about, of RESULTS and so on
    said      what was measured so far, which is not said again
    explained ids of properties that fail because of what was named;  passed: of those that hold
    found     by cell, the mistake that gives gradients where results are right;  sentences: what else was measured
    """

    def __init__(
        self, failures: Failures, answered: Sequence[Answered], told: Mapping[Cell, Collection[str]],
        said: Sentences, explained: Collection[str], passed: Collection[str],
    ) -> None:  # fmt: skip
        self.subject = failures.subject
        self.failures = failures
        self.answered = answered
        self.said = said
        self.explained = explained
        self.passed = passed
        self.found: dict[Cell, Finding] = {}
        self.sentences: Sentences = {}
        for cell in told:
            for about, found in self.left(cell).items():
                with suppress(Failure, NotApplicable, NotRun):
                    if about not in told[cell]:
                        self.look(cell, about, found)

    def left(self, cell: Cell) -> dict[str, list[Counterexample]]:
        """The failures of a cell that nothing which was named explains, by what they are about."""
        found: dict[str, list[Counterexample]] = {}
        mine = [one for one in self.failures.found if one.case.config.cell == cell]
        for one in mine:
            bench = Bench(self.subject, cell, one.case.config.dtype, Work(self.failures.calls, self.failures.deadline))
            with suppress(Failure, NotApplicable, NotRun):
                if one.property not in self.explained and (about := about_what(bench, one)):
                    found.setdefault(about, []).append(one)
        return found

    def look(self, cell: Cell, about: str, found: Sequence[Counterexample]) -> None:
        """Notes what is said about some failures of a cell."""
        if about == GRADIENTS:
            self.look_at_gradients(cell, found)
        else:
            failures = self.failures.among(found)
            ways = {DROPOUT: failures.dropout, HYGIENE: failures.hygiene, SHAPES: failures.shapes}
            said = ways[about]([cell]) if about in ways else {}
            self.note(said or ({} if about == SHAPES else when(failures, cell)))

    def look_at_gradients(self, cell: Cell, found: Sequence[Counterexample]) -> None:
        """Notes which mistake gives gradients where results are right, or when those are wrong."""
        mine = where_right(self.subject, self.answered, cell, Work(self.failures.calls, self.failures.deadline))
        if mine and all(a.given is None for a in mine):  # whatever fails would give that
            return
        work = Work(EVALUATIONS, self.failures.deadline)
        search = Search(mine, cell, self.passed, work, WhereRight(self.subject, mine, self.failures.deadline))
        if search.telling and sum(not a.right for a in search.fresh) >= ENOUGH and (finding := given_by(search)):
            self.found[cell] = finding
        else:
            failures = self.failures.among(found, [a.probe for a in mine if not a.right])
            self.note(when(failures, cell), "{}" + THERE)

    def note(self, sentences: Sentences, words: str = "{}") -> None:
        """Adds those sentences that are not said yet, in some words; of several cells the same is one."""
        for (kind, said), cells in sentences.items():
            new = [cell for cell in cells if cell not in self.said.get((kind, said), ())]
            if new:
                self.sentences.setdefault((kind, words.format(said)), []).extend(new)


def given_by(search: Search) -> Finding | None:
    """The mistake that gives the gradients of a search, or some of them; None if there is none."""
    faults: Sequence[Fault] = search.found() or search.one_of(search.narrow)
    if faults:
        return sentence(faults, THERE, search.telling, search)
    found = in_some_calls(search) or partly(search)
    return found and replace(found, title=found.title + THERE, hint=found.hint and found.hint + THERE)


def when(failures: Failures, cell: Cell) -> Sentences:
    """In which calls failures of a cell are wrong, as far as that can be said."""
    return failures.triggers([cell])


def about_what(bench: Bench, found: Counterexample) -> str:
    """What a failure is about; "" where it is about numbers and a new instance does not show it. Raises NotRun."""
    if found.demand in BESIDE_NUMBERS:
        return HYGIENE
    if found.demand == "shapes":
        return SHAPES
    dropping = [call for call in found.calls if call.case.training and call.case.config.dropout]
    if dropping:
        off = [replace(call, case=call.case.replace(training=False), in_place=False) for call in dropping]
        return DROPOUT if all(is_wrong(bench, call) is False for call in off) else ""
    call = wrong_call(bench, found)
    if call is None:
        return ""
    if call.do != "gradients":
        return RESULTS
    return GRADIENTS if gradients_alone(bench, call) else ""


def where_right(subject: Subject, found: Sequence[Answered], cell: Cell, work: Work) -> list[Answered]:
    """The gradients of a cell that a new instance gives to those probes whose results are right."""
    kept: list[Answered] = []
    right: dict[int, bool] = {}  # by case: of most there are several probes
    subject.restart()
    for probe in (a.probe for a in found if a.probe.d is not None and a.probe.case.config.cell == cell):
        if work.over:
            return []
        work.spend()
        with suppress(NotApplicable):
            if (key := id(probe.case)) not in right:
                right[key] = results_are_right(subject, [probe.case])
            if right[key] and belongs_to_right(subject, given := answered(subject, probe)):
                kept.append(given)
    return kept


def belongs_to_right(subject: Subject, given: Answered) -> bool:
    """Whether results are right of the call of some gradients: if these are wrong, nearby, too.

    Else they may be those of another function, which is right at one place, as where a weight is 0.
    """
    case = given.probe.case
    return results_are_right(subject, [case] if given.right else [case, *nearby(case)])


def results_are_right(subject: Subject, cases: Sequence[Case]) -> bool:
    """Whether the results of some calls are right."""
    with suppress(NotApplicable):
        return all(answered(subject, Probe(case)).right for case in cases)
    return False
