"""Code of users: whatever it raises becomes a CellError of one line, and it is known whose code ran last."""

from __future__ import annotations

import dis
import linecache
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

LONGEST, SHOWN = 200, 80  # characters of what an exception says, and of a line
RAISE = dis.opmap["RAISE_VARARGS"]
TRIAL = """
import os, sys
done = os.dup(1)
os.dup2(2, 1)
file, name, *sys.path[:] = sys.argv[1:]
from reference_rnn.cell import CellError, loaded
try:
    loaded(file, name).linear
except CellError:
    pass
os.write(done, b"%d is done" % os.getpid())
"""


class CellError(ValueError):
    """The equations of a cell cannot be read: the message names the cell, the line and the remedy."""


class Watch:
    """Whose code ran last in this process.

    hear  called with a file whose code is about to run, by whoever can say what became of it if this process ends
          without a word; None where nobody can
    """

    def __init__(self) -> None:
        self.file = ""
        self.hear: Callable[[str], None] | None = None

    def runs(self, file: str) -> None:
        """Code of this file is about to run."""
        if file != self.file:
            self.file = file
            if self.hear is not None:
                self.hear(file)


WATCH = Watch()


@contextmanager
def running(file: str, describe: Callable[[BaseException], str]) -> Iterator[None]:
    """A block that runs code of a file; raises CellError, with its description, in place of whatever that raises."""
    WATCH.runs(file)
    try:
        yield
    except CellError:
        raise
    except BaseException as error:
        if is_interruption(error, file):
            raise
        raise CellError(describe(error)) from error


def is_interruption(error: BaseException, file: str) -> bool:
    """Whether a signal interrupts this process, and no statement of a file has raised this."""
    if not isinstance(error, KeyboardInterrupt):
        return False
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None or place.tb_frame.f_code.co_filename != file:
        return True
    return place.tb_frame.f_code.co_code[place.tb_lasti] != RAISE


def described(error: BaseException) -> str:
    """An exception in one line: its type and its text, if it has one that can be had."""
    name = type.__dict__["__name__"].__get__(type(error))
    try:
        text = " ".join(str.split(str(error)))[:LONGEST]
    except BaseException as other:
        text = f"(its text raises {type(other).__name__})"
    return f"{name}: {text}" if text else name


def line_of(error: BaseException, file: str, number: int = 1) -> str:
    """The file, the number and the text of the line of it that raised an exception; of another one where none did."""
    frames = frames_of(error, file)
    return line_at(file, (frames[-1].lineno if frames else None) or number)


def line_at(file: str, number: int) -> str:
    """The name of a file without its folder, the number of a line, and its text."""
    return f"{os.path.basename(file)}, line {number}, {linecache.getline(file, number).strip()[:SHOWN]}"


def frames_of(error: BaseException, file: str) -> list[traceback.FrameSummary]:
    """Where in a file an exception came up, the innermost place last."""
    return [at for at in traceback.extract_tb(error.__traceback__) if at.filename == file]


def try_elsewhere(file: str, name: str) -> None:
    """Loads a cell, and runs its step, in a process of its own; raises CellError if that ends without a word.

    What it raises there it raises here, too, and that is not said twice. It has the whole environment of this process,
    as it will have here: a file that could tell the two apart could end only this one.
    """
    words: list[Any] = [sys.executable, "-c", TRIAL, file, name, *sys.path]
    null = subprocess.DEVNULL
    # A file and no pipe, whose other end a process could hold that has been left behind.
    with tempfile.TemporaryFile() as output, subprocess.Popen(words, stdin=null, stdout=output, stderr=null) as trial:
        status = trial.wait()
        output.seek(0)
        if b"%d is done" % trial.pid not in output.read():
            raise CellError(f"{file} ended the process that tried it, with status {status}; leave that out of it")
