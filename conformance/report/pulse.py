"""A line a minute for whoever waits where no bar is shown: in a log, or behind a pipe."""

from __future__ import annotations

import threading
from collections.abc import Callable

from conformance.harness.text import visible_line

from .output import say

MINUTE = 60.0  # seconds


class Pulse:
    """Says on standard error, once in a while, what is being done, until it is stopped.

    doing: what, in a few words
    """

    def __init__(self, doing: Callable[[], str], every: float = MINUTE) -> None:
        self.doing = doing
        self.every = every
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.beat, daemon=True)

    def start(self) -> None:
        """Begins to speak."""
        self.thread.start()

    def stop(self) -> None:
        """Says no more; it may have been stopped before."""
        self.over.set()
        if self.thread.is_alive():
            self.thread.join()

    def beat(self) -> None:
        """Speaks until it is over."""
        while not self.over.wait(self.every):
            say(visible_line(f"still {self.doing()}"), err=True)


def in_minutes(seconds: float) -> str:
    """A time in whole minutes, of which there is at least one.

    >>> in_minutes(200.0)
    '3 min'
    """
    return f"{max(1, round(seconds / 60)):,} min"
