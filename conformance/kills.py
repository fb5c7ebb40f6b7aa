"""Kills: which faults the kit finds, by which property, and how soon."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from conformance.api import check
from conformance.chapters import catalogue
from conformance.diagnosis.faulty import FaultyTarget
from conformance.events import PropertyResult
from conformance.faults import Fault
from conformance.harness.load import open_target
from conformance.judging.judge import CounterexampleFound, Judging, covering_cases, unjudged
from conformance.judging.recurrent_subject import subject_of
from conformance.trial.options import Profile


@dataclass
class Kill:
    """How a fault was found: the first property that fails, after how many cases and seconds. None: it survived."""

    fault: str
    property: str | None
    cases: int
    seconds: float


def kill(fault: Fault, seed: int = 0, profile: Profile = "quick") -> Kill:
    """Judges one fault until the first property fails."""
    target = FaultyTarget(fault, cells=fault.cells)
    report = check(target, profile=profile, seed=seed, stop_on_first=True, diagnosis=False)
    cases = sum(result.examples for result in report.results)
    seconds = sum(result.seconds for result in report.results)
    failed = [result.id for result in report.results if result.status == "failed"]
    return Kill(fault.id, failed[0] if failed else None, cases, seconds)


def kill_at_each_seed(fault: Fault, properties: Collection[str] = ()) -> Kill:
    """Judges one fault by those cases alone that come first whatever the seed, until the first property fails.

    ``properties`` are the ids of those that are asked; none: all.
    """
    began, cases = time.perf_counter(), 0
    target = open_target(FaultyTarget(fault, cells=fault.cells))
    asked = (prop for prop in catalogue().values() if not properties or prop.id in properties)
    for prop in sorted(asked, key=lambda prop: prop.rank):
        if unjudged(prop, target.capabilities, target.observes_memory):
            continue
        judging = Judging(prop, subject_of(target), PropertyResult(prop.id, "inconclusive", prop.statement))
        try:
            judging.restart()
            judging.each(covering_cases(prop, judging.allowed))
        except CounterexampleFound:
            return Kill(fault.id, prop.id, cases + judging.result.examples, time.perf_counter() - began)
        cases += judging.result.examples
    return Kill(fault.id, None, cases, time.perf_counter() - began)


def kills(faults: Sequence[Fault], seed: int | None = 0, workers: int = 1) -> Iterator[Kill]:
    """Judges faults in their order, over several processes; without a seed by what is judged at each."""
    judged = kill_at_each_seed if seed is None else partial(kill, seed=seed)
    if workers == 1:
        yield from map(judged, faults)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(judged, faults)
