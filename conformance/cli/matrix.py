"""``rnn-conformance matrix``: many targets, one page."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from conformance.engine.check import choose, known
from conformance.engine.parallel import judge_all
from conformance.engine.profiles import PROFILES
from conformance.report import html, terminal
from conformance.report.model import Report
from conformance.target.load import TargetError
from conformance.target.process import Limits

from .check import NOTHING, Duration, Workers, cache_elsewhere, diagnosed, progress_bar, write

SCHEMA = 1


@click.command()
@click.argument("targets", nargs=-1, required=True)
@click.option("--html", "html_file", type=click.Path(dir_okay=False, path_type=Path), default="matrix.html",
              show_default=True, help="The page.")  # fmt: skip
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="The reports as JSON.")
@click.option("--profile", default="quick", show_default=True, help=f"How much to run: {', '.join(PROFILES)}.")
@click.option("-n", "--workers", type=Workers(), default="auto", show_default=True, help="Processes to run in.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random cases.")
@click.option("--call-limit", type=Duration(), default=10.0, help="Time for one call of a target.  [default: 10s]")
@click.option("--property", "properties", multiple=True, metavar="ID", help="Only this property or chapter.")
@click.option("--no-diagnosis", is_flag=True, help="Do not look for the mistakes.")
def matrix(targets, html_file, json_file, profile, workers, seed, call_limit, properties, no_diagnosis):
    """Judges every TARGET, as check does, and writes one page and, if asked, JSON.

    A folder stands for the Python files in it. A package that is missing is not installed, never passed.
    Exit status: 0 all conform, 1 some do not, 2 some could not be judged.
    """
    cache_elsewhere()
    known("profile", profile, PROFILES)
    chosen = choose(properties)
    console = Console(highlight=False)
    reports, missing = [], []
    for target in spread(targets):
        try:
            with progress_bar(console, len(chosen), target) as advance:
                results, claims = judge_all(
                    target, chosen, profile, seed, workers=min(workers, len(chosen)), budget=None,
                    limits=Limits(call=call_limit), progress=advance,
                )  # fmt: skip
            diagnosis = None if no_diagnosis else diagnosed(target, results, console, False)
        except TargetError as error:
            missing.append((target, str(error)))
            console.print(f"{target} could not be judged: {error}", soft_wrap=True)
            continue
        assert claims is not None
        reports.append(Report.of(target, claims, results, profile, seed, diagnosis=diagnosis))
        console.print(terminal.headline(reports[-1]), soft_wrap=True)
    plain = {"schema": SCHEMA, "reports": [r.as_dict() for r in reports], "missing": dict(missing)}
    texts = {html_file: html.page(reports, missing), json_file: json.dumps(plain, indent=1)}
    written = [write(file, text) for file, text in texts.items() if file]
    if written[0]:
        console.print(f"written: {html_file}")
    failed = any(report.status == 1 for report in reports)
    complete = all(written) and not missing and not any(report.status for report in reports)
    return 1 if failed else 0 if complete else NOTHING


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
