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

import numpy as np
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


class ChildTarget:
    """Calls a target that another process holds, and starts that process anew when it has died."""

    def __init__(self, spec: dict[str, Any], name: str, *, python: str, limits: Limits) -> None:
        self.spec = spec
        self.name = name
        self.python = python
        self.limits = limits
        self.notes: dict[str, None] = {}
        self.process: subprocess.Popen | None = None
        self.slowest = 0.0
        self.hung = False
        self.capabilities = Capabilities.of(self.launch())

    def launch(self) -> dict[str, Any]:
        """Starts the process and loads the target; what it declares. Raises LoadError."""
        self.printed = tempfile.TemporaryFile()  # noqa: SIM115, lives as long as the process
        try:
            self.process = subprocess.Popen(
                [self.python, str(CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.printed,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise LoadError(f"cannot start {self.python!r}: {error.strerror}") from None
        self.watchdog = Watchdog(self.process, self.limits.memory)
        header, _ = self.exchange({"do": "load", "spec": self.spec}, {}, self.limits.load)
        if isinstance(header, Problem):
            raise LoadError(f"{self.name} could not be loaded: it {header.message}{self.last_words()}")
        if "refused" in header:
            self.stop()
            raise LoadError(header["refused"])
        self.watchdog.base = self.watchdog.seen.memory_info().rss
        return header["capabilities"]

    def start(self) -> Problem | None:
        """Builds a new instance; a Problem if that does not work."""
        if self.process is None:
            try:
                self.launch()
            except LoadError as error:
                return Problem("load", str(error))
        header, _ = self.exchange({"do": "start"}, {}, self.limits.load)
        if isinstance(header, Problem):
            return header
        return Problem(**header["problem"]) if "problem" in header else None

    def forward(self, case: Case) -> Answer:
        """The target's answer; the process is started again first if the last call killed it."""
        return self.call({"do": "forward"}, case, {})

    def gradients(self, case: Case, cotangents: Cotangents) -> Answer:
        """The target's gradients, in the same way."""
        given = {name: d for name, d in cotangents.items() if d is not None}
        return self.call({"do": "gradients", "cotangents": list(cotangents)}, case, given)

    def call(self, header: dict[str, Any], case: Case, others: dict[str, np.ndarray]) -> Answer:
        """The target's answer to a case and other arrays."""
        if self.process is None and (problem := self.start()):
            return Answer(problem=problem)
        arrays = dict(case.arrays())
        header |= {
            "config": {**vars(case.config), "num_directions": case.config.num_directions},
            "training": case.training,
            "layout": {name: layout for name, array in arrays.items() if (layout := unusual(array))},
        }
        if case.lengths is not None:
            arrays["lengths"] = case.lengths
        arrays |= others
        began = time.monotonic()
        reply, results = self.exchange(header, arrays, self.patience())
        if isinstance(reply, Problem):
            self.hung |= reply.kind == "hang"
            return Answer(problem=reply)
        self.slowest = max(self.slowest, time.monotonic() - began)
        return Answer.of(reply | {"arrays": results})

    def patience(self) -> float:
        """Seconds for the next call; fewer once a call has hung, so that one hang is not paid for often."""
        if not self.hung:
            return self.limits.call
        return min(max(50 * self.slowest, self.limits.least), self.limits.call)

    def exchange(self, header: dict, arrays: dict[str, np.ndarray], seconds: float) -> tuple[Any, dict]:
        """Sends a frame and reads the reply; a Problem in place of its header if the process dies."""
        process = self.process
        assert process is not None and process.stdin and process.stdout
        self.watchdog.deadline = time.monotonic() + seconds
        try:
            process.stdin.write(packed(header, arrays))
            process.stdin.flush()
            reply, results = unpacked(process.stdout)
        except (OSError, EOFError, ValueError):
            return self.cause_of_death(), {}
        self.watchdog.deadline = float("inf")
        self.notes.update(dict.fromkeys(reply.pop("notes", [])))
        return reply, results

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
        """Keeps what the process printed behind Python's back as notes."""
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
