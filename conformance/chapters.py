"""The chapters, in the order in which they are judged and reported, and the catalogue of their properties."""

from __future__ import annotations

import importlib
from dataclasses import replace
from functools import lru_cache

from conformance.judging.properties import Property

# Shapes first: where they are wrong, what follows is noise.
CHAPTERS = (
    "shapes",
    "equivalence",
    "directions",
    "layers",
    "time",
    "batch",
    "lengths",
    "nonfinite",
    "symmetries",
    "dropout",
    "gates",
    "options",
    "gradients",
    "state",
)

# Those that find most mistakes soonest, as the table of kills shows: the first to be asked where one failure is enough.
STRONGEST = (
    "equivalence.first_look", "gradients.first_look", "equivalence.steps", "shapes.shapes", "gradients.shapes",
    "gradients.back_propagation", "lengths.padding_is_zero", "shapes.repeatable", "dropout.mask",
    "nonfinite.propagation", "shapes.default_state", "shapes.batch_first", "shapes.calls_are_independent",
    "shapes.memory_layout", "dropout.off_in_evaluation", "options.together", "lengths.padded_row_is_row_alone",
    "shapes.inputs_untouched", "gradients.dropout", "gradients.unbatched", "gradients.default_state",
    "gradients.memory_layout", "shapes.unbatched", "symmetries.scale", "equivalence.magnitudes", "gradients.magnitudes",
)  # fmt: skip

# Of a profile's random cases: all for the two that see every number; for the others a few, as covering cases show each
# mistake of the catalogue to each property that is to find it.
WHOLE, MUCH, LITTLE = 1.0, 0.2, 0.15
SEE_ALL = ("equivalence.steps", "gradients.back_propagation")


@lru_cache(maxsize=1)
def catalogue() -> dict[str, Property]:
    """All properties by id, in the order of their chapters."""
    found: dict[str, Property] = {}
    for chapter in CHAPTERS:
        module = importlib.import_module(f"conformance.test_{chapter}")
        found |= {p.id: p for p in vars(module).values() if isinstance(p, Property)}
    found = {id: replace(p, rank=rank(id), share=share(id)) for id, p in found.items()}
    dear = sorted((p for p in found.values() if p.models), key=lambda p: p.rank)
    return found | {p.id: replace(p, before=tuple(dear[:place])) for place, p in enumerate(dear)}


def rank(id: str) -> int:
    """The place of a property among the strongest, and behind them all for the others."""
    return STRONGEST.index(id) if id in STRONGEST else len(STRONGEST)


def share(id: str) -> float:
    """Which part of a profile's random cases a property needs."""
    return WHOLE if id in SEE_ALL else MUCH if id in STRONGEST else LITTLE
