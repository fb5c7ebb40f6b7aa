"""The report as text, for a terminal or a log."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.text import Text

from conformance.events import Diagnosing, Event, FailureFound, Finished, Judged, PropertyResult, Started
from conformance.harness.text import visible_line, visible_lines
from conformance.judging.coverage import KINDS, MEETINGS, form_meetings
from conformance.trial.verdict import Report

from .listening import Writer
from .wording import (
    PLACES,
    behind,
    case_lines,
    chapters,
    fold_reason,
    folded_properties,
    group_failures,
    headline,
    kind_of,
    label_of,
    short_ids,
    title_of,
)

STYLES = {"conforms": "bold green", "fails": "bold red", "inconclusive": "bold yellow"}
WIDTH = 100
NOTES = 6


class Screen(Console):
    """A console on which nothing acts but its own styles: all text that it is given becomes visible."""

    def render_str(self, text: str, **options: Any) -> Text:
        """A string as text, before a console takes away what it takes for controls."""
        return super().render_str(visible_lines(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The pieces of whatever is shown; only the console itself moves its cursor."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible_lines(segment.text), segment.style)


def console(**options: Any) -> Console:
    """A console; one that is said to have no columns, as by COLUMNS=0, would show nothing at all."""
    made = Screen(highlight=False, **options)
    made.width = made.width or WIDTH
    return made


class Terminal:
    """Shows failures as they are found, a bar on a terminal, and the report at the end."""

    def __init__(self, console: Console, writers: Sequence[Writer] = ()) -> None:
        columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self.console = console
        self.writers = writers
        self.progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.task = self.progress.add_task("loading", total=None)

    def __enter__(self) -> Terminal:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def __call__(self, event: Event) -> None:
        """Shows what there is to show."""
        if isinstance(event, Started):
            self.progress.update(self.task, total=len(event.properties), description="judging")
        elif isinstance(event, FailureFound):
            self.line(f"found        {event.result.id}: {event.result.message}", "red")
        elif isinstance(event, Judged):
            self.progress.update(self.task, advance=1, description=f"judging: {event.result.id}")
        elif isinstance(event, Diagnosing):
            self.progress.update(self.task, description=f"diagnosis: {event.text}")
        elif isinstance(event, Finished):
            self.progress.stop()
            show(event.report, self.console, self.writers)

    def line(self, text: str, style: str = "") -> None:
        """Prints a text as one visible line, in a style where the console has colours."""
        line(self.console, text, style)


def show(report: Report, console: Console, writers: Sequence[Writer] = ()) -> None:
    """The report, and what became of the files."""
    for style, text in styled(report):
        line(console, text, style)
    for writer in writers:
        for said in writer.said():
            line(console, "  " + said)


def line(console: Console, text: str, style: str = "") -> None:
    """One line, whatever stands in it; colours only where the console has them."""
    console.print(Text(visible_line(text), style=style), soft_wrap=True)


def styled(report: Report) -> Iterator[tuple[str, str]]:
    """The lines of a report, each with its style."""
    yield STYLES[report.verdict], headline(report)
    for reason in report.reasons:
        yield "yellow", "  " + reason
    yield from diagnosis(report)
    for failure, *same in group_failures(report):
        yield "", ""
        yield "bold", f"  {failure.id}: {failure.statement}"
        yield from (("", line) for line in failure_details(failure, same))
    if more := folded_properties(report):
        yield "", ""
        told = f"{fold_reason(report)} why these fail too: {', '.join(more)}"
        yield from (("", line) for line in wrapped(told, "  "))
    yield "", ""
    yield from (("", line) for line in table(report))


def as_text(report: Report) -> str:
    """The lines of a report without their styles, each of them visible."""
    return visible_lines("\n".join(line for _, line in styled(report)))


Report.printed = staticmethod(as_text)


def failure_details(failure: PropertyResult, same: Sequence[PropertyResult] = ()) -> Iterator[str]:
    """What is wrong, the smallest case that shows it, what fails alike, and what else is wrong on other cases."""
    others = [f"the same in {', '.join(result.id for result in same)}"] if same else []
    for line in (failure.message, *case_lines(failure), *others, *behind(failure, same)):
        yield from wrapped(line, "    ")


def diagnosis(report: Report) -> Iterator[tuple[str, str]]:
    """The mistakes that were recognised, and what else is known."""
    for finding in report.diagnosis:
        yield "", ""
        yield "bold", f"  {label_of(finding)}: {kind_of(finding)}"
        yield from (("", line) for line in wrapped(title_of(report, finding), "    "))
        yield from (("", "      " + line) for line in finding.patch.splitlines())
        yield from (("", f"    made by others: {url}") for url in finding.seen[:PLACES])
    if report.known:
        yield "", ""
        yield "bold", "  what is known about it"
        yield from (("", line) for fact in report.known for line in wrapped(fact, "    "))


def table(report: Report) -> Iterator[str]:
    """What was exercised, chapter by chapter, and what was not."""
    for chapter, results in chapters(report).items():
        held = sum(result.status == "passed" for result in results)
        cases = sum(result.examples for result in results)
        yield f"  {chapter:12} {held:3} of {len(results):2} held {cases:8,} {'case' if cases == 1 else 'cases'}"
    if report.baseline:
        yield from wrapped(f"baseline     {report.baseline}", "  ")
    if report.mended:
        yield from wrapped(f"mended       {', '.join(report.mended)}", "  ")
    if report.configuration:
        yield f"  configured   by {report.configuration}"
    yield from wrapped(f"allowed      {report.arithmetic}", "  ")
    if report.coverage:
        areas = "; ".join(f"{area}: {count}" for area, count in report.coverage.items() if area not in MEETINGS | KINDS)
        yield from wrapped("exercised    " + areas, "  ")
    for form, others in form_meetings(report.coverage).items():
        counts = ", ".join(f"{count} with {other}" for other, count in others.items())
        yield from wrapped(f"asked        {form}: {counts}", "  ")
    for result in report.results:
        if result.status == "expected_failure":
            yield from wrapped(f"expected     {result.id}: {result.message}", "  ")
    for status, label in (("not_claimed", "not claimed  "), ("not_run", "not run      ")):
        if ids := short_ids(report, status):
            yield from wrapped(label + ", ".join(ids), "  ")
    for message in dict.fromkeys(result.message for result in report.results if result.status == "not_run"):
        yield from wrapped("             " + message, "  ")
    for note in report.notes[:NOTES]:
        yield f"  note         {note}"
    if len(report.notes) > NOTES:
        yield f"  note         and {len(report.notes) - NOTES} more"


def wrapped(text: str, indent: str) -> list[str]:
    """A text in lines, the later ones set in."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
