"""Which mistake in the reference makes an experiment say of it what it says of a target.

No number of a single call shows what is drawn at random, kept between calls, or in the wrong shape. But an experiment
that has found what is wrong finds it in a faulty reference, too: the change of that is shown with its sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from conformance.claims.capabilities import RESULTS, Capabilities
from conformance.faults import FAULTS
from conformance.faults.keeping import keeping
from conformance.faults.masks import masks
from conformance.faults.memory import memory
from conformance.faults.patching import Fault, place_of
from conformance.faults.shapes import shapes
from conformance.harness.answer import Answer
from conformance.harness.load import Target, open_target
from conformance.judging.counterexample import Counterexample
from conformance.judging.judge import failure_on
from conformance.judging.oracle import Failure, NotApplicable, NotRun
from conformance.judging.subject import Subject
from reference_rnn import Case, Cell, forward, layers

from .alike import same_failure
from .asking import Bench
from .dropout import drops
from .earlier import after_others
from .faulty import FaultyTarget, faulty_class
from .hygiene import ABOUT, habits
from .measured import Failures, Sentences
from .work import Work

Shapes = dict[str, tuple[int, ...]]
NEAR = 2.0**-10  # that two answers are the same: another parameter, row or state changes more
CHANCES = 4  # of a case in which something is drawn


def patches(sentences: Sentences, failures: Failures, asked: Sequence[Case]) -> dict[tuple[str, str], str]:
    """The changes of the reference that measure alike, by the sentences that they belong to.

    Of several that say a sentence it is the one that says the most of what is said of the target, and of these the one
    that fails the most of what the target fails, if there is one; of those that do the same in all that is asked, the
    first.

    asked: cases in each of which the target and the reference with that change have results of the same shapes
    """
    found = {}
    for kind in KINDS:
        told = {sentence: cells for (its, sentence), cells in sentences.items() if its == kind and cells}
        for cell in dict.fromkeys(cell for cells in told.values() for cell in cells[:1]):
            mine = [sentence for sentence, cells in told.items() if cell in cells]
            alike = which_say(kind, mine, cell, failures)
            for sentence in mine:
                of_it = {fault: its.rank for fault, its in alike.items() if sentence in its.said}
                most = [fault for fault, rank in of_it.items() if rank == max(of_it.values())]
                most = [fault for fault in most if is_wrong_where(fault, failures.subject, cell, asked, kind)]
                if len(most) == 1 or (most and KINDS[kind].all_alike):
                    found[kind, sentence] = most[0].patch()
    return found


class Said(NamedTuple):
    """What an experiment says of a mistake, and how many of the target's failures it fails."""

    said: set[str]
    failed: int

    @property
    def rank(self) -> tuple[int, int]:
        """The larger, the more the mistake is like what the target does."""
        return len(self.said), self.failed


def which_say(kind: str, sentences: Sequence[str], cell: Cell, failures: Failures) -> dict[Fault, Said]:
    """The mistakes of which an experiment says some of these sentences, and no others; with what it says.

    None where not all can be asked that fail as much of what the target fails as one of these.
    """
    its = KINDS[kind]
    failures = failures.among([found for found in failures.of_all(cell) if its.about(found)])
    count = likely(kind, cell, failures)
    order = sorted(count, key=lambda fault: -count[fault])
    if its.done and order:
        order = alike_in(its, order, cell, failures)
    left, found = order[its.most :], {}
    for fault in order[: its.most]:
        if failures.deadline.over:
            return {}
        subject = Subject(open_target(faulty_class(fault, (cell,))), failures.subject.capabilities, anew=True)
        with suppress(Failure):
            said = {sentence for _, sentence in its.asked(failures.of_another(subject, its.calls), [cell])}
            if said and said <= set(sentences):
                found[fault] = Said(said, count[fault])
    return {fault: its for fault, its in found.items() if not left or its.failed > count[left[0]]}


def alike_in(kind: Kind, faults: Sequence[Fault], cell: Cell, failures: Failures) -> list[Fault]:
    """Those mistakes that do what the target does in calls like the first one that fails."""
    found = failures.of(cell)[0]
    its, alike = done_by(failures.subject, kind, found, failures), []
    for fault in faults if its else ():
        for apart in (True, False):  # what a call for gradients leaves behind may count for others
            faulty = Subject(open_target(faulty_class(fault, (cell,), apart)), failures.subject.capabilities)
            theirs = done_by(faulty, kind, found, failures)
            if theirs and all(map(partial(kind.alike, fault), its, theirs)):
                alike.append(fault)
                break
    return alike


def done_by(subject: Subject, kind: Kind, found: Counterexample, failures: Failures) -> Sequence[Any]:
    """What a target does in calls like one that fails; nothing where it cannot be asked."""
    config, work = found.case.config, Work(min(kind.calls, failures.calls), failures.deadline)
    with suppress(Failure, NotApplicable, NotRun):
        if kind.done:
            return kind.done(Bench(subject, config.cell, config.dtype, work), found)
    return []


def same_answer(fault: Fault, one: Answer | None, other: Answer | None) -> bool:
    """Whether one answer is that of a faulty reference, in which gradients are right where results are wrong."""
    return about_the_same(one, other, () if fault.backward_only else RESULTS)


def about_the_same(one: Answer | None, other: Answer | None, names: Collection[str] = ()) -> bool:
    """Whether two answers differ by no more than rounding may, or a little more; names: those arrays alone."""
    if one is None or other is None:
        return one is other
    mine = {name: array for name, array in one.arrays.items() if not names or name in names}
    pairs = [(array, other.arrays.get(name, np.array(None))) for name, array in mine.items()]
    return all(a.shape == b.shape and np.allclose(a, b, NEAR, NEAR, equal_nan=True) for a, b in pairs)


def likely(kind: str, cell: Cell, failures: Failures) -> dict[Fault, int]:
    """The mistakes that fail some of what the target fails, on the same cases, and how much of it.

    What an earlier call leaves behind is no chance: there the numbers must be the same, too.
    """
    its_kind = KINDS[kind]
    every = (*filter(its_kind.listed, FAULTS.values()), *its_kind.mistakes().values())
    mine = [(failures.properties[found.property], found.case) for found in failures.of(cell)]
    its = [failure_on(prop, failures.subject.target, case) for prop, case in mine]
    alike = same_failure if its_kind.done else lambda _, other: other is not None
    count = {}
    for fault in every:
        target = open_target(faulty_class(fault, (cell,)))
        if fault.about(cell):
            count[fault] = sum(
                any(alike(one, failure_on(prop, target, case)) for _ in range(CHANCES if case.draws else 1))
                for one, (prop, case) in zip(its, mine)
            )
    return {fault: number for fault, number in count.items() if number}


def is_wrong_where(fault: Fault, subject: Subject, cell: Cell, asked: Sequence[Case], kind: str) -> bool:
    """Whether a mistake is made where a target makes it, as far as can be seen: it may be made in some calls alone."""
    target = open_target(FaultyTarget(fault, cells=(cell,)))
    if kind == "dropout":  # in two directions, in one, or in both
        claims = [
            replace(subject.capabilities, bidirectional=some) for some in {False, subject.capabilities.bidirectional}
        ]
        pairs = [[drops(Subject(one, its, anew=True), cell) for one in (subject.target, target)] for its in claims]
        return all(its == others for its, others in pairs)
    mine = [case for case in asked if case.config.cell == cell]
    return kind != "shapes" or gives_shapes(target, subject.capabilities, shapes_of(subject, mine))


def patch_of_habits(subject: Subject, asked: Sequence[Case]) -> str:
    """The change of the reference that makes it give the shapes that were recognised in a target; "" if none does."""
    if not subject.reader.habits:
        return ""
    claims, found = subject.capabilities, []
    given = shapes_of(Subject(subject.target, claims, anew=True), asked)
    given.sort(key=lambda entry: entry[1] == right_shapes(entry[0]))  # what is odd first: few mistakes give that
    for fault in (*filter(may_be_of_shapes, FAULTS.values()), *shapes().values()):
        if gives_shapes(open_target(FaultyTarget(fault, cells=claims.cells)), claims, given):
            found.append(fault)
    return found[0].patch() if len(found) == 1 else ""


def right_shapes(case: Case) -> Shapes:
    """The shapes that all results of a case must have."""
    return {name: np.shape(array) for name, array in forward(case).items()}


def gives_shapes(target: Target, claims: Capabilities, given: Sequence[tuple[Case, Shapes]]) -> bool:
    """Whether a faulty reference gives results of the same shapes in each case in which a target gives any."""
    subject = Subject(target, claims, anew=True)
    return all(shapes_of(subject, [case]) == [(case, shapes)] for case, shapes in given if shapes)


def shapes_of(subject: Subject, cases: Sequence[Case]) -> list[tuple[Case, Shapes]]:
    """Some cases, each with the shapes of all results as a new instance gives them; none where there is no result."""
    found = []
    for case in cases:
        given: Shapes = {}
        with suppress(Failure, NotApplicable):
            subject.restart()
            given = {name: np.shape(array) for name, array in subject.answer(case).arrays.items()}
        found.append((case, given))
    return found


class Kind(NamedTuple):
    """How mistakes of a kind are told from each other.

    asked     the experiment that says of a target what is wrong
    most      how many faulty references are asked, each with so many calls
    mistakes  those that may be the one, beside those of the catalogue of which ``listed`` is so
    done      what a target does in a few calls like one that fails, and is ``about`` that, if that is looked at
    alike     whether a target does in one of them what a faulty reference does
    all_alike whether those that are left do what the target does wherever it is asked, so that the first one will do
    """

    asked: Callable[[Failures, Sequence[Cell]], Sentences]
    most: int
    calls: int
    mistakes: Callable[[], Mapping[str, Fault]] = dict
    listed: Callable[[Fault], bool] = lambda fault: False
    done: Callable[[Bench, Counterexample], Sequence[Any]] | None = None
    about: Callable[[Counterexample], bool] = lambda found: True
    alike: Callable[[Fault, Any, Any], bool] = lambda fault, one, other: one == other
    all_alike: bool = False


def may_be_of_shapes(fault: Fault) -> bool:
    """Whether a mistake may give another shape."""
    return fault.fault_class == "shape-contract" or place_of(fault.function).module is layers


KINDS = {
    "dropout": Kind(Failures.dropout, 24, 400, masks, lambda fault: fault.fault_class == "dropout"),
    "shapes": Kind(Failures.shapes, 24, 400, shapes, may_be_of_shapes, all_alike=True),
    "history": Kind(
        Failures.history,
        12,
        1500,
        keeping,
        lambda fault: fault.stateful,
        done=after_others,
        alike=same_answer,
        all_alike=True,
    ),
    "precision": Kind(Failures.precision, 24, 400, listed=lambda fault: fault.function == "as_float64"),
    "hygiene": Kind(
        Failures.hygiene, 12, 400, memory, done=habits, about=lambda found: found.demand in ABOUT, all_alike=True
    ),
}
