"""Mistakes of a step that are made in a part of a network alone: in one direction, in layer 0 or in the layers above.

So it is where a direction or a layer has code of its own. Any mistake of the equations may be made there, and any of
the functions that they call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from .patching import DIRECTIONS, LAYERS, MODULES, Fault, place_of

STEP = MODULES[:2]  # the functions of a step; the others are those of the loops


def within(faults: Iterable[Fault], directions: bool = True, layers: bool = True) -> Iterator[Fault]:
    """Those of some mistakes that are made in a step, each in every part of a network alone.

    directions, layers  whether there are networks of two directions, and of several layers
    """
    parts = [*(DIRECTIONS if directions else ()), *(LAYERS if layers else ())]
    for fault in faults:
        place = place_of(fault.function)
        if (place.cell is not None or place.module in STEP) and not (fault.stateful or fault.within):
            for part in parts:
                where = f", in {part} alone"
                id = f"{fault.id}.{part.replace(' ', '-')}"
                hint = fault.hint and fault.hint + where
                yield replace(fault, id=id, title=fault.title + where, hint=hint, within=part)
