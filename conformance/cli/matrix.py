"""``rnn-conformance matrix``: many targets, one page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import click

from conformance.chapters import catalogue
from conformance.harness.load import TargetError
from conformance.harness.text import LINE, visible
from conformance.report import terminal
from conformance.report.files import write
from conformance.report.listening import listen
from conformance.trial.interrupts import Interrupted
from conformance.trial.loop import trial

from .check import NOTHING, cache_elsewhere
from .console import verbatim
from .options import trial_options

SCHEMA = 1


@click.command()
@click.argument("targets", nargs=-1, required=True)
@click.option("--html", "html_file", type=click.Path(dir_okay=False, path_type=Path), default="matrix.html",
              show_default=True, help="The page.")  # fmt: skip
@trial_options("profile", "workers", "seed", "call-limit", "memory-limit", "property", "no-diagnosis", "json")
def matrix(targets, html_file, options):
    """Judges every TARGET, as check does, and writes one page and, if asked, JSON.

    A folder stands for the Python files in it. A package that is missing is not installed, never passed. Ctrl-C ends
    all of it, and what was judged until then is on the page.
    Exit status: 0 all conform, 1 some do not, 2 some could not be judged.
    """
    from conformance.report import html  # what makes pages is imported only where one is asked for

    cache_elsewhere()
    console = verbatim()
    reports, missing = [], []
    for target in list(spread(targets)):
        try:
            reports.append(judged(target, options))
            console.print(terminal.headline(reports[-1]), soft_wrap=True)
        except TargetError as error:
            missing.append((visible(target, LINE), str(error)))
            console.print(f"{missing[-1][0]} could not be judged: {error}", soft_wrap=True)
        except Interrupted as interruption:
            missing.append((visible(target, LINE), f"interrupted by {interruption} while it was loaded"))
            break
        if reports and reports[-1].interrupted:
            break
    plain = {"schema": SCHEMA, "reports": [r.as_dict() for r in reports], "missing": dict(missing)}
    losses = write({html_file: html.page(reports, missing), options.json: json.dumps(plain, indent=1)})
    for loss in losses:
        click.echo(f"rnn-conformance: {loss}", err=True)
    if not losses:
        console.print(f"written: {html_file}")
    failed = any(report.status == 1 for report in reports)
    complete = not losses and not missing and not any(report.status for report in reports)
    return 1 if failed else 0 if complete else NOTHING


def judged(target, options):
    """The report on one of the targets; the files that the options name are for all of them."""
    return listen(trial(target, replace(options, json=None), catalogue), [])


def spread(targets):
    """The targets, with the Python files of a folder in its place. Raises TargetError for a folder without any."""
    for target in targets:
        if not Path(target).is_dir():
            yield target
            continue
        files = sorted(Path(target).glob("*.py"))
        if not files:
            raise TargetError(f"{target!r} has no Python files")
        yield from map(str, files)
