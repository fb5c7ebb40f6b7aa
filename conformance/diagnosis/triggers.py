"""When something happens: the shortest rule about calls that is true wherever it happens.

A rule is learnt from calls of which it is known, some of which differ in one thing from one in which it happens; and
tried on fresh ones on both sides of it, and at the sizes at which it begins. A call that refutes it is one more to
learn the next rule from. What three features cannot tell apart, or one and one of two, has no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import numpy as np

from conformance.harness.call import Call
from conformance.judging.oracle import NotRun
from conformance.judging.words import enumeration

from .features import Feature, features_of, measure

LONGEST = 3  # features of a rule
ROUNDS = 12  # rules that are tried
TRIED = 12  # fresh calls of each kind that a rule must foretell
DRAWN = 400  # fresh calls among which these are looked for
EVIDENCE = 2  # calls, in which it does not happen, that only one feature tells
UNTOLD = 0.1  # of these, at most, that no alternative need tell
SILENT = 0.5  # of the calls in which it does not happen, at most, that may be such that it does not show

Ask = Callable[[Call], "bool | None"]


class Calls(Protocol):
    """Calls of a target that may be asked."""

    def fresh(self) -> Iterator[Call]:
        """Random ones, always the same."""

    def resized(self, call: Call, axis: str, size: int) -> Call | None:
        """A call like one, but for one size; None if the target claims no such call."""


@dataclass(frozen=True)
class Rule:
    """Features that a call has all of, and alternatives of which it has one, if there are any; else it is each call.

    only  whether it happens nowhere else, and need not in all such calls
    """

    features: tuple[Feature, ...] = ()
    alternatives: tuple[Feature, ...] = ()
    only: bool = False

    def __str__(self) -> str:
        parts = [one.words for one in self.features]
        parts += [f"either {' or '.join(one.words for one in self.alternatives)}"] if self.alternatives else []
        if not parts:
            return "in some calls" if self.only else "in every call"
        return f"only where {enumeration(parts)}" if self.only else f"where {enumeration(parts)}, and nowhere else"

    def lacking(self, call: Call) -> list[str]:
        """What a call lacks of it, in words; nothing where the rule is true of it."""
        lacks = [one.words for one in self.features if not one.holds(call)]
        if self.alternatives and not any(one.holds(call) for one in self.alternatives):
            lacks.append(self.alternatives[0].words)
        return lacks


def find_rule(
    happens: Sequence[Call], others: Sequence[Call], ask: Ask, more: Calls, always: bool = True
) -> Rule | None:
    """When something happens that happens in some calls, and not in others; None if no short rule tells.

    ask: whether it happens in a call, None where that cannot be known; raises NotRun where no more may be asked, and
    then there is no rule
    always: whether it must happen in each call of which the rule is true; else it may be that it does not show there
    """
    yes, no, left = list(happens), list(others), list(islice(more.fresh(), DRAWN))
    with suppress(NotRun):
        for _ in range(ROUNDS):
            rule = shortest_rule(yes, no, always)
            if rule is None or any(ask(call) is False for call in controls(rule, yes, more)):
                return None
            tried, refuted = calls_that_test(rule, left), False
            for call in (*tried, *calls_across(rule, yes, no, more)):
                happened, lacks = ask(call), bool(rule.lacking(call))
                if happened is not None and (always or happened or lacks):
                    (yes if happened else no).append(call)
                    refuted |= happened is lacks
            if not refuted:
                return replace(rule, only=not always)
            left = [call for call in left if not any(call is one for one in tried)]
    return None


def calls_that_test(rule: Rule, calls: Sequence[Call]) -> list[Call]:
    """Calls that can refute a rule: some that it is true of, by each alternative, some that lack one thing, others."""
    kinds: dict[tuple[Any, ...], list[Call]] = {}
    for call in calls:
        lacks = rule.lacking(call)
        way = tuple(one.holds(call) for one in rule.alternatives) if not lacks else tuple(lacks[:2])
        kinds.setdefault(way if len(lacks) < 2 else ("several",), []).append(call)
    return [call for some in kinds.values() for call in some[:TRIED]]


def controls(rule: Rule, yes: Sequence[Call], more: Calls) -> Iterator[Call]:
    """Calls in which it happens, with other numbers: where it does not then, calls of other sizes tell nothing."""
    for feature in (*rule.features, *rule.alternatives):
        if feature.axis:
            call = nearest(feature, yes)
            yield from filter(None, (more.resized(call, feature.axis, measure(call.case, feature.axis)),))


def calls_across(rule: Rule, yes: Sequence[Call], no: Sequence[Call], more: Calls) -> Iterator[Call]:
    """Calls that lack a size of a rule: like the one next to its bound in which it happens, but for this size."""
    for feature in (*rule.features, *rule.alternatives):
        if feature.axis:
            call = nearest(feature, yes)
            known = [measure(one.case, feature.axis) for one in no if rule.lacking(one) == [feature.words]]
            calls = (more.resized(call, feature.axis, other) for other in feature.across(call.case, known))
            yield from (one for one in calls if one and not feature.holds(one))


def nearest(feature: Feature, calls: Sequence[Call]) -> Call:
    """The call that has a feature about a size, and is next to its bound."""
    return min(
        filter(feature.holds, calls), key=lambda call: abs(measure(call.case, feature.axis) - feature.bound)
    )  # fmt: skip


@np.errstate(all="ignore")
def shortest_rule(yes: Sequence[Call], no: Sequence[Call], always: bool = True) -> Rule | None:
    """The shortest rule that is true of some calls and of none of the others; of several the first, None if none is.

    A feature excludes the calls that lack it: features that every call of the first has must exclude all of the others.
    always: whether it must happen in each call of which the rule is true; else some of the others may be left, and each
    feature must exclude several: what excludes one alone may do so by chance
    """
    if not no:
        return Rule()
    features = features_of(yes)
    has = np.array([[one.holds(call) for call in yes] for one in features])
    (shared,) = np.nonzero(has.all(1))
    excludes = np.zeros((len(features), len(no)), bool)
    excludes[shared] = [[not features[i].holds(call) for call in no] for i in shared]
    if chosen := smallest_cover(excludes[shared], LONGEST) if always else likely_cover(excludes[shared]):
        return Rule(tuple(features[shared[i]] for i in chosen))
    (sometimes,) = np.nonzero(has.any(1) & ~has.all(1))
    excludes[sometimes] = [[not features[i].holds(call) for call in no] for i in sometimes]
    for first in (None, *shared):
        excluded = np.zeros(len(no), bool) if first is None else excludes[first]
        told = (excluded | excludes).mean(1)
        sound = [i for i in np.argsort(-told, kind="stable") if told[i] >= 1 - (0 if always else UNTOLD)]
        if pair := smallest_cover(has[sound], 2):
            beside = () if first is None else (features[first],)
            return Rule(beside, tuple(features[sound[i]] for i in pair))
    return None


def likely_cover(rows: np.ndarray) -> tuple[int, ...]:
    """The fewest rows of which in most columns one is true, each of them in several where no other is; () if none are.

    rows: (rows, columns) of booleans
    """
    gaps = (~rows).astype(float)
    first = int(gaps.sum(1).argmin())
    together = gaps @ gaps.T
    one, other = map(int, np.unravel_index(together.argmin(), together.shape))
    chosen: tuple[int, ...] = (first,)
    if together[first, first] - together[one, other] >= EVIDENCE:
        third = int((gaps * gaps[one] * gaps[other]).sum(1).argmin())
        fewer = together[one, other] - (gaps[third] * gaps[one] * gaps[other]).sum() >= EVIDENCE
        chosen = tuple(sorted((one, other, third) if fewer else (one, other)))
    left = gaps[list(chosen)].prod(0).sum()
    return chosen if left <= SILENT * rows.shape[1] else ()


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
