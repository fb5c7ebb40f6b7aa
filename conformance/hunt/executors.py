"""Who does the units of a hunt: processes of this machine, or of others through Dask. Both are given and give JSON."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import queue
import re
import select
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any, Protocol, cast

from conformance.harness import family
from conformance.harness.last_file import LastFile
from conformance.trial.options import UsageError
from conformance.trial.verdict import kit_version

from .units import Unit, page

CONNECTING = 15.0  # seconds for a scheduler to answer
REACHING = 5.0  # seconds for its machine to do so
LETTING_GO = 10.0  # seconds for all machines to end what they are at
UNUSED = 60.0  # seconds that a process of another machine is kept with nothing to do
NAME = "rnn-conformance"
SCHEMES = ("tcp", "tls", "ws", "wss")
OVER = {"lost": "the hunt is over"}
PROGRAM = "import sys; sys.path[:] = {path!r}; from conformance.hunt.units import serve; serve({folder!r})"

Answers = list[tuple[Unit, dict[str, Any]]]


class Gone(Exception):
    """There is nobody left who could do a unit; the message says why."""


class Engine(Protocol):
    """Does units."""

    @property
    def busy(self) -> int:
        """How many units have been given and not come back."""

    @property
    def room(self) -> int:
        """How many more units may be given."""

    @property
    def workers(self) -> int:
        """How many workers there are. Raises Gone."""

    def give(self, unit: Unit) -> None:
        """Has a unit done."""

    def finished(self, seconds: float) -> Answers:
        """The units that came back, and what came of them, after so long a wait at most; ``{"died": ...}``, with a
        suspicion, for one whose process has died, ``{"lost": ...}`` for one that is not to be tried again. Raises Gone.
        """

    def end(self) -> None:
        """Ends all workers, whatever they are doing, with what they have started."""


class Servant:
    """A process that does one unit after the other, in the care of a keeper: with all that it has started it ends as a
    family, when it is told to, or when this process is gone.
    """

    def __init__(self) -> None:
        self.unit: Unit | None = None
        self.mark = f"{os.getpid()}.{time.time_ns()}"
        self.home = tempfile.TemporaryDirectory(prefix="rnn-conformance-", ignore_cleanup_errors=True)
        self.last = LastFile(page(self.home.name))
        program = PROGRAM.format(path=sys.path, folder=self.home.name)
        self.process = family.start_kept([sys.executable, "-P", "-c", program], self.mark)
        self.answers = io.BufferedReader(cast(io.RawIOBase, self.process.stdout))

    def give(self, text: str) -> None:
        """Has a unit done; if it has died, that shows when its answer is read."""
        assert self.process.stdin
        data = memoryview(text.encode() + b"\n")
        with contextlib.suppress(OSError, ValueError):
            while data:
                data = data[os.write(self.process.stdin.fileno(), data) :]

    def answer(self) -> str:
        """What came of the unit, as soon as that is known."""
        with contextlib.suppress(OSError, ValueError):  # it was ended meanwhile
            if (line := self.answers.readline()).endswith(b"\n"):
                return line.decode()
        return json.dumps({"died": self.last.suspicion})

    def end(self) -> None:
        """Ends it and its family."""
        family.dismiss(self.process, self.mark)
        self.home.cleanup()


class Processes:
    """Processes of this machine, so many at once."""

    def __init__(self, count: int) -> None:
        self.workers = count
        self.hired: list[Servant] = []

    @property
    def doing(self) -> list[Servant]:
        """The workers that are at a unit."""
        return [servant for servant in self.hired if servant.unit]

    @property
    def busy(self) -> int:
        """How many units have not come back."""
        return len(self.doing)

    @property
    def room(self) -> int:
        """How many more units may be given."""
        return self.workers - self.busy

    def give(self, unit: Unit) -> None:
        """Has a unit done by a process that is free, or a new one."""
        servant = next((one for one in self.hired if one.unit is None), None)
        if servant is None:
            servant = Servant()
            self.hired.append(servant)
        servant.unit = unit
        servant.give(unit.to_text())

    def finished(self, seconds: float) -> Answers:
        """The units that came back."""
        by_place = {servant.answers.fileno(): servant for servant in self.doing}
        found: Answers = []
        for place in select.select(list(by_place), [], [], seconds)[0]:
            servant = by_place[place]
            unit, servant.unit = cast(Unit, servant.unit), None
            answer = json.loads(servant.answer())
            if "died" in answer:
                self.hired.remove(servant)
                servant.end()
            found.append((unit, answer))
        return found

    def end(self) -> None:
        """Ends all processes."""
        for servant in self.hired:
            servant.process.terminate()
        for servant in self.hired:
            servant.end()


class Crew:
    """The processes of another machine: one for each unit that is being done there, kept for the next one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.hired: dict[str, list[Servant]] = {}  # by the hunt
        self.idle: dict[Servant, threading.Timer] = {}
        self.over: set[str] = set()

    def do(self, hunt: str, text: str) -> str:
        """Has a unit done, and waits for what comes of it."""
        with self.lock:
            if hunt in self.over:
                return json.dumps(OVER)
            servant = next((one for one in self.hired.get(hunt, ()) if one in self.idle), None)
            if servant is None:
                servant = Servant()
                self.hired.setdefault(hunt, []).append(servant)
            else:
                self.idle.pop(servant).cancel()
        servant.give(text)
        answer = servant.answer()
        with self.lock:
            if "died" in json.loads(answer):
                self.let_go(hunt, servant)
            elif hunt not in self.over:
                self.idle[servant] = timer = threading.Timer(UNUSED, self.unused, (hunt, servant))
                timer.daemon = True
                timer.start()
        return answer

    def unused(self, hunt: str, servant: Servant) -> None:
        """Ends a process that has had nothing to do for long: whoever hunts may be gone."""
        with self.lock:
            if self.idle.pop(servant, None):
                self.let_go(hunt, servant)

    def let_go(self, hunt: str, servant: Servant) -> None:
        """Ends a process, once."""
        if servant in self.hired.get(hunt, ()):
            self.hired[hunt].remove(servant)
            servant.end()

    def dismiss(self, hunt: str) -> None:
        """Ends all that is done for a hunt, which is over, and what comes too late for it."""
        with self.lock:
            self.over.add(hunt)
            for servant in list(self.hired.get(hunt, ())):
                if timer := self.idle.pop(servant, None):
                    timer.cancel()
                self.let_go(hunt, servant)


CREW = Crew()


def do_by_crew(hunt: str, text: str) -> str:
    """Has a unit done by the processes of this machine."""
    return CREW.do(hunt, text)


def dismiss_workers(hunt: str) -> None:
    """Ends the processes of this machine that are at a hunt."""
    CREW.dismiss(hunt)


def host_and_port(address: str) -> tuple[str, int]:
    """The host and the port of a scheduler. Raises UsageError for what is no address of one."""
    scheme, there, place = address.rpartition("://")
    name, _, number = place.rpartition(":")
    named = re.fullmatch(r"[\w.-]+|\[[0-9a-fA-F:.]+\]", name)
    known = scheme in SCHEMES if there else not scheme
    if not (known and named and re.fullmatch(r"[1-9]\d{0,4}", number) and int(number) < 2**16):
        raise UsageError(f"--scheduler {address!r} is no address, must be like tcp://127.0.0.1:8786")
    return name.strip("[]"), int(number)


def check_address(address: str) -> None:
    """Raises UsageError at once for an address where nobody listens."""
    try:
        socket.create_connection(host_and_port(address), REACHING).close()
    except OSError as error:
        raise unreachable(address, error) from None


def unreachable(address: str, error: Exception) -> UsageError:
    """The error that there is no scheduler at this address."""
    said = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
    return UsageError(f"--scheduler {address} cannot be reached: {said}")


def connect_in_time(connect: Callable[[], Any]) -> Any:
    """What comes of connecting, or the exception that does; Dask waits for ever for who listens and is silent."""
    came: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def attempt() -> None:
        """Connects, for whoever waits."""
        try:
            came.put(connect())
        except Exception as error:
            came.put(error)

    threading.Thread(target=attempt, daemon=True).start()
    try:
        return came.get(timeout=2 * CONNECTING)
    except queue.Empty:
        return TimeoutError("who listens there does not answer as a scheduler of Dask does")


class Cluster:
    """The workers of a Dask scheduler. Raises UsageError where they cannot be used."""

    def __init__(self, address: str) -> None:
        host_and_port(address)  # before what takes a while
        try:
            import distributed
        except ImportError:
            raise UsageError(
                f"--scheduler needs the extra hunt: pip install '.[hunt]' in a checkout of {NAME}"
            ) from None
        check_address(address)
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # that a worker is lost is for the hunt to say
        client = connect_in_time(lambda: distributed.Client(address, timeout=CONNECTING, set_as_default=False))
        if isinstance(client, Exception):
            raise unreachable(address, client)
        self.client: Any = client
        self.units: dict[Any, Unit] = {}  # by their futures
        self.came: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.hunts: set[str] = set()
        try:
            self.check()
        except BaseException:
            self.end()
            raise

    def check(self) -> None:
        """Raises UsageError unless all workers that are there have this version of the kit."""
        for worker, version in self.client.run(metadata.version, NAME, on_error="return").items():
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
        """How many units can be done at once now."""
        self.check_scheduler()
        try:
            return sum(self.client.sync(self.client.scheduler.ncores, callback_timeout=CONNECTING).values())
        except OSError:  # a timeout is one, too
            raise Gone("the scheduler is gone") from None

    def check_scheduler(self) -> None:
        """Raises Gone where there is none any more."""
        if self.client.status != "running":
            raise Gone("the scheduler is gone")

    @property
    def room(self) -> int:
        """How many more units may be given: none waits for another, whose seconds would not count."""
        return self.workers - self.busy

    def give(self, unit: Unit) -> None:
        """Has a unit done by any worker."""
        self.hunts.add(unit.hunt)
        future = self.client.submit(do_by_crew, unit.hunt, unit.to_text(), pure=False, retries=0)
        self.units[future] = unit
        future.add_done_callback(self.came.put)

    def finished(self, seconds: float) -> Answers:
        """The units that came back."""
        self.check_scheduler()
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
        """Ends what the workers are at, and lets go of them."""
        with contextlib.suppress(Exception):  # whatever state they are in, nothing depends on it any more
            self.client.cancel(list(self.units), force=True)
        for hunt in self.hunts:
            with contextlib.suppress(Exception):
                self.client.run(dismiss_workers, hunt, on_error="ignore", callback_timeout=LETTING_GO)
        with contextlib.suppress(Exception):
            self.client.close(timeout=CONNECTING / 5)
