"""How a hunt grows with its workers: python benchmarks/hunt.py [--dask] [TARGET]. Prints the table of docs/hunting.md.

Rounds a second with so many workers, as a multiple of those with one, behind the first round of each worker: these load
the target and judge the covering cases. The second table is about a target that sleeps, and so needs no core: what is
missing there to n is the overhead of handing out units. With --dask both are done by a scheduler of this machine.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np

from conformance.hunt.campaign import Hunt
from conformance.hunt.corpus import Corpus
from conformance.hunt.executors import Cluster, Engine, Processes
from conformance.hunt.hunt_events import Moved
from conformance.hunt.shards import Shard
from conformance.trial.interrupts import Interrupts
from conformance.trial.options import Options

PLAIN = """
import time
import numpy as np

def forward(case):
    time.sleep({sleep})
    p, h, output = case.parameters, case.h_0[0], []
    for x in case.x:
        h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        output.append(h)
    return np.stack(output), h[None].copy()
"""
SLEEP = 0.1  # seconds of a call, against some milliseconds of judging it
EACH = 4  # rounds for each worker that count
SPIN = 2.0  # seconds
REPEATS = 3


@contextlib.contextmanager
def engine_of(workers: int, dask: bool) -> Iterator[Engine]:
    """So many workers."""
    if not dask:
        yield Processes(workers)
        return
    from distributed import LocalCluster

    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster:
        yield Cluster(cluster.scheduler_address)


def speed(target: str, workers: int, dask: bool, properties: tuple[str, ...] = ()) -> float:
    """Rounds a second."""
    with tempfile.TemporaryDirectory() as folder, engine_of(workers, dask) as engine:
        options, corpus = Options(properties=properties), Corpus.made(Path(folder))
        hunt = Hunt([target], options, corpus, engine, Shard(), workers * (1 + EACH) + workers, away=dask)
        ends: list[float] = []
        for event in hunt.events(Interrupts()):
            if isinstance(event, Moved) and event.state.rounds > len(ends):
                ends.append(time.perf_counter())
        warm, last = workers - 1, workers * (1 + EACH) - 1  # at the end some workers have nothing to do
        return (last - warm) / (ends[last] - ends[warm])


def spin(_: int) -> int:
    """How often a process gets round in a few seconds that does nothing but compute."""
    until, rounds, array = time.perf_counter() + SPIN, 0, np.ones((4, 4))
    while time.perf_counter() < until:
        rounds += bool((array @ array).any())
    return rounds


def machine(workers: int) -> float:
    """The same of so many processes together: what others leave of the machine just now."""
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(abs, range(workers)))  # they have started
        return float(sum(pool.map(spin, range(workers))))


def table(target: str, counts: tuple[int, ...], dask: bool, repeats: int, properties: tuple[str, ...] = ()) -> None:
    """Prints the speeds of some numbers of workers, and what the machine itself gave behind each, as medians."""
    print("| workers | rounds a second | times one | the machine itself |\n|---:|---:|---:|---:|")
    runs = [{workers: (speed(target, workers, dask, properties), machine(workers)) for workers in counts}
            for _ in range(repeats)]  # fmt: skip
    one, spun = (median(run[counts[0]][which] for run in runs) for which in (0, 1))
    for workers in counts:
        found, left = (median(run[workers][which] for run in runs) for which in (0, 1))
        print(f"| {workers} | {found:.3f} | {found / one:.2f} | {left / spun:.2f} |", flush=True)


def main() -> None:
    """Prints both tables."""
    dask = "--dask" in sys.argv
    named = [word for word in sys.argv[1:] if word != "--dask"]
    with tempfile.TemporaryDirectory() as folder:
        plain, sleeping = Path(folder) / "plain.py", Path(folder) / "sleeping.py"
        plain.write_text(PLAIN.format(sleep=0))
        sleeping.write_text(PLAIN.format(sleep=SLEEP))
        table(named[0] if named else str(plain), (1, 2), dask, REPEATS)
        print("\nscheduler overhead: a target that sleeps\n")
        table(str(sleeping), (1, 2, 4, 8), dask, 1, ("shapes.shapes",))


if __name__ == "__main__":
    main()
