"""Every mistake of the catalogue, and of each family that is derived, is found by what is judged at each seed."""

from collections import defaultdict
from functools import partial

import pytest

from conformance.faults import FAULTS
from conformance.faults.backward import backward
from conformance.faults.blocks import blocks, blocks_back
from conformance.faults.chunks import chunks, chunks_back
from conformance.faults.handed_back import handed_back
from conformance.faults.keeping import keeping
from conformance.faults.masks import masks
from conformance.faults.memory import memory
from conformance.faults.operators import derived
from conformance.faults.other_calls import other_calls, other_calls_back
from conformance.faults.shapes import shapes
from conformance.faults.stored import stored, stored_back
from conformance.faults.wiring import packed, wiring
from conformance.kills import kill, kill_at_each_seed
from reference_rnn import CELLS, cell_of

OF_CELLS = {
    f"{make.__name__} {cell}": partial(make, cell_of(cell)) for make in (derived, packed, backward) for cell in CELLS
}
MAKERS = (
    wiring, stored, blocks, chunks, keeping, masks, memory, other_calls, shapes,
    handed_back, stored_back, blocks_back, chunks_back, other_calls_back,
)  # fmt: skip
# What finds mistakes of blocks and chunks that are longer than most cases, forwards or on the way back, and losses of
# one result of several.
FURTHER = {
    "equivalence": ("equivalence.sizes", "equivalence.each_size"),
    "gradients": ("gradients.sizes", "gradients.each_result", "gradients.each_size"),
}
DERIVED = OF_CELLS | {make.__name__: make for make in MAKERS}


@pytest.mark.parametrize("id", FAULTS)
def test_a_mistake_of_the_catalogue_is_found(id):
    assert kill_at_each_seed(FAULTS[id], FAULTS[id].killed_by).property


@pytest.mark.parametrize("name", DERIVED)
def test_a_mistake_of_each_family_is_found(name, moving):
    """Of those that one operator makes all whose turn it is, and one at least."""
    families = defaultdict(dict)
    for id, fault in DERIVED[name]().items():
        families[id.rpartition(".")[0]][id] = fault
    chosen = [fault for faults in families.values() for fault in moving(faults).values()]
    others = [fault for fault in chosen if not kill_at_each_seed(fault, fault.killed_by).property]
    rest = [fault for fault in others if not kill_at_each_seed(fault, further(fault)).property]
    assert not [fault.title for fault in rest if not kill(fault).property]


def further(fault):
    """What is asked of a fault beside what is written with it, of the same chapters."""
    chapters = {id.partition(".")[0] for id in fault.killed_by}
    return [id for chapter, ids in FURTHER.items() if chapter in chapters for id in ids]
