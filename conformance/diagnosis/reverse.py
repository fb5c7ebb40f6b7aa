"""The reverse direction, asked as if it were a network of one direction: experiments then show what is wrong in it.

So they are made where all that is wrong has two directions: a network of one has nothing to show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from conformance.faults.patching import Fault
from conformance.faults.within import within
from reference_rnn import Case, Cell, Result

from .asking import Bench, flat
from .probes import Answered

PART = "the reverse direction"
WHERE = f", in {PART} alone"
END = "_reverse"


@dataclass
class OfReverse(Bench):
    """A bench that gives what a case of one direction asks to the reverse one; the forward one has zeros."""

    def ask(self, case: Case) -> np.ndarray:
        """All that the reverse direction answers, as one list; errors are those of ``Bench.ask``."""
        if not turns(case):
            return super().ask(case)
        self.count_a_call()
        return flat(reverse_half(case, self.subject(as_reverse(case)).result))


def shows_in_two(answered: Sequence[Answered], cell: Cell) -> bool:
    """Whether all is right of a cell that has one direction, and something wrong that has two."""
    mine = [a for a in answered if a.probe.case.config.cell == cell and a.probe.d is None]
    wrong = [a for a in mine if not a.right]
    one = [a for a in mine if not a.probe.case.config.bidirectional]
    return bool(wrong and one) and all(a.right for a in one)


def of_reverse(bench: Bench) -> OfReverse:
    """The same bench for the reverse direction; what leads to a mistake is not shared."""
    return OfReverse(bench.subject, bench.cell, bench.dtype, bench.calls)


def turns(case: Case) -> bool:
    """Whether a case is of one layer and direction, without any form or lengths."""
    config = case.config
    plain = case.lengths is None and not case.unbatched and not config.batch_first
    return plain and (config.num_layers, config.bidirectional) == (1, False)


def as_reverse(case: Case) -> Case:
    """The case of two directions, of which the reverse one has all that one of one direction has."""
    zeros = {name: np.zeros_like(array) for name, array in case.parameters.items()}
    theirs = {name + END: array for name, array in case.parameters.items()}
    states = {name: beside_zeros(getattr(case, name)) for name in ("h_0", "c_0")}
    return case.replace(bidirectional=True, parameters=zeros | theirs, x=case.x[::-1].copy(), **states)


def beside_zeros(state: np.ndarray | None) -> np.ndarray | None:
    """The state (2, N, H) of two directions, the first of which starts from zero."""
    return None if state is None else np.concatenate([np.zeros_like(state), state])


def reverse_half(case: Case, result: Result[np.ndarray]) -> Result[np.ndarray]:
    """What the reverse direction gave, as a network of one direction gives it."""
    output = result.output[::-1, :, case.config.state_size :]
    return Result(output, *(state[1:] for name, state in result.items() if name != "output"))


def in_reverse(faults: Sequence[Fault]) -> list[Fault]:
    """Those of some mistakes that are made in a step, each in the reverse direction alone."""
    return [fault for fault in within(faults) if fault.within == PART]


def measured_in_reverse(experiment: Callable[[Bench], list[str]], bench: Bench) -> list[str]:
    """What an experiment shows in the reverse direction; its leads are noted, as mistakes made there."""
    there = of_reverse(bench)
    sentences = experiment(there)
    bench.leads += in_reverse(there.leads)
    return [said + WHERE for said in sentences]
