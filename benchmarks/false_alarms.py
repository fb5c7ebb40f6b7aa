"""Whether anything correct is ever rejected: python benchmarks/false_alarms.py [PROFILE] [SEED ...] [--sizes [N ...]].

Judges every target of tests/targets/right, correct but odd ones, and prints a line for docs/how-strong.md. With
--sizes also every cell at each size (quick), of units or of features, of the reference or of PyTorch, in turn from size
to size, cell to cell and seed to seed, and prints a table of these.
Exit status: 0 none is rejected, 1 some are.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from conformance.api import check
from conformance.trial.options import PROFILES, Profile
from conformance.trial.verdict import Report
from conformance.trial.worker_pool import cores
from reference_rnn import CELLS

RIGHT = sorted((Path(__file__).parent.parent / "tests" / "targets" / "right").glob("*.py"))

# Sizes on both sides of where vectorised code changes its path; the largest are judged by what tells most.
SIZES = (1, 7, 16, 31, 32, 33, 63, 64, 65, 127, 128, 129, 256, 512)
LARGE = 129
TELLING = ("shapes.shapes", "equivalence.steps", "gradients.back_propagation")
DIMENSIONS = ("hidden_size", "input_size")
IMPLEMENTATIONS = ("conformance.adapters.reference", "conformance.adapters.pytorch")
DTYPES = ("float32", "float64", "float32", "float16", "float32", "bfloat16")


@dataclass(frozen=True)
class Sized:
    """A correct implementation of one cell that takes one size."""

    module: str
    cell: str
    dimension: str
    size: int
    dtype: str

    def target(self) -> type:
        """The class that is judged; the reference's where the implementation has no such cell."""
        adapter = importlib.import_module(self.module)
        if self.cell not in adapter.capabilities.cells:
            adapter = importlib.import_module(IMPLEMENTATIONS[0])
        claims = adapter.capabilities
        narrowed = replace(
            claims, cells=(self.cell,), dtypes=(self.dtype,), sizes={self.dimension: (self.size,)},
            max_layers=None if self.size < LARGE else 2, options=(),
        )  # fmt: skip
        own = {name: staticmethod(getattr(adapter, name)) for name in ("forward", "gradients")}
        return type(f"{self.cell}_{self.size}", (), {**own, "capabilities": narrowed})


def complaints(name: str, report: Report) -> list[str]:
    """What was wrongly held against a target."""
    wrong = [r for r in report.results if r.status == "failed"]
    return [f"{name}, seed {report.seed}: {r.id}: {r.message}" for r in wrong] + report.reasons


def judged(path: Path, profile: Profile, seed: int) -> tuple[int, list[str]]:
    """How many cases a target was judged on, and what was wrongly held against it."""
    report = check(path, profile=profile, seed=seed, diagnosis=False, in_process=False)
    return sum(result.examples for result in report.results), complaints(path.name, report)


def judged_at_size(sized: Sized, profile: Profile, seed: int) -> tuple[int, int, int, list[str]]:
    """Cases, those of equivalence.steps, how many of these were void, and what was wrongly held against a target."""
    telling = TELLING if sized.size >= LARGE else ()
    report = check(sized.target(), profile, seed, properties=telling, diagnosis=False)
    steps = sum(result.examples for result in report.results if result.id == "equivalence.steps")
    return (
        sum(r.examples for r in report.results),
        steps,
        report.coverage.get("void", 0),
        complaints(str(sized), report),
    )


def of_sizes(sizes: list[int], seed: int) -> list[Sized]:
    """Every cell at every size; with each of them and the seed, dimension, implementation and dtype change."""
    found = []
    for (row, size), (column, cell) in product(enumerate(sizes), enumerate(CELLS)):
        turn = row + column + seed
        dimension, module = DIMENSIONS[turn % 2], IMPLEMENTATIONS[turn // 2 % 2]
        found.append(Sized(module, cell, dimension, size, DTYPES[turn % len(DTYPES)]))
    return found


def table(targets: list[Sized], found: list[tuple[int, int, int, list[str]]]) -> Iterator[str]:
    """A line for each size: cases judged, complaints, and the share of void ones, by cell."""
    yield f"| size: cases, rejected, void | {' | '.join(CELLS)} |\n|---|{'---:|' * len(CELLS)}"
    for size in dict.fromkeys(target.size for target in targets):
        cells = []
        for cell in CELLS:
            own = [f for t, f in zip(targets, found) if (t.size, t.cell) == (size, cell)]
            cases, steps, void = sum(f[0] for f in own), sum(f[1] for f in own), sum(f[2] for f in own)
            cells.append(f"{cases:,}, {sum(len(f[3]) for f in own)}, {void / max(steps, 1):.0%}")
        yield f"| {size} | {' | '.join(cells)} |"
    yield f"\n{sum(f[0] for f in found):,} cases in all, {sum(len(f[3]) for f in found)} rejected"


def in_parallel(work: Callable[..., Any], runs: list[tuple]) -> list[Any]:
    """The work on all runs, as many at once as there are cores, each with one thread; tells complaints as they come."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # With AMX it lets a NaN into another row: https://github.com/uxlfoundation/oneDNN/issues/5717
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")
    found = []
    with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn")) as pool:
        for one in pool.map(work, *zip(*runs)):
            found.append(one)
            for complaint in one[-1]:
                print(complaint, file=sys.stderr, flush=True)
    return found


def main() -> int:
    """Prints the line, and the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("profile", nargs="?", default="quick", choices=PROFILES)
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("--sizes", nargs="*", type=int, help=f"also at these sizes (all: {SIZES})")
    asked = parser.parse_args()
    seeds = asked.seeds or [0]
    found = in_parallel(judged, list(product(RIGHT, [asked.profile], seeds)))
    rejected = sum(len(lines) for _, lines in found)
    print(f"{len(RIGHT)} correct but odd targets, {sum(cases for cases, _ in found):,} cases, {rejected} rejected")
    if asked.sizes is not None:
        runs = [(sized, "quick", seed) for seed in seeds for sized in of_sizes(asked.sizes or list(SIZES), seed)]
        by_size = in_parallel(judged_at_size, runs)
        rejected += sum(len(lines) for *_, lines in by_size)
        print("\n".join(table([target for target, *_ in runs], by_size)))
    return int(bool(rejected))


if __name__ == "__main__":
    sys.exit(main())
