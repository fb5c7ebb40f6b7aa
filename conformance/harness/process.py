"""A target in a child process: a crash, a hang, an exit or runaway memory is an answer like others."""

from __future__ import annotations

import itertools
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.claims.capabilities import Capabilities
from reference_rnn import Case, RecurrenceCase, layouts

from . import frame
from .answer import Answer, Problem
from .channel import GIBIBYTE, GRACE, Channel, Ended, Nonsense, Printed, Stopped
from .child import LoadError, packed
from .compiling import Costs, trials, with_compiler
from .local import Cotangents, stages_in, unusual
from .text import LINE, Notes, visible

CHILD = Path(__file__).with_name("child.py")
SHOWN_LINES = 5  # of what a process printed behind our back


@dataclass(frozen=True)
class Limits:
    """What one call may take: seconds, those where it may compile, seconds to load, bytes of memory beyond those held
    before it.

    Memory is that of the whole family of processes. One that so many calls have taken is given back with the process:
    the next instance has a new one, and from twice as much on the next call.
    forbid  modules that a Python target may not import
    """

    call: float = 10.0
    dear: float = 120.0
    load: float = 120.0
    memory: int = 2 * GIBIBYTE
    least: float = 1.0  # after a hang, calls get fifty times the slowest answer, but at least this
    forbid: tuple[str, ...] = ()


class ProcessTarget:
    """Calls a target that another process holds, and starts that process anew when it has died.

    How a process is started, and how it is spoken to, is what subclasses say.
    deaths: how often the process ended in which way, whatever became of the property that was judged
    """

    observes_memory = True
    copying = False  # each instance, see ``copy_instances``
    module = ""  # that it is, as this interpreter would import it
    layout = ""  # of the arrays that it is given, if an adapter changes them
    stages: Sequence[str] = ()  # of a chain

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = visible(name, LINE)
        self.limits = limits
        self.notes = Notes()
        self.deaths: Counter[str] = Counter()
        self.channel: Channel | None = None
        self.last = Printed()
        self.slowest = 0.0
        self.hung = False
        self.calls = 0  # of the process
        self.grows = ""  # what is said of a process that many calls make larger
        self.costs = Costs()
        self.compiler = ""  # what compiles for each new shape, if anything does
        try:
            self.capabilities = Capabilities.of(self.launch())
            if self.capabilities.recompiles is None:
                self.compiler = self.noticed()
                self.capabilities, notes = with_compiler(self.capabilities, self.compiler)
                self.notes.add(notes)
        except BaseException:  # nobody else will have this target, to stop it
            self.end()
            raise

    def command(self) -> list[str]:
        """The words that start the process."""
        raise NotImplementedError

    def load(self) -> dict[str, Any]:
        """What the target declares, once its process has been started; raises LoadError."""
        raise NotImplementedError

    def build(self) -> Problem | None:
        """A new instance of the target; a Problem if that does not work."""
        raise NotImplementedError

    def ask(self, do: str, case: Case, cotangents: Cotangents, in_place: bool, seconds: float) -> Answer:
        """The target's answer to one request."""
        raise NotImplementedError

    def written(self, message: Any) -> bytes:
        """A message as it is sent."""
        raise NotImplementedError

    def whole(self, received: bytearray) -> int | None:
        """The bytes of the first message, once they are all there; raises Nonsense if it cannot be one."""
        raise NotImplementedError

    def read(self, data: bytes) -> Any:
        """The message in these bytes; raises Nonsense if it is none."""
        raise NotImplementedError

    def noticed(self) -> str:
        """What compiles for each new shape in the process, as far as that can be seen; empty if nothing does."""
        return ""

    def copy_instances(self, wanted: bool = True) -> bool:
        """Whether from now on each instance is a copy of the process as it was when it had loaded the target.

        So instances share nothing, at a hundredth of what a new process costs; not where a copy would lack threads.
        """
        return False

    def launch(self) -> dict[str, Any]:
        """Starts the process and loads the target; what it declares. Raises LoadError."""
        try:
            self.channel = Channel(self.command(), self.limits.memory)
        except OSError as error:
            raise LoadError(f"cannot start {self.command()[0]!r}: {error.strerror}") from None
        except ValueError as error:  # a word with a NUL
            raise LoadError(f"cannot start {self.command()[0]!r}: {error}") from None
        declared = self.load()
        self.channel.loaded(1 + self.copying)  # a copy may write to all of it
        self.calls = 0
        return declared

    def start(self) -> Problem | None:
        """Builds a new instance; a Problem if that does not work."""
        self.shed(self.limits.memory)
        if self.channel is None:
            try:
                self.launch()
            except LoadError as error:
                return Problem("load", str(error))
        return self.build()

    def shed(self, most: int) -> None:
        """Ends a process that has grown by more bytes over its calls, as by caches: a note, and no failure."""
        if self.channel is not None and self.calls and self.channel.growth > most:
            each = max(round(self.channel.growth / self.calls / 2**20), 1)
            if not self.grows:
                self.grows = f"its memory grows by {each} MiB a call: its process is replaced, which no call sees"
            self.end()

    def forward(self, case: Case, in_place: bool = False) -> Answer:
        """The target's answer; the process is started again first if the last call killed it."""
        return self.call("forward", case, {}, in_place)

    def gradients(self, case: Case, cotangents: Cotangents, in_place: bool = False) -> Answer:
        """The target's gradients, in the same way."""
        return self.call("gradients", case, cotangents, in_place)

    def call(self, do: str, case: Case, cotangents: Cotangents, in_place: bool) -> Answer:
        """The target's answer to a request within its time."""
        self.shed(2 * self.limits.memory)
        if self.channel is None and (problem := self.start()):
            return Answer(problem=problem)
        self.calls += 1
        began = time.monotonic()
        answer = self.ask(do, case, cotangents, in_place, self.patience())
        if answer.problem and answer.problem.kind in ("hang", "crash", "exit", "memory"):
            self.hung |= answer.problem.kind == "hang"
        else:
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.costs.add(do, case, answer.seconds)
        return answer

    def patience(self) -> float:
        """Seconds for the next call; fewer once a call has hung, so that one hang is not paid for often."""
        most, least = self.limits.call, self.limits.least
        if self.capabilities.recompiles or self.compiler:  # in a new process, too
            most, least = self.limits.dear, self.limits.call
        return min(max(50 * self.slowest, least), most) if self.hung else most

    def exchange(self, message: Any, seconds: float) -> Any:
        """Sends a message and reads the reply; a Problem in its place if the process dies or talks nonsense.

        After a Problem, and after whatever else interrupts it, there is no process any more.
        """
        try:
            reply = self.replied(message, seconds)
        except BaseException:
            self.end()
            raise
        if isinstance(reply, Problem):
            self.deaths[reply.message] += 1
            self.end()
        return reply

    def replied(self, message: Any, seconds: float) -> Any:
        """The reply to a message, or why there is none."""
        channel = self.channel
        assert channel is not None
        try:
            return self.read(channel.exchange(self.written(message), self.whole, seconds))
        except Ended:
            return cause_of_death(channel)
        except Stopped as stopped:
            return self.stopped(channel, stopped.problem)
        except Nonsense as nonsense:
            return Problem("protocol", str(nonsense))

    def stopped(self, channel: Channel, problem: Problem) -> Problem:
        """Returns the problem as it is: what is reported of a process that broke a limit and still runs."""
        return problem

    def hear(self, channel: Channel) -> None:
        """Keeps what the process printed behind our back as notes."""
        self.notes.add("printed: " + line for line in itertools.islice(channel.printed.lines, SHOWN_LINES))

    def all_notes(self) -> list[str]:
        """The notes so far."""
        if self.channel is not None:
            self.channel.hear()
            self.hear(self.channel)
        grown = [self.grows] if self.grows else []
        return [*self.notes, *self.costs.notes(self.capabilities), *grown]

    def end(self) -> None:
        """Ends the process and its family; what it printed is kept."""
        channel, self.channel = self.channel, None
        if channel is None:
            return
        try:
            self.last = channel.printed
            channel.end()
        finally:
            self.hear(channel)

    def last_words(self) -> str:
        """The last line that the process printed, for messages."""
        lines = [line for line in self.last.lines if line.strip()]
        return f" (it printed: {visible(lines[-1], LINE)})" if lines else ""

    def stop(self) -> None:
        """Ends the process."""
        self.end()


def cause_of_death(channel: Channel) -> Problem:
    """What ended a process that answers no more: its own status, from before anybody ended it."""
    status = channel.status()
    if status is None:
        return Problem("protocol", "closed its channel to the judge")
    if status < 0:
        return Problem("crash", f"died of {signal_name(-status)}")
    return Problem("exit", f"ended its process with status {status}")


def signal_name(number: int) -> str:
    """A signal as people know it; some have numbers only."""
    return {known.value: known.name for known in signal.Signals}.get(number, f"signal {number}")


class ChildTarget(ProcessTarget):
    """A Python target, held by ``child.py`` in any interpreter; messages are binary frames."""

    def __init__(self, spec: dict[str, Any], name: str, *, python: str, limits: Limits) -> None:
        self.spec = spec | {"forbid": limits.forbid}
        self.python = python
        self.stages = stages_in(spec)
        self.module = spec.get("module", "") if python == sys.executable else ""
        self.number = 0
        self.in_copy = False
        self.loads = ""  # what compiles for each new shape, and is loaded with the target
        self.asked: tuple[str, list[str] | None] = ("load", None)
        super().__init__(name, limits)

    def command(self) -> list[str]:
        """The interpreter, the harness, and what goes with it."""
        return [self.python, str(CHILD), layouts.__file__]

    def load(self) -> dict[str, Any]:
        """What the target declares; raises LoadError."""
        reply = self.exchange(({"do": "load", "spec": self.spec}, {}), self.limits.load)
        if isinstance(reply, Problem):
            raise LoadError(f"{self.name} could not be loaded: it {reply.message}{self.last_words()}")
        header, _ = reply
        if "refused" in header:
            self.stop()
            raise LoadError(header["refused"])
        self.layout, self.loads = header.get("layout", ""), header["compiler"]
        return header["capabilities"]

    def noticed(self) -> str:
        """What compiles for each new shape in the process: what is loaded with the target, or in its first calls.

        These are made in a copy of the process, or in one that ends with them: what is judged has its own first calls.
        """
        if self.loads:
            return self.loads
        found, call = "", self.limits.call
        problem = self.built("copy", call)
        copied = self.in_copy = self.channel is not None and not (problem and problem.kind == "refused")
        if self.channel is not None and not copied:
            problem = self.built("start", call)
        if problem is None:
            found = next((name for trial in trials(self.capabilities) if (name := self.tried(*trial))), "")
        if self.in_copy:
            self.exchange(({"do": "leave"}, {}), call)
        elif not copied:
            self.end()
        self.in_copy = False
        self.deaths.clear()
        return found

    def tried(self, case: Case, cotangents: Cotangents) -> str:
        """What compiles after a call of ``forward``, and one of ``gradients`` if there are cotangents."""
        if self.hung or self.channel is None:
            return ""
        header, arrays = request_frame("try", case, cotangents, False)
        reply = self.exchange((header | {"seconds": self.limits.call}, arrays), self.limits.call + GRACE)
        if isinstance(reply, Problem):
            self.hung = reply.kind == "hang"
            return ""
        compiler = reply[0]["compiler"]
        if reply[0]["over"]:  # with it the process, or its copy
            self.hung, self.in_copy = not compiler, False
        return compiler

    def copy_instances(self, wanted: bool = True) -> bool:
        """See above; nothing becomes other where no copy can be made."""
        self.copying = wanted
        if wanted:
            self.end()
            self.copying = self.start() is None and self.in_copy
        return self.copying

    def build(self) -> Problem | None:
        """A new instance of the target, in a copy of its process where instances are copied."""
        if not self.copying:
            return self.built("start")
        if self.in_copy and isinstance(self.exchange(({"do": "leave"}, {}), self.limits.load), Problem):
            self.copying = False  # it took away what a copy needs to leave
            return self.start()
        problem = self.built("copy")
        if problem is not None and problem.kind == "refused":
            self.copying = False
            return self.built("start")
        self.in_copy = self.channel is not None
        return problem

    def built(self, do: str, seconds: float | None = None) -> Problem | None:
        """A new instance of the target."""
        reply = self.exchange(({"do": do}, {}), seconds or self.limits.load)
        if isinstance(reply, Problem):
            return reply
        return Problem(**reply[0]["problem"]) if "problem" in reply[0] else None

    def end(self) -> None:
        """Ends the process and its family; what it printed is kept."""
        self.in_copy = False
        super().end()

    def ask(self, do: str, case: Case, cotangents: Cotangents, in_place: bool, seconds: float) -> Answer:
        """The target's answer to one request."""
        message = request_frame(do, case, cotangents, in_place)
        chosen = do == "gradients" or isinstance(case, RecurrenceCase)  # by the target, and judged like its numbers
        names = None if chosen else list(case.result_shapes())
        reply = self.exchange(message, seconds, names)
        if isinstance(reply, Problem):
            return Answer(problem=reply)
        header, results = reply
        return Answer.of(header | {"arrays": results})

    def exchange(self, message: Any, seconds: float, names: list[str] | None = None) -> Any:
        """Sends a message under a new number and returns the reply.

        names: the arrays that it must have, None for any
        """
        self.number += 1
        header, arrays = message
        self.asked = header["do"], names
        return super().exchange((header | {"id": self.number}, arrays), seconds)

    def written(self, message: Any) -> bytes:
        """A frame."""
        return packed(*message)

    def whole(self, received: bytearray) -> int | None:
        """How long the first frame is."""
        return frame.frame_length(received)

    def read(self, data: bytes) -> Any:
        """The header and the arrays of a frame."""
        do, names = self.asked
        header, arrays = frame.reply(data, do, self.number, names)
        self.notes.add(header.pop("notes"))
        return header, arrays


def request_frame(do: str, case: Case, cotangents: Cotangents, in_place: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """A request about a case: its header and its arrays."""
    arrays = dict(case.arrays()) | dict(case.counts())
    arrays |= {name: d for name, d in cotangents.items() if d is not None}
    header = {
        "do": do, "cotangents": list(cotangents), "config": case.config.told, "case": case.told, "in_place": in_place,
        "layout": {name: layout for name, array in arrays.items() if (layout := unusual(array))},
    }  # fmt: skip
    return header, arrays
