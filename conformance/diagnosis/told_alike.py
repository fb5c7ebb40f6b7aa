"""Which mistake in the reference makes an experiment say of it what it says of a target.

No number of a single call shows what is drawn at random, kept between calls, or in the wrong shape. But an experiment
that has found what is wrong finds it in a faulty reference, too: the change of that is shown with its sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from conformance.faults import FAULTS
from conformance.faults.keeping import keeping
from conformance.faults.masks import masks
from conformance.faults.patching import Fault
from conformance.faults.shapes import shapes
from conformance.harness.load import open_target
from conformance.judging.judge import failure_on
from conformance.judging.judgement import Failure, NotApplicable
from conformance.judging.subject import Subject
from reference_rnn import Case, Cell

from .faulty import FaultyTarget
from .measured import Failures, Sentences
from .probes import Answered
from .work import Work

OF_CLASS: dict[str, Callable[[Fault], bool]] = {
    "dropout": lambda fault: fault.fault_class == "dropout",
    "shapes": lambda fault: fault.fault_class == "shape-contract",
    "history": lambda fault: fault.stateful,
}
OTHERS: dict[str, Callable[[], Mapping[str, Fault]]] = {"dropout": masks, "shapes": shapes, "history": keeping}
ASKED: dict[str, Callable[[Failures, Sequence[Cell]], Sentences]] = {
    "dropout": Failures.dropout, "shapes": Failures.shapes, "history": Failures.history,
}  # fmt: skip
MOST, CALLS = 12, 400  # experiments on faulty references, and calls of each
WORTH = {"dropout": 1, "shapes": 1, "history": 4}  # what one is worth: some compare many networks on balls
PROBES = 12  # that show how shapes are misread


def patches(sentences: Sentences, failures: Failures) -> dict[tuple[str, str], str]:
    """The changes of the reference that measure alike, by the sentences that they belong to.

    Of several that say a sentence it is the one that says the most of what is said of the target, if there is one.
    """
    work, found = Work(MOST, failures.deadline), {}
    for kind in ASKED:
        told = {sentence: cells for (its, sentence), cells in sentences.items() if its == kind and cells}
        for cell in dict.fromkeys(cell for cells in told.values() for cell in cells[:1]):
            mine = [sentence for sentence, cells in told.items() if cell in cells]
            alike = dict(which_say(kind, mine, cell, failures, work))
            for sentence in mine:
                of_it = {fault: said for fault, said in alike.items() if sentence in said}
                most = [fault for fault, said in of_it.items() if len(said) == max(map(len, of_it.values()))]
                if len(most) == 1:
                    found[kind, sentence] = most[0].patch()
    return found


def which_say(
    kind: str, sentences: Sequence[str], cell: Cell, failures: Failures, work: Work
) -> Iterator[tuple[Fault, set[str]]]:
    """The mistakes of which an experiment says some of these sentences, and no others; with what it says."""
    for fault in likely(kind, cell, failures):
        if work.over:
            break
        work.spend(WORTH[kind])
        subject = Subject(open_target(FaultyTarget(fault, cells=(cell,))), failures.subject.capabilities, anew=True)
        with suppress(Failure):
            said = {sentence for _, sentence in ASKED[kind](failures.of_another(subject, CALLS), [cell])}
            if said and said <= set(sentences):
                yield fault, said


def likely(kind: str, cell: Cell, failures: Failures) -> list[Fault]:
    """The mistakes that fail some of what the target fails, on the same cases; those first that fail most of it."""
    every = (*filter(OF_CLASS[kind], FAULTS.values()), *OTHERS[kind]().values())
    alike = {fault: fail_alike(fault, cell, failures) for fault in every if fault.about(cell)}
    return sorted((fault for fault, count in alike.items() if count), key=lambda fault: -alike[fault])


def fail_alike(fault: Fault, cell: Cell, failures: Failures) -> int:
    """How many failures of a target are those of a mistake, too: the same property fails on the same case."""
    target = open_target(FaultyTarget(fault, cells=(cell,)))
    return sum(
        failure_on(failures.properties[found.property], target, found.case) is not None for found in failures.of(cell)
    )


def patch_of_habits(subject: Subject, answered: Sequence[Answered]) -> str:
    """The change of the reference that makes it give the shapes that were recognised in a target; "" if none does."""
    habits = subject.reader.habits
    asked = [a.probe.case for a in answered if a.probe.d is None][:PROBES]
    found = []
    for fault in (*filter(OF_CLASS["shapes"], FAULTS.values()), *shapes().values()):
        other = Subject(
            open_target(FaultyTarget(fault, cells=subject.capabilities.cells)), subject.capabilities, anew=True
        )
        if habits and habits_in(other, asked) == habits:
            found.append(fault)
    return found[0].patch() if len(found) == 1 else ""


def habits_in(subject: Subject, cases: Sequence[Case]) -> Mapping[str, str]:
    """How shapes are misread that a target gives in some cases; what it has no answer to says nothing."""
    with suppress(Failure):
        subject.restart()
    for case in cases:
        with suppress(Failure, NotApplicable):
            subject(case)
    return subject.reader.habits
