"""Which cases become test vectors: as many as are asked for, those first that tell the known mistakes apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, count, islice

import numpy as np

from conformance.claims.allowed import drawn
from conformance.claims.capabilities import Capabilities
from conformance.faults.operators import derived
from conformance.faults.patching import Fault, FaultyReference
from conformance.faults.wiring import wiring
from reference_rnn import Case, Cell, Result
from strategies.cases import BLOCK_SIZE, Allowed, from_block
from strategies.covering import LARGE, covering

from .vectors import Vector, certain

MOST = 200  # vectors for each cell and dtype
SEARCHED = 64  # of them for each mistake
LARGEST = 50_000  # numbers of a case: files of more than a megabyte are no pleasure


@dataclass
class Chosen:
    """The vectors of one cell and dtype by name, in their order.

    told  for each mistake in the cell's equations and in the loops around them the first vector that tells it apart;
          None: none of those that were tried does
    void  how many cases were left out, since rounding may do anything to them
    """

    vectors: dict[str, Vector] = field(default_factory=dict)
    told: dict[str, str | None] = field(default_factory=dict)
    void: int = 0


def choose(claims: Capabilities, cell: Cell, dtype: str, most: int = MOST) -> Chosen:
    """At most so many vectors for a target with these claims; those that tell mistakes apart come first."""
    chosen, found, wanted = Chosen(), list[Vector](), max(most, SEARCHED)
    for case in islice(candidates(drawn(claims, cells=(cell,), dtypes=(dtype,), forms=())), 2 * wanted):
        balls = certain(case, claims.rounding(dtype))
        if balls is None:
            chosen.void += 1
        else:
            found.append(Vector(case, balls, claims.arithmetic, claims.order))
        if len(found) == wanted:
            break
    first = {fault.id: telling(fault, found[:SEARCHED]) for fault in mistakes(cell)}
    needed = sorted({number for number in first.values() if number is not None})
    order = [*needed, *(number for number in range(len(found)) if number not in needed)][:most]
    names = {number: f"{str(cell).lower()}-{dtype}-{place:03}" for place, number in enumerate(order)}
    chosen.vectors = {names[number]: found[number] for number in order}
    chosen.told = {id: None if number is None else names.get(number) for id, number in first.items()}
    return chosen


def candidates(allowed: Allowed) -> Iterator[Case]:
    """Cases within what is allowed, always the same: the covering ones, random ones, large ones, random ones."""
    random = (from_block(block(number), allowed) for number in count())
    cases = chain(covering(allowed), islice(random, SEARCHED), covering(allowed, sketches=LARGE), random)
    return (case for case in cases if sum(array.size for _, array in case.arrays()) <= LARGEST)


def block(number: int) -> bytes:
    """The bytes of a random case: the same on every machine and with every version of NumPy."""
    return hashlib.shake_256(str(number).encode()).digest(BLOCK_SIZE)


def mistakes(cell: Cell) -> list[Fault]:
    """What somebody may have done to the equations of a cell, or to the loops around them."""
    return [*derived(cell).values(), *wiring().values()]


def telling(fault: Fault, vectors: list[Vector]) -> int | None:
    """The first of some vectors whose balls the results with a mistake miss, in the target's own rounding too."""
    wrong = FaultyReference(fault).forward
    return next((number for number, vector in enumerate(vectors) if misses(wrong, vector)), None)


@np.errstate(all="ignore")
def misses(wrong: Callable[[Case], Result], vector: Vector) -> bool:
    """Whether some number is so far off that rounding cannot bring it back: by the radius and as much again."""
    try:
        given = dict(wrong(vector.case).items())
    except Exception:  # a mistake that stops on this case is not overlooked either
        return True
    return any(
        np.shape(given[name]) != ball.shape or not (abs(given[name] - ball.mid) <= 2 * ball.rad).all()
        for name, ball in vector.balls.items()
    )
