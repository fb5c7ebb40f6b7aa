"""What no probe shows: the calls that failures are about, and others like them, are asked for as probes are.

So a mistake that is made at some sizes or in some forms alone is compared with faulty references, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from functools import cached_property

from conformance.faults.patching import Fault
from conformance.harness.call import Call
from conformance.judging.oracle import Failure, NotApplicable, NotRun
from reference_rnn import Cell

from .asking import Bench
from .measured import Failures
from .probes import Answered, Fresh, Probe, answered
from .search import Faults, Search
from .variations import likewise, wrong_call
from .work import EVALUATIONS, Work

CALLS = 32  # for one failure


class Seldom(Search):
    """A search among the calls of failures and all other answers; others: answers to calls that are like them."""

    def __init__(
        self, answers: Sequence[Answered], others: Sequence[Answered], cell: Cell, passed: Collection[str], fresh: Fresh
    ) -> None:
        super().__init__(answers, cell, passed, Work(EVALUATIONS, fresh.deadline), fresh)
        self.others = [a for a in others if (a.probe.d is None) == self.forward_wrong]

    @cached_property
    def fresh(self) -> list[Answered]:
        """Answers to cases by which nothing was found: those that are like failures, and random ones."""
        return self.comparable([*self.others, *self.ask_fresh(self.cell, self.forward_wrong)])

    def found(self, likely: Sequence[Fault] = ()) -> Faults:
        """One mistake that gives all answers; () if none does."""
        return self.one_of([fault for fault in (*likely, *self.faults, *self.narrow) if not fault.stateful])


def seldom(cell: Cell, answers: Sequence[Answered], failures: Failures, passed: Collection[str]) -> Seldom | None:
    """The search for a cell of which failures have calls that are wrong alone; None where there are none."""
    wrong, others = list[Answered](), list[Answered]()
    for found in failures.of(cell):
        bench = Bench(failures.subject, cell, found.case.config.dtype, Work(CALLS, failures.deadline))
        with suppress(Failure, NotApplicable, NotRun):
            if call := wrong_call(bench, found):
                wrong += asked(bench, call)
                for other in likewise(bench, call):
                    others += asked(bench, other)
    if not wrong:
        return None
    fresh = Fresh(failures.subject, answers, failures.deadline)
    return Seldom([*answers, *wrong], others, cell, passed, fresh)


def asked(bench: Bench, call: Call) -> Iterator[Answered]:
    """What a new instance answers to a call, if nothing is drawn in it at random."""
    case = call.case
    if case.draws:
        return
    bench.restart()
    bench.count_a_call()
    yield answered(bench.subject, Probe(case, dict(call.cotangents) if call.do == "gradients" else None))
