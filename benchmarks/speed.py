"""How fast the kit is: python benchmarks/speed.py [TARGET[=PROFILE]]... Prints the table of docs/how-strong.md.

Machines are noisy: in brackets everything is a multiple of the reference alone, within the same run.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.adapters import reference as target
from conformance.harness.load import open_target
from conformance.judging.gradients import cotangents
from conformance.judging.oracle import steps_agree
from conformance.judging.subject import Subject
from reference_rnn import Case, arithmetic, case, forward, gradients
from strategies.cases import BLOCKS, Allowed, from_block

REPEATS = 100
REFERENCE, FREE, BACKWARD = "reference alone", "reference on balls, free-running", "back-propagation on balls"
CELLS = ("RNN_TANH", "GRU", "LSTM")
WRONG = Path(__file__).parent.parent / "tests" / "targets" / "wrong" / "reads_forward_twice.py"


def quoted(cell: str) -> Case:
    """What the costs are quoted for: T = 5, L = 2, D = 2, H = 4, dense."""
    states: dict[str, Any] = {"h_0": 0.25, "c_0": 0.1} if cell == "LSTM" else {"h_0": 0.25}
    plain = case(cell, T=5, N=3, I=3, H=4, L=2, D=2, x=0.5, **states)
    spread = lambda array: np.linspace(-0.5, 0.5, array.size).reshape(array.shape)  # noqa: E731
    return plain.map(lambda name, array: (array + spread(array)).astype(array.dtype))


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


def costs(cell: str) -> dict[str, float]:
    """What one case of a cell costs, part by part, in CPU milliseconds."""
    block, subject_case, rounding = bytes(range(7, 55)), quoted(cell), arithmetic("float32")
    allowed = Allowed(cells=(cell,), min_layers=2, max_layers=2, bidirectional=True)
    local, child = open_target(target), open_target("reference")
    subject = Subject(local)
    run, d = subject(subject_case), cotangents(subject_case)
    plain = cost(lambda: forward(subject_case))
    here = cost(lambda: local.forward(subject_case))
    there = wall(lambda: child.forward(subject_case))
    child.stop()
    return {
        "drawing: Hypothesis' own floor": hypothesis_cost(BLOCKS),
        "drawing: block to case": cost(lambda: from_block(block, allowed)),
        REFERENCE: plain,
        FREE: cost(lambda: forward(subject_case, rounding)),
        "judging steps: anchored balls and comparison": cost(lambda: steps_agree(run)),
        BACKWARD: cost(lambda: gradients(subject_case, **d, arithmetic=rounding)),
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


def seconds(name: str, profile: str, workers: int) -> float:
    """Wall seconds of a whole check."""
    rnn = Path(sys.executable).with_name("rnn-conformance")
    began = time.perf_counter()
    subprocess.run([rnn, "check", name, "--profile", profile, "-n", str(workers)], stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def first_line(*words: str) -> float:
    """Wall seconds until the command shows the first failure of a wrong target, before it has been made small."""
    rnn = Path(sys.executable).with_name("rnn-conformance")
    began = time.perf_counter()
    with subprocess.Popen([rnn, "check", WRONG, "--no-saved", "--no-diagnosis", *words], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        run.stdout.readline()
        shown = time.perf_counter() - began
        run.terminate()
        run.stdout.read()
    return shown


def imports() -> float:
    """Wall seconds for the imports alone."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import conformance.cli"], check=True)
    return time.perf_counter() - began


def main() -> None:
    """Prints the tables. Arguments: targets, or TARGET=PROFILE."""
    parts = {cell: costs(cell) for cell in CELLS}
    print(f"| part of a case (T=5, L=2, D=2, H=4), ms | {' | '.join(CELLS)} |\n|---|{'---:|' * len(CELLS)}")
    for name in parts[CELLS[0]]:
        shares = [(of[name], of[name] / of[REFERENCE]) for of in parts.values()]
        print(f"| {name} | {' | '.join(f'{ms:.2f} ({times:.1f})' for ms, times in shares)} |")
    sums = [sum(ms for name, ms in of.items() if name not in (REFERENCE, FREE, BACKWARD)) for of in parts.values()]
    print(f"| a case of equivalence.steps, all but the target's own work | {' | '.join(f'{ms:.2f}' for ms in sums)} |")
    print("\n| until the first failure is shown, median of five | s |\n|---|---:|")
    print(f"| imports alone | {median(imports() for _ in range(5)):.2f} |")
    for words in (["--in-process"], ["-n", "1"], ["-n", "2"]):
        print(f"| check {' '.join(words)} | {median(first_line(*words) for _ in range(5)):.2f} |")
    print("\n| check | one worker, s | two workers, s | ratio |\n|---|---:|---:|---:|")
    for asked in sys.argv[1:] or ["torch"]:
        name, _, profile = asked.partition("=")
        one, two = (seconds(name, profile or "quick", workers) for workers in (1, 2))
        print(f"| {name}, {profile or 'quick'} | {one:.1f} | {two:.1f} | {one / two:.2f} |")


if __name__ == "__main__":
    main()
