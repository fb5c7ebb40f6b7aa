"""How far apart right answers are, as a multiple of what a target shows of itself: BEYOND of judging/evidence.py.

    python benchmarks/evidence.py [--every N] [--seed N] [TARGET ...]

Judges right targets of recurrences, of which the shapes alone are claimed, in float32 alone: those that are named, or
those of examples/recurrences and the odd ones of the tests. Prints for each the largest multiple of all pairs of
answers, or of every Nth, that differ at all. BEYOND is twice the largest: wider dtypes are judged in double precision,
and in narrower ones this decides nothing.
Exit status: 0 none is rejected, 1 some are.
"""

from __future__ import annotations

import argparse
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


def main() -> int:
    """Prints a line for each target, and the largest multiple of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    judge, factor = evidence.far_off, evidence.BEYOND
    vars(evidence).update(ULPS=0.0, BEYOND=0.0)  # every pair is looked at, and all draws are made
    pairs, seen, rejected = 0, [0.0], False

    def watched(*question: Any) -> None:
        """Notes how far off two answers are."""
        nonlocal pairs
        pairs += 1
        if pairs % given.every == 0 and (far := judge(*question)):
            seen.append(far.apart / far.shown)

    vars(recurrences).update(ULPS=0.0, far_off=watched)
    most = 0.0
    for named in given.targets or RIGHT:
        pairs, seen = given.seed, [0.0]
        target = open_target(named, in_process=True)
        shapes = tuple(recurrence(**cell.shapes) for cell in target.capabilities.recurrences)
        target.capabilities = replace(target.capabilities, cells=shapes, dtypes=("float32",), gradients=False)
        report = conformance.check(target, seed=given.seed, diagnosis=False)
        most = max(most, *seen)
        print(f"{Path(named).name:32} {len(seen) - 1:5} pairs, at most {max(seen):8.2f} times", flush=True)
        rejected |= report.verdict != "conforms"
    print(f"at most {most:.2f} times")
    return int(rejected or most > factor)


if __name__ == "__main__":
    sys.exit(main())
