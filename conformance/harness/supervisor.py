"""What sets the exit status of a command: a process that runs no code of users. Its child, the judge, runs the command.

A judge says what its status is before it ends, in memory that both processes see and nobody can close. Where it has
said none, code of users has ended it, or somebody has killed it: no verdict. What it leaves behind is ended. Of the
standard library little is imported, and of ours less, since each command waits for it.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import sys
from typing import NoReturn

from conformance.harness import family
from conformance.harness.last_file import LastFile

SIZE = mmap.PAGESIZE
NO_VERDICT = 2
SILENT = 255  # in place of a status
PATIENCE = 5  # seconds for a judge to end that has said its status; a thread of a user's may never do so
ENDING = (signal.SIGINT, signal.SIGTERM, *(getattr(signal, n) for n in ("SIGHUP", "SIGALRM") if hasattr(signal, n)))
CRASHES = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS")


class Note:
    """What a judge has said: its status, once it is known, the file of the user whose code ran last, and a line that
    it could not print.
    """

    def __init__(self) -> None:
        self.supervisor = os.getpid()
        self.memory, self.last = mmap.mmap(-1, SIZE), LastFile(mmap.mmap(-1, SIZE))
        self.memory[0] = SILENT

    @property
    def status(self) -> int | None:
        """The exit status that was said; None if none was."""
        return None if self.memory[0] == SILENT else self.memory[0]

    @property
    def line(self) -> str:
        """The line that could not be printed; empty if all could."""
        return bytes(self.memory[1:]).partition(b"\0")[0].decode(errors="replace")

    def leave(self, line: str) -> None:
        """Leaves a line for the supervisor to print: code of users can close descriptors, but not this memory."""
        if os.getpid() == self.last.author:
            self.memory[1:] = line.encode(errors="replace")[: SIZE - 2].ljust(SIZE - 1, b"\0")

    def end(self, status: int) -> None:
        """Says what the status is, and has the supervisor look at it."""
        if os.getpid() == self.last.author:
            self.memory[0] = status
            os.kill(self.supervisor, signal.SIGCHLD)


NOTE: Note | None = None  # of this process, if it is a judge


def fork() -> None:
    """Goes on in a child of this process, the judge; this process itself ends with what the judge says.

    Nothing is forked on systems that cannot.
    """
    global NOTE
    if not hasattr(os, "fork"):
        return
    note, watched = Note(), {*ENDING, signal.SIGTSTP, signal.SIGCONT, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    family.become_subreaper()  # what code of users leaves behind, however the judge ends, is found here
    judge = os.fork()
    if judge:
        ended = waited_for(judge, note, watched)
        family.end_family()
        end_as_judged(note, *ended)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    note.last.author, NOTE = os.getpid(), note


def leave(status: int) -> NoReturn:
    """Ends this process with a status, of which its supervisor knows."""
    if NOTE is not None:
        NOTE.end(status)
    sys.exit(status)


def waited_for(judge: int, note: Note, watched: set[signal.Signals]) -> tuple[int, set[int]]:
    """How a judge has ended, and the signals that came meanwhile, which it gets, too.

    A terminal sends its signals to both processes: these are not sent on, where the system says who sent them.
    A judge that somebody has stopped goes on to hear them, and one that has said its status has not long to end.
    """
    came: set[int] = set()
    while True:
        number, sent = next_signal(watched)
        if number == signal.SIGCHLD:
            ended, status = os.waitpid(judge, os.WNOHANG)
            if ended:
                return status, came
            if note.status is not None:
                signal.alarm(PATIENCE)
            continue
        if number == signal.SIGALRM and note.status is not None:
            os.kill(judge, signal.SIGKILL)
            continue
        came.add(number)
        if sent:
            os.kill(judge, number)
        if number in ENDING:
            os.kill(judge, signal.SIGCONT)
        if number == signal.SIGTSTP:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
            signal.raise_signal(number)
            signal.pthread_sigmask(signal.SIG_BLOCK, {number})


def next_signal(watched: set[signal.Signals]) -> tuple[int, bool]:
    """The next signal that comes, and whether a process has sent it, or may have."""
    if not hasattr(signal, "sigwaitinfo"):
        return signal.sigwait(watched), True
    info = signal.sigwaitinfo(watched)
    return info.si_signo, info.si_code <= 0  # those of the kernel are above


def end_as_judged(note: Note, how: int, came: set[int]) -> NoReturn:
    """Ends this process as its judge has said; where that has said nothing, with one line that tells why."""
    if note.status is None and os.WIFSIGNALED(how) and os.WTERMSIG(how) in came:
        signal.signal(os.WTERMSIG(how), signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.kill(os.getpid(), os.WTERMSIG(how))
    if note.status is None:
        complain(f"nothing was judged to the end: the process that judges {ending(how)}{note.last.suspicion}")
    if note.line:
        complain(note.line)
    os._exit(NO_VERDICT if note.status is None else note.status)


def ending(how: int) -> str:
    """How a process has ended, in words, from what ``wait`` says."""
    if not os.WIFSIGNALED(how):
        return f"ended with status {os.WEXITSTATUS(how)}"
    number = os.WTERMSIG(how)
    name = {known.value: known.name for known in signal.Signals}.get(number, f"signal {number}")
    return f"died of {name}" if name in CRASHES else f"was ended by {name}, a signal from outside"


def complain(line: str) -> None:
    """One line on standard error, and an annotation where GitHub runs us. Nothing is imported: it could be a user's."""
    line = "".join(c if c.isprintable() else "?" for c in line)
    said = {2: f"rnn-conformance: {line}\n"}
    if "GITHUB_ACTIONS" in os.environ:
        said[1] = f"::error title=rnn-conformance::{line.replace('%', '%25')}\n"
    for descriptor, text in said.items():
        with contextlib.suppress(OSError):  # it is closed
            os.write(descriptor, text.encode())
