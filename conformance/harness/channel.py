"""The pipes between the judge and a target's process, on which nothing waits for longer than it may."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable

from . import family
from .answer import Problem

POLL = 0.05  # seconds between two looks at how much memory a family holds
GRACE = 1.0  # seconds in which a process that has closed its channel ends by itself
CHUNK = 2**16
ENDS = 4096  # bytes of what was printed that are kept: from the beginning, and from the end
GIBIBYTE = 2**30
LOADING = 2 * GIBIBYTE  # that a target may take until it is loaded, unless it may take more than that later on


class Nonsense(Exception):
    """A process did not keep to the protocol; the message says how."""


class Ended(Exception):
    """A process has ended, or closed its channel."""


class Stopped(Exception):
    """A process took more than it may: ``problem`` says of what."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def amount(memory: int) -> str:
    """So many bytes, for people."""
    return f"{memory / GIBIBYTE:.1f} GiB" if memory >= GIBIBYTE / 10 else f"{memory / 2**20:.1f} MiB"


class Printed:
    """What a process printed: the beginning and the end of it, however much it was."""

    def __init__(self) -> None:
        self.first = self.last = b""
        self.size = 0

    def add(self, data: bytes) -> None:
        """Keeps what was printed next."""
        room = ENDS - len(self.first)
        self.first += data[:room]
        self.last = (self.last + data[room:])[-ENDS:]
        self.size += len(data)

    @property
    def lines(self) -> list[str]:
        """The lines of both ends."""
        between = b"\n" if self.size > 2 * ENDS else b""
        return (self.first + between + self.last).decode(errors="replace").splitlines()


class Channel:
    """Sends to a kept command and receives from it; memory: bytes by which its family may grow in one call.

    base, before    bytes that the family held once the target was loaded, and before the call
    peak            the most that it ever held, as far as that is known
    """

    def __init__(self, words: list[str], memory: int) -> None:
        self.mark = f"{os.getpid()}.{time.time_ns()}"
        self.process = family.start_kept(words, self.mark)
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.source, self.printing = self.process.stdout.fileno(), self.process.stderr.fileno()
        self.sink = self.process.stdin.fileno()
        self.memory, self.base, self.peak, self.looked = memory, max(LOADING - memory, 0), 0, 0.0
        self.before, self.members = self.base, list[int]()
        self.received, self.answered = bytearray(), False
        self.printed = Printed()
        self.poll = select.poll()
        for descriptor in (self.sink, self.source, self.printing):
            os.set_blocking(descriptor, False)
        self.poll.register(self.source, select.POLLIN)
        self.poll.register(self.printing, select.POLLIN)

    def exchange(self, data: bytes, whole: Callable[[bytearray], int | None], seconds: float) -> bytes:
        """Sends a message and receives the next one, of which ``whole`` says how long it is once it is all there.

        Raises Nonsense if there is something that nobody asked for, Ended, or Stopped.
        """
        until = time.monotonic() + seconds
        self.look(until)
        if self.answered:
            self.nothing_before()
        left = self.send(memoryview(data))
        while (size := whole(self.received)) is None:
            for descriptor, _ in self.poll.poll(1000 * POLL):
                if descriptor == self.sink:
                    left = self.send(left)
                elif descriptor == self.source:
                    self.receive()
                else:
                    self.hear()
            self.look(until)
        message = bytes(self.received[:size])
        del self.received[:size]
        if self.answered:
            self.settle()
        self.answered = True
        return message

    def settle(self) -> None:
        """Counts memory anew for the next call; raises Stopped if the last took too much, also if it gave it back."""
        if family.LINUX:  # elsewhere that takes longer than many a call, and what is new is seen at the next look
            self.members = family.descendants(self.process.pid)
        held, peak = family.memory(self.members, self.most), self.highest()
        if held > self.most or (peak > self.peak and peak > self.most):  # a family holds no less than one of it
            raise self.too_much()
        self.before, self.peak = max(held, self.base), max(peak, self.peak)

    def highest(self) -> int:
        """The most bytes that one member of the family ever held."""
        return max((family.resident(member)[1] for member in self.members), default=0)

    @property
    def most(self) -> int:
        """The bytes that the family may hold in this call."""
        return self.before + self.memory

    @property
    def growth(self) -> int:
        """The bytes that the family holds beyond what it did once the target was loaded."""
        beyond = self.before - self.base
        return beyond if beyond <= self.memory else family.memory(self.members, self.base + self.memory) - self.base

    def held_back(self, whole: Callable[[bytearray], int | None]) -> bytes:
        """The message that comes as soon as nothing more can be asked, if one does; raises Nonsense like ``whole``."""
        assert self.process.stdin
        self.process.stdin.close()
        until = time.monotonic() + GRACE
        with contextlib.suppress(Ended):
            while (size := whole(self.received)) is None and time.monotonic() < until:
                select.select([self.source], [], [], POLL)
                self.receive()
        return bytes(self.received[: size or 0])

    def nothing_before(self) -> None:
        """Raises Nonsense if there is an answer before anything was asked."""
        with contextlib.suppress(Ended):  # which is noticed, and its cause found, when an answer is due
            self.receive()
        if self.received:
            raise Nonsense(f"wrote {bytes(self.received[:60]).decode(errors='replace')!r} without being asked")

    def send(self, data: memoryview) -> memoryview:
        """Sends as much as there is room for; what is left. A process that has ended may have answered before."""
        try:
            while data:
                data = data[os.write(self.sink, data[:CHUNK]) :]
        except BlockingIOError:
            self.poll.register(self.sink, select.POLLOUT)
            return data
        except BrokenPipeError:
            data = data[:0]
        with contextlib.suppress(KeyError):
            self.poll.unregister(self.sink)
        return data

    def receive(self) -> None:
        """Takes what has come; raises Ended where nothing can come any more."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.source, CHUNK)
            if not data:
                raise Ended
            self.received += data

    def hear(self) -> None:
        """Takes what was printed since the last time, so that whoever prints never waits."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(64):  # then something else has its turn
                data = os.read(self.printing, CHUNK)
                if not data:
                    with contextlib.suppress(KeyError):
                        self.poll.unregister(self.printing)
                    return
                self.printed.add(data)

    def look(self, until: float) -> None:
        """Raises Stopped where time is over or too much memory is held; Ended if the process is gone."""
        now = time.monotonic()
        if now > until:
            raise Stopped(Problem("hang", "did not return in time"))
        if now - self.looked < POLL:
            return
        self.looked = now
        self.members = family.descendants(self.process.pid)
        if family.memory(self.members, self.most) > self.most:
            raise self.too_much()
        if self.process.poll() is not None and not select.select([self.source], [], [], 0)[0]:
            raise Ended

    def too_much(self) -> Stopped:
        """Why a family is stopped that holds more than it may."""
        return Stopped(
            Problem("memory", f"took more than {amount(self.memory if self.answered else self.most)} of memory")
        )

    def loaded(self, times: int = 1) -> None:
        """From here on, memory counts beyond what is held now, or beyond so many times that."""
        self.members = family.descendants(self.process.pid)
        self.base = self.before = times * family.memory(self.members)
        self.peak = self.highest()

    def status(self) -> int | None:
        """The status with which the process has ended by itself; None if it has not."""
        with contextlib.suppress(Exception):
            self.process.wait(GRACE)
        return self.process.returncode

    def end(self) -> None:
        """Ends the process and its family; what was printed stays."""
        try:
            self.hear()
        finally:
            family.dismiss(self.process, self.mark)
