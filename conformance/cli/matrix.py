"""``rnn-conformance matrix``: many targets, one page; for a class, a page and points for each student."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from pathlib import Path

import click

from conformance.chapters import catalogue
from conformance.harness.files import FileError, read_bytes
from conformance.harness.forbidden import LARGEST, parsed
from conformance.harness.load import TargetError
from conformance.harness.text import LINE, visible
from conformance.report import grades, wording
from conformance.report.files import FORMATS, write
from conformance.report.listening import listen
from conformance.report.together import Refused, Together
from conformance.trial.interrupts import Interrupted
from conformance.trial.loop import trial
from conformance.trial.options import UsageError, seconds
from conformance.trial.source import bound
from conformance.trial.verdict import STATUS, Report

from .check import NOTHING, cache_elsewhere
from .console import verbatim
from .options import trial_options

OURS = ("reference_rnn", "strategies", "conformance")  # what a file in a folder may never import


@click.command()
@click.argument("targets", nargs=-1, required=True)
@click.option("--html", "html_file", type=click.Path(dir_okay=False, path_type=Path), default="matrix.html",
              show_default=True, help="The page.")  # fmt: skip
@click.option(
    "--names", metavar="NAME,...", default="", help="What to look for in the files of a folder, in this order."
)
@click.option("--total-limit", metavar="TIME", help="Time for all targets together; the others stand there unjudged.")
@click.option("--feedback", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
              help="Write a page for each target there, as Markdown and as HTML.")  # fmt: skip
@click.option("--no-solution", is_flag=True, help="Show neither the right text nor the right numbers on these pages.")
@click.option("--rubric", metavar="FILE", type=click.Path(path_type=Path),
              help="TOML: points for properties.  [default: 100 for all that is claimed]")  # fmt: skip
@click.option("--grades", "grades_file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the points of all as CSV.")  # fmt: skip
@click.option("--gradescope", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
              help="Write each one's results.json there.")  # fmt: skip
@trial_options(
    "profile", "workers", "seed", "time-limit", "call-limit", "memory-limit", "forbid", "property", "require",
    "no-diagnosis", "json",
)  # fmt: skip
def matrix(targets, html_file, names, total_limit, feedback, no_solution, rubric, grades_file, gradescope, options):
    """Judges every TARGET, as check does, and writes one page and, if asked, JSON, feedback and grades.

    A folder stands for the Python files in it, which may not import the kit. A package that is missing is not
    installed, never passed. Ctrl-C ends all of it, and what was judged until then is on the page.
    Exit status: 0 all conform, 1 some do not, 2 some could not be judged.
    """
    if no_solution and not feedback:
        raise UsageError("--no-solution is about the pages of --feedback DIR: give both")
    cache_elsewhere()
    criteria = grades.rubric(rubric, catalogue())
    deadline = None if total_limit is None else time.monotonic() + seconds(total_limit)
    todo = list(spread(targets, options, wanted(names)))
    told = Together(list(judged(todo, handed_in(targets), deadline, verbatim())))
    texts = {html_file: FORMATS["html"](told), options.json: told.all_to_json() if options.json else ""}
    if feedback:
        from conformance.report.feedback import files_of

        texts |= files_of(told.entries, feedback, solution=not no_solution)
    if grades_file:
        texts[grades_file] = grades.as_csv(told.entries, criteria)
    if gradescope:
        texts |= grades.gradescope(told.entries, criteria, gradescope)
    losses = made_room(texts) + write(texts)
    for loss in losses:
        click.echo(f"rnn-conformance: {loss}", err=True)
    for written in (html_file, feedback, grades_file, gradescope):
        if written and not losses:
            click.echo(f"written: {written}")
    return STATUS[told.verdict] or (NOTHING if losses else 0)


def judged(todo, files, deadline, console):
    """The report on each target, or why there is none, in their order; the verdicts are shown as they come.

    files: what must be there for each of them, whatever those before have deleted
    """
    for place, (target, options) in enumerate(todo):
        bring_back(files)
        name = visible(target, LINE)
        entry: Report | Refused
        try:
            entry = listen(trial(target, within(options, deadline), catalogue), [])
        except TargetError as error:
            entry = Refused(name, str(error))
        except Interrupted as interruption:
            yield from (
                Refused(name, f"interrupted by {interruption} while it was loaded"),
                *left_out(todo[place + 1 :]),
            )
            return
        for line in shown(entry):
            console.print(line, soft_wrap=True)
        yield entry
        if getattr(entry, "interrupted", ""):
            yield from left_out(todo[place + 1 :])
            return


def shown(entry):
    """The verdict in a line; behind one that could not be given, why."""
    if isinstance(entry, Refused):
        return [f"{entry.name} could not be judged: {entry.reason}"]
    return [wording.headline(entry), *(f"  {reason}" for reason in entry.reasons)]


def within(options, deadline):
    """The options of one target, so that it is over when the time for all is. Raises TargetError if that is over."""
    if deadline is None:
        return options
    left = deadline - time.monotonic()
    if left <= 0:
        raise TargetError("the time for all targets was over before it was judged")
    return replace(options, time_limit=min(left, options.time_limit or left))


def left_out(todo):
    """The targets that were not reached."""
    return [Refused(visible(target, LINE), "interrupted before it was judged") for target, _ in todo]


def spread(targets, options, names):
    """Each target with its options; the Python files of a folder in its place. Raises TargetError for one without any.

    The files that the options name are for all of them; and what was saved of one is not asked of it alone.
    """
    each = replace(options, json=None, saved=False)
    for target in targets:
        if not Path(target).is_dir():
            yield target, each
            continue
        files = sorted(Path(target).glob("*.py"))
        if not files:
            raise TargetError(f"{target!r} has no Python files")
        strict = replace(each, forbid=tuple(dict.fromkeys([*OURS, *each.forbid])))
        yield from ((named(file, names), strict) for file in files)


def handed_in(targets):
    """The bytes of the files in those targets that are folders, by their paths."""
    files = [file for target in targets if Path(target).is_dir() for file in Path(target).iterdir()]
    handed = {}
    for file in files:
        with contextlib.suppress(FileError):
            handed[file] = read_bytes(file, LARGEST)
    return handed


def bring_back(files):
    """Writes those files again that are not there any more: a target may delete the others, and even itself."""
    for file, data in files.items():
        with contextlib.suppress(OSError):
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)


def wanted(names):
    """The names in NAME,NAME; raises UsageError."""
    found = [name.strip() for name in names.split(",")] if names else []
    for name in found:
        if not name.isidentifier():
            raise UsageError(
                f"--names has {name!r}, must be names of functions, classes or objects, like forward,MyRNN"
            )
    return found


def named(file, names):
    """A file as a target: with the first of the names that it defines, or alone where it has none of them."""
    tree = parsed(file)  # what is wrong with it is said when it is loaded
    defined = {name for statement in (tree.body if tree else []) for name in bound(statement)}
    name = next((name for name in names if name in defined), "forward")
    text = str(file) if file.name != str(file) else os.path.join(os.curdir, file)  # whatever it is called, it is a file
    return text if name == "forward" else f"{text}:{name}"


def made_room(texts):
    """Makes the folders of some files; in a sentence each, those that could not be made."""
    losses = []
    for folder in dict.fromkeys(file.parent for file in texts if file is not None):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            losses.append(f"{folder} cannot be made: {error.strerror}")
    return losses
