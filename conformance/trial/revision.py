"""A target as it was in another revision: opened or judged in a worktree of its own, by today's kit."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from conformance.events import Event, Finished
from conformance.harness.child import LoadError
from conformance.harness.family import die_with_parent
from conformance.harness.files import Folder
from conformance.harness.load import SHIPPED, Target, TargetError, open_target, rebase_target, spec_of
from conformance.harness.process import Limits
from conformance.harness.text import visible
from conformance.judging.oracle import Failure, NotRun
from conformance.judging.serialisation import CounterexampleError, counterexample_from_data

from .baseline import Baseline, of_report
from .counterexamples import replay_counterexample
from .interrupts import Interrupted
from .options import Options, Revision, UsageError
from .plan import Catalogue, limits_of
from .property_names import Names
from .source_location import place_of
from .worker_pool import PATIENCE, without_main

Trial = Callable[[Any, Options, Catalogue], Iterator[Event]]
ALWAYS = ("", "src")  # where packages usually lie in a repository


@contextlib.contextmanager
def judged_at(
    revision: Revision, target: Any, options: Options, catalogue: Catalogue, trial: Trial
) -> Iterator[Baseline]:
    """The target at a revision as a baseline, which can be asked for counterexamples within the block.

    trial: what judges it there, a function with a name

    What cannot be judged there knows nothing: its name says why. Raises UsageError where there is no such revision, or
    the target is not of a repository.
    """
    root, commit = commit_of(revision, target)
    with worktree(root, commit) as there:
        inside = same_place(root, there)
        asked = replace(
            options, baseline=None, expected_failures=None, strict=False, saved=False, in_process=False,
            stop_on_first=False, require=(), json=None, junitxml=None, html=None, summary=None, sarif=None, badge=None,
        )  # fmt: skip
        judge = Judge(trial, rebase_target(target, root, there), asked, catalogue, inside, paths(root, there))
        try:
            yield judge.baseline(str(revision), Names(catalogue()))
        finally:
            judge.end()


@contextlib.contextmanager
def opened_at(revision: Revision, target: Any, limits: Limits) -> Iterator[Target]:
    """The target at a revision, in a process of its own. Raises UsageError as ``judged_at`` does, and TargetError."""
    root, commit = commit_of(revision, target)
    with worktree(root, commit) as there:
        inside = same_place(root, there)
        path = [str(inside), *paths(root, there)]
        try:
            opened = open_target(rebase_target(target, root, there), limits=limits, path=path)
        except TargetError as error:
            raise TargetError(f"OLD: at {revision}, {str(error).replace(f'{there}{os.sep}', '')}") from None
        try:
            yield opened
        finally:
            opened.stop()


def commit_of(revision: Revision, target: Any) -> tuple[Path, str]:
    """The repository of a target, and the commit there. Raises UsageError as ``judged_at`` does."""
    folder = folder_of(target)
    root = Path(git(folder, "rev-parse", "--show-toplevel"))
    return root, git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision.name}^{{commit}}")


def folder_of(target: Any) -> Path:
    """The folder of a target's file. Raises UsageError if it has none that can have been another one before."""
    try:
        if not isinstance(target, str) or target.startswith("cmd:"):
            raise UsageError(f"git: needs a target that is a file or a module, not {visible(target, 60)}")
        spec = spec_of(target)[1]
    except LoadError as error:
        raise TargetError(error) from None
    own = any("file" in stage for stage in spec.get("stages", (spec,)))
    if not own and ("stages" in spec or spec["module"] in SHIPPED.values()):
        raise UsageError(f"git: {target} comes with this kit, and has no revisions; give a stored report")
    place = place_of(target)
    return Path.cwd() if place is None else place.file.parent


def git(folder: Path, *words: str) -> str:
    """What git says. Raises UsageError if it cannot do that."""
    command = ["git", "-c", f"core.hooksPath={os.devnull}", *words]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise UsageError(f"git: cannot be run: {error.strerror}") from None
    if done.returncode:
        said = visible(done.stderr, 200) or f"there is no such revision: {words[-1].partition('^')[0]!r}"
        raise UsageError(f"git: {said}")
    return done.stdout.strip("\n")


@contextlib.contextmanager
def worktree(root: Path, commit: str) -> Iterator[Path]:
    """A temporary worktree of a repository."""
    home = Path(tempfile.mkdtemp(prefix="rnn-conformance-")).resolve()
    there = home / "worktree"
    try:
        git(root, "worktree", "add", "--detach", "--force", str(there), commit)
        yield there
    finally:
        shutil.rmtree(home, ignore_errors=True)
        with contextlib.suppress(UsageError):
            git(root, "worktree", "prune")


def same_place(root: Path, there: Path) -> Path:
    """The working directory, as it is in the worktree, or made there; all of that where it is not of the repository."""
    here = Path.cwd()
    inner = here.relative_to(root).parts if here.is_relative_to(root) else ()
    Folder(there).make(*inner)
    return there.joinpath(*inner)


def paths(root: Path, there: Path) -> list[str]:
    """The path on which the packages of the repository are those of the revision, however they are installed."""
    given = [Path(entry).absolute() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    moved = [there / entry.relative_to(root) if entry.is_relative_to(root) else entry for entry in given]
    return [str(folder) for folder in (*(there / place for place in ALWAYS), *moved)]


class Judge:
    """A process that judges a target elsewhere, and keeps it to be asked."""

    def __init__(self, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")  # whose own processes take the environment from it
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve_judge, args=(theirs, *arguments))
        with without_main():
            self.process.start()
        theirs.close()

    def baseline(self, name: str, names: Names) -> Baseline:
        """What it found."""
        try:
            data = self.connection.recv()
        except EOFError:
            data = "the process that judged it died"
        if isinstance(data, str):
            return Baseline(f"{name}, where it cannot be judged: {data}", {})
        return of_report(data, name, names, shows=self.shows)

    def shows(self, found: dict[str, Any]) -> bool | None:
        """Whether the target there fails on a counterexample too; None where that cannot be told."""
        try:
            self.connection.send(found)
            said: bool | None = self.connection.recv()
            return said
        except (EOFError, OSError):
            return None

    def end(self) -> None:
        """Ends the process, and with it the target's."""
        with contextlib.suppress(OSError):
            self.connection.send(None)
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


def serve_judge(
    connection: Connection, trial: Trial, target: str, options: Options, catalogue: Catalogue, folder: Path,
    path: list[str],
) -> None:  # fmt: skip
    """What the process does: it judges, sends the report, and judges counterexamples as they come in."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    die_with_parent(signal.SIGTERM)
    os.chdir(folder)
    os.environ["PYTHONPATH"] = os.pathsep.join(path)
    try:
        connection.send(report_on(trial(target, options, catalogue)))
        while (found := connection.recv()) is not None:
            connection.send(fails_on(found, target, options, catalogue))
    except (EOFError, OSError, KeyboardInterrupt):
        return


def report_on(events: Iterator[Event]) -> dict[str, Any] | str:
    """The report at the end of a trial as plain data, or why there is none."""
    try:
        for event in events:
            if isinstance(event, Finished):
                return event.report.as_dict()
    except (TargetError, Interrupted, UsageError) as error:
        return str(error)
    return "nothing was judged"


def fails_on(found: dict[str, Any], target: str, options: Options, catalogue: Catalogue) -> bool | None:
    """Whether a fresh target, within the limits of the trial, fails on a counterexample; None: it cannot be told."""
    try:
        opened = open_target(target, limits=limits_of(options))
        try:
            return (
                replay_counterexample(counterexample_from_data(found | {"target": target}), opened, catalogue())
                is not None
            )
        finally:
            opened.stop()
    except (TargetError, NotRun, Failure, CounterexampleError, ValueError):
        return None
