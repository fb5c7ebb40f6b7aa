"""``rnn-conformance check``: does a target conform?"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from conformance.engine import expectations
from conformance.engine.check import check as check_here
from conformance.engine.check import choose, explain, known
from conformance.engine.counterexamples import FOLDER, save
from conformance.engine.parallel import cores, judge_all
from conformance.engine.profiles import PROFILES
from conformance.report import github, html, junit, terminal
from conformance.report.model import Report
from conformance.target.capabilities import Capabilities, capability_names
from conformance.target.load import open_target
from conformance.target.process import Limits

NOTHING = 2  # what was asked for could not be done
DIAGNOSIS_CALL = 2.0  # seconds for one call; who takes longer is not diagnosed


class Duration(click.ParamType):
    """Seconds: ``90``, ``90s`` or ``2m``."""

    name = "duration"

    def convert(self, value, param, ctx):
        """The number of seconds."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m)?", value)
        if not match or not float(match[1]):
            self.fail(f"{value!r} is not a duration like 90s or 2m", param, ctx)
        return float(match[1]) * (60 if match[2] == "m" else 1)


class Workers(click.ParamType):
    """A number of processes, or ``auto``."""

    name = "workers"

    def convert(self, value, param, ctx):
        """The number of processes."""
        if isinstance(value, int):
            return value
        if value == "auto":
            return cores()
        if not value.isdigit() or not int(value):
            self.fail(f"{value!r} is neither a number of processes nor auto", param, ctx)
        return int(value)


@click.command()
@click.argument("target")
@click.option("--profile", default="quick", show_default=True, help=f"How much to run: {', '.join(PROFILES)}.")
@click.option("-n", "--workers", type=Workers(), default="auto", show_default=True, help="Processes to run in.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random cases.")
@click.option("--budget", type=Duration(), help="Time for random cases: 60s, 2m.")
@click.option("--call-limit", type=Duration(), default=10.0, help="Time for one call of the target.  [default: 10s]")
@click.option("--require", multiple=True, metavar="CAPABILITY", help="The target must claim it.")
@click.option("--property", "properties", multiple=True, metavar="ID", help="Only this property or chapter.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the report there.")
@click.option(
    "--junitxml", "junit_file", type=click.Path(dir_okay=False, path_type=Path), help="The same as JUnit XML."
)
@click.option("--html", "html_file", type=click.Path(dir_okay=False, path_type=Path), help="The same as a page.")
@click.option(
    "--expected-failures", "expected_file", type=click.Path(dir_okay=False, path_type=Path),
    help="TOML: what is known to fail, and why.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="What is expected to fail must fail.")
@click.option("--no-diagnosis", is_flag=True, help="Do not look for the mistake that gives the target's numbers.")
@click.option("--in-process", is_flag=True, help="Call the target in this process: faster to debug, not protected.")
def check(
    target, profile, workers, seed, budget, call_limit, require, properties, json_file, junit_file, html_file,
    expected_file, strict, no_diagnosis, in_process,
):  # fmt: skip
    """Does TARGET conform?

    TARGET is a Python file, package.module, file.py:name, a shipped name (torch, onnxruntime, onnx-reference,
    openvino, keras, flax, flax-nnx, equinox, haiku, mlx, pydynet, reference), or one of these behind
    python=INTERPRETER; or "cmd: COMMAND", for any language.
    Exit status: 0 it conforms, 1 it does not, 2 could not tell.
    """
    cache_elsewhere()
    known("profile", profile, PROFILES)
    for name in require:
        known("capability", name, capability_names())
    chosen = choose(properties)
    expected = expectations.read(expected_file) if expected_file else []
    console = Console(highlight=False)
    with progress_bar(console, len(chosen)) as advance:
        if in_process:
            report = check_here(
                target, profile, seed, properties=properties, budget=budget, diagnosis=False, progress=advance
            )
            results, capabilities = report.results, Capabilities.of(report.capabilities)
        else:
            results, claims = judge_all(
                target, chosen, profile, seed, workers=min(workers, len(chosen)), budget=budget,
                limits=Limits(call=call_limit), progress=advance,
            )  # fmt: skip
            capabilities = Capabilities() if claims is None else claims
    missed = expectations.apply([one for one in expected if one.property in {r.id for r in results}], results)
    diagnosis = None if no_diagnosis else diagnosed(target, results, console, in_process)
    report = Report.of(target, capabilities, results, profile, seed, require, diagnosis, missed, strict)
    terminal.show(report, console)
    keep(report, console)
    texts = {
        json_file: report.to_json,
        junit_file: lambda: junit.document(report),
        html_file: lambda: html.page([report]),
    }
    written = [write(file, text()) for file, text in texts.items() if file]
    if "GITHUB_ACTIONS" in os.environ:
        for line in github.workflow_commands(report):
            click.echo(line)
    return report.status or (0 if all(written) else NOTHING)


def keep(report, console):
    """Saves the counterexamples, and says where they are."""
    saved = [save(report.target, r.id, r.message, r.case) for r in report.results if r.case]
    text = f"not saved    {FOLDER} cannot be written here, so nothing is kept for the next time"
    for file in saved:
        if file:
            text = f"saved        {file.parent}: judged first next time; rnn-conformance replay FILE TARGET"
    if saved:
        console.print("  " + text, soft_wrap=True)


def write(file, text):
    """Writes a file; where that does not work it says so, since the verdict stands all the same."""
    try:
        file.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    except OSError as error:
        click.echo(f"rnn-conformance: {file} cannot be written: {error.strerror}", err=True)
        return False
    return True


@contextlib.contextmanager
def stopping(target):
    """The target, whose process ends with the block."""
    try:
        yield target
    finally:
        target.stop()


def cache_elsewhere():
    """Hypothesis keeps a cache even without a database; it does not belong into the user's folder."""
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir()) / "rnn-conformance"))


def diagnosed(target, results, console, in_process):
    """Why the target fails, if it does; looked for in another process of the target."""
    if not any(result.status == "failed" for result in results):
        return None
    opened = open_target(target, in_process=in_process, limits=Limits(call=DIAGNOSIS_CALL))
    try:
        with console.status("diagnosis") as status:
            return explain(opened, results, lambda text: status.update(f"diagnosis: {text}"))
    finally:
        opened.stop()


class progress_bar:
    """A bar on a terminal, nothing elsewhere."""

    def __init__(self, console: Console, total: int, subject: str = "judging") -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self.progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.subject = subject
        self.task = self.progress.add_task(subject, total=total)

    def __enter__(self):
        self.progress.start()
        return lambda result: self.progress.update(self.task, advance=1, description=f"{self.subject}: {result.id}")

    def __exit__(self, *exception):
        self.progress.stop()
