"""Signals that end a trial early: what was found until then is still shown, saved and written."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

# A closed terminal, a scheduler's request and the time limit end a trial like Ctrl-C; not every system has all of them.
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM")
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))
ALARM = getattr(signal, "SIGALRM", None)


class Interrupted(Exception):
    """The trial is to end now; ``number`` is that of the signal."""

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        self.out_of_time = name == "SIGALRM"
        super().__init__("its time limit" if self.out_of_time else name)
        self.number = number


class Interrupts:
    """Notes the signals that came; the trial looks at it where it can stop without losing anything.

    While ``armed``, a signal also raises KeyboardInterrupt, so that it reaches into long computations.
    """

    def __init__(self) -> None:
        self.came: int | None = None
        self.is_armed = False

    def handle(self, number: int, _frame: Any) -> None:
        """The handler of each signal."""
        again, self.came = self.came is not None, number
        if self.is_armed and not again:
            raise KeyboardInterrupt

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


def alarm_in(seconds: float | None) -> bool:
    """Has the alarm come after so many seconds, or, for 0, not any more; whether it was asked for."""
    if seconds is not None:
        signal.setitimer(signal.ITIMER_REAL, seconds)
    return seconds is not None


@contextlib.contextmanager
def noted(seconds: float | None = None) -> Iterator[Interrupts]:
    """Signals are noted within the block; outside of the main thread, where they cannot be, there are none.

    seconds: after which the block is interrupted too, where the system has an alarm
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    # what is ignored, as under nohup, or handled by somebody else, stays so
    ours = [n for n, handler in before.items() if handler in (signal.SIG_DFL, signal.default_int_handler)]
    for number in ours:
        signal.signal(number, interrupts.handle)
    limited = alarm_in(seconds) if ALARM in ours else False
    try:
        yield interrupts
    finally:
        if limited:
            alarm_in(0)
        for number in ours:
            signal.signal(number, before[number])
