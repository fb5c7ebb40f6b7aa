"""How soon mistakes are found: python benchmarks/curve.py [METHOD ...] [--runs N] [--most SECONDS].

Forty faults of the catalogue, each put into the reference, are looked for by the kit and by three simpler methods that
people use: random numbers in a loop, element-wise Hypothesis, and a fixed grid of configurations, all against PyTorch.
Nobody is told whether forward or backward is wrong: each method calls both. What counts is CPU time until the first
wrong number, in a process in which everything is imported. Prints a table: how many are found by then, medians of runs.
Exit status: 0 nobody rejects the reference as it is, 1 somebody does.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conformance.adapters import pytorch, reference
from conformance.chapters import catalogue
from conformance.diagnosis.faulty import FaultyTarget
from conformance.events import PropertyResult
from conformance.faults import FAULTS, Fault
from conformance.harness.load import open_target
from conformance.judging.judge import CounterexampleFound, Judging, unjudged
from conformance.judging.subject import Subject
from conformance.trial.options import Options
from conformance.trial.plan import Plan
from reference_rnn import Case, Config, parameter_shapes

SAMPLE, COUNT = 7, 40
TIMES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True)
class Search:
    """What a method is to look for: in which target of which cells, with which random numbers, for how many seconds."""

    target: Any
    cells: tuple[str, ...]
    run: int
    most: float


Method = Callable[[Search], Iterator[bool]]  # after each step, whether something was wrong


def sampled() -> list[Fault]:
    """The faults that are looked for: of PyTorch's cells, and of what every configuration of them can show."""
    known = [f for f in FAULTS.values() if cells_of(f) and not f.killed_by[0].startswith("options")]
    return random.Random(SAMPLE).sample(sorted(known, key=lambda fault: fault.id), COUNT)


def cells_of(fault: Fault) -> tuple[str, ...]:
    """PyTorch's cells that can show a fault."""
    return tuple(cell for cell in pytorch.capabilities.cells if cell in fault.cells)


# ---------------------------------------------------------------- the simpler methods


def differs(target: Any, case: Case, close: Callable[[Any, Any], bool]) -> bool:
    """Whether forward or gradients give other numbers than PyTorch's; who raises is wrong."""
    mine, theirs = flat(target.forward(case)), flat(pytorch.forward(case))
    if not all(map(close, mine, theirs)):
        return True
    normal = np.random.default_rng(0).standard_normal
    cotangents = [normal(array.shape).astype(array.dtype) for array in theirs]
    padded = [*cotangents, *[None] * (3 - len(cotangents))]
    own, right = target.gradients(case, *padded), pytorch.gradients(case, *padded)
    return not all(close(own[name], array) for name, array in right.items())


def flat(result: Any) -> list[np.ndarray]:
    """Output and final states in a row."""
    output, final = result
    return [output, *(final if isinstance(final, tuple) else [final])]


RTOL, ATOL = 1e-4, 1e-4  # with which none of these rejects what is right


def allclose(mine: Any, theirs: Any) -> bool:
    """What most people write."""
    return np.shape(mine) == np.shape(theirs) and np.allclose(mine, theirs, rtol=RTOL, atol=ATOL)


def assert_close(mine: Any, theirs: Any) -> bool:
    """PyTorch's own comparison; with its own tolerances it soon rejects the reference as it is."""
    try:
        torch.testing.assert_close(torch.as_tensor(np.asarray(mine)), torch.as_tensor(theirs), rtol=RTOL, atol=ATOL)
    except AssertionError:
        return False
    return True


def filled(config: Config, T: int, N: int, draw: Callable[[tuple], np.ndarray], lengths: Any) -> Case:
    """A case of these sizes, its numbers drawn array by array."""
    parameters = {name: draw(shape.sizes) for name, shape in parameter_shapes(config).items()}
    states = (config.num_layers * config.num_directions, N, config.hidden_size)
    c_0 = draw(states) if config.num_states == 2 else None
    return Case(config, parameters, draw((T, N, config.input_size)), draw(states), c_0, lengths)


def loop(search: Search) -> Iterator[bool]:
    """Random sizes and numbers in a loop, compared by allclose."""
    generator = np.random.default_rng(search.run)
    while True:
        T, N, I, H, L = (int(n) for n in generator.integers(1, [11, 5, 9, 9, 4]))  # noqa: E741
        cell = search.cells[generator.integers(len(search.cells))]
        config = Config(cell, I, H, L, bool(generator.integers(2)))

        def draw(shape: tuple, H: int = H) -> np.ndarray:
            spread = 1 if len(shape) == 3 else H**-0.5
            return (generator.standard_normal(shape) * spread).astype(np.float32)

        lengths = generator.integers(1, T + 1, N) if generator.integers(2) else None
        yield differs(search.target, filled(config, T, N, draw, lengths), allclose)


class Stop(Exception):
    """A wrong number has been seen, or the time is over."""


def elementwise(search: Search) -> Iterator[bool]:
    """Arrays drawn element by element by Hypothesis, compared by assert_close."""

    @st.composite
    def problems(draw: Any) -> Case:
        T, N, I, H, L = (draw(st.integers(1, most)) for most in (6, 4, 5, 5, 3))  # noqa: E741
        config = Config(draw(st.sampled_from(search.cells)), I, H, L, draw(st.booleans()))
        numbers = st.floats(-2, 2, width=32)
        lengths = np.array(draw(st.lists(st.integers(1, T), min_size=N, max_size=N))) if draw(st.booleans()) else None
        return filled(config, T, N, lambda shape: draw(hnp.arrays(np.float32, shape, elements=numbers)), lengths)

    found = False
    end = time.process_time() + search.most

    def test(case: Case) -> None:
        nonlocal found
        try:
            found = differs(search.target, case, assert_close)
        except Exception:
            found = True
        if found or time.process_time() > end:
            raise Stop

    with contextlib.suppress(Stop):
        settings(
            max_examples=10**6, deadline=None, database=None, phases=(Phase.generate,), report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck), print_blob=False,
        )(seed(search.run)(given(problems())(test)))()  # fmt: skip
    yield found


def grid(search: Search) -> Iterator[bool]:
    """A fixed list of configurations, as in PyTorch's own tests, compared by assert_close."""
    for number, (cell, bias, bidirectional, lengths) in enumerate(
        product(search.cells, (True, False), (False, True), (None, np.array([6, 5, 4, 3, 2])))
    ):
        generator = np.random.default_rng((search.run, number))

        def draw(shape: tuple, generator: Any = generator) -> np.ndarray:
            return (0.3 * generator.standard_normal(shape)).astype(np.float32)

        case = filled(Config(cell, 10, 20, 2, bidirectional, bias), 6, 5, draw, lengths)
        yield differs(search.target, case, assert_close)


# ---------------------------------------------------------------- the kit


def kit(search: Search) -> Iterator[bool]:
    """The properties in the order of ``check -x``, until a failure is seen; nothing is made smaller or written."""
    held, options = open_target(search.target), Options(seed=search.run)
    plan = Plan.of(options, catalogue)
    for id in plan.strongest_first:
        prop = plan.properties[id]
        if not unjudged(prop, held.capabilities, held.observes_memory):
            judging = Judging(prop, Subject(held), PropertyResult(id, "inconclusive", prop.statement))
            try:
                judging.every(options.random_cases, search.run, None, None, covers=True)
            except CounterexampleFound:
                yield True
        yield False


METHODS: dict[str, Method] = {"kit": kit, "loop": loop, "elementwise": elementwise, "grid": grid}
NAMES = {
    "kit": "`check -x`", "loop": "a loop with `allclose`", "elementwise": "element-wise Hypothesis, `assert_close`",
    "grid": "a fixed grid, `assert_close`",
}  # fmt: skip


def seconds_until_found(name: str, search: Search) -> float:
    """CPU seconds until a method has seen a wrong number; infinite if it has not by then."""
    began = time.process_time()
    steps = METHODS[name](search)
    while time.process_time() - began < search.most:
        try:
            found = next(steps, None)
        except Exception:  # the target raises where the right one does not
            found = True
        if found:
            return time.process_time() - began
        if found is None:
            break
    return np.inf


def curve(name: str, faults: list[Fault], run: int, most: float) -> list[float]:
    """The seconds that a method took for each fault."""
    took = []
    for fault in faults:
        cells = cells_of(fault)
        took.append(seconds_until_found(name, Search(FaultyTarget(fault, cells=cells), cells, run, most)))
        print(f"{name} {run} {fault.id} {took[-1]:.3f}", file=sys.stderr, flush=True)
    return took


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("methods", nargs="*", help=f"of {', '.join(METHODS)}; all if none is named")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--most", type=float, default=TIMES[-1], help="CPU seconds for one fault")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    chosen, faults, times = asked.methods or list(METHODS), sampled(), [t for t in TIMES if t <= asked.most]
    right = Search(reference, pytorch.capabilities.cells, 0, asked.most)
    alarms = [name for name in chosen if seconds_until_found(name, right) < np.inf]
    print(f"| of {len(faults)} mistakes, found within (CPU s) | {' | '.join(f'{t:g}' for t in times)} |")
    print(f"|---|{'---:|' * len(times)}")
    for name in chosen:
        runs = [curve(name, faults, run, asked.most) for run in range(asked.runs)]
        found = [median(sum(took <= limit for took in run) for run in runs) for limit in times]
        print(f"| {NAMES[name]} | {' | '.join(f'{n:g}' for n in found)} |", flush=True)
    for name in alarms:
        print(f"{name} rejects the reference as it is", file=sys.stderr)
    return int(bool(alarms))


if __name__ == "__main__":
    sys.exit(main())
