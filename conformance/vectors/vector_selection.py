"""Which cases become test vectors: as many as are asked for, those first that tell the known mistakes apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
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
from reference_rnn import Cell, Handed, Recurrence, RecurrenceCase, Result
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

    told  for each mistake in the cell's equations and in the loops around them the first vector that tells it apart;
          None: none of those that were tried does;  titles: of these mistakes, as their makers would say them
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
    first = {id: telling(mistake.forward, found[:SEARCHED]) for id, mistake in known.items()}
    needed = sorted({number for number in first.values() if number is not None})
    order = [*needed, *(number for number in range(len(found)) if number not in needed)][:most]
    names = {number: f"{str(cell).lower()}-{dtype}-{place:03}" for place, number in enumerate(order)}
    chosen.vectors = {names[number]: found[number] for number in order}
    chosen.titles = {id: mistake.title for id, mistake in known.items()}
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


def telling(wrong: Callable[[Any], Result | Handed], vectors: list[Vector]) -> int | None:
    """The first of some vectors whose balls the results with a mistake miss, in the target's own rounding too."""
    return next((number for number, vector in enumerate(vectors) if misses(wrong, vector)), None)


@np.errstate(all="ignore")
def misses(wrong: Callable[[Any], Result | Handed], vector: Vector) -> bool:
    """Whether some number is so far off that rounding cannot bring it back: by the radius and as much again."""
    try:
        given = dict(wrong(vector.case).items())
    except Exception:  # a mistake that stops on this case is not overlooked either
        return True
    return any(
        np.shape(given[name]) != ball.shape or not (abs(given[name] - ball.mid) <= 2 * ball.rad).all()
        for name, ball in vector.balls.items()
    )
