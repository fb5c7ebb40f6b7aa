"""Many targets judged side by side, each by a process of its own and in a copy of its folder: as if it were alone.

The copies are of what was there before anything ran. Who was cut by a limit, or may have been disturbed by others, is
judged once more at the end, alone. What is the same file in the same surroundings is judged once.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import shutil
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

from conformance.events import Finished
from conformance.harness import family
from conformance.harness.child import said
from conformance.harness.load import OutOfTime, TargetError
from conformance.harness.process import signal_name
from conformance.harness.snapshot import below, lay_out
from conformance.harness.text import LINE, visible

from .configuration import Job
from .equal_files import FileCopy, leaders, places
from .interrupts import SIGNALS, Interrupted, Interrupts, noted
from .options import Options
from .plan import Catalogue, Plan
from .runner import trial
from .verdict import Report
from .worker_pool import METHOD, POLL, TRIES, Worker, cores

LAST_WORDS = 10.0  # seconds for the trials that a signal ends to say what they found
OVERDUE = 30.0  # seconds that a trial may take beyond its time limit, before its process is killed
NOT_REACHED = "interrupted before it was judged"
NO_TIME = "the time for all targets was over before it was judged"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# What others may have done to a target; any other signal is its own doing.
DISTURBED = re.compile(r"did not return in time|died of SIG(KILL|TERM|HUP|INT)\b")
SHOWN = 5  # files that a remark names

Outcome = Report | str  # of a target: the report, or why there is none


class TrialOutcome(NamedTuple):
    """What came of one trial; whether a signal, or a limit of time, ended it before it was complete."""

    outcome: Outcome
    interrupted: bool = False
    cut: bool = False


@dataclass
class Row:
    """What there is to say of a target: what came of it, the hash of its file, and what happened meanwhile."""

    outcome: Outcome
    sha256: str = ""
    remarks: list[str] = field(default_factory=list)


def outcomes(
    jobs: Sequence[Job], catalogue: Catalogue, *, cpu_limit: float | None = None, deadline: float | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Generator[Row, None, None]:  # fmt: skip
    """What comes of each target, in their order, each as soon as it is known of all before.

    As many are judged side by side as their options have workers; where there are fewer targets than that, one after
    the other has all workers.
    cpu_limit: seconds of processor time for each.  deadline: on the monotonic clock, when the time for all is over
    say: hears which folders are too large to be copied.  Raises UsageError as ``trial`` does.
    """
    with tempfile.TemporaryFile() as kept, noted() as interrupts:
        room = Room(jobs, catalogue, places(jobs, kept, say), cpu_limit, deadline)
        try:
            yield from room.rows(interrupts)
        finally:
            room.end()


# ---------------------------------------------------------------- what the process of a target does


def judge_target(
    connection: Connection, target: str, options: Options, catalogue: Catalogue, root: str, folder: str
) -> None:
    """What a process does: it judges one target and says what came of it; it ends when the main process does.

    root: below which the copy lies that is judged, which no text names;  folder: to work in
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # before there is a trial to end, it ends this without a word
    os.setpgid(0, 0)  # what code of users sends to its group reaches no other; the main process sends on what it gets
    family.become_subreaper()  # what has lost its keeper still counts, and ends
    threading.Thread(target=watch_main_process, args=(connection,), daemon=True).start()
    os.environ.update(ONE_THREAD)
    os.chdir(folder)
    answer = judge_one(target, options, catalogue)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # what is known now is said
    family.end_family()
    try:
        connection.send(rewrite_texts(answer, lambda text: text.replace(root, "")) if root else answer)
    except OSError:  # nobody wants to hear it any more, and nobody else removes the copy
        if root:
            shutil.rmtree(root, ignore_errors=True)


def watch_main_process(connection: Connection) -> None:
    """Waits until the main process is gone, or has closed its end, and has the main thread end."""
    wait([connection])  # nothing is ever sent here
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def judge_one(target: str, options: Options, catalogue: Catalogue) -> TrialOutcome:
    """What comes of one target."""
    try:
        *_, finished = trial(target, options, catalogue)
    except TargetError as error:
        return TrialOutcome(str(error), cut=isinstance(error, OutOfTime))
    except Interrupted as interruption:
        return TrialOutcome(f"interrupted by {interruption} while it was loaded", interrupted=True)
    except Exception as error:  # it is about this target alone, whatever it is
        place = traceback.extract_tb(error.__traceback__)[-1]
        return TrialOutcome(f"a mistake of this kit: {said(error)} ({Path(place.filename).name}, line {place.lineno})")
    assert isinstance(finished, Finished)
    return TrialOutcome(finished.report, bool(finished.report.interrupted), finished.report.cut)


def rewrite_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Data with all texts in it changed, those of paths too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Path):
        return Path(change(str(value)))
    if isinstance(value, dict):
        return {rewrite_texts(key, change): rewrite_texts(one, change) for key, one in value.items()}
    if isinstance(value, TrialOutcome):
        return value._replace(outcome=rewrite_texts(value.outcome, change))
    if isinstance(value, list | tuple):
        return type(value)(rewrite_texts(one, change) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: rewrite_texts(getattr(value, one.name), change) for one in fields(value)})
    return value


# ---------------------------------------------------------------- the main process


class CopyError(Exception):
    """A folder cannot be copied; the message says why."""


class Judge:
    """A process that judges a target, and the copy that it judges. Raises CopyError, or OSError if it cannot start.

    working  the directory that targets work in;  beside  whether others were judged meanwhile
    """

    def __init__(
        self, job: Job, place: FileCopy | None, catalogue: Catalogue, working: str, beside: bool, leads: bool
    ) -> None:
        self.limit, self.began, self.beside = job.options.time_limit, time.monotonic(), beside
        self.is_out_of_time = False
        self.snapshot, self.root, target = place.snapshot if place else None, "", job.target
        self.home = tempfile.TemporaryDirectory(prefix="rnn-conformance-", ignore_cleanup_errors=True)
        try:
            if self.snapshot:
                self.root = os.path.realpath(self.home.name)
                target = self.as_copied(job)
                working = self.copied(working)
            self.worker = Worker(judge_target, target, job.options, catalogue, self.root, working, leads=leads)
        except BaseException:
            self.home.cleanup()
            raise

    def copied(self, working: str) -> str:
        """The working directory of the copy, which is made. Raises CopyError."""
        assert self.snapshot is not None
        try:
            return str(lay_out(self.snapshot, Path(self.root), Path(working)))
        except OSError as error:
            raise CopyError(f"its folder cannot be copied to {self.root}: {error.strerror}") from None

    def as_copied(self, job: Job) -> str:
        """The target as it is named in the working directory of the copy."""
        file = job.file
        plain = os.path.normpath(file) if os.pardir in Path(file).parts else file
        return job.target.replace(file, f"{self.root}{plain}" if os.path.isabs(plain) else plain)

    def altered(self) -> bool:
        """Whether the copy is not what it was: others may have done that."""
        return bool(self.snapshot and self.snapshot.differences(below(Path(self.root), self.snapshot.folder)))

    def answer(self) -> TrialOutcome | None:
        """What the process said; None if it died."""
        try:
            return self.worker.connection.recv()
        except (EOFError, OSError):
            return None

    def send(self, number: int) -> None:
        """Sends a signal to the process."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.worker.process.pid, number)

    def keep_within(self, cpu_limit: float | None) -> None:
        """Has the process end once it has taken too long; one that somebody has stopped goes on."""
        self.send(signal.SIGCONT)
        if cpu_limit is not None and not self.is_out_of_time:
            self.is_out_of_time = family.cpu_seconds(self.worker.process.pid) > cpu_limit
            if self.is_out_of_time:
                self.send(signal.SIGXCPU)
        if self.limit is not None and time.monotonic() - self.began > self.limit + OVERDUE:
            self.send(signal.SIGKILL)

    def end(self) -> str:
        """Ends the process and all that it has started, and removes the copy; how the process ended."""
        process = self.worker.process
        self.worker.end()
        if process.exitcode:
            family.end_processes(lambda: family.marked_processes(f"{process.pid}."))
        self.home.cleanup()
        how = process.exitcode or 0
        ended = f"died of {signal_name(-how)}" if how < 0 else f"ended with status {how}"
        return (ended + self.worker.last.suspicion).replace(self.root, "")


class Room:
    """Some targets, each by its number, and the processes that judge them.

    todo      whose turn is still to come;  again  who is judged once more when nobody else is, and what came of it
              before, None if its process died
    running   the process of each that is being judged;  known  what came of the others
    leader    of each, who is judged for it: itself, or one that is the same
    """

    def __init__(
        self, jobs: Sequence[Job], catalogue: Catalogue, places: Sequence[FileCopy | None], cpu_limit: float | None,
        deadline: float | None,
    ) -> None:  # fmt: skip
        self.places, self.catalogue = places, catalogue
        self.cpu_limit, self.deadline = cpu_limit, deadline
        self.known: dict[int, Outcome] = {number: one.refusal for number, one in enumerate(jobs) if one.refusal}
        self.working = os.getcwd()
        self.snapshots = list({id(one.snapshot): one.snapshot for one in places if one and one.snapshot}.values())
        self.leader = leaders(jobs, places)
        self.todo = [number for number, first in self.leader.items() if number == first and number not in self.known]
        count = max((jobs[number].options.workers or cores() for number in self.todo), default=1)
        self.leads = len(self.todo) < count
        self.count = 1 if self.leads else count
        self.jobs = [one if self.leads else replace(one, options=replace(one.options, workers=1)) for one in jobs]
        self.again: dict[int, TrialOutcome | None] = {}
        self.running: dict[int, Judge] = {}
        self.remarks: dict[int, dict[str, None]] = {number: {} for number in self.leader}
        self.failures = 0  # of what starts processes
        if METHOD == "forkserver":
            own = [self.jobs[number].options for number in self.todo]
            multiprocessing.set_forkserver_preload([__name__, catalogue.__module__, *ahead(own, catalogue)])

    def rows(self, interrupts: Interrupts) -> Iterator[Row]:
        """What there is to say of each, in their order."""
        for number, first in self.leader.items():
            while first not in self.known:
                self.step(interrupts)
            yield self.row(number, first)

    def row(self, number: int, first: int) -> Row:
        """What there is to say of one, where the first of its kind was judged."""
        place, outcome = self.places[number], self.known[first]
        same = [other for other, its in self.leader.items() if its == first and other != number]
        if number != first:
            outcome = rewrite_texts(outcome, self.renaming(first, number))
        if isinstance(outcome, Report):
            outcome.target = self.jobs[number].target
        others = listing([self.jobs[other].name for other in same])
        remarks = [f"the same file as {others}, judged once for all"] if same else []
        return Row(outcome, place.sha256 if place else "", [*remarks, *self.remarks[first]])

    def renaming(self, first: int, number: int) -> Callable[[str], str]:
        """What makes a text about one file one about another that is the same."""
        old, new = (names_of(self.jobs[one].file) for one in (first, number))
        names = dict(zip(old, new))
        pattern = re.compile(rf"(?<![\w./-])({'|'.join(map(re.escape, old))})(?!\w)")
        return lambda text: pattern.sub(lambda found: names[found[0]], text)

    def step(self, interrupts: Interrupts) -> None:
        """Has those judged whose turn it is, and hears what is said."""
        try:
            self.start()
        except (EOFError, OSError):  # a signal to all has also ended what starts them, or this folder was deleted
            self.failures += 1
            if interrupts.came is None and self.failures == TRIES:
                raise
            self.look_around()
        ready = wait([judge.worker.connection for judge in self.running.values()], POLL)
        if interrupts.came is not None:
            self.interrupted(interrupts.came)
            return
        for number, judge in list(self.running.items()):
            if judge.worker.connection in ready:
                self.heard(number, judge)
            else:
                judge.keep_within(self.cpu_limit)

    def start(self) -> None:
        """Starts as many as there is room for; those that are judged once more have it for themselves."""
        while len(self.running) < self.count and (self.todo or (self.again and not self.running)):
            number = self.todo[0] if self.todo else next(iter(self.again))  # which has nobody beside it
            left = None if self.deadline is None else self.deadline - time.monotonic()
            if left is not None and left <= 0:
                self.settle(number, self.unjudged(number))
                continue
            one = self.jobs[number]
            if left is not None:
                one = replace(one, options=replace(one.options, time_limit=min(left, one.options.time_limit or left)))
            for judge in self.running.values():
                judge.beside = True
            try:
                self.running[number] = Judge(
                    one, self.places[number], self.catalogue, self.working, bool(self.running), self.leads
                )
            except CopyError as error:
                self.settle(number, str(error))
            self.todo = [other for other in self.todo if other != number]

    def unjudged(self, number: int) -> Outcome:
        """What is known of one for whom no time is left."""
        before = self.again.get(number)
        if before is None:
            return NO_TIME
        return with_reason(before.outcome, "no time was left to judge it once more")

    def heard(self, number: int, judge: Judge) -> None:
        """What one said, or what follows from its death; who may have been disturbed is judged once more."""
        answer = judge.answer()
        del self.running[number]
        disturbed = judge.beside and (judge.altered() or (answer is not None and is_disturbed(answer.outcome)))
        how = judge.end()
        self.look_around(number)
        if number in self.again:
            self.settle(number, self.at_last(self.again[number], answer, how))
        elif answer is None or answer.interrupted or answer.cut or disturbed:
            self.again[number] = answer
        else:
            self.settle(number, answer.outcome)

    def at_last(self, before: TrialOutcome | None, answer: TrialOutcome | None, how: str) -> Outcome:
        """What came of one that was judged twice: of a trial that was cut again, as much as is known."""
        if answer is None:
            return before.outcome if before and before.cut else f"the process that judges it {how}, twice"
        if not (before and before.cut and answer.cut):
            return answer.outcome
        return with_reason(min(answer.outcome, before.outcome, key=unreached_properties), "cut, twice")

    def look_around(self, *ended: int) -> None:
        """Restores what was deleted, and notes what was changed with all who have run since this was last done."""
        for snapshot in self.snapshots:
            news = snapshot.news()
            for how, end in (("changed", ""), ("deleted", ", and restored")):
                names = [visible_path(snapshot.folder / name, self.working) for name in news if news[name] == how]
                text = f"while it ran, somebody {how} {listing(names)}{end}; what is judged is a copy from before"
                for number in (*ended, *self.running) if names else ():
                    self.remarks[number][text] = None
        with contextlib.suppress(OSError):
            os.chdir(self.working)  # which may have been deleted, and made again

    def settle(self, number: int, outcome: Outcome) -> None:
        """Notes what came of one target."""
        self.known[number] = outcome
        self.again.pop(number, None)
        self.todo = [other for other in self.todo if other != number]

    def interrupted(self, number: int) -> None:
        """A signal ends all of it: what was found until then is known, the others are not reached."""
        for judge in self.running.values():
            judge.send(number)
        told = self.last_words()
        self.look_around()
        self.end()
        before = {place: answer.outcome for place, answer in self.again.items() if answer}
        self.known = dict.fromkeys(self.leader.values(), NOT_REACHED) | told | before | self.known

    def last_words(self) -> dict[int, Outcome]:
        """What those have to say that are being judged, and have got a signal."""
        told: dict[int, Outcome] = {}
        waiting = {judge.worker.connection: (number, judge) for number, judge in self.running.items()}
        until = time.monotonic() + LAST_WORDS
        while waiting and (left := until - time.monotonic()) > 0:
            for connection in wait(list(waiting), left):
                number, judge = waiting.pop(connection)
                if answer := judge.answer():
                    told[number] = answer.outcome
        return told

    def end(self) -> None:
        """Ends all processes."""
        for judge in self.running.values():
            judge.worker.connection.close()  # which none survives for long
            judge.worker.process.terminate()
        for judge in self.running.values():
            judge.end()
        self.running.clear()


def names_of(file: str) -> list[str]:
    """How texts may name a file, the longest first."""
    return [os.path.abspath(file), file, os.path.basename(file)]


def visible_path(path: Path, working: str) -> str:
    """A path as people read it, from the working directory where it lies there."""
    return visible(path.relative_to(working) if path.is_relative_to(working) else path, LINE)


def listing(names: Sequence[str]) -> str:
    """Some names, of many the first ones."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def is_disturbed(outcome: Outcome) -> bool:
    """Whether it says what others may have done: a process that was killed from outside, or had no time to answer."""
    texts = [outcome] if isinstance(outcome, str) else [r.message for r in outcome.results if r.status == "failed"]
    return any(map(DISTURBED.search, texts))


def unreached_properties(outcome: Outcome) -> float:
    """How many properties were not reached; infinity where there is no report."""
    return float("inf") if isinstance(outcome, str) else len(outcome.left)


def with_reason(outcome: Outcome, reason: str) -> Outcome:
    """What came of a target, with one more reason."""
    return f"{outcome}; {reason}" if isinstance(outcome, str) else replace(outcome, reasons=[*outcome.reasons, reason])


def ahead(own: Sequence[Options], catalogue: Catalogue) -> list[str]:
    """The module to be imported before processes are forked, if a property that is asked is heavy."""
    heavy = any(prop.heavy for options in own for prop in Plan.of(options, catalogue).properties.values())
    return [f"{__package__}.ahead"] if heavy else []
