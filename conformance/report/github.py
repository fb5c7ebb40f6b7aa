"""Annotations for GitHub Actions: one line for each property that failed."""

from __future__ import annotations

from collections.abc import Iterator

from .model import Report


def workflow_commands(report: Report) -> Iterator[str]:
    """Workflow commands; see https://docs.github.com/actions/reference/workflow-commands-for-github-actions"""
    for result in report.results:
        if result.status == "failed":
            text = f"{result.message}\nsmallest case: {result.counterexample}"
            yield f"::error title={report.target}: {result.id}::{escaped(text)}"
    for reason in report.reasons:
        yield f"::warning title={report.target}::{escaped(reason)}"


def escaped(text: str) -> str:
    """The text as a workflow command takes it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
