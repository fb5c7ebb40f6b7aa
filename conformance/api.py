"""What Python code calls: a target judged in one call, and a test of one line."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Unpack

from conformance.chapters import catalogue
from conformance.events import Event, Judged, PropertyResult
from conformance.harness.load import TargetError
from conformance.harness.text import visible_line
from conformance.report import terminal
from conformance.report.counterexample_files import Keeper
from conformance.report.listening import Writer, listen
from conformance.report.report_files import Files
from conformance.report.report_set import Unjudged
from conformance.trial.interrupts import Interrupted
from conformance.trial.options import CheckKeywords, Keywords, Options, Profile, require_known
from conformance.trial.runner import trial
from conformance.trial.verdict import Report

OPTIONS = [field.name for field in fields(Options)]


def check(
    target: Any,
    profile: Profile = "quick",
    seed: int = 0,
    stop_on_first: bool = False,
    *,
    workers: int | str | None = None,
    in_process: bool = True,
    verbose: bool = False,
    progress: Callable[[PropertyResult], None] = lambda result: None,
    **options: Unpack[Keywords],
) -> Report:
    """Does a target conform?

    target: a file, ``package.module``, ``file.py:name``, a shipped name, a class, a function, an object
    in_process: False holds the target in child processes, within limits of time and memory
    verbose: whether ``print(report)`` shows all of it
    progress: called with each result, as soon as it is known
    options: the other fields of ``conformance.Options``, where each is explained: properties, budget, time_limit,
    call_limit, memory_limit, forbid, require, expected_failures, strict, baseline, diagnosis, saved, and the files to
    write: json, junitxml, html, summary, sarif, badge

    time_limit is for all of it, needs the main thread and an alarm, and what was found until then is the verdict.
    call_limit, memory_limit and forbid (names of modules that the target may not import) need in_process=False.

    Raises TargetError if the target cannot be loaded or built, also within its time limit; UsageError for what cannot
    be asked; and KeyboardInterrupt after Ctrl-C, when what was found until then has been saved and written.

    >>> report = check("torch", properties=["shapes.shapes"], budget="1s")
    >>> report.verdict
    'conforms'
    """
    name = os.fspath(target) if isinstance(target, os.PathLike) else target
    for option in options:
        require_known("option", option, OPTIONS)
    given = {"workers": workers, "stop_on_first": stop_on_first, "in_process": in_process, "verbose": verbose}
    chosen = Options(profile, seed=seed, **given, **options)  # type: ignore[arg-type]
    if not isinstance(name, str):  # only names are the same tomorrow
        chosen = chosen.without_saved()

    def heard(event: Event) -> None:
        if isinstance(event, Judged):
            progress(event.result)

    files = Files(chosen)
    writers: list[Writer] = [Keeper(chosen), files]
    try:
        report = listen(trial(name, chosen, catalogue), [heard, *writers])
    except TargetError as error:
        files.refused(Unjudged(name, str(error)))
        raise
    except Interrupted as interruption:
        why = f"interrupted by {interruption} while it was loaded"
        files.refused(Unjudged(name, why))
        raise KeyboardInterrupt(why) from None
    for writer in writers:
        for loss in writer.losses:
            warnings.warn(visible_line(loss), stacklevel=2)
    if report.interrupted:
        raise KeyboardInterrupt(report.interrupted)
    return report


def assert_conforms(target: Any, profile: Profile = "quick", seed: int = 0, **options: Unpack[CheckKeywords]) -> None:
    """Raises AssertionError with the report, unless the target conforms; for tests. Options are those of ``check``."""
    report = check(target, profile, seed, **options)
    if report.verdict != "conforms":
        raise AssertionError(terminal.as_message(report))
