"""Which cases become test vectors: as many as are asked for, those first that tell the known mistakes apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count, islice
from typing import Any, NamedTuple

import numpy as np

from conformance.claims.allowed import drawn, sequences
from conformance.claims.capabilities import Capabilities
from conformance.faults.operators import derived
from conformance.faults.patching import FaultyReference
from conformance.faults.recurrences import mistakes_of
from conformance.faults.wiring import wiring
from reference_rnn import Cell, Handed, Recurrence, RecurrenceCase, Result, forward, handed
from strategies.cases import BLOCK_SIZE, from_block
from strategies.covering import LARGE, covering

from .expected_balls import certain
from .vector_files import Vector

MOST = 200  # vectors for each cell and dtype
SEARCHED = 64  # of them for each mistake
LARGEST = 50_000  # numbers of a case: files of more than a megabyte are no pleasure


@dataclass
class Chosen:
    """The vectors of one cell and dtype by name, in their order.

    told  for each mistake in the cell's equations and in the loops around them that changes a number of some case: the
          first vector that tells it apart;  None: rounding could change as much in each that was tried
    titles  of these mistakes, as their makers would say them
    void  how many cases were left out, since rounding may do anything to them;  large: since they are too large
    """

    vectors: dict[str, Vector] = field(default_factory=dict)
    told: dict[str, str | None] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    void: int = 0
    large: int = 0


def choose(claims: Capabilities, cell: Cell, dtype: str, most: int = MOST) -> Chosen:
    """At most so many vectors for a target with these claims; those that tell mistakes apart come first."""
    chosen, found, wanted = Chosen(), list[Vector](), max(most, SEARCHED)
    for case in islice(candidates(claims, cell, dtype), 2 * wanted):
        if sum(array.size for _, array in case.arrays()) > LARGEST:
            chosen.large += 1
        elif (balls := certain(case, claims.rounding(dtype))) is None:
            chosen.void += 1
        else:
            found.append(Vector(case, balls, claims.arithmetic, claims.order))
        if len(found) == wanted:
            break
    known = derived_mistakes(cell)
    searched = [(vector, right(vector.case)) for vector in found[:SEARCHED]]
    effects = {id: effect(mistake.forward, searched) for id, mistake in known.items()}
    first = {id: number for id, (number, changes) in effects.items() if changes}
    needed = sorted({number for number in first.values() if number is not None})
    order = [*needed, *(number for number in range(len(found)) if number not in needed)][:most]
    names = {number: f"{str(cell).lower()}-{dtype}-{place:03}" for place, number in enumerate(order)}
    chosen.vectors = {names[number]: found[number] for number in order}
    chosen.titles = {id: known[id].title for id in first}
    chosen.told = {id: None if number is None else names.get(number) for id, number in first.items()}
    return chosen


def candidates(claims: Capabilities, cell: Cell, dtype: str) -> Iterator[Any]:
    """Cases that are claimed, always the same and without end: of layers, covering, random, large and random ones."""
    if isinstance(cell, Recurrence):
        return sequences_of(claims, cell, dtype)
    allowed = drawn(claims, cells=(cell,), dtypes=(dtype,), forms=())
    random = (from_block(random_block(number), allowed) for number in count())
    return chain(covering(allowed), islice(random, SEARCHED), covering(allowed, sketches=LARGE), random)


def sequences_of(claims: Capabilities, cell: Recurrence, dtype: str) -> Iterator[RecurrenceCase]:
    """Covering and random cases of a recurrence, from states that are given."""
    allowed = sequences(claims, recurrences=(cell,), dtypes=(dtype,))
    return chain(allowed.covering(0), (allowed.from_block(random_block(number)) for number in count()))


def random_block(number: int) -> bytes:
    """The bytes of a random case: the same on every machine and with every version of NumPy."""
    return hashlib.shake_256(str(number).encode()).digest(BLOCK_SIZE)


class Mistaken(NamedTuple):
    """A mistake as its maker would say it, and the results with it."""

    title: str
    forward: Callable[[Any], Result | Handed]


def derived_mistakes(cell: Cell) -> dict[str, Mistaken]:
    """What somebody may have done to the equations of a cell, or to the loops around them, by id."""
    if isinstance(cell, Recurrence):
        return {id: Mistaken(mistake.title, mistake.handed) for id, mistake in mistakes_of(cell).items()}
    faults = derived(cell) | wiring()
    return {fault.id: Mistaken(fault.title, FaultyReference(fault).forward) for fault in faults.values()}


Numbers = dict[str, np.ndarray]  # results by name


def right(case: Any) -> Numbers:
    """The right results of a case, as the reference computes them."""
    return dict((handed(case) if isinstance(case, RecurrenceCase) else forward(case)).items())


def effect(
    wrong: Callable[[Any], Result | Handed], searched: Sequence[tuple[Vector, Numbers]]
) -> tuple[int | None, bool]:  # fmt: skip
    """The first of some vectors that tells of a mistake, and whether any number changes by it.

    None does by a mistake in a state that the cell does not have, or in a second layer where there is one.
    """
    changes = False
    for number, (vector, before) in enumerate(searched):
        given = given_by(wrong, vector.case)
        if misses(given, vector):
            return number, True
        changes = changes or any(not np.array_equal(given[name], before[name], equal_nan=True) for name in before)
    return None, changes


@np.errstate(all="ignore")
def given_by(wrong: Callable[[Any], Result | Handed], case: Any) -> Numbers:
    """The results of a case with a mistake; none where it stops there."""
    try:
        return dict(wrong(case).items())
    except Exception:
        return {}


@np.errstate(all="ignore")
def misses(given: Numbers, vector: Vector) -> bool:
    """Whether some number is missing, or off by more than twice what rounding may do."""
    return any(
        name not in given
        or np.shape(given[name]) != ball.shape
        or not (abs(given[name] - ball.mid) <= 2 * ball.rad).all()
        for name, ball in vector.balls.items()
    )
