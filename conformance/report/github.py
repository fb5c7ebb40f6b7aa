"""What GitHub's runner reads: annotations at the lines of a target, and the output of a step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from conformance.events import Event, Finished
from conformance.harness.files import Folder
from conformance.harness.text import visible_lines
from conformance.trial.source_location import SourcePlace
from conformance.trial.verdict import Report

from .report_set import ReportSet
from .wording import failure_lines, folded_line, group_failures

RUNS = "GITHUB_ACTIONS"  # what the runner sets in the environment
OUTPUT, SUMMARY = "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"  # that name the files which the runner reads


class Annotations:
    """Says what failed in the words of GitHub's runner."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    def __call__(self, event: Event) -> None:
        """All annotations at the end of the trial."""
        if isinstance(event, Finished):
            for line in workflow_commands(event.report):
                self.say(line)


def workflow_commands(report: Report) -> Iterator[str]:
    """Workflow commands; see https://docs.github.com/actions/reference/workflow-commands-for-github-actions

    A mistake is one annotation, and so are failures in the same words, since the runner shows ten of a step.
    """
    for failure, *same in group_failures(report):
        ids = ", ".join(result.id for result in (failure, *same))
        also = folded_line(report) if failure.id in report.explained else []
        text = "\n".join([failure_lines(report, failure, same), *also])
        yield command("error", f"{report.name}: {ids}", text, report.place)
    for reason in report.reasons:
        yield command("warning", report.name, reason, report.place)


def command(kind: str, title: str, text: str, place: SourcePlace | None = None) -> str:
    """One workflow command: an error, a warning or a notice, at the place where it belongs."""
    where = f"file={of_property(place.from_root)},line={place.line}," if place else ""
    return f"::{kind} {where}title={of_property(title)}::{escaped(text)}"


def escaped(text: str) -> str:
    """The text as a workflow command takes it."""
    return visible_lines(text).replace("%", "%25").replace("\n", "%0A")


def of_property(text: str) -> str:
    """The text as a workflow command takes it as the value of a property."""
    return escaped(text).replace(":", "%3A").replace(",", "%2C")


def tell_step(told: ReportSet) -> str | None:
    """Gives the verdict to the steps that follow, as the output ``verdict``; why that cannot be done, if it cannot."""
    file = os.environ.get(OUTPUT)
    if not file:
        return None
    try:
        Folder(Path(file).parent).append((Path(file).name,), f"verdict={told.verdict}\n")
    except OSError as error:
        return f"{OUTPUT} cannot be written: {error.strerror}"
    return None
