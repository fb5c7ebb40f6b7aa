"""The ladder: small cases in the order in which they are climbed, of which each can show little more than those before.

First each gate alone, the others held open or shut; then one step of one unit, and networks that grow by one thing at
a time. So mistakes are told apart one after another: the first of several shows on a rung on which the others do not.
"""

from __future__ import annotations

from collections.abc import Iterator

from conformance.judging.oracle import NotApplicable
from conformance.judging.subject import Subject
from reference_rnn import Case

from . import curves, influence
from .asking import Bench
from .settings import COARSE, settings
from .work import Work


def rungs(subject: Subject, calls: Work) -> Iterator[Case]:
    """The cases of the ladder within what a target claims, cell by cell; none where a new shape is dear."""
    claims = subject.capabilities
    for cell in () if claims.recompiles else claims.cells:
        bench = Bench(subject, cell, claims.dtypes[0], calls)
        numbers = bench.rounded(COARSE[: bench.size("batch", len(COARSE))])
        for setting in settings(cell, bench.allowed.initial_state):
            try:
                yield curves.built(bench, setting, numbers)
            except NotApplicable:  # no such sizes, or no states
                continue
        for rung in influence.LADDER.values():
            case = influence.built(bench, rung)
            if case is not None:
                yield case
