"""Mistakes of a step that are made in a part of a network alone: in one direction, in some layers, or in some steps.

So it is where a direction, a layer or the first step has code of its own. Any mistake of the equations may be made
there, and any of the functions that they call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from .patching import DIRECTIONS, LAYERS, MODULES, STEPS, Fault, place_of

OF_A_STEP = MODULES[:2]  # functions; the others are those of the loops


def within(
    faults: Iterable[Fault], directions: bool = True, layers: bool = True, steps: bool = True
) -> Iterator[Fault]:
    """Those of some mistakes that are made in a step, each in every part of a network alone.

    directions, layers, steps  whether there are networks of two directions, of several layers, of several steps
    """
    parts = [*(DIRECTIONS if directions else ()), *(LAYERS if layers else ()), *(STEPS if steps else ())]
    for fault in faults:
        place = place_of(fault.function)
        if (place.cell is not None or place.module in OF_A_STEP) and not (fault.stateful or fault.within):
            for part in parts:
                where = f", in {part} alone"
                id = f"{fault.id}.{part.replace(' ', '-')}"
                hint = fault.hint and fault.hint + where
                yield replace(fault, id=id, title=fault.title + where, hint=hint, within=part)
