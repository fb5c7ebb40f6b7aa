"""How fast the kit is: python benchmarks/speed.py. Prints the table of the README.

Machines are noisy: within one run everything is given as a share of the whole, or as a ratio.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.adapters import reference as target
from conformance.engine.judgement import steps_agree
from conformance.engine.subject import Subject
from conformance.target.load import open_target
from reference_rnn import arithmetic, case, forward
from strategies.cases import BLOCKS, Allowed, from_block

REPEATS = 200
# what the costs are quoted for: T = 5, L = 2, D = 2, H = 4
CASE = case("RNN_TANH", T=5, N=3, I=3, H=4, L=2, D=2, x=0.5, h_0=0.25).map(
    lambda name, array: (array + np.linspace(-0.5, 0.5, array.size).reshape(array.shape)).astype(array.dtype)
)


def cost(call: Callable[[], object]) -> float:
    """CPU milliseconds of one call: the median of five rounds."""
    rounds = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(REPEATS):
            call()
        rounds.append((time.process_time() - began) * 1000 / REPEATS)
    return median(rounds)


def hypothesis_cost(strategy: st.SearchStrategy) -> float:
    """CPU milliseconds that Hypothesis takes for one example that does nothing."""
    rounds = []
    for _ in range(3):
        test = settings(max_examples=REPEATS, database=None, deadline=None)(given(strategy)(lambda example: None))
        began = time.process_time()
        test()
        rounds.append((time.process_time() - began) * 1000 / REPEATS)
    return median(rounds)


def costs() -> dict[str, float]:
    """What one case costs, part by part, in CPU milliseconds."""
    block, allowed, rounding = (
        bytes(range(7, 55)),
        Allowed(min_layers=2, max_layers=2, bidirectional=True),
        arithmetic("float32"),
    )
    local, child = open_target(target), open_target("reference")
    subject = Subject(local)
    run = subject(CASE)
    plain = cost(lambda: forward(CASE))
    here = cost(lambda: local.forward(CASE))
    there = wall(lambda: child.forward(CASE))
    child.stop()
    return {
        "drawing: Hypothesis' own floor": hypothesis_cost(BLOCKS),
        "drawing: block to case": cost(lambda: from_block(block, allowed)),
        "reference alone": plain,
        "reference on balls, free-running": cost(lambda: forward(CASE, rounding)),
        "judging steps: anchored balls and comparison": cost(lambda: steps_agree(run)),
        "calling the target here, without its own work": here - plain,
        "calling it in a child, beyond that (wall)": there - here,
    }


def wall(call: Callable[[], object]) -> float:
    """Wall milliseconds of one call: the least of five rounds, since others use the machine too."""
    rounds = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(REPEATS):
            call()
        rounds.append((time.perf_counter() - began) * 1000 / REPEATS)
    return min(rounds)


def seconds(profile: str, workers: int) -> float:
    """Wall seconds of a whole check of torch."""
    command = [
        Path(sys.executable).with_name("rnn-conformance"),
        "check",
        "torch",
        "--profile",
        profile,
        "-n",
        str(workers),
    ]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Prints the tables."""
    parts = costs()
    print("| part of a case (T=5, L=2, D=2, H=4) | ms | times the reference |\n|---|---:|---:|")
    for name, ms in parts.items():
        print(f"| {name} | {ms:.2f} | {ms / parts['reference alone']:.1f} |")
    whole = [ms for name, ms in parts.items() if "free-running" not in name and name != "reference alone"]
    print(f"| a case of equivalence.steps, all but the target's own work | {sum(whole):.2f} | |")
    print("\n| check of torch | one worker, s | two workers, s | ratio |\n|---|---:|---:|---:|")
    for profile in sys.argv[1:] or ["quick"]:
        one, two = seconds(profile, 1), seconds(profile, 2)
        print(f"| {profile} | {one:.1f} | {two:.1f} | {one / two:.2f} |")


if __name__ == "__main__":
    main()
