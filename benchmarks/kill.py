"""How strong the kit is: python benchmarks/kill.py [SEED ...]. Prints the table of the README.

Every fault is judged by all properties in their order until the first failure.
"""

from __future__ import annotations

import sys
from statistics import median

from conformance.engine.parallel import cores
from conformance.faults import FAULTS
from conformance.faults.kills import kills


def main() -> None:
    """Prints one line for each seed: faults found, examples and time until the first failure."""
    print("| seed | faults | found | median examples | most examples | median s | most s |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for seed in map(int, sys.argv[1:] or ["0"]):
        found = [result for result in kills(list(FAULTS), seed, cores()) if result.property]
        cases, seconds = [result.cases for result in found], [result.seconds for result in found]
        print(
            f"| {seed} | {len(FAULTS)} | {len(found)} | {median(cases):.0f} | {max(cases)} "
            f"| {median(seconds):.2f} | {max(seconds):.2f} |"
        )


if __name__ == "__main__":
    main()
