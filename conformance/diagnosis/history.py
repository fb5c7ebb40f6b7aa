"""History: an answer that another call before it changes, and what of that call it depends on.

One call, then another that is right in a new instance. The first differs from it in one thing alone: so what the second
gets wrong is what was kept. If its numbers are those for the thing of the call before, that is said; else that it
depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

import numpy as np

from conformance.judging.oracle import Failure, NotApplicable, NotRun
from conformance.judging.words import enumeration
from reference_rnn import Case, forward

from .asking import Bench
from .influence import LADDER, SLACK, built, seen

REPEATS = 2  # of what is found: chance is no history
CARRIED = {"the final state": ("h_0", "c_0"), "h_n": ("h_0",), "c_n": ("c_0",)}
KEPT = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "x", "h_0", "c_0")


@np.errstate(all="ignore")
def history(bench: Bench, vague: bool = True) -> list[str]:
    """What an answer depends on beside its own call; nothing if that was not found out.

    vague  whether it is said that an answer is another one where no more is known of the call before
    """
    for rung in reversed(LADDER.values()):
        case = built(bench, rung)
        if case is not None:
            try:
                if said := list(History(bench, case, vague).said()):
                    return said if found_again(bench, case, said) else []
            except (Failure, NotApplicable):  # it has no answer to this
                continue
            except NotRun:
                return []
    return []


def found_again(bench: Bench, case: Case, said: list[str]) -> bool:
    """Whether the same is found again, as often as there are calls left for it."""
    with suppress(NotRun):
        return all(list(History(bench, case, True).said()) == said for _ in range(REPEATS))
    return True


class History:
    """Pairs of calls, of which the second is a certain one in some form."""

    def __init__(self, bench: Bench, case: Case, vague: bool) -> None:
        self.bench = bench
        self.case = case
        self.vague = vague

    def said(self) -> Iterator[str]:
        """Sentences about what is kept; of several forms the first that shows it."""
        if not self.right(self.case):  # then history is not what is wrong with it
            return
        kept = [name for name in KEPT if self.kept(name)]
        if kept:
            yield self.told(kept)
            return
        ways = [self.state, self.padding, *([self.again, self.sizes] if self.vague else ())]
        yield from islice(filter(None, (way() for way in ways)), 1)

    def kept(self, name: str) -> bool:
        """Whether an answer is that for an array of the call before."""
        other = self.other(name)
        return not self.right(self.case, other) and self.is_that_of(other, self.case, other)

    def told(self, kept: Sequence[str]) -> str:
        """What is kept, and whether it is taken for the same wherever it is the same arrays."""
        if all(self.right(self.case, self.other(name), anew=True) for name in kept):
            return f"{enumeration(kept)}: told from those of an earlier call by the arrays, not by the numbers in them"
        return f"{enumeration(kept)} of an earlier call of the same sizes {'are' if len(kept) > 1 else 'is'} used again"

    def other(self, name: str) -> Case:
        """The case with other signs and sizes of all numbers in the arrays of this kind."""
        return self.case.map(lambda own, array: array * array.dtype.type(-0.5) if own.startswith(name) else array)

    def state(self) -> str:
        """What becomes of a state that is not given."""
        if not self.bench.subject.capabilities.claims("default_state") or self.case.h_0 is None:
            return ""
        without = self.case.replace(h_0=None, c_0=None)
        if not self.right(without):
            return ""
        for before, words in ((self.case, ""), (without, " that had none either")):
            if not self.right(without, before):
                for state, names in CARRIED.items():
                    if self.is_that_of(self.carried(before, names), without, before):
                        return f"a call without an initial state starts from {state} of the call before{words}"
                return f"a call without an initial state gives other numbers after another call{words}"
        return ""

    def carried(self, before: Case, names: Sequence[str]) -> Case:
        """The case with some of the final states of another one, and zeros for the others."""
        final = forward(before)
        states = {"h_0": final.h_n, "c_0": final.c_n}
        return self.case.replace(**{
            name: self.bench.rounded(a) * (name in names) for name, a in states.items() if a is not None
        })  # fmt: skip

    def padding(self) -> str:
        """What stands behind the end of a row."""
        c = self.case
        if not self.bench.subject.capabilities.lengths or c.num_rows < 2 or c.num_steps < 2:
            return ""
        ragged = c.replace(lengths=np.array([c.num_steps - 1 - row % 2 for row in range(c.num_rows)]))
        full = ragged.replace(lengths=np.full(c.num_rows, c.num_steps))
        if not self.right(ragged) or self.right(ragged, full):
            return ""
        given, wanted, before = self.bench.ask(ragged), *(self.bench.ball(case)[0] for case in (ragged, full))
        ended = np.arange(c.num_steps)[:, None] >= ragged.row_lengths
        behind = np.zeros(len(wanted), bool)
        behind[: ended.size * c.config.num_directions * c.config.state_size] = np.repeat(
            ended.ravel(), c.config.num_directions * c.config.state_size
        )
        off = abs(given - wanted) > self.room(ragged)
        if not (off & ~behind).any() and not (abs(given - before) > self.room(full))[behind].any():
            return "behind the end of a row the output still holds what the call before put there"
        return "rows that end before others give other numbers after a call in which they did not"

    def again(self) -> str:
        """The same call twice."""
        return "" if self.right(self.case, self.case) else "the same call gives other numbers the second time"

    def sizes(self) -> str:
        """Calls of other sizes before."""
        for name, rung in LADDER.items():
            other = built(self.bench, rung)
            if other is not None and other.config != self.case.config and not self.right(self.case, other):
                return f"an answer is another one after a call of other sizes: {seen(name, rung, other)}"
        return ""

    def right(self, case: Case, *before: Case, anew: bool = False) -> bool:
        """Whether a new instance gives right numbers after some calls; anew: each with new arrays."""
        return self.is_that_of(case, case, *before, anew=anew)

    def is_that_of(self, wanted: Case, case: Case, *before: Case, anew: bool = False) -> bool:
        """Whether a new instance gives, after some calls, the numbers that are right for another case."""
        self.bench.restart()
        self.bench.subject.record.anew = anew
        *_, given = (self.bench.ask(each) for each in (*before, case))
        return bool((abs(given - self.bench.ball(wanted)[0]) <= self.room(wanted)).all())

    def room(self, case: Case) -> np.ndarray:
        """How far rounding may lead from what is right."""
        return SLACK * self.bench.ball(case)[1] + self.bench.arithmetic(case).eta
