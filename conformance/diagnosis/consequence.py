"""Whether a failure follows from mistakes that were named: then it is no other defect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conformance.faults.patching import Fault
from conformance.harness.call import Call
from conformance.judging.counterexample import Counterexample
from conformance.judging.oracle import Failure, NotApplicable
from conformance.judging.subject import Subject

from .probes import Fresh, Probe, answered
from .search import Search
from .work import EVALUATIONS, Deadline, Work


def follows(found: Counterexample, faults: Sequence[Fault], subject: Subject) -> bool:
    """Whether a reference with these mistakes gives the wrong numbers of a counterexample.

    Relations between two calls fail on a wrong target by rounding alone, which no other reference repeats in the same
    words; but the numbers of both calls are those of the mistakes.
    """
    if found.demand != "numbers" or not found.compared or found.is_beside_gradients():
        return False
    wrong_forward = not all(fault.backward_only for fault in faults)
    calls = [found.calls[number] for number in found.compared]
    # where forward is wrong, gradients are those of another function
    return all((wrong_forward and call.do == "gradients") or gives(faults, subject, call) for call in calls)


def gives(faults: Sequence[Fault], subject: Subject, call: Call) -> bool:
    """Whether a reference with these mistakes gives a target's answer to a call, but for rounding."""
    given: dict[str, Any] | None = dict(call.cotangents) if call.do == "gradients" else None
    try:
        subject.restart()
        answer = answered(subject, Probe(call.case, given))
    except (Failure, NotApplicable):
        return False
    unasked = Fresh(subject, [answer], Deadline())
    search = Search([answer], call.case.config.cell, (), Work(EVALUATIONS), unasked)
    return answer.given is not None and search.given(tuple(faults), answer) == len(answer.given)
