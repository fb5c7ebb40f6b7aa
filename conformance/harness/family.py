"""The processes of a target: a family that begins and ends as a whole, whatever its members do.

Between the judge and every target stands a *keeper*: this file, run as a program. It starts the target's command,
adopts what that leaves behind, and ends the whole family when the command has ended, when the judge says so, or when
the judge is gone. Then it ends the way the command did, so that its status is the command's own.
Standard library only, since the keeper has nothing else.

What holds where. On Linux the family is complete: members that called ``setsid`` or lost their parents count too, and
the command itself dies at once with its keeper. Elsewhere, members are what ``psutil`` finds below the keeper: one
that has detached itself from its parents is lost, and a command whose keeper was killed ends with its current call,
when nobody reads its answer.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from math import inf

LINUX = sys.platform.startswith("linux")
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
MARK = "RNN_CONFORMANCE_FAMILY"
POLL = 0.25  # seconds between two looks at whether the parent still lives
PATIENCE = 5.0  # seconds for processes to end that have been killed
RESTORED = ("SIGPIPE", "SIGXFZ", "SIGXFSZ")  # which Python ignores, and programs do not expect ignored
# By these a step of a workflow speaks to its runner, and holds what it may do there: that is the judge's alone.
WITHHELD = ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY", "GITHUB_TOKEN")
WITHHELD_PREFIX = "ACTIONS_"


def prctl(option: int, value: int) -> bool:
    """One of Linux' settings of a process; whether that worked."""
    return LINUX and not ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def become_subreaper() -> bool:
    """Descendants of this process that lose their parents become its children; whether that is so from now on.

    On Linux only. Elsewhere they go to the system's first process, ``end_family`` does not see them, and this
    returns False. Who calls it has to reap them, or to end soon.
    """
    return prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(number: int = signal.SIGKILL, parent: int | None = None) -> None:
    """This process gets a signal when its parent ends, or at once if that has ended already.

    parent: the process that started this one, as that said; without it, a parent that ended before the call is not
    noticed. On Linux the kernel sends the signal, even in the midst of native code, when the *thread* that started
    this process ends: let it be a main thread. Elsewhere a thread looks four times a second, and needs the
    interpreter's lock for it.
    """
    parent = os.getppid() if parent is None else parent
    if not prctl(PR_SET_PDEATHSIG, number):
        threading.Thread(target=watch, args=(parent, number), daemon=True).start()
    elif os.getppid() != parent:
        os.kill(os.getpid(), number)


def watch(parent: int, number: int) -> None:
    """Waits until the parent is another one, and sends this process a signal."""
    while os.getppid() == parent:
        time.sleep(POLL)
    os.kill(os.getpid(), number)


def end_family() -> None:
    """Kills all descendants of this process, and waits until they are gone, for at most PATIENCE seconds.

    On Linux, in a subreaper, all are found; otherwise those whose parents live. Children are reaped, so whoever
    else waits for one does not learn its status: call this last of all.
    """
    end_processes(lambda: descendants(os.getpid()))


def end_processes(members: Callable[[], list[int]]) -> None:
    """Kills processes until there are none; ``members`` says which there are."""
    until = time.monotonic() + PATIENCE
    while (found := members()) and time.monotonic() < until:
        for number in (signal.SIGSTOP, signal.SIGKILL):  # whoever is stopped starts no further ones
            for member in found:
                with contextlib.suppress(OSError):
                    os.kill(member, number)
        for member in found:
            with contextlib.suppress(OSError):  # it is somebody else's child
                os.waitpid(member, os.WNOHANG)
        time.sleep(0.002)


def descendants(process: int) -> list[int]:
    """The processes below one, parents before their children."""
    if not LINUX:
        import psutil

        with contextlib.suppress(psutil.Error):
            return [member.pid for member in psutil.Process(process).children(recursive=True)]
        return []
    found = [process]
    for member in found:
        found += children(member)
    return found[1:]


def children(process: int) -> list[int]:
    """The children of a process, on Linux."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/children") as file:
                found += map(int, file.read().split())
        return found
    return [child for child, parent in parents() if parent == process] if os.path.exists(f"/proc/{process}") else found


def parents() -> Iterator[tuple[int, int]]:
    """Every process and its parent, on a Linux whose kernel does not list children."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as file:
            yield int(name), int(file.read().rpartition(")")[2].split()[1])


def marked_processes(mark: str) -> list[int]:
    """The processes whose environment has a mark that begins like this, on Linux."""
    found, words = [], f"{MARK}={mark}".encode()
    for name in filter(str.isdigit, os.listdir("/proc") if LINUX else []):
        with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
            if words in file.read():
                found.append(int(name))
    return found


def cpu_seconds(process: int) -> float:
    """The seconds of processor time that a process and its descendants took, also those that have ended.

    User and system time. On Linux nothing is missed but what ended while its parent ignored SIGCHLD.
    """
    return sum(map(processor_time, [process, *descendants(process)]))


def processor_time(process: int) -> float:
    """The seconds that a process and the children that it has waited for took; 0 if it is gone."""
    if not LINUX:
        import psutil

        with contextlib.suppress(psutil.Error):
            return sum(psutil.Process(process).cpu_times()[:4])
        return 0
    with contextlib.suppress(OSError), open(f"/proc/{process}/stat") as file:
        ticks = file.read().rpartition(")")[2].split()[11:15]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return 0


def memory(members: Iterable[int], enough: float = inf) -> int:
    """The bytes of memory that some processes hold; only what is more than enough is looked at closely.

    What they share counts once then, on Linux; else for each of them.
    """
    sizes = [resident(member)[0] for member in members]
    return sum(map(proportional, members)) if LINUX and len(sizes) > 1 and sum(sizes) > enough else sum(sizes)


def resident(process: int) -> tuple[int, int]:
    """The bytes of a process in memory, and the most that it ever had there; 0 if it is gone.

    The most is known on Linux only.
    """
    if not LINUX:
        import psutil

        with contextlib.suppress(psutil.Error):
            return psutil.Process(process).memory_info().rss, 0
        return 0, 0
    with contextlib.suppress(OSError), open(f"/proc/{process}/status", "rb") as file:
        peak, _, rest = file.read().partition(b"VmHWM:")[2].partition(b"kB\nVmRSS:")
        return (1024 * int(rest[: rest.index(b"kB")]), 1024 * int(peak)) if rest else (0, 0)  # a zombie has none
    return 0, 0


def proportional(process: int) -> int:
    """Like ``resident``, but what several processes share counts as a part for each; on Linux."""
    with contextlib.suppress(OSError), open(f"/proc/{process}/smaps_rollup") as file:
        return sum(1024 * int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return resident(process)[0]


# ---------------------------------------------------------------- the keeper


def environment() -> dict[str, str]:
    """The environment of this process, without what a workflow's runner meant for the judge."""
    return {k: v for k, v in os.environ.items() if k not in WITHHELD and not k.startswith(WITHHELD_PREFIX)}


def start_kept(words: list[str], mark: str = "") -> subprocess.Popen:
    """A command in the care of a keeper, with pipes to the command. Raises OSError if it cannot be started.

    The status of what is returned is that of the command; SIGTERM ends the family. Its members have the mark in their
    environment, by which ``dismiss`` finds them when there is no keeper any more, and nothing of a workflow's runner.
    """
    failed, told = os.pipe()
    options = ["-I", "-S"] if LINUX else ["-I"]
    with os.fdopen(failed, "rb") as pipe:
        try:
            process = subprocess.Popen(
                [sys.executable, *options, __file__, str(os.getpid()), str(told), *words], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, start_new_session=True, pass_fds=[told],
                env={**environment(), MARK: mark},
            )  # fmt: skip
        finally:
            os.close(told)
        try:
            reason = pipe.read(16)  # the end, and nothing before it, as soon as the command runs
        except BaseException:
            dismiss(process)
            raise
    if reason:
        dismiss(process)
        raise OSError(int(reason), os.strerror(int(reason)), words[0])
    return process


def dismiss(process: subprocess.Popen, mark: str = "") -> None:
    """Ends a keeper and its family; a keeper that is in no state to do it is killed with them."""
    with contextlib.suppress(OSError):
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
    try:
        process.wait(PATIENCE / 2)
    except subprocess.TimeoutExpired:
        end_processes(lambda: descendants(process.pid))
        process.kill()
        process.wait()
    if mark and process.returncode == -signal.SIGKILL:  # which may have been the keeper's own end
        end_processes(lambda: marked_processes(mark))
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()


def keep(parent: int, told: int, words: list[str]) -> None:
    """Runs a command for a parent, and ends as it did, when nothing of it is left."""
    become_subreaper()
    heard, signals = os.pipe()
    os.set_blocking(signals, False)
    os.set_blocking(heard, False)
    signal.set_wakeup_fd(signals, warn_on_full_buffer=False)
    asked: list[int] = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    keeper, command = os.getpid(), os.fork()
    if not command:
        become(words, keeper, told)
    os.close(told)
    for descriptor in range(3):  # the pipes are the command's alone
        os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    while (status := reap(command)) is None and not asked and os.getppid() == parent:
        select.select([heard], [], [], POLL)
        with contextlib.suppress(BlockingIOError):
            os.read(heard, 4096)
    end_family()
    end_like(0 if status is None else status)


def become(words: list[str], keeper: int, told: int) -> None:
    """Turns this process, a fork of its keeper, into the command; if that fails, tells why."""
    try:
        os.setsid()
        for name in RESTORED:
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_DFL)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # where memory runs out, it is the target that has to go
        if LINUX:
            die_with_parent(parent=keeper)
        os.set_inheritable(told, False)
        os.execvp(words[0], words)
    except Exception as error:  # a command without a name is no OSError
        os.write(told, str(getattr(error, "errno", errno.ENOENT)).encode())
    finally:
        os._exit(127)


def reap(command: int) -> int | None:
    """Reaps whatever has ended; the status of the command once it has."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found = ended[1] if ended[0] == command else found
    return found


def end_like(status: int) -> None:
    """Ends this process with the status of another."""
    if os.WIFSIGNALED(status):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1)


if __name__ == "__main__":
    keep(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
