"""Who does the units of a hunt: processes of this machine, or of others through Dask. Both are given and give JSON."""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import queue
from collections import Counter
from importlib import metadata
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from conformance.trial.options import UsageError
from conformance.trial.pool import METHOD, Worker, obey
from conformance.trial.verdict import kit_version

from .units import HELD, Unit, done

TRIES = 3  # for a unit whose worker dies
CONNECTING = 15.0  # seconds for a scheduler to answer
AHEAD = 2  # units for each worker of another machine, so that none waits for the next
NAME = "rnn-conformance"

Answers = list[tuple[Unit, dict[str, Any]]]


class Gone(Exception):
    """There is nobody left who could do a unit; the message says why."""


class Engine(Protocol):
    """Does units. What a worker leaves undone that dies is done again, by another one."""

    @property
    def busy(self) -> int:
        """How many units have been given and not come back."""

    @property
    def room(self) -> int:
        """How many more units may be given."""

    @property
    def workers(self) -> int:
        """How many workers there are."""

    def give(self, unit: Unit) -> None:
        """Has a unit done."""

    def finished(self, seconds: float) -> Answers:
        """The units that came back, and what came of them, after so long a wait at most; ``{"lost": ...}`` for one
        that no worker lived to finish. Raises Gone.
        """

    def end(self) -> None:
        """Lets go of all workers, whatever they are doing."""


def serve(connection: Connection) -> None:
    """What a process of this machine does: one unit after the other, as they come in."""
    obey()
    try:
        while (text := connection.recv()) is not None:
            connection.send(done(text))
    except (EOFError, OSError):  # the main process is gone
        return
    finally:
        HELD.stop()


class Processes:
    """Processes of this machine, so many at once."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.hired: list[Worker] = []
        self.todo: list[Unit] = []
        self.doing: dict[int, tuple[Worker, Unit]] = {}  # by the process
        self.deaths: Counter[str] = Counter()  # by the unit
        if METHOD == "forkserver":
            multiprocessing.set_forkserver_preload([__name__])

    @property
    def busy(self) -> int:
        """How many units have not come back."""
        return len(self.todo) + len(self.doing)

    @property
    def room(self) -> int:
        """How many more units may be given."""
        return self.count - self.busy

    @property
    def workers(self) -> int:
        """How many processes there may be."""
        return self.count

    def give(self, unit: Unit) -> None:
        """Has a unit done by the first process that is free, or a new one."""
        self.todo.append(unit)
        self.spread()

    def spread(self) -> None:
        """Gives units to processes that have nothing to do."""
        while self.todo and len(self.doing) < self.count:
            idle = [worker for worker in self.hired if worker.id is None]
            worker = idle[0] if idle else self.hire()
            unit = self.todo.pop(0)
            self.doing[id(worker)] = worker, unit
            worker.give(unit.to_text())

    def hire(self) -> Worker:
        """One more process."""
        worker = Worker(serve)
        worker.loaded = True  # it ends by itself when there is nothing to do
        self.hired.append(worker)
        return worker

    def finished(self, seconds: float) -> Answers:
        """The units that came back."""
        ready = wait([worker.connection for worker, _ in self.doing.values()], seconds)
        found: Answers = []
        for worker, unit in list(self.doing.values()):
            if worker.connection in ready:
                del self.doing[id(worker)]
                found += self.heard(worker, unit)
        self.spread()
        return found

    def heard(self, worker: Worker, unit: Unit) -> Answers:
        """What one process said of a unit; where it has died, the unit is done again, a few times."""
        try:
            answer = json.loads(worker.connection.recv())
        except (EOFError, OSError):
            self.hired.remove(worker)
            worker.end()
            self.deaths[unit.to_text()] += 1
            if self.deaths[unit.to_text()] < TRIES:
                self.todo.insert(0, unit)
                return []
            return [(unit, {"lost": "its worker process died every time"})]
        worker.id = None
        return [(unit, answer)]

    def end(self) -> None:
        """Ends all processes."""
        for worker in self.hired:
            if worker.id is None:
                worker.give(None)
            else:
                worker.process.terminate()
        for worker in self.hired:
            worker.end()


class Cluster:
    """The workers of a Dask scheduler. Raises UsageError where they cannot be used."""

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError:
            raise UsageError(f"--scheduler needs the extra hunt: pip install '{NAME}[hunt]'") from None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # that a worker is lost is for the hunt to say
        try:
            self.client: Any = distributed.Client(address, timeout=CONNECTING, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            said = " ".join(str(error).split()) or type(error).__name__
            raise UsageError(f"--scheduler {address} cannot be reached: {said}") from None
        self.units: dict[Any, Unit] = {}  # by their futures
        self.came: queue.SimpleQueue[Any] = queue.SimpleQueue()
        try:
            self.check(address)
        except BaseException:
            self.end()
            raise

    def check(self, address: str) -> None:
        """Raises UsageError unless there are workers, all with this version of the kit."""
        found = self.client.run(metadata.version, NAME, on_error="return")
        if not found:
            raise UsageError(f"the scheduler {address} has no workers; start some with: dask worker {address}")
        for worker, version in found.items():
            if isinstance(version, Exception):
                raise UsageError(f"the worker {worker} does not have {NAME}; install '{NAME}[hunt]' there")
            if version != kit_version():
                raise UsageError(f"the worker {worker} has {NAME} {version}, must be {kit_version()}, as here")

    @property
    def busy(self) -> int:
        """How many units have not come back."""
        return len(self.units)

    @property
    def workers(self) -> int:
        """How many workers there are now."""
        return len(self.client.nthreads())

    @property
    def room(self) -> int:
        """How many more units may be given."""
        return AHEAD * self.workers - self.busy

    def give(self, unit: Unit) -> None:
        """Has a unit done by any worker."""
        future = self.client.submit(done, unit.to_text(), pure=False, retries=0)
        self.units[future] = unit
        future.add_done_callback(self.came.put)

    def finished(self, seconds: float) -> Answers:
        """The units that came back."""
        if self.client.status != "running":
            raise Gone("the scheduler is gone")
        found: Answers = []
        with contextlib.suppress(queue.Empty):
            found.append(self.heard(self.came.get(timeout=seconds)))
            while True:
                found.append(self.heard(self.came.get_nowait()))
        return found

    def heard(self, future: Any) -> tuple[Unit, dict[str, Any]]:
        """What became of one unit."""
        unit = self.units.pop(future)
        if future.status == "finished":
            return unit, json.loads(future.result())
        if future.status == "cancelled":
            raise Gone("the scheduler is gone")
        error = future.exception()
        return unit, {"lost": " ".join(f"{type(error).__name__}: {error}".split())[:300]}

    def end(self) -> None:
        """Lets go of the workers."""
        with contextlib.suppress(Exception):  # whatever state they are in, nothing depends on it any more
            self.client.cancel(list(self.units), force=True)
            self.client.close(timeout=CONNECTING / 5)
