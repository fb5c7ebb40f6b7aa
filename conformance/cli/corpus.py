"""``rnn-conformance corpus``: what hunts have found."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from conformance.harness.load import TargetError
from conformance.hunt.corpus import KNOWN, NEW, Corpus
from conformance.judging.serialisation import Unclaimed
from conformance.report.bug_report import document
from conformance.report.hunt_report import SHORT
from conformance.report.output import say, show
from conformance.trial.counterexamples import claimed_by

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def corpus():
    """Merges corpora of hunts, says what is known, and writes reports of defects."""


@corpus.command()
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=FOLDER)
def merge(folders):
    """Adds to the first DIR, which may be new, what the others have.

    It is a union: a finding is there once, what is known in one of them is known, and seeds that are done in one of
    them are done. What cannot be read is left out and told; then the exit status is 2.
    """
    into, *others = folders
    there = [Corpus.there(folder) for folder in others]
    made = Corpus.made(into)
    with reading_corpora(made, *there):
        added = sum(made.add(other) for other in there)
        findings = made.findings().values()
    many = "1 finding" if len(findings) == 1 else f"{len(findings):,} findings"
    say(f"{into}: {many}, {added} added, {sum(finding.is_new for finding in findings)} new")
    return 2 if any(one.unread for one in (made, *there)) else 0


@contextlib.contextmanager
def reading_corpora(*corpora):
    """A block in which corpora are read; what of them cannot be read is told at its end, in a line each."""
    try:
        yield
    finally:
        for line in dict.fromkeys(line for one in corpora for line in one.unread):
            say(f"rnn-conformance: {line}", err=True)


@corpus.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.argument("id")
@click.option("--no", "again", is_flag=True, help="It is not known any more.")
def known(folder, id, again):
    """Says that the finding ID of the corpus in DIR is known: it does not change the status of hunts any more.

    The beginning of an ID will do.
    """
    kept = Corpus.there(folder)
    with reading_corpora(kept):
        finding = kept.called(id)
    kept.mark(finding, NEW if again else KNOWN)
    say(f"{NEW if again else KNOWN}        {finding.id[:SHORT]} {finding.title}")


@corpus.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--target", help="The target, whose source is shown; it is loaded, for cells that only it knows.")
def report(folder, ids, target):
    """Prints a report on each finding ID of the corpus in DIR, in Markdown, for those who maintain the target.

    It holds versions, a script that shows the defect without this kit, what was expected and what came, why that is
    not rounding, and the lines of the source of --target. The beginning of an ID will do. The target that a finding
    names is not loaded, and not read: others may have written the finding.
    """
    kept = Corpus.there(folder)
    if target:
        claimed_by(target)
    with reading_corpora(kept):
        findings = [kept.called(id) for id in ids]
        rounds = kept.rounds()
    try:
        for finding in findings:
            show(document(finding, kept.counterexample(finding.id), rounds[finding.id], target))
    except Unclaimed as error:
        remedy = error.remedy("corpus", "report", str(folder), finding.id[:SHORT], "--target")
        raise TargetError(remedy) from None
    except ValueError as error:
        raise TargetError(str(error)) from None
