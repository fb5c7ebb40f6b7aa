"""Annotations for GitHub Actions: one line for each property that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.events import Event, Finished
from conformance.trial.verdict import Report


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
    """Workflow commands; see https://docs.github.com/actions/reference/workflow-commands-for-github-actions"""
    for result in report.results:
        if result.status == "failed":
            text = f"{result.message}\n{result.counterexample}"
            yield f"::error title={of_property(f'{report.name}: {result.id}')}::{escaped(text)}"
    for reason in report.reasons:
        yield f"::warning title={of_property(report.name)}::{escaped(reason)}"


def escaped(text: str) -> str:
    """The text as a workflow command takes it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def of_property(text: str) -> str:
    """The text as a workflow command takes it as the value of a property."""
    return escaped(text).replace(":", "%3A").replace(",", "%2C")
