"""How much the cases of a hunt show: which of the mistakes that are derived from a target's cells they tell apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from conformance.claims.capabilities import Capabilities
from conformance.faults.operators import derived
from conformance.faults.patching import Fault, FaultyReference
from conformance.judging.judge import covering_cases, each_block, number_of
from conformance.judging.properties import Property
from conformance.vectors.expected_balls import certain
from conformance.vectors.vector_files import Vector
from conformance.vectors.vector_selection import given_by, misses
from reference_rnn import Case
from strategies.cases import from_block

SEES_ALL = "equivalence.steps"  # the property whose cases are looked at: it judges every number of them


class SearchOver(Exception):
    """There is nothing left to tell apart, or no time."""


def surviving_mutants(
    claims: Capabilities, properties: Mapping[str, Property], count: int, seed: int, covers: bool,
    alike: Sequence[str] | None, deadline: float,
) -> tuple[int, list[str]] | None:  # fmt: skip
    """How many mistakes are derived from the claimed cells, and the ids of those that survive; None
    where there was no time to derive them.

    The cases are those on which a round judges the property that sees every number.
    alike: those that were not before, None for all;  deadline: when to stop, by the monotonic clock
    """
    if claims.recurrences:
        return 0, []  # what their cases tell apart is not counted
    mutants: dict[str, Fault] = {}
    for cell in claims.cells:
        if time.monotonic() > deadline:
            return None
        mutants |= derived(cell)
    left = [fault for id, fault in mutants.items() if alike is None or id in alike]

    def look(case: Case) -> None:
        balls = certain(case, claims.rounding(case.config.dtype))
        vector = balls and Vector(case, balls, claims.arithmetic, claims.order)
        for fault in [fault for fault in left if fault.about(case.config.cell)] if vector else ():
            if time.monotonic() > deadline:
                raise SearchOver
            if vector and misses(given_by(wrong(fault), case), vector):
                left.remove(fault)
        if not left:
            raise SearchOver

    if prop := properties.get(SEES_ALL):
        each_case(prop, claims, count, seed, covers, look)
    return len(mutants), [fault.id for fault in left]


def each_case(
    prop: Property, claims: Capabilities, count: int, seed: int, covers: bool, look: Callable[[Case], None]
) -> None:
    """Looks at every case of a round of a property, until it is over."""
    allowed = prop.allowed(claims)
    try:
        for case in covering_cases(prop, allowed) if covers else ():
            look(case)
        each_block(prop.random_cases(count), number_of(prop) ^ seed, lambda block: look(from_block(block, allowed)))
    except SearchOver:
        return


@lru_cache(maxsize=2048)
def wrong(fault: Fault) -> Callable[..., Any]:
    """The reference with a mistake."""
    return FaultyReference(fault).forward
