"""Mistakes of a step that are made in a part of a network alone: in one direction, in some layers, or in some steps.

So it is where a direction, a layer or the first step has code of its own, or what is left beside blocks of units, rows
or steps. Any mistake of the equations may be made there, and any of the functions that they call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product, starmap

from .parts import BESIDE, COUNTED, DIRECTIONS, LAYERS, STEPS, Share
from .patching import MODULES, Fault, place_of

OF_A_STEP = MODULES[:2]  # functions; the others are those of the loops
SIZES = range(2, 65)  # of blocks
FAR = 2 * max(SIZES)  # numbers at which rules are compared


def within(
    faults: Iterable[Fault], directions: bool = True, layers: bool = True, steps: bool = True
) -> Iterator[Fault]:
    """Those of some mistakes that are made in a step, each in every part of a network alone.

    directions, layers, steps  whether there are networks of two directions, of several layers, of several steps
    """
    parts = [*(DIRECTIONS if directions else ()), *(LAYERS if layers else ()), *(STEPS if steps else ())]
    return (made_in(part, fault) for fault in faults if is_of_a_step(fault) for part in parts)


def beside_blocks(faults: Iterable[Fault], parts: Sequence[Share]) -> Iterator[Fault]:
    """The same, each in some parts that have code of their own beside blocks."""
    return (made_in(part, fault) for fault in faults if is_of_a_step(fault) for part in parts)


def shares(axis: str, is_wrong: Callable[[int], bool]) -> Iterator[Share]:
    """The parts beside blocks in which there is something just where sizes of an axis are wrong.

    >>> next(map(str, shares("H", lambda n: n > 4 and n % 4 > 0)))
    'units beyond the last whole block of 4 where there is one'
    """
    for share in starmap(Share, product((axis,), COUNTED.get(axis, ()), BESIDE, SIZES)):
        if all(share.shows(n) is is_wrong(n) for n in range(1, FAR)):
            yield share


def is_of_a_step(fault: Fault) -> bool:
    """Whether a mistake is made in a step, always, and in every part of a network."""
    place = place_of(fault.function)
    return (place.cell is not None or place.module in OF_A_STEP) and not (fault.stateful or fault.within)


def made_in(part: str | Share, fault: Fault) -> Fault:
    """The mistake, made in a part alone."""
    where = f", only in {part}" if isinstance(part, Share) else f", in {part} alone"
    id = f"{fault.id}.{str(part).replace(',', '').replace(' ', '-')}"
    return replace(fault, id=id, title=fault.title + where, hint=fault.hint and fault.hint + where, within=part)
