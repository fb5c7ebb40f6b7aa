"""How strong the kit is: python benchmarks/kill.py [SEED ...]. Prints the table of the README.

Every fault is judged by all properties in their order until the first failure.
"""

from __future__ import annotations

import sys
import time
from statistics import median

from conformance import check
from conformance.faults import FAULTS, FaultyTarget


def main() -> None:
    """Prints one line for each seed: faults found, examples and time until the first failure."""
    print("| seed | faults | found | median examples | most examples | median s | most s |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for seed in map(int, sys.argv[1:] or ["0"]):
        examples, seconds = [], []
        for fault in FAULTS.values():
            began = time.perf_counter()
            report = check(FaultyTarget(fault), seed=seed, stop_on_first=True, diagnosis=False)
            if report.verdict == "fails":
                examples.append(sum(result.examples for result in report.results))
                seconds.append(time.perf_counter() - began)
        print(
            f"| {seed} | {len(FAULTS)} | {len(examples)} | {median(examples):.0f} | {max(examples)} "
            f"| {median(seconds):.2f} | {max(seconds):.2f} |"
        )


if __name__ == "__main__":
    main()
