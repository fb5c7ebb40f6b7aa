"""Signals that end a trial early: what was found until then is still shown, saved and written."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Collection, Iterator
from typing import Any

from .options import UsageError

# A closed terminal, a scheduler's request and a limit end a trial like Ctrl-C; not every system has all of them.
LIMITS = {"SIGALRM": "its time limit", "SIGXCPU": "its CPU limit"}
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", *LIMITS)
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))
ALARM = getattr(signal, "SIGALRM", None)
SOON = 0.01  # seconds until what nobody could catch is raised again


class Interrupted(Exception):
    """The trial is to end now; ``number`` is that of the signal."""

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        self.out_of_time = name in LIMITS
        super().__init__(LIMITS.get(name, name))
        self.number = number


class Interrupts:
    """Notes the signals that came; the trial looks at it where it can stop without losing anything.

    While ``armed``, the first signal also raises KeyboardInterrupt, so that it reaches into long computations.
    """

    def __init__(self) -> None:
        self.came: int | None = None
        self.is_armed = False
        self.was_raised = False
        self.is_hooked = False
        self.timers: list[threading.Timer] = []

    def handle(self, number: int, _frame: Any) -> None:
        """The handler of each signal."""
        self.came = number
        if self.is_armed and not self.was_raised:
            self.was_raised = True
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def raised_again(self) -> Iterator[None]:
        """A block where KeyboardInterrupt is raised again if nobody could catch it, as in a callback of the garbage
        collector; without this it would only be printed."""
        before = sys.unraisablehook

        def hook(what: sys.UnraisableHookArgs) -> None:
            if self.came is None or what.exc_type is not KeyboardInterrupt:
                before(what)
                return
            self.is_hooked = True
            self.timers.append(threading.Timer(SOON, self.again, (threading.get_ident(), self.came)))
            self.timers[-1].start()
            self.is_hooked = False

        sys.unraisablehook = hook
        try:
            yield
        finally:
            sys.unraisablehook = before
            for timer in self.timers:
                timer.cancel()
                timer.join()

    def again(self, thread: int, number: int) -> None:
        """Sends a signal to a thread once more, when that is out of the hook, where nothing can be caught either."""
        while self.is_hooked:
            time.sleep(SOON)
        self.was_raised = False
        signal.pthread_kill(thread, number)

    def check(self) -> None:
        """Raises Interrupted if a signal came."""
        if self.came is not None:
            raise Interrupted(self.came)

    @contextlib.contextmanager
    def armed(self) -> Iterator[None]:
        """A block that a signal may interrupt; raises Interrupted in place of whatever it led to."""
        self.check()
        self.is_armed = True
        try:
            yield
        except BaseException:
            self.check()
            raise
        finally:
            self.is_armed = False
        self.check()


def alarm_in(seconds: float) -> None:
    """Has the alarm come after so many seconds, or, for 0, not any more."""
    signal.setitimer(signal.ITIMER_REAL, seconds)


def needs_an_alarm(seconds: float | None) -> None:
    """Raises UsageError for a time limit that could not strike: there is one alarm at most, in the main thread."""
    if seconds is None:
        return
    if ALARM is None:
        raise UsageError("time_limit needs an alarm, which this system does not have; leave it out")
    if threading.current_thread() is not threading.main_thread():
        raise UsageError("time_limit needs the main thread, where alone an alarm can strike; leave it out here")
    if signal.getsignal(ALARM) is not signal.SIG_DFL:
        raise UsageError("time_limit needs the alarm (SIGALRM) of this process, which something else has taken")


@contextlib.contextmanager
def noted(
    seconds: float | None = None, like_ours: Collection[Any] = (), only: Collection[int] = SIGNALS
) -> Iterator[Interrupts]:
    """Signals are noted within the block; outside of the main thread, where they cannot be, there are none.

    seconds: after which the block is interrupted too.  like_ours: handlers that the block may take the place of
    only: these signals.  Raises UsageError if there is no alarm for the seconds.
    """
    needs_an_alarm(seconds)
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = {number: signal.getsignal(number) for number in only}
    # what is ignored, as under nohup, or handled by somebody else, stays so
    free = (signal.SIG_DFL, signal.default_int_handler, *like_ours)
    ours = [number for number, handler in before.items() if handler in free]
    for number in ours:
        signal.signal(number, interrupts.handle)
    if seconds is not None:
        alarm_in(seconds)
    try:
        with interrupts.raised_again():
            yield interrupts
    finally:
        if seconds is not None:
            alarm_in(0)
        for number in ours:
            signal.signal(number, before[number])
