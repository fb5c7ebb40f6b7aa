"""How far apart right answers are, as a multiple of what a target shows of itself: BEYOND of judging/evidence.py.

    python benchmarks/evidence.py [--every N] [--seed N] [--dtypes NAME ...] [TARGET ...]

Judges right targets of recurrences, of which the shapes alone are claimed, in one dtype: those that are named, or those
of examples/recurrences and the odd ones of the tests. Prints for each the largest multiple of all pairs of answers, or
of every Nth, that differ at all; what differs by less than 2**10 units in the last place is never judged by it. BEYOND
is at least twice the largest of all dtypes.
Exit status: 0 none is rejected, 1 some are.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import conformance
from conformance.harness.load import open_target
from conformance.judging import evidence, recurrences
from reference_rnn import recurrence

HOME = Path(__file__).parent.parent
EXAMPLES = sorted(path for path in (HOME / "examples/recurrences/targets").glob("*.py") if path.stem != "rows")
ODD = ("Plain", "Unstable", "Thresholded", "Chaotic", "Saturated", "OtherOrder", "Approximate")
RIGHT = [*map(str, EXAMPLES), *(f"{HOME}/tests/conformance/test_evidence.py:{name}" for name in ODD)]
COVERING = 1e-6  # seconds for random cases: none but the covering ones


def main() -> int:
    """Prints a line for each target and dtype, and the largest multiple of each dtype."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dtypes", nargs="*", default=["float32"])
    given = parser.parse_args()
    judge, factor = evidence.far_off, evidence.BEYOND
    recurrences.ULPS = evidence.ULPS = evidence.BEYOND = 0.0  # every pair is looked at, and all draws are made
    pairs, seen = 0, [0.0]

    def watched(*question: Any) -> None:
        """Notes how far off two answers are."""
        nonlocal pairs
        pairs += 1
        if pairs % given.every == 0 and (far := judge(*question)):
            seen.append(far.apart / far.shown)

    recurrences.far_off = watched  # type: ignore[assignment]
    most = dict.fromkeys(given.dtypes, 0.0)
    for named, dtype in itertools.product(given.targets or RIGHT, given.dtypes):
        pairs, seen = given.seed, [0.0]
        target = open_target(named, in_process=True)
        shapes = tuple(recurrence(**cell.shapes) for cell in target.capabilities.recurrences)
        target.capabilities = replace(target.capabilities, cells=shapes, dtypes=(dtype,), gradients=False)
        report = conformance.check(target, seed=given.seed, diagnosis=False, budget=COVERING)
        most[dtype] = max(most[dtype], *seen)
        print(f"{Path(named).name:32} {dtype:9} {len(seen) - 1:5} pairs, at most {max(seen):8.2f} times, {report.verdict}",
              flush=True)  # fmt: skip
    print("at most " + ", ".join(f"{number:.2f} in {dtype}" for dtype, number in most.items()))
    return int(max(most.values()) > factor)


if __name__ == "__main__":
    sys.exit(main())
