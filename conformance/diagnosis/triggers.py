"""When something happens: the shortest rule about calls that is true wherever it happens, and of no other call.

A rule is learnt from calls of which it is known, and tried on fresh ones on both sides of it, and at the sizes at which
it begins. A call that refutes it is one more to learn the next rule from. What three features cannot tell apart, or one
and one of two, has no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice
from typing import Any, Protocol

import numpy as np

from conformance.harness.call import Call
from conformance.judging.oracle import NotRun
from conformance.judging.words import enumeration
from reference_rnn import RecurrenceCase

from .localisation import FEATURES
from .sizes import sizes_of as sizes_of_layers

LONGEST = 3  # features of a rule
ROUNDS = 12  # rules that are tried
TRIED = 12  # fresh calls of each kind that a rule must foretell
DRAWN = 400  # fresh calls among which these are looked for
BOUNDS = 6  # sizes of an axis between which a rule may tell
BLOCKS = (2, 4, 8, 16)  # of which a size may have to be a multiple

OF_RECURRENCES: dict[str, Callable[[RecurrenceCase], bool]] = {
    "a state is given": lambda c: not c.stateless,
    "no state is given": lambda c: c.stateless,
    "a given state is not zero": lambda c: any(a is not None and a.any() for a in c.states.values()),
    "rows are packed": lambda c: c.offsets is not None,
    "lengths are given": lambda c: c.lengths is not None,
    "a length is less than T": lambda c: bool((c.row_lengths < c.num_steps).any()),
    "the dtype is float32": lambda c: c.config.dtype == "float32",
    "the dtype is float64": lambda c: c.config.dtype == "float64",
}


Ask = Callable[[Call], "bool | None"]


class Calls(Protocol):
    """Calls of a target that may be asked."""

    def fresh(self) -> Iterator[Call]:
        """Random ones, always the same."""

    def resized(self, call: Call, axis: str, size: int) -> Call | None:
        """A call like one, but for one size; None if the target claims no such call."""


@dataclass(frozen=True)
class Bound:
    """Where a size begins to be large enough, or small enough.  beside: the size next to these on the other side"""

    axis: str
    beside: int
    larger: bool

    def across(self, known: Sequence[int]) -> set[int]:
        """Sizes on the other side: the next one, and one halfway to the nearest of those that are known to be there."""
        if self.larger:
            far = max((size for size in known if size < self.beside), default=0)
        else:
            far = min((size for size in known if size > self.beside), default=2 * self.beside)
        return {self.beside, (self.beside + far) // 2}


@dataclass(frozen=True)
class Feature:
    """Something that a call has or has not.  words: follow "where";  bound: if it is about how large something is"""

    words: str
    holds: Callable[[Call], bool] = field(compare=False)
    bound: Bound | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Rule:
    """Features that a call has all of, and alternatives of which it has one, if there are any; else it is each call."""

    features: tuple[Feature, ...] = ()
    alternatives: tuple[Feature, ...] = ()

    def __str__(self) -> str:
        parts = [one.words for one in self.features]
        parts += [f"either {' or '.join(one.words for one in self.alternatives)}"] if self.alternatives else []
        return f"where {enumeration(parts)}, and nowhere else" if parts else "in every call"

    def lacking(self, call: Call) -> list[str]:
        """What a call lacks of it, in words; nothing where the rule is true of it."""
        lacks = [one.words for one in self.features if not one.holds(call)]
        if self.alternatives and not any(one.holds(call) for one in self.alternatives):
            lacks.append(self.alternatives[0].words)
        return lacks


def find_rule(happens: Sequence[Call], others: Sequence[Call], ask: Ask, more: Calls) -> Rule | None:
    """When something happens that happens in some calls, and not in others; None if no short rule tells.

    ask: whether it happens in a call, None where that cannot be known; raises NotRun where no more may be asked, and
    then there is no rule
    """
    yes, no, left = list(happens), list(others), list(islice(more.fresh(), DRAWN))
    for _ in range(ROUNDS):
        rule = shortest_rule(yes, no)
        if rule is None:
            return None
        tried, refuted = calls_that_test(rule, left), False
        for call in (*tried, *calls_across(rule, yes, no, more)):
            try:
                happened = ask(call)
            except NotRun:
                return None
            if happened is not None:
                (yes if happened else no).append(call)
                refuted |= happened is bool(rule.lacking(call))
        if not refuted:
            return rule
        left = [call for call in left if not any(call is one for one in tried)]
    return None


def calls_that_test(rule: Rule, calls: Sequence[Call]) -> list[Call]:
    """Calls that can refute a rule: some that it is true of, some that lack one feature alone, each, and others."""
    kinds: dict[tuple[str, ...], list[Call]] = {}
    for call in calls:
        lacks = rule.lacking(call)
        kinds.setdefault(tuple(lacks) if len(lacks) < 2 else ("several",), []).append(call)
    return [call for some in kinds.values() for call in some[:TRIED]]


def calls_across(rule: Rule, yes: Sequence[Call], no: Sequence[Call], more: Calls) -> Iterator[Call]:
    """Calls across each bound of a rule: like the one that is nearest to it, but for this size."""
    for feature in (*rule.features, *rule.alternatives):
        if bound := feature.bound:
            size = lambda call, axis=bound.axis: sizes_of(call.case)[axis]  # noqa: E731
            near = min(filter(feature.holds, yes), key=lambda call: abs(size(call) - bound.beside))
            known = [size(call) for call in no if rule.lacking(call) == [feature.words]]
            calls = (more.resized(near, bound.axis, other) for other in sorted(bound.across(known)))
            yield from (call for call in calls if call and not feature.holds(call))


@np.errstate(all="ignore")
def shortest_rule(yes: Sequence[Call], no: Sequence[Call]) -> Rule | None:
    """The shortest rule that is true of some calls and of none of the others; of several the first, None if none is.

    A feature excludes the calls that lack it: features that every call of the first has must exclude all of the others.
    """
    if not no:
        return Rule()
    features = features_of(yes)
    has = np.array([[one.holds(call) for call in yes] for one in features])
    excludes = np.array([[not one.holds(call) for call in no] for one in features])
    (always,) = np.nonzero(has.all(1))
    if chosen := smallest_cover(excludes[always], LONGEST):
        return Rule(tuple(features[always[i]] for i in chosen))
    for first in (None, *always):
        excluded = np.zeros(len(no), bool) if first is None else excludes[first]
        (sound,) = np.nonzero((excluded | excludes).all(1))
        if pair := smallest_cover(has[sound], 2):
            shared = () if first is None else (features[first],)
            return Rule(shared, tuple(features[sound[i]] for i in pair))
    return None


def smallest_cover(rows: np.ndarray, most: int) -> tuple[int, ...]:
    """The fewest rows, at most so many, of which in each column one is true; of several the first; () if none are.

    rows: (rows, columns) of booleans
    """
    return next(filter(None, (cover_of(rows, length) for length in range(1, most + 1))), ())


def cover_of(rows: np.ndarray, length: int) -> tuple[int, ...]:
    """So many rows of which in each column one is true; () if there are none."""
    if length == 1:
        return next(((int(i),) for i in np.flatnonzero(rows.all(1))), ())
    if length == 2:
        gaps = (~rows).astype(float)
        return next(((int(i), int(j)) for i, j in np.argwhere(np.triu(gaps @ gaps.T == 0, 1))), ())
    for i in range(len(rows)):
        if rest := cover_of(rows[i + 1 :][:, ~rows[i]], length - 1):
            return (i, *(i + 1 + j for j in rest))
    return ()


def features_of(calls: Sequence[Call]) -> list[Feature]:
    """What a rule of these calls can be about, in the order in which it is sooner said."""
    first = calls[0].case
    cases: dict[str, Callable[[Any], bool]] = OF_RECURRENCES if isinstance(first, RecurrenceCase) else FEATURES
    return [
        Feature("gradients are asked for", lambda call: call.do == "gradients"),
        Feature("results are asked for", lambda call: call.do == "forward"),
        *(Feature(words, lambda call, has=has: has(call.case)) for words, has in cases.items()),  # type: ignore[misc]
        *(feature for axis in sizes_of(first) for feature in bounds_of(axis, calls)),
        *(feature for pair in combinations(sizes_of(first), 2) for feature in likeness_of(*pair)),
        *(feature for axis in sizes_of(first) for block in BLOCKS for feature in multiples_of(axis, block)),
    ]


def bounds_of(axis: str, calls: Sequence[Call]) -> Iterator[Feature]:
    """That a size is one that all calls have, and that it is as large, or as small, as that of some of them."""
    sizes = sorted({sizes_of(call.case)[axis] for call in calls})
    for size in sizes if len(sizes) == 1 else ():
        yield Feature(f"{axis} = {size}", lambda call: sizes_of(call.case)[axis] == size)
    for size in sizes[:BOUNDS]:
        holds = lambda call, size=size: sizes_of(call.case)[axis] >= size  # noqa: E731
        yield Feature(f"{axis} > {size - 1}", holds, Bound(axis, size - 1, larger=True))
    for size in sizes[-BOUNDS:]:
        holds = lambda call, size=size: sizes_of(call.case)[axis] <= size  # noqa: E731
        yield Feature(f"{axis} < {size + 1}", holds, Bound(axis, size + 1, larger=False))


def likeness_of(one: str, other: str) -> Iterator[Feature]:
    """Whether two sizes are the same."""
    yield Feature(f"{one} is not {other}", lambda call: sizes_of(call.case)[one] != sizes_of(call.case)[other])
    yield Feature(f"{one} is {other}", lambda call: sizes_of(call.case)[one] == sizes_of(call.case)[other])


def multiples_of(axis: str, block: int) -> Iterator[Feature]:
    """Whether a size is a multiple of a block."""
    yield Feature(f"{axis} is no multiple of {block}", lambda call: sizes_of(call.case)[axis] % block > 0)
    yield Feature(f"{axis} is a multiple of {block}", lambda call: sizes_of(call.case)[axis] % block == 0)


def sizes_of(case: Any) -> dict[str, int]:
    """The sizes of a case by their letters: steps, rows, and what its arrays have."""
    if isinstance(case, RecurrenceCase):
        heads = {"M": case.config.heads} if case.config.cell.heads else {}
        return {"T": case.num_steps, "N": case.num_rows} | heads | dict(case.config.sizes)
    return sizes_of_layers(case)
