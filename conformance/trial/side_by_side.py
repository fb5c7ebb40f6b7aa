"""Many targets judged side by side, each in a process of its own; each comes out as if it were alone."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait

from conformance.events import Finished
from conformance.harness.load import TargetError

from .interrupts import SIGNALS, Interrupted, Interrupts, noted
from .loop import trial
from .options import Options
from .plan import Catalogue, Plan
from .pool import METHOD, POLL, TRIES, Worker, cores
from .verdict import Report

STARTING = -1  # the place of what starts processes, which may die, too
LAST_WORDS = 10.0  # seconds for the trials that a signal ends to say what they found
NOT_REACHED = "interrupted before it was judged"

Outcome = Report | str  # of a target: the report, or why there is none
Answer = tuple[Outcome, bool]  # and whether a signal cut it short


def outcomes(
    asked: Sequence[tuple[str, Options]], catalogue: Catalogue, restore: Callable[[], bool], deadline: float | None
) -> Generator[Outcome, None, None]:
    """What comes of each target, in their order, each as soon as it is known of all before.

    As many are judged side by side as their options have workers; where there are fewer targets than that, one after
    the other has all workers.
    restore: makes again what a target has deleted; whether there was anything.  deadline: on the monotonic clock, when
    the time for all is over.  Raises UsageError as ``trial`` does.
    """
    workers = max((options.workers or cores() for _, options in asked), default=1)
    if len(asked) < workers:
        yield from one_by_one(asked, catalogue, restore, deadline)
        return
    alone = [(target, replace(options, workers=1)) for target, options in asked]
    room = SideBySide(alone, catalogue, workers, restore, deadline)
    with noted() as interrupts:
        try:
            yield from room.outcomes(interrupts)
        finally:
            room.end()


def one_by_one(
    asked: Sequence[tuple[str, Options]], catalogue: Catalogue, restore: Callable[[], bool], deadline: float | None
) -> Iterator[Outcome]:
    """The same, one after the other; after one that a signal ends, the others are not reached."""
    for place, (target, options) in enumerate(asked):
        try:
            outcome, cut = judged(target, options, catalogue, deadline)
        finally:
            restore()
        yield outcome
        if cut:
            yield from [NOT_REACHED] * len(asked[place + 1 :])
            return


def judged(target: str, options: Options, catalogue: Catalogue, deadline: float | None) -> Answer:
    """What comes of one target, and whether a signal cut it short."""
    try:
        *_, finished = trial(target, within(options, deadline), catalogue)
    except TargetError as error:
        return str(error), False
    except Interrupted as interruption:
        return f"interrupted by {interruption} while it was loaded", True
    assert isinstance(finished, Finished)
    return finished.report, bool(finished.report.interrupted)


def within(options: Options, deadline: float | None) -> Options:
    """The options of one target, so that it is over when the time for all is. Raises TargetError if that is over."""
    if deadline is None:
        return options
    left = deadline - time.monotonic()
    if left <= 0:
        raise TargetError("the time for all targets was over before it was judged")
    return replace(options, time_limit=min(left, options.time_limit or left))


def work(connection: Connection, target: str, options: Options, catalogue: Catalogue, deadline: float | None) -> None:
    """What a process does: it judges one target and says what came of it; it ends when the main process does."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # before there is a trial to end, it ends this without a word
    threading.Thread(target=watch, args=(connection,), daemon=True).start()
    answer: Answer | Exception
    try:
        answer = judged(target, options, catalogue, deadline)
    except Exception as error:  # which the main process raises
        answer = RuntimeError("".join(traceback.format_exception(error)))  # not every one can be sent
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # what is known now is said
    with contextlib.suppress(OSError):  # nobody wants to hear it any more
        connection.send(answer)


def watch(connection: Connection) -> None:
    """Waits until the main process is gone, or has closed its end, and has the main thread end."""
    wait([connection])  # nothing is ever sent here
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


class SideBySide:
    """Some targets, each by its place, and the processes that judge them.

    todo     whose turn is still to come;  alone  those of them that are to have nobody beside them
    running  the process of each that is being judged;  known  what came of the others
    lost     how often the process of each has died
    """

    def __init__(
        self, asked: Sequence[tuple[str, Options]], catalogue: Catalogue, count: int, restore: Callable[[], bool],
        deadline: float | None,
    ) -> None:  # fmt: skip
        self.asked = asked
        self.catalogue = catalogue
        self.count = count
        self.restore = restore
        self.deadline = deadline
        self.todo = list(range(len(asked)))
        self.alone: list[int] = []
        self.running: dict[int, Worker] = {}
        self.known: dict[int, Outcome] = {}
        self.lost: Counter[int] = Counter()
        if METHOD == "forkserver":
            multiprocessing.set_forkserver_preload([__name__, catalogue.__module__, *ahead(asked, catalogue)])

    def outcomes(self, interrupts: Interrupts) -> Iterator[Outcome]:
        """What comes of each, in their order."""
        for place in range(len(self.asked)):
            while place not in self.known:
                self.step(interrupts)
            yield self.known[place]

    def step(self, interrupts: Interrupts) -> None:
        """Has those judged whose turn it is, and hears what is said."""
        try:
            self.start()
            ready = wait([worker.connection for worker in self.running.values()], POLL)
        except (EOFError, OSError):  # a signal to all has also ended what starts them, or this folder was deleted
            ready = []
            if interrupts.came is None:
                if not self.restore():
                    self.lost[STARTING] += 1
                    if self.lost[STARTING] == TRIES:
                        raise
                self.again(sorted(self.running))
        if interrupts.came is not None:
            self.interrupted(interrupts.came)
            return
        for place, worker in list(self.running.items()):
            if place in self.running and worker.connection in ready:  # what one did may have ended others
                self.heard(place, worker)

    def start(self) -> None:
        """Starts as many as there is room for."""
        while len(self.running) < (1 if self.alone else self.count) and (self.alone or self.todo):
            place = self.alone[0] if self.alone else self.todo[0]
            self.running[place] = Worker(work, *self.asked[place], self.catalogue, self.deadline)
            self.todo = [other for other in self.todo if other != place]

    def heard(self, place: int, worker: Worker) -> None:
        """What one said, or what follows from its death.

        Where something was deleted, that may be why, for all who were being judged: then they are judged again.
        """
        answer = said(worker)
        worker.end()
        del self.running[place]
        if self.restore() and self.running:
            self.again(sorted([place, *self.running]))
        elif isinstance(answer, Exception):
            raise answer
        elif answer is None or answer[1]:  # it was ended, and not by us
            self.died(place)
        else:
            self.settle(place, answer[0])

    def again(self, places: list[int]) -> None:
        """Some are judged once more, one at a time."""
        self.end()
        self.restore()  # what they have deleted until they ended
        self.alone = sorted({*self.alone, *places})

    def died(self, place: int) -> None:
        """The process of one has ended, and nothing is known of it: it is judged again, a few times."""
        self.lost[place] += 1
        if self.lost[place] == TRIES:
            self.settle(place, "the process that judges it died every time")
        elif place not in self.alone:
            self.todo.insert(0, place)

    def settle(self, place: int, outcome: Outcome) -> None:
        """It is known what came of one."""
        self.known[place] = outcome
        if place in self.alone:
            self.alone.remove(place)

    def interrupted(self, number: int) -> None:
        """A signal ends all of it: what was found until then is known, the others are not reached."""
        for worker in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.process.pid, number)
        told = self.last_words()
        if self.restore() and len(self.running) > 1:  # they may have missed what was deleted
            told = {}
        self.end()
        self.known = {place: NOT_REACHED for place in range(len(self.asked))} | told | self.known

    def last_words(self) -> dict[int, Outcome]:
        """What those have to say that are being judged, and have got a signal."""
        told: dict[int, Outcome] = {}
        waiting = {worker.connection: (place, worker) for place, worker in self.running.items()}
        until = time.monotonic() + LAST_WORDS
        while waiting and (left := until - time.monotonic()) > 0:
            for connection in wait(list(waiting), left):
                place, worker = waiting.pop(connection)
                answer = said(worker)
                if isinstance(answer, tuple):
                    told[place] = answer[0]
        return told

    def end(self) -> None:
        """Ends all processes."""
        for worker in self.running.values():
            worker.connection.close()  # which none survives for long
            worker.process.terminate()
        for worker in self.running.values():
            worker.end()
        self.running.clear()


def ahead(asked: Sequence[tuple[str, Options]], catalogue: Catalogue) -> list[str]:
    """The module to be imported before processes are forked, if a property that is asked is heavy."""
    heavy = any(prop.heavy for _, options in asked for prop in Plan.of(options, catalogue).properties.values())
    return [f"{__package__}.ahead"] if heavy else []


def said(worker: Worker) -> Answer | Exception | None:
    """What a process said; None if it died."""
    try:
        return worker.connection.recv()
    except (EOFError, OSError):
        return None
