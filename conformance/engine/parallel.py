"""All properties of one target, over several processes; the target lives in a child of each."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from conformance.properties import Property, catalogue
from conformance.target.capabilities import Capabilities
from conformance.target.load import Target, open_target
from conformance.target.process import Limits

from .counterexamples import kept
from .run import PropertyResult, judge

TRIES = 3  # for a property whose worker dies

Judged = tuple[PropertyResult, str, Capabilities]


class Worker:
    """What a worker process keeps between properties: its target."""

    opened: Target | None = None


def judge_by_id(target: str, limits: Limits, id: str, profile: str, seed: int, seconds: float | None) -> Judged:
    """Judges one property in a worker process."""
    if Worker.opened is None:
        Worker.opened = open_target(target, limits=limits)
    opened = Worker.opened
    result = judge(catalogue()[id], opened, profile, seed, seconds, kept(target, id))
    return result, opened.name, opened.capabilities


def judge_all(
    target: str, properties: Sequence[Property], profile: str, seed: int, *, workers: int, budget: float | None,
    limits: Limits, progress: Callable[[PropertyResult], None],
) -> tuple[list[PropertyResult], Capabilities | None]:  # fmt: skip
    """The results in the order of the properties, and what the target claims.

    A worker that is killed costs nothing that was found: what it left undone is judged again.
    Raises TargetError if the target cannot be loaded.
    """
    seconds = budget and budget * workers / len(properties)
    found: dict[str, PropertyResult] = {}
    capabilities = None
    for _ in range(TRIES):
        left = [p.id for p in properties if p.id not in found]
        if not left:
            break
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            futures = [pool.submit(judge_by_id, target, limits, id, profile, seed, seconds) for id in left]
            try:
                for result, _, capabilities in finished(futures):
                    found[result.id] = result
                    progress(result)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    lost = "its worker process died every time"
    return [found.get(p.id) or PropertyResult(p.id, "inconclusive", message=lost) for p in properties], capabilities


def finished(futures: list[Future[Judged]]) -> Iterator[Judged]:
    """The results as they come; those of a pool that broke are left out."""
    for future in as_completed(futures):
        try:
            yield future.result()
        except BrokenProcessPool:
            continue


def cores() -> int:
    """How many processes this machine runs at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
