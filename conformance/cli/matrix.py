"""``rnn-conformance matrix``: many targets, one page; for a class, a page and points for each student."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import click

from conformance.chapters import catalogue
from conformance.harness.files import Folder
from conformance.harness.load import SHIPPED, TargetError, split_name, stages_of
from conformance.harness.snapshot import list_folder
from conformance.harness.source_text import SourceText
from conformance.report import grades, wording
from conformance.report.output import say
from conformance.report.report_files import FORMATS, write_files, write_inside
from conformance.report.report_set import ReportSet, Unjudged
from conformance.trial.configuration import Job
from conformance.trial.multi_target import NOT_REACHED, outcomes
from conformance.trial.options import UsageError, refuse_shared, seconds
from conformance.trial.plan import Plan
from conformance.trial.verdict import STATUS, Report

from .check import NOTHING, cache_elsewhere
from .console import verbatim
from .options import trial_options

PAGE = "matrix.html"  # where no other is named: a name of our own in the working directory
OURS = ("reference_rnn", "strategies", "conformance")  # what a file in a folder may never import


@click.command()
@click.argument("targets", nargs=-1, required=True)
@click.option("--html", "html_file", type=click.Path(dir_okay=False, path_type=Path), show_default=PAGE,
              help="The page.")  # fmt: skip
@click.option("--names", metavar="NAME,...", default="",
              help="What to look for in the files of a folder, in this order.  [default: forward]")  # fmt: skip
@click.option("--cpu-limit", metavar="TIME",
              help="Processor time for each, with its judge; --time-limit is twice that if not given.")  # fmt: skip
@click.option("--total-limit", metavar="TIME",
              help="Time for all targets together, second tries too; the others stand there unjudged.")  # fmt: skip
@click.option("--feedback", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
              help="Write a page for each target there, as Markdown and as HTML.")  # fmt: skip
@click.option("--no-solution", is_flag=True,
              help="Show neither the right text nor the right numbers in --feedback and --gradescope.")  # fmt: skip
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
def matrix(
    targets, html_file, names, cpu_limit, total_limit, feedback, no_solution, rubric, grades_file, gradescope, options
):
    """Judges every TARGET, as check does, and writes one page and, if asked, JSON, feedback and grades.

    A folder stands for the Python files in it, which may not import the kit. Each worker judges one target; where there
    are fewer targets than workers, all of them judge one target after the other. Of a file a copy is judged, with all
    in its folder; who is cut by a limit is judged once more at the end, alone. A package that is missing is not
    installed, never passed. Ctrl-C ends all of it, and what was judged until then is on the page.
    Exit status: 0 all conform, 1 some do not, 2 some could not be judged.
    """
    if no_solution and not (feedback or gradescope):
        raise UsageError("--no-solution is about what students see: give --feedback DIR or --gradescope DIR too")
    if rubric and not (grades_file or gradescope):
        raise UsageError("--rubric is about points: give --grades FILE or --gradescope DIR too")
    refuse_shared([("html", html_file or Path(PAGE)), ("json", options.json), ("grades", grades_file)])
    cache_elsewhere()
    criteria = grades.rubric(rubric, catalogue(), Plan.of(options, catalogue).properties)
    deadline = None if total_limit is None else time.monotonic() + seconds(total_limit)
    limit = None if cpu_limit is None else seconds(cpu_limit)
    if limit is not None and options.time_limit is None:
        options = replace(options, time_limit=2 * limit)
    todo = list(expand_folders(targets, options, parse_names(names)))
    for said in passed_over([Path(target) for target in targets if os.path.isdir(target)]):
        complain(said)
    rows = outcomes(todo, catalogue, cpu_limit=limit, deadline=deadline, say=complain)
    told = ReportSet(list(judge_each(todo, rows, verbatim())))
    page = FORMATS["html"](told)
    files = {html_file: page, options.json: told.all_to_json() if options.json else ""}
    if grades_file:
        files[grades_file] = grades.as_csv(told.entries, criteria)
    losses = made_room(files) + write_files(files)
    if not html_file:
        losses += write_inside(Path(), {(PAGE,): page})
    if feedback:
        from conformance.report.feedback import files_of

        losses += write_inside(feedback, files_of(told.entries, solution=not no_solution))
    if gradescope:
        losses += write_inside(gradescope, grades.gradescope(told.entries, criteria, solution=not no_solution))
    for loss in losses:
        complain(loss)
    for written in (html_file or PAGE, feedback, grades_file, gradescope):
        if written and not losses:
            say(f"written: {written}")
    return STATUS[told.verdict] or (NOTHING if losses else 0)


def complain(said):
    """A line on standard error."""
    say(f"rnn-conformance: {said}", err=True)


def judge_each(todo, rows, console):
    """The report on each target, or why there is none, in their order; the verdicts are shown as they come."""
    with contextlib.closing(rows):
        for job, row in zip(todo, rows):
            more = {"sha256": row.sha256, "remarks": row.remarks}
            is_judged = isinstance(row.outcome, Report)
            entry = replace(row.outcome, **more) if is_judged else Unjudged(job.target, row.outcome, **more)
            for line in verdict_line(entry) if row.outcome != NOT_REACHED else ():
                console.print(line, soft_wrap=True)
            yield entry


def verdict_line(entry):
    """The lines on a target: its verdict, or why it has none; then reasons and remarks, indented."""
    if isinstance(entry, Unjudged):
        return [f"{entry.name} could not be judged: {entry.reason}", *(f"  {said}" for said in entry.remarks)]
    return [wording.headline(entry), *(f"  {said}" for said in (*entry.reasons, *entry.remarks))]


def expand_folders(targets, options, names):
    """Each target with its options; the Python files of a folder in its place. Raises TargetError for a folder without
    any, or if there is nothing of these names at all: then a name is misspelt, and what was written before stays.

    The files that the options name are for all of them; and what was saved of one is not asked of it alone.
    """
    if not any(is_there(target) for target in targets):
        raise TargetError(f"there is no file, no folder and no module {' or '.join(map(repr, targets))}")
    each = replace(options, json=None, saved=False)
    strict = replace(each, forbid=tuple(dict.fromkeys([*OURS, *each.forbid])))
    for target in targets:
        if not os.path.isdir(target):
            yield Job(target, each)
            continue
        files = sorted(Path(target).glob("*.py"))
        if not files:
            raise TargetError(f"{target!r} has no Python files{in_folders(Path(target))}")
        yield from (with_name(file, names, strict) for file in files)


def is_there(target):
    """Whether a name stands for anything at all: what cannot be told without running it is taken to be there."""
    if target.startswith(("cmd:", "python=")) or stages_of(target) or os.path.isdir(target):
        return True
    text, _ = split_name(target)
    if text.endswith(".py") or os.sep in text:
        return os.path.lexists(text)
    return text in SHIPPED or is_module(text.partition(".")[0])


def is_module(name):
    """Whether a module of this name can be imported, from the working directory too; nothing is run."""
    try:
        return bool(importlib.machinery.PathFinder.find_spec(name, ["", *sys.path]) or importlib.util.find_spec(name))
    except (ImportError, ValueError):
        return False


def with_code(folder):
    """The folders in a folder that have Python files in them, but for those that are hidden."""
    return [
        inner
        for inner in list_folder(folder)
        if os.path.isdir(inner)
        and inner.suffix != ".py"
        and not inner.name.startswith((".", "__"))
        and any(inner.rglob("*.py"))
    ]


def in_folders(folder):
    """That the folders in a folder have some, for messages."""
    inner = with_code(folder)
    return f" of its own, but its folders have: name those, like {inner[0]}" if inner else ""


def passed_over(folders):
    """In a sentence each, the folders in a folder that are not judged, unless they were named too."""
    given = {folder.resolve() for folder in folders}
    return [
        f"{inner}: a folder, not judged: name it, or move its file up"
        for folder in folders
        for inner in with_code(folder)
        if inner.resolve() not in given
    ]


def parse_names(names):
    """The names in NAME,NAME; raises UsageError."""
    found = [name.strip() for name in names.split(",")] if names else []
    for name in found:
        if not name.isidentifier():
            raise UsageError(
                f"--names has {name!r}, must be names of functions, classes or objects, like forward,MyRNN"
            )
    return found


def with_name(file, names, options):
    """A file as a target: with the first of the names that it defines, or forward where none are given."""
    text = str(file) if file.name != str(file) else os.path.join(os.curdir, file)  # whatever it is called, it is a file
    source = SourceText.read(file) if names else None
    if source is None or source.refused_at:  # what is wrong with it is said when it is loaded
        return Job(text, options)
    defined = source.all_names
    if name := next((name for name in names if name in defined or "*" in defined), None):
        return Job(text if name == "forward" else f"{text}:{name}", options)
    said = ", ".join(dict.fromkeys(source.own_names)) or "nothing to call"
    return Job(text, options, f"{file.name} defines none of {', '.join(names)}; it defines {said}")


def made_room(texts):
    """Makes the folders of some files; in a sentence each, those that could not be made."""
    losses = []
    for folder in dict.fromkeys(file.parent for file in texts if file is not None and not file.parent.exists()):
        try:
            Folder(folder).make()
        except OSError as error:
            losses.append(f"{folder} cannot be made: {error.strerror}")
    return losses
