"""Kills: which faults the kit finds, by which property, and how soon."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from conformance.api import check
from conformance.diagnosis.faulty import FaultyTarget
from conformance.faults import Fault


@dataclass
class Kill:
    """How a fault was found: the first property that fails, after how many cases and seconds. None: it survived."""

    fault: str
    property: str | None
    cases: int
    seconds: float


def kill(fault: Fault, seed: int = 0, profile: str = "quick") -> Kill:
    """Judges one fault until the first property fails."""
    target = FaultyTarget(fault, cells=fault.cells)
    report = check(target, profile=profile, seed=seed, stop_on_first=True, diagnosis=False)
    cases = sum(result.examples for result in report.results)
    seconds = sum(result.seconds for result in report.results)
    failed = [result.id for result in report.results if result.status == "failed"]
    return Kill(fault.id, failed[0] if failed else None, cases, seconds)


def kills(faults: Sequence[Fault], seed: int = 0, workers: int = 1) -> Iterator[Kill]:
    """Judges faults in their order, over several processes."""
    if workers == 1:
        yield from (kill(fault, seed) for fault in faults)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(partial(kill, seed=seed), faults)
