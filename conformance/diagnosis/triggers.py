"""When something happens: the shortest rule about calls that is true wherever it happens, and of no other call.

A rule is learnt from calls of which it is known, and tried on fresh ones on both sides of it. A call that refutes it is
one more to learn the next rule from. What three features cannot tell apart, or one and one of two, has no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from conformance.harness.call import Call
from conformance.judging.words import enumeration
from reference_rnn import RecurrenceCase
from strategies.shrink import size_of

from .localisation import FEATURES

LONGEST = 3  # features of a rule
ROUNDS = 12  # rules that are tried
EACH_SIDE = 12  # fresh calls that a rule must foretell, of those that it is true of, and of those beside it
DRAWN = 400  # fresh calls among which these are looked for
BOUNDS = 6  # sizes of an axis between which a rule may tell
BLOCKS = (2, 4, 8, 16)  # of which a size may have to be a multiple
OF_LAYERS = ("T", "N", "I", "H")

OF_RECURRENCES: dict[str, Callable[[RecurrenceCase], bool]] = {
    "a state is given": lambda c: not c.stateless,
    "no state is given": lambda c: c.stateless,
    "a given state is not zero": lambda c: any(a is not None and a.any() for a in c.states.values()),
    "rows are packed": lambda c: c.offsets is not None,
    "lengths are given": lambda c: c.lengths is not None,
    "a length is less than T": lambda c: bool((c.row_lengths < c.num_steps).any()),
}
Feature = Callable[[Call], bool]
Features = Mapping[str, Feature]  # by words that follow "where"


@dataclass(frozen=True)
class Rule:
    """Features that a call has all of, and alternatives of which it has one, if there are any; else it is each call."""

    features: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()

    def __str__(self) -> str:
        either = [f"either {' or '.join(self.alternatives)}"] if self.alternatives else []
        parts = [*self.features, *either]
        return f"where {enumeration(parts)}, and nowhere else" if parts else "in every call"

    def lacks(self, call: Call, features: Features) -> list[str]:
        """What a call lacks of it."""
        lacking = [name for name in self.features if not features[name](call)]
        one = not self.alternatives or any(features[name](call) for name in self.alternatives)
        return lacking if one else [*lacking, *self.alternatives[:1]]


def trigger(
    happens: Sequence[Call], others: Sequence[Call], ask: Callable[[Call], bool | None], fresh: Iterator[Call]
) -> Rule | None:
    """When something happens that happens in some calls, and not in others; None if no short rule tells.

    ask: whether it happens in a call; None where that cannot be known;  fresh: other calls
    """
    yes, no, left = list(happens), list(others), [call for call, _ in zip(fresh, range(DRAWN))]
    for _ in range(ROUNDS):
        features = features_of(yes, no)
        rule = learnt(yes, no, features)
        if rule is None:
            return None
        refuted, tried = False, telling(rule, left, features)
        for call in tried:
            happened = ask(call)
            if happened is not None:
                (yes if happened else no).append(call)
                refuted |= happened is bool(rule.lacks(call, features))
        if not refuted:
            return rule
        left = [call for call in left if not any(call is one for one in tried)]
    return None


def telling(rule: Rule, calls: Sequence[Call], features: Features) -> list[Call]:
    """Calls that can refute a rule: some that it is true of, some that lack one feature alone, each, and others."""
    kinds: dict[tuple[str, ...], list[Call]] = {}
    for call in calls:
        lacking = rule.lacks(call, features)
        kinds.setdefault(tuple(lacking) if len(lacking) < 2 else ("several",), []).append(call)
    return [call for some in kinds.values() for call in some[:EACH_SIDE]]


def learnt(yes: Sequence[Call], no: Sequence[Call], features: Features) -> Rule | None:
    """The shortest rule that is true of some calls and of none of the others; of several the first."""
    if not no:
        return Rule()
    had = {name: np.array([has(call) for call in yes]) for name, has in features.items()}
    lack = {name: np.array([not has(call) for call in no]) for name, has in features.items()}
    always = [name for name in features if had[name].all()]
    for length in range(1, LONGEST + 1):
        for names in combinations(always, length):
            if np.logical_or.reduce([lack[name] for name in names]).all():
                return Rule(names)
    for names in ((), *((name,) for name in always)):
        out = np.logical_or.reduce([np.zeros(len(no), bool), *(lack[name] for name in names)])
        sound = [name for name in features if (out | lack[name]).all()]
        for pair in combinations(sound, 2):
            if (had[pair[0]] | had[pair[1]]).all():
                return Rule(names, pair)
    return None


def features_of(yes: Sequence[Call], no: Sequence[Call]) -> dict[str, Feature]:
    """What a rule can be about, in the order in which it is sooner said: what calls ask, and what their sizes are."""
    first = yes[0].case
    recurrent = isinstance(first, RecurrenceCase)
    named: dict[str, Feature] = {
        "gradients are asked for": lambda call: call.do == "gradients",
        "results are asked for": lambda call: call.do == "forward",
    }
    cases: Mapping[str, Callable[[Any], bool]] = OF_RECURRENCES if recurrent else FEATURES
    named |= {words: of_case(has) for words, has in cases.items()}
    if recurrent:
        dtypes = dict.fromkeys(call.case.config.dtype for call in (*yes, *no))
        named |= {f"the dtype is {dtype}": of_dtype(dtype) for dtype in dtypes}
    return named | of_sizes(yes, list(sizes_of(first)))


def of_case(has: Callable[[Any], bool]) -> Feature:
    """What a case is, as a feature of a call."""
    return lambda call: has(call.case)


def of_dtype(dtype: str) -> Feature:
    """That a call has a dtype."""
    return lambda call: call.case.config.dtype == dtype


def of_sizes(yes: Sequence[Call], axes: Sequence[str]) -> dict[str, Feature]:
    """What sizes can be: as small or large as where it happens, the same as others, multiples of blocks."""
    found: dict[str, Feature] = {}
    for axis in axes:
        seen = sorted({sizes_of(call.case)[axis] for call in yes})
        if len(seen) == 1:
            found[f"{axis} = {seen[0]}"] = exactly(axis, seen[0])
        found |= {f"{axis} > {size - 1}": at_least(axis, size) for size in seen[:BOUNDS]}
        found |= {f"{axis} < {size + 1}": at_most(axis, size) for size in seen[-BOUNDS:]}
    for one, other in combinations(axes, 2):
        found |= {f"{one} is not {other}": same(one, other, False), f"{one} is {other}": same(one, other, True)}
    for axis in axes:
        for block in BLOCKS:
            found[f"{axis} is no multiple of {block}"] = multiple(axis, block, False)
            found[f"{axis} is a multiple of {block}"] = multiple(axis, block, True)
    return found


def at_least(axis: str, size: int) -> Feature:
    """That a size is no less."""
    return lambda call: sizes_of(call.case)[axis] >= size


def at_most(axis: str, size: int) -> Feature:
    """That a size is no more."""
    return lambda call: sizes_of(call.case)[axis] <= size


def exactly(axis: str, size: int) -> Feature:
    """That it is this size."""
    return lambda call: sizes_of(call.case)[axis] == size


def same(one: str, other: str, wanted: bool) -> Feature:
    """Whether two sizes are the same."""
    return lambda call: (sizes_of(call.case)[one] == sizes_of(call.case)[other]) is wanted


def multiple(axis: str, block: int, wanted: bool) -> Feature:
    """Whether a size is a multiple of a block."""
    return lambda call: (sizes_of(call.case)[axis] % block == 0) is wanted


def sizes_of(case: Any) -> dict[str, int]:
    """The sizes of a case by their letters: steps, rows, and what its arrays have."""
    if isinstance(case, RecurrenceCase):
        heads = {"M": case.config.heads} if case.config.cell.heads else {}
        return {"T": case.num_steps, "N": case.num_rows} | heads | dict(case.config.sizes)
    return {axis: size_of(case, axis) for axis in OF_LAYERS}
