"""The reverse direction, asked as if it were a network of one direction: experiments then show what is wrong in it.

So they are made where all that is wrong has two directions: a network of one has nothing to show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from conformance.faults.patching import Fault
from conformance.faults.within import within
from conformance.judging.oracle import applicable
from reference_rnn import Case, Cell, Result

from .asking import Bench, flat
from .probes import Answered

PART = "the reverse direction"
END = "_reverse"


@dataclass
class OfOneDirection(Bench):
    """A bench that gives what a case of one direction asks to one of two; the other has zeros.

    reverse  whether to the reverse one
    """

    reverse: bool = True

    def ask(self, case: Case) -> np.ndarray:
        """All that this direction answers, as one list; errors are those of ``Bench.ask``."""
        applicable(turns(case))
        self.count_a_call()
        return flat(half(self.subject(in_two(case, self.reverse)).result, self.reverse))


def shows_in_two(answered: Sequence[Answered], cell: Cell) -> bool:
    """Whether all is right of a cell that has one direction, and something wrong that has two."""
    mine = [a for a in answered if a.probe.case.config.cell == cell and a.probe.d is None]
    wrong = [a for a in mine if not a.right]
    one = [a for a in mine if not a.probe.case.config.bidirectional]
    return bool(wrong and one) and all(a.right for a in one)


def of_direction(bench: Bench, reverse: bool = True) -> OfOneDirection:
    """The same bench for one direction of two; what leads to a mistake is not shared."""
    return OfOneDirection(bench.subject, bench.cell, bench.dtype, bench.calls, reverse=reverse)


def turns(case: Case) -> bool:
    """Whether a case is of one layer and direction, without any form or lengths."""
    config = case.config
    plain = case.lengths is None and not case.unbatched and not config.batch_first
    return plain and (config.num_layers, config.bidirectional) == (1, False)


def in_two(case: Case, reverse: bool) -> Case:
    """The case of two directions, of which one has all that one of one direction has, and the other zeros."""
    zeros = {name: np.zeros_like(array) for name, array in case.parameters.items()}
    ends = ("", END) if reverse else (END, "")
    parameters = {name + end: array for own, end in zip((zeros, case.parameters), ends) for name, array in own.items()}
    states = {name: beside_zeros(getattr(case, name), reverse) for name in ("h_0", "c_0")}
    x = case.x[::-1].copy() if reverse else case.x
    return case.replace(bidirectional=True, parameters=parameters, x=x, **states)


def beside_zeros(state: np.ndarray | None, reverse: bool) -> np.ndarray | None:
    """The state (2, N, H) of two directions, of which the other one starts from zero."""
    if state is None:
        return None
    both = [np.zeros_like(state), state]
    return np.concatenate(both if reverse else both[::-1])


def half(result: Result[np.ndarray], reverse: bool) -> Result[np.ndarray]:
    """What one of two directions gave, as a network of one direction gives it."""
    both = np.split(result.output, 2, -1)
    output = both[1][::-1] if reverse else both[0]
    return Result(output, *(state[[int(reverse)]] for name, state in result.items() if name != "output"))


def in_reverse(faults: Sequence[Fault]) -> list[Fault]:
    """Those of some mistakes that are made in a step, each in the reverse direction alone."""
    return [fault for fault in within(faults) if fault.within == PART]


def measured_in_reverse(experiment: Callable[[Bench], list[str]], bench: Bench) -> list[str]:
    """What an experiment shows in the reverse direction; its leads are noted, as mistakes made there.

    Where the forward one shows something, too, it is no matter of the reverse one.
    """
    there, other = of_direction(bench), of_direction(bench, reverse=False)
    sentences = experiment(there)
    if sentences and experiment(other):
        return [f"{said}, in networks of two directions" for said in sentences]
    bench.leads += in_reverse(there.leads)
    return [f"{said}, in {PART} alone" for said in sentences]
