"""``rnn-conformance check``: does a target conform?"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from conformance.chapters import catalogue
from conformance.harness.load import SHIPPED
from conformance.report import github
from conformance.report.files import Files
from conformance.report.keeping import Keeper
from conformance.report.listening import Listener, Writer, listen
from conformance.report.terminal import Terminal, console
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
    files = Files(options)
    writers: list[Writer] = [Keeper(options), files]
    annotations: list[Listener] = [github.Annotations(click.echo)] if "GITHUB_ACTIONS" in os.environ else []
    with Terminal(console(), writers) as terminal:
        report = listen(trial(target, options, catalogue), [*writers, terminal, *annotations])
    return report.status or (NOTHING if files.losses else 0)


def cache_elsewhere():
    """Hypothesis keeps a cache even without a database; it does not belong into the user's folder."""
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir()) / "rnn-conformance"))
