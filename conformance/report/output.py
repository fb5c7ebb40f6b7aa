"""Standard output and standard error that cannot take a verdict away."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO

from conformance.harness.files import pour
from conformance.harness.text import visible_line, visible_lines


class Forgiving(io.RawIOBase):
    """A stream that takes whatever is written, and passes on what can be passed on.

    loss  why no more can be passed on: a closed pipe, a full disk; None as long as all is well
    """

    def __init__(self, descriptor: int | None) -> None:
        self.descriptor = descriptor
        self.loss: OSError | None = None

    def writable(self) -> bool:
        """It always takes what is written."""
        return True

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self.descriptor is not None and os.isatty(self.descriptor)

    def fileno(self) -> int:
        """Its descriptor; raises like a stream that has none."""
        if self.descriptor is None:
            raise io.UnsupportedOperation("fileno")
        return self.descriptor

    def write(self, data: Any) -> int:
        """Writes all of it, or notes why not."""
        if self.descriptor is not None and self.loss is None:
            try:
                pour(self.descriptor, memoryview(data).cast("B"))
            except OSError as error:
                self.loss = error
        return len(data)


def forgiving(stream: TextIO | None) -> TextIO:
    """A text stream in place of one of the standard ones: what its encoding cannot hold is written as an escape.

    A stream that is no file stays as it is: somebody put it there.
    """
    try:
        raw = Forgiving(None if stream is None else stream.fileno())
    except (OSError, ValueError):
        assert stream is not None
        return stream
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=True)


def secure() -> None:
    """Makes the standard streams of this process forgiving; where there are none, nothing else gets their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < 3:
        continue
    os.close(descriptor)
    sys.stdout, sys.stderr = forgiving(sys.stdout), forgiving(sys.stderr)


def say(text: str = "", err: bool = False) -> None:
    """Prints one line, whatever stands in the text, to standard output or to standard error."""
    put(visible_line(text), err)


def show(text: str) -> None:
    """Prints a text of several lines, in which nothing does anything but be seen."""
    put(visible_lines(text).rstrip("\n"))


def put(text: str, err: bool = False) -> None:
    """Prints a text as it is, which must be ours: a command for a runner."""
    print(text, file=sys.stderr if err else sys.stdout)


def loss(stream: TextIO) -> str | None:
    """Why a stream was not written to its end; None where it was, or where its reader wanted no more."""
    stream.flush()
    lost = getattr(getattr(getattr(stream, "buffer", None), "raw", None), "loss", None)
    return None if lost is None or lost.errno == errno.EPIPE else lost.strerror
