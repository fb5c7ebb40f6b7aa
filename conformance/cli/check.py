"""``rnn-conformance check``: does a target conform?"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import click

from conformance.chapters import catalogue
from conformance.harness.load import SHIPPED, TargetError
from conformance.report import github
from conformance.report.counterexample_files import Keeper
from conformance.report.listening import Listener, Writer, listen
from conformance.report.output import put, say
from conformance.report.report_files import Files
from conformance.report.report_set import ReportSet, Unjudged
from conformance.report.terminal import Terminal, console
from conformance.report.wording import headline
from conformance.trial.configuration import SHARED, TOOL, find_configuration
from conformance.trial.interrupts import Interrupted
from conformance.trial.runner import make_plan, trial
from conformance.trial.verdict import STATUS

from .options import trial_values

NOTHING = 2  # what was asked for could not be done


HELP = f"""Does TARGET conform?

TARGET is a Python file, package.module, file.py:name, a shipped name ({", ".join(SHIPPED)}), or one of these behind
python=INTERPRETER; or "cmd: COMMAND", for any language; or a name that the project's configuration has, [tool.{TOOL}]
in {SHARED}. Without TARGET, all of those are judged.

Exit status: 0 it conforms, 1 it does not, 2 could not tell.
"""


@click.command(help=HELP)
@click.argument("target", required=False)
@trial_values()
def check(target, given):
    """Judges a target, or all that have a name, and shows, writes and keeps what was found."""
    cache_elsewhere()
    configuration = find_configuration(Path.cwd())
    todo = configuration.jobs(given) if target is None else [configuration.job(target, given)]
    judging = Judging()
    try:
        if len(todo) == 1:
            return judging.one(todo[0])
        return judging.several(todo)
    finally:
        judging.tell_step()


class Judging:
    """Judges some targets; told: what came of them so far."""

    def __init__(self):
        self.told = ReportSet()
        self.shelf = {}
        self.losses = []

    def one(self, job):
        """Judges one of them; its exit status. Raises TargetError or Interrupted where that cannot be done."""
        files = Files(job.options, self.shelf)
        writers: list[Writer] = [Keeper(job.options), files]
        annotations: list[Listener] = [github.Annotations(put)] if github.RUNS in os.environ else []
        try:
            with Terminal(console(), writers) as terminal:
                events = trial(job.target, job.options, catalogue)
                report = listen(events, [*writers, terminal, *annotations])
        except TargetError as error:
            self.refused(job, str(error))
            raise
        except Interrupted as interruption:
            self.refused(job, f"interrupted by {interruption} while it was loaded")
            raise
        finally:
            self.losses += files.losses
        self.told.entries.append(report)
        return report.status or (NOTHING if files.losses else 0)

    def refused(self, job, reason):
        """Notes that a target could not be judged, also in the files that were asked for."""
        refused = Unjudged(job.target, reason)
        self.told.entries.append(refused)
        files = Files(job.options, self.shelf)
        files.refused(refused)
        self.losses += files.losses

    def several(self, todo):
        """Judges all of them, and says the verdict on each at the end; the exit status that follows."""
        for job in todo:
            with contextlib.suppress(TargetError):  # that stops no other, and is said where its turn comes
                make_plan(job.target, job.options, catalogue)
        for job in todo:
            try:
                self.one(job)
            except TargetError as error:
                say(f"{self.told.missing[-1][0]} could not be judged: {error}")
            except Interrupted:
                break
            if self.told.reports and self.told.reports[-1].interrupted:
                break
            say()
        for report in self.told.reports:
            say(headline(report))
        for name, _ in self.told.missing:
            say(f"{name} could not be judged")
        if left := todo[len(self.told.entries) :]:
            for job in left:
                self.refused(job, "interrupted before it was judged")
            say(f"not judged: {', '.join(job.target for job in left)}")
        return STATUS[self.told.verdict] or (NOTHING if self.losses else 0)

    def tell_step(self):
        """Gives the verdict to the steps of a workflow that follow."""
        if self.told.entries and (loss := github.tell_step(self.told)):
            say(f"rnn-conformance: {loss}", err=True)


def cache_elsewhere():
    """Hypothesis keeps a cache even without a database; it does not belong into the user's folder."""
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir()) / "rnn-conformance"))
