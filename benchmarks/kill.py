"""How strong the kit is: python benchmarks/kill.py [SEED ...] [--derived] [--covering].

Prints the table of docs/how-strong.md. Every fault is judged by all properties in their order until the first failure.
With --derived also the mistakes that follow from the equations of the kit's own cells and from the loops around them,
on a line of their own, and those of the way back, on another. With --covering also a line of what the cases find that
come first whatever the seed.
Exit status: 0 all are found, 1 some are not.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median

from conformance.faults import FAULTS
from conformance.faults.backward import backward
from conformance.faults.blocks import blocks, blocks_back
from conformance.faults.chunks import chunks, chunks_back
from conformance.faults.handed_back import handed_back
from conformance.faults.operators import derived
from conformance.faults.patching import Fault
from conformance.faults.stored import stored, stored_back
from conformance.faults.wiring import packed, wiring
from conformance.kills import kills
from conformance.trial.worker_pool import cores
from reference_rnn import CELLS


def main() -> int:
    """Prints one line for each seed: faults found, examples and time until the first failure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("--derived", action="store_true", help="also the mistakes that follow from the equations")
    parser.add_argument("--covering", action="store_true", help="also what is found whatever the seed")
    asked = parser.parse_args()
    catalogues = [list(FAULTS.values())]
    if asked.derived:
        of_cells = (fault for cell in CELLS for fault in (derived(cell) | packed(cell)).values())
        back_through_cells = (fault for cell in CELLS for fault in backward(cell).values())
        forward = (wiring, stored, blocks, chunks)
        back = (handed_back, stored_back, blocks_back, chunks_back)
        catalogues.append([*of_cells, *(fault for family in forward for fault in family().values())])
        catalogues.append([*back_through_cells, *(fault for family in back for fault in family().values())])
    survivors = []
    print("| seed | faults | found | median examples | most examples | median s | most s |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    each = [None] if asked.covering else []
    for seed in [*asked.seeds, *each] or [0]:
        for faults in catalogues:
            survivors += line(seed, faults)
    print("\n".join(survivors), file=sys.stderr)
    return int(bool(survivors))


def line(seed: int | None, faults: list[Fault]) -> list[str]:
    """Prints one line; returns what survives."""
    results = list(kills(faults, seed, cores()))
    found = [result for result in results if result.property]
    cases, seconds = [result.cases for result in found], [result.seconds for result in found]
    print(
        f"| {'each' if seed is None else seed} | {len(faults)} | {len(found)} | {median(cases):.0f} | {max(cases)} "
        f"| {median(seconds):.2f} | {max(seconds):.2f} |",
        flush=True,
    )
    return [f"seed {seed}: {result.fault} survives" for result in results if not result.property]


if __name__ == "__main__":
    sys.exit(main())
