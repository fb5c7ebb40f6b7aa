"""A target in a child process: a crash, a hang, an exit or runaway memory is an answer like others."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from reference_rnn import Case

from .answer import Answer, Problem
from .capabilities import Capabilities
from .child import LoadError, packed, unpacked
from .local import Cotangents, unusual

CHILD = Path(__file__).with_name("child.py")
GIBIBYTE = 2**30


@dataclass(frozen=True)
class Limits:
    """What one call may take: seconds, seconds to load, bytes of memory beyond those of the loaded target."""

    call: float = 10.0
    load: float = 120.0
    memory: int = 2 * GIBIBYTE
    least: float = 1.0  # after a hang, calls get fifty times the slowest answer, but at least this


class Watchdog(threading.Thread):
    """Kills a process that takes too long or too much memory, so that reading from it can be simple."""

    POLL = 0.05

    def __init__(self, process: subprocess.Popen, memory: int) -> None:
        super().__init__(daemon=True)
        self.process = process
        self.seen = psutil.Process(process.pid)
        self.memory = memory
        self.base = 0
        self.deadline = float("inf")
        self.reason: Problem | None = None
        self.start()

    def run(self) -> None:
        """Looks twenty times a second."""
        while self.process.poll() is None and self.reason is None:
            time.sleep(self.POLL)
            try:
                size = self.seen.memory_info().rss
            except psutil.Error:
                return
            if time.monotonic() > self.deadline:
                self.reason = Problem("hang", "did not return in time")
            elif size > self.base + self.memory:
                self.reason = Problem("memory", f"took more than {self.memory / GIBIBYTE:.1f} GiB of memory")
        kill(self.process)


class ProcessTarget:
    """Calls a target that another process holds, and starts that process anew when it has died.

    How a process is started, and how it is spoken to, is what subclasses say.
    """

    observes_memory = True

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self.limits = limits
        self.notes: dict[str, None] = {}
        self.process: subprocess.Popen | None = None
        self.slowest = 0.0
        self.hung = False
        self.capabilities = Capabilities.of(self.launch())

    def command(self) -> list[str]:
        """The words that start the process."""
        raise NotImplementedError

    def load(self) -> dict[str, Any]:
        """What the target declares, once its process has been started; raises LoadError."""
        raise NotImplementedError

    def build(self) -> Problem | None:
        """A new instance of the target; a Problem if that does not work."""
        raise NotImplementedError

    def ask(self, do: str, case: Case, cotangents: Cotangents, seconds: float) -> Answer:
        """The target's answer to one request."""
        raise NotImplementedError

    def write(self, stream: Any, message: Any) -> None:
        """Sends a message."""
        raise NotImplementedError

    def read(self, stream: Any) -> Any:
        """The next message; raises EOFError at the end, ValueError if it is none."""
        raise NotImplementedError

    def launch(self) -> dict[str, Any]:
        """Starts the process and loads the target; what it declares. Raises LoadError."""
        self.printed = tempfile.TemporaryFile()  # noqa: SIM115, lives as long as the process
        try:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.printed,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise LoadError(f"cannot start {self.command()[0]!r}: {error.strerror}") from None
        self.watchdog = Watchdog(self.process, self.limits.memory)
        declared = self.load()
        with contextlib.suppress(psutil.Error):
            self.watchdog.base = self.watchdog.seen.memory_info().rss
        return declared

    def start(self) -> Problem | None:
        """Builds a new instance; a Problem if that does not work."""
        if self.process is None:
            try:
                self.launch()
            except LoadError as error:
                return Problem("load", str(error))
        return self.build()

    def forward(self, case: Case) -> Answer:
        """The target's answer; the process is started again first if the last call killed it."""
        return self.call("forward", case, {})

    def gradients(self, case: Case, cotangents: Cotangents) -> Answer:
        """The target's gradients, in the same way."""
        return self.call("gradients", case, cotangents)

    def call(self, do: str, case: Case, cotangents: Cotangents) -> Answer:
        """The target's answer to a request within its time."""
        if self.process is None and (problem := self.start()):
            return Answer(problem=problem)
        began = time.monotonic()
        answer = self.ask(do, case, cotangents, self.patience())
        if answer.problem and answer.problem.kind in ("hang", "crash", "exit", "memory"):
            self.hung |= answer.problem.kind == "hang"
        else:
            self.slowest = max(self.slowest, time.monotonic() - began)
        return answer

    def patience(self) -> float:
        """Seconds for the next call; fewer once a call has hung, so that one hang is not paid for often."""
        if not self.hung:
            return self.limits.call
        return min(max(50 * self.slowest, self.limits.least), self.limits.call)

    def exchange(self, message: Any, seconds: float) -> Any:
        """Sends a message and reads the reply; a Problem in its place if the process dies or talks nonsense."""
        process = self.process
        assert process is not None and process.stdin and process.stdout
        self.watchdog.deadline = time.monotonic() + seconds
        try:
            with contextlib.suppress(BrokenPipeError):  # it may have ended, but said something before
                self.write(process.stdin, message)
                process.stdin.flush()
            reply = self.read(process.stdout)
        except Nonsense as nonsense:
            self.cause_of_death()
            return Problem("protocol", str(nonsense))
        except (OSError, EOFError, ValueError):
            return self.cause_of_death()
        self.watchdog.deadline = float("inf")
        return reply

    def cause_of_death(self) -> Problem:
        """What ended the process."""
        process, self.process = self.process, None
        assert process is not None and process.stdin and process.stdout
        kill(process)
        code = process.wait()
        with contextlib.suppress(OSError):  # a frame that could not be sent is flushed once more
            process.stdin.close()
        process.stdout.close()
        self.hear()
        self.printed.close()
        if self.watchdog.reason:
            return self.watchdog.reason
        if code < 0:
            return Problem("crash", f"died of {signal.Signals(-code).name}")
        return Problem("exit", f"ended its process with status {code}")

    def hear(self) -> None:
        """Keeps what the process printed behind our back as notes."""
        # the child writes where this file is positioned, so it is read without moving that
        text = os.pread(self.printed.fileno(), 2000, 0).decode(errors="replace")
        for line in text.splitlines()[:5]:
            self.notes.setdefault("printed: " + line[:200])

    def told(self) -> list[str]:
        """The notes so far."""
        if self.process is not None:
            self.hear()
        return list(self.notes)

    def last_words(self) -> str:
        """The last line that the process printed, for messages."""
        lines = [note.removeprefix("printed: ") for note in self.notes]
        return f" (it printed: {lines[-1]})" if lines else ""

    def stop(self) -> None:
        """Ends the process."""
        if self.process is not None:
            self.cause_of_death()


class Nonsense(Exception):
    """A process did not keep to the protocol; the message says how."""


class ChildTarget(ProcessTarget):
    """A Python target, held by ``child.py`` in any interpreter; messages are binary frames."""

    def __init__(self, spec: dict[str, Any], name: str, *, python: str, limits: Limits) -> None:
        self.spec = spec
        self.python = python
        super().__init__(name, limits)

    def command(self) -> list[str]:
        """The interpreter, and the harness."""
        return [self.python, str(CHILD)]

    def load(self) -> dict[str, Any]:
        """What the target declares; raises LoadError."""
        reply = self.exchange(({"do": "load", "spec": self.spec}, {}), self.limits.load)
        if isinstance(reply, Problem):
            raise LoadError(f"{self.name} could not be loaded: it {reply.message}{self.last_words()}")
        header, _ = reply
        if "refused" in header:
            self.stop()
            raise LoadError(header["refused"])
        return header["capabilities"]

    def build(self) -> Problem | None:
        """A new instance of the target."""
        reply = self.exchange(({"do": "start"}, {}), self.limits.load)
        if isinstance(reply, Problem):
            return reply
        return Problem(**reply[0]["problem"]) if "problem" in reply[0] else None

    def ask(self, do: str, case: Case, cotangents: Cotangents, seconds: float) -> Answer:
        """The target's answer to one request."""
        arrays = dict(case.arrays())
        header = {
            "do": do,
            "cotangents": list(cotangents),
            "config": {**vars(case.config), "num_directions": case.config.num_directions},
            "training": case.training,
        }
        if case.lengths is not None:
            arrays["lengths"] = case.lengths
        arrays |= {name: d for name, d in cotangents.items() if d is not None}
        header["layout"] = {name: layout for name, array in arrays.items() if (layout := unusual(array))}
        reply = self.exchange((header, arrays), seconds)
        if isinstance(reply, Problem):
            return Answer(problem=reply)
        header, results = reply
        return Answer.of(header | {"arrays": results})

    def write(self, stream: Any, message: Any) -> None:
        """Sends a frame."""
        stream.write(packed(*message))

    def read(self, stream: Any) -> Any:
        """The header and the arrays of the next frame."""
        header, arrays = unpacked(stream)
        self.notes.update(dict.fromkeys(header.pop("notes", [])))
        return header, arrays


def kill(process: subprocess.Popen) -> None:
    """Ends a process and all that it started."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        family = []
    process.kill()
    for member in family:
        try:
            member.kill()
        except psutil.Error:
            continue
