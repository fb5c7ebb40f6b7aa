"""Whose code ran last in a process that has ended without a word."""

from __future__ import annotations

import os
from typing import Any


class LastFile:
    """The file of the user whose code ran last in a process, in memory that another process reads when that has ended.

    author  the process that may write: whoever made this, and not one that code of users has forked
    """

    def __init__(self, memory: Any) -> None:
        self.memory, self.author = memory, os.getpid()

    def runs(self, file: str) -> None:
        """Says whose code is about to run."""
        if os.getpid() == self.author:
            room = len(self.memory) - 1
            self.memory[:] = os.fsencode(file)[:room].ljust(room + 1, b"\0")

    @property
    def suspicion(self) -> str:
        """What a message says of it, as the function ``suspicion`` does."""
        return suspicion(os.fsdecode(bytes(self.memory[:]).partition(b"\0")[0]))


def suspicion(file: str) -> str:
    """Says whose code ran last in a process that has ended without a word; empty if no user's did."""
    return f"; the code that ran last is that of {file}" if file else ""
