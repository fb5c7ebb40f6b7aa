"""``rnn-conformance check``: does a target conform?"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from conformance.chapters import catalogue
from conformance.harness.load import SHIPPED, TargetError
from conformance.harness.text import LINE, visible
from conformance.report import github
from conformance.report.files import Files
from conformance.report.keeping import Keeper
from conformance.report.listening import Listener, Writer, listen
from conformance.report.terminal import Terminal, console
from conformance.report.together import Together
from conformance.trial.loop import trial

from .options import trial_options

NOTHING = 2  # what was asked for could not be done


HELP = f"""Does TARGET conform?

TARGET is a Python file, package.module, file.py:name, a shipped name ({", ".join(SHIPPED)}), or one of these behind
python=INTERPRETER; or "cmd: COMMAND", for any language.

Exit status: 0 it conforms, 1 it does not, 2 could not tell.
"""


@click.command(help=HELP)
@click.argument("target")
@trial_options()
def check(target, options):
    """Judges a target, and shows, writes and keeps what was found."""
    cache_elsewhere()
    told = Together()
    try:
        return judged(target, options, told)
    finally:
        if (told.reports or told.missing) and (loss := github.tell_step(told)):
            click.echo(f"rnn-conformance: {loss}", err=True)


def judged(target, options, told):
    """Judges one target, and adds what came of it to the rest; its exit status."""
    files = Files(options)
    writers: list[Writer] = [Keeper(options), files]
    annotations: list[Listener] = [github.Annotations(click.echo)] if github.RUNS in os.environ else []
    try:
        with Terminal(console(), writers) as terminal:
            report = listen(trial(target, options, catalogue), [*writers, terminal, *annotations])
    except TargetError as error:
        told.missing.append((visible(target, LINE), str(error)))
        files.refused(*told.missing[-1])
        raise
    told.reports.append(report)
    return report.status or (NOTHING if files.losses else 0)


def cache_elsewhere():
    """Hypothesis keeps a cache even without a database; it does not belong into the user's folder."""
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir()) / "rnn-conformance"))
