"""Listeners: each is called with every event of a trial, and makes of it what it is there for."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from conformance.events import Event, Finished
from conformance.harness.child import said
from conformance.harness.text import visible_lines
from conformance.trial.verdict import Report

Listener = Callable[[Event], None]


class Writer(Protocol):
    """A listener that writes files.

    losses  in a sentence each, what could not be written
    """

    losses: list[str]

    def __call__(self, event: Event) -> None:
        """Hears an event."""

    def said(self) -> list[str]:
        """What people are to be told about the files."""


def listen(events: Iterable[Event], listeners: Sequence[Listener]) -> Report:
    """The report at the end of a trial, after every listener has heard every event.

    A listener that fails is not called again, and what went wrong is said: the verdict stands. If it was to write
    something, that is lost.
    """
    left = list(listeners)
    for event in events:
        for listener in list(left):
            try:
                listener(event)
            except Exception as error:
                left.remove(listener)
                complain(traceback.format_exc())
                getattr(listener, "losses", []).append(f"by a mistake of this kit: {said(error)}")
        if isinstance(event, Finished):
            report = event.report
    return report


def complain(text: str) -> None:
    """Says on standard error what went wrong with the kit itself."""
    try:
        sys.stderr.write("rnn-conformance: a mistake of this kit; the verdict stands\n" + visible_lines(text))
    except (AttributeError, OSError, ValueError):
        return  # there is nobody to hear it
