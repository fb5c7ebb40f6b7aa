"""A driver that judges properties in several processes, each of which holds the target in a child of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from conformance.events import Event, FailureFound, Judged, PropertyResult, Started
from conformance.harness.family import become_subreaper, die_with_parent, end_family
from conformance.harness.last_file import LastFile
from conformance.harness.load import TargetError
from conformance.judging.judge import judge
from reference_rnn.cell_source.user_code import WATCH

from .counterexamples import saved_counterexample
from .gc_tuning import collected_seldom
from .interrupts import SIGNALS, Interrupts
from .options import Options
from .plan import Catalogue, Plan
from .serial_runner import open_for_trial, started

TRIES = 3  # for a property whose worker dies
LOADING = "the target is loaded"
POLL = 0.1  # seconds between two looks at whether a signal came
LONGEST_PATH = 4096  # bytes of a file's
SAFE_PATH = "PYTHONSAFEPATH"
PATIENCE = 3.0  # seconds for a worker to end by itself
METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def cores() -> int:
    """How many processes this machine runs at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def judged_by_processes(target: str, plan: Plan, workers: int, interrupts: Interrupts) -> Iterator[Event]:
    """The events of a trial as they come from the workers; the same for any number of them, in another order.

    With ``stop_on_first`` the properties that are stronger than the first failure are judged to their end, and no
    others. A worker that is killed costs nothing that was found: what it left undone is judged again.
    Raises TargetError if the target cannot be loaded or built.
    """
    pool = Pool(target, plan, workers)
    try:
        yield from pool.events(interrupts)
    except (EOFError, OSError):
        interrupts.check()  # a signal to all processes has also ended the one that starts workers
        raise
    finally:
        pool.end()


def serve_properties(
    connection: Connection, target: str, options: Options, catalogue: Catalogue, seconds: float | None
) -> None:
    """What a worker does: it loads the target, then judges one property after the other, as their ids come in."""
    obey()
    plan = Plan.of(options, catalogue)
    try:
        held = open_for_trial(target, plan)
    except TargetError as error:
        connection.send(error)
        return
    try:
        connection.send(started(target, held, plan))
        with collected_seldom():
            while (id := connection.recv()) is not None:
                saved = saved_counterexample(target, id) if options.saved else None
                for event in judge(plan.properties[id], held, options.random_cases, options.seed, seconds, saved):
                    connection.send(event)
    except (EOFError, OSError):  # the main process is gone
        return
    finally:
        held.stop()


def obey() -> None:
    """Has this process, a worker, end when the main process says so or is gone, and for no other reason."""
    for number in set(SIGNALS) - {signal.SIGTERM}:
        signal.signal(number, signal.SIG_IGN)  # Ctrl-C reaches all processes; the main one ends the others
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    sys.unraisablehook = unraisable
    die_with_parent(signal.SIGTERM)


def unraisable(raised: sys.UnraisableHookArgs) -> None:
    """Ends this process if what could not be raised where it was, in the collection of garbage say, was to end it."""
    if raised.exc_type is SystemExit:
        os._exit(1)  # the target's process goes with it
    sys.__unraisablehook__(raised)


class Worker:
    """One worker process, as the main process sees it; it calls a function with its end of a pipe and some arguments.

    id  of what it is doing, None for nothing;  loaded  whether it has said anything yet
    leads  whether it may have workers of its own
    last  whose code ran last there
    """

    def __init__(self, work: Callable[..., None], *arguments: Any, leads: bool = False) -> None:
        context: Any = multiprocessing.get_context("spawn" if leads else METHOD)
        self.connection, theirs = context.Pipe()
        memory = context.RawArray("c", LONGEST_PATH)
        self.last = LastFile(memory)
        safe = SAFE_PATH in os.environ
        arguments = (memory, safe, work, theirs, *arguments)
        self.process = context.Process(target=run_worker, args=arguments, daemon=not leads)
        with without_main(), safe_path():
            self.process.start()
        theirs.close()
        self.loaded = False
        self.id: str | None = None

    def give(self, id: str | None) -> None:
        """Lets it do something; None: nothing is left."""
        self.id = id
        with contextlib.suppress(OSError):  # if it has died, that shows when its answer is read
            self.connection.send(id)

    def end(self) -> None:
        """Ends the process, and with it the target's."""
        if self.id is not None or not self.loaded:
            self.process.terminate()
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


def run_worker(memory: Any, safe: bool, work: Callable[..., None], *arguments: Any) -> None:
    """What a worker process does: it lets its main process know whose code runs, and ends what that code has started.

    memory: for that.  safe: whether modules are not looked for in the working directory by the user's own wish
    """
    WATCH.hear = LastFile(memory).runs
    if not safe:
        os.environ.pop(SAFE_PATH, None)
    become_subreaper()
    try:
        work(*arguments)
    finally:
        end_family()


@contextlib.contextmanager
def safe_path() -> Iterator[None]:
    """What starts workers does not look for modules in the working directory, where files of the user may hide some."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """No ``__main__`` for a worker to import once more: it may be a script of the user's, and has no part in this."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class Pool:
    """Some workers, what they are still to judge, and what they found."""

    def __init__(self, target: str, plan: Plan, count: int) -> None:
        self.plan = plan
        self.count = count
        self.arguments = (target, plan.options, plan.catalogue, plan.seconds(count))
        self.todo = plan.strongest_first if plan.options.stop_on_first else plan.longest_first
        self.workers: list[Worker] = []
        self.dismissed: list[Worker] = []  # there is nothing left for them to do
        self.started = False
        self.lost: Counter[str] = Counter()  # how often a worker died that judged a property, or was LOADING
        self.failures: dict[str, PropertyResult] = {}
        self.judged: dict[str, PropertyResult] = {}
        if METHOD == "forkserver":
            multiprocessing.set_forkserver_preload([__name__, plan.catalogue.__module__])

    def events(self, interrupts: Interrupts) -> Iterator[Event]:
        """What the workers send, until all is judged."""
        self.hire(1)  # others only once the target is known to load
        while self.workers:
            ready = wait([worker.connection for worker in self.workers], POLL)
            interrupts.check()  # first, since what ends this process may have ended the workers too
            for worker in list(self.workers):
                if worker in self.workers and worker.connection in ready:  # what one says may end others
                    yield from self.heard(worker)

    def hire(self, count: int) -> None:
        """Starts workers, as many as are missing and have something to do."""
        for _ in range(min(count, self.count - len(self.workers), len(self.todo))):
            self.workers.append(Worker(serve_properties, *self.arguments))

    def heard(self, worker: Worker) -> Iterator[Event]:
        """What one worker sent, or what follows from its death."""
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            message = None
        if message is None or isinstance(message, TargetError):
            yield from self.buried(worker, message)
            return
        if isinstance(message, Started):
            worker.loaded = True
            if not self.started:
                self.started = True
                yield message
                self.hire(self.count)
        if isinstance(message, FailureFound):
            self.failures[message.result.id] = message.result
        if isinstance(message, (FailureFound, Judged)) and self.plan.stops(message):
            self.narrow(message.result.id)
        if isinstance(message, Judged):
            self.judged[message.result.id] = message.result
            if message.result.silent:  # whether others are judged depends on the strongest two
                self.todo.sort(key=self.plan.strongest_first.index)
            if self.plan.silent(self.judged):
                self.only([message.result.id])
        if not isinstance(message, Started):
            yield message
        if not isinstance(message, FailureFound):
            worker.give(self.todo.pop(0) if self.todo else None)
            if worker.id is None:
                self.workers.remove(worker)
                self.dismissed.append(worker)

    def narrow(self, id: str) -> None:
        """A property has failed: only those that are stronger matter from now on."""
        self.only([*self.plan.strongest_first[: self.plan.strongest_first.index(id)], id])
        self.hire(self.count)

    def only(self, ids: Sequence[str]) -> None:
        """Nothing but these properties matters from now on."""
        self.todo = [id for id in self.todo if id in ids]
        for worker in list(self.workers):
            if worker.id is not None and worker.id not in ids:
                self.workers.remove(worker)
                worker.end()

    def buried(self, worker: Worker, refusal: TargetError | None) -> Iterator[Event]:
        """What follows from the death of a worker: its property is judged again, unless it had failed already.

        Raises TargetError if no worker could load the target; once one could, nothing that was found is lost.
        """
        self.workers.remove(worker)
        worker.process.join()
        if refusal and not self.started:
            raise refusal
        id = worker.id or LOADING
        self.lost[id] += 1
        if id in self.failures:
            yield Judged(self.failures[id])
        elif worker.id and self.lost[id] < TRIES:
            self.todo.insert(0, id)
        elif worker.id:
            yield self.undecided(id, f"its worker process died every time{worker.last.suspicion}")
        elif not self.started and self.lost[LOADING] >= TRIES:
            raise TargetError(f"the process that loads the target died every time{worker.last.suspicion}")
        if self.lost[LOADING] < TRIES:
            self.hire(1)
        while self.todo and not self.workers:
            yield self.undecided(self.todo.pop(0), "no process could load the target any more")

    def undecided(self, id: str, why: str) -> Judged:
        """A property that could not be judged."""
        return Judged(PropertyResult(id, "inconclusive", self.plan.properties[id].statement, message=why))

    def end(self) -> None:
        """Ends all workers."""
        for worker in self.workers:
            worker.process.terminate()
        for worker in [*self.workers, *self.dismissed]:
            worker.end()
