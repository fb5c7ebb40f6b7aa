"""Whether anything correct is ever rejected: python benchmarks/false_alarms.py [PROFILE] [SEED ...].

Judges every target of tests/targets/right, correct but odd ones, and prints a line for the README. Exit status: 0 none
is rejected, 1 some are.
"""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

from conformance.engine.check import check
from conformance.engine.parallel import cores

RIGHT = sorted((Path(__file__).parent.parent / "tests" / "targets" / "right").glob("*.py"))


def judged(path: Path, profile: str, seed: int) -> tuple[int, list[str]]:
    """How many cases a target was judged on, and what was wrongly held against it."""
    report = check(path, profile=profile, seed=seed, diagnosis=False, in_process=False)
    wrong = [f"{path.name}, seed {seed}: {r.id}: {r.message}" for r in report.results if r.status == "failed"]
    return sum(result.examples for result in report.results), wrong + report.reasons


def main() -> int:
    """Prints the line."""
    profile, *seeds = sys.argv[1:] or ["quick"]
    runs = list(product(RIGHT, [profile], map(int, seeds or ["0"])))
    with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(judged, *zip(*runs)))
    complaints = [line for _, lines in found for line in lines]
    print("\n".join(complaints), file=sys.stderr)
    print(
        f"{len(RIGHT)} correct but odd targets, {sum(cases for cases, _ in found):,} cases, {len(complaints)} rejected"
    )
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
