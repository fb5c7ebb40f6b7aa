"""``rnn-conformance corpus``: what hunts have found."""

from __future__ import annotations

from pathlib import Path

import click

from conformance.harness.load import TargetError
from conformance.hunt.corpus import KNOWN, NEW, Corpus
from conformance.report.defect import document
from conformance.report.hunting import SHORT

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def corpus():
    """Merges corpora of hunts, says what is known, and writes reports of defects."""


@corpus.command()
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=FOLDER)
def merge(folders):
    """Adds to the first DIR, which may be new, what the others have.

    It is a union: a finding is there once, what is known in one of them is known, and seeds that are done in one of
    them are done.
    """
    into, *others = folders
    there = [Corpus.there(folder) for folder in others]
    made = Corpus.made(into)
    added = sum(made.add(other) for other in there)
    findings = made.findings().values()
    many = "1 finding" if len(findings) == 1 else f"{len(findings):,} findings"
    click.echo(f"{into}: {many}, {added} added, {sum(finding.is_new for finding in findings)} new")


@corpus.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.argument("id")
@click.option("--no", "again", is_flag=True, help="It is not known any more.")
def known(folder, id, again):
    """Says that the finding ID of the corpus in DIR is known: it does not change the status of hunts any more.

    The beginning of an ID will do.
    """
    kept = Corpus.there(folder)
    finding = kept.called(id)
    kept.mark(finding, NEW if again else KNOWN)
    click.echo(f"{NEW if again else KNOWN}        {finding.id[:SHORT]} {finding.title}")


@corpus.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.argument("id")
def report(folder, id):
    """Prints a report on the finding ID of the corpus in DIR, in Markdown, for those who maintain the target.

    It holds versions, a script that shows the defect without this kit, what was expected and what came, why that is
    not rounding, and the lines of the source where they are known. The beginning of an ID will do.
    """
    kept = Corpus.there(folder)
    finding = kept.called(id)
    try:
        click.echo(document(finding, kept.counterexample(finding.id), kept.rounds()[finding.id]), nl=False)
    except ValueError as error:
        raise TargetError(str(error)) from None
