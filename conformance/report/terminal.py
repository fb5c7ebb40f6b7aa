"""The report as text, for a terminal or a log."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.text import Text

from conformance.events import Diagnosing, Event, FailureFound, Finding, Finished, Judged, PropertyResult, Started
from conformance.harness.text import visible_line, visible_lines
from conformance.judging.coverage import KINDS, MEETINGS, form_meetings
from conformance.trial.verdict import Report

from .listening import Writer
from .pulse import Pulse, in_minutes
from .wording import (
    PLACES,
    behind,
    case_lines,
    chapters,
    counting,
    fold_reason,
    folded_properties,
    group_failures,
    headline,
    kind_of,
    kind_without_share,
    label_of,
    short_ids,
    title_of,
)

STYLES = {"conforms": "bold green", "fails": "bold red", "inconclusive": "bold yellow"}
DIFF = {"-": "red", "+": "green"}
LEFT_OUT = {"not_claimed": "not claimed", "not_run": "not run"}
WIDTH = 100
NOTES = 6
FIRST = 4  # of what was left out, where the rest is only counted
CASE_LINES = 4  # of a case, of which a report that is to fit a screen shows the beginning

Line = tuple[str, str]  # its style, and the text
Wrap = Callable[[str, str], list[str]]  # a text and an indent, to lines


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
    """Shows failures as they are found, a bar on a terminal or a line a minute, and the report at the end."""

    def __init__(self, console: Console, writers: Sequence[Writer] = ()) -> None:
        columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self.console = console
        self.writers = writers
        self.progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.task = self.progress.add_task("loading", total=None)
        self.pulse = None if console.is_terminal else Pulse(self.doing)
        self.found: dict[str, str] = {}

    def __enter__(self) -> Terminal:
        self.progress.start()
        if self.pulse:
            self.pulse.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()
        if self.pulse:
            self.pulse.stop()

    def __call__(self, event: Event) -> None:
        """Shows what there is to show."""
        if isinstance(event, Started):
            self.progress.update(self.task, total=len(event.properties), description="judging")
        elif isinstance(event, FailureFound):
            first = self.found.setdefault(event.result.message, event.result.id)
            said = event.result.message if first == event.result.id else f"the same as {first}"
            self.line(f"found        {event.result.id}: {said}", "red")
        elif isinstance(event, Judged):
            if event.result.status != "not_claimed":
                self.progress.update(self.task, advance=1, description=f"judging: {event.result.id}")
        elif isinstance(event, Diagnosing):
            self.progress.update(self.task, description=f"diagnosis: {event.text}")
        elif isinstance(event, Finished):
            self.__exit__()
            if self.found:
                self.line("")
            show(event.report, self.console, self.writers)

    def doing(self) -> str:
        """What is being done, and how far it is."""
        task = self.progress.tasks[0]
        return how_far(task.description, int(task.completed), int(task.total or 0), task.elapsed or 0.0)

    def line(self, text: str, style: str = "") -> None:
        """Prints a text as one visible line, in a style where the console has colours."""
        line(self.console, text, style)


def how_far(doing: str, done: int, total: int, seconds: float) -> str:
    """What is being done, how many properties are judged by now, and when all are if it goes on so.

    >>> how_far("judging", 10, 40, 120.0)
    'judging, 10 of 40 properties after 2 min, about 6 min left'
    """
    if not 0 < done < total:
        return f"{doing}, after {in_minutes(seconds)}"
    left = seconds / done * (total - done)
    return f"{doing}, {done} of {total} properties after {in_minutes(seconds)}, about {in_minutes(left)} left"


def show(report: Report, console: Console, writers: Sequence[Writer] = ()) -> None:
    """The report, what became of the files, and at last the verdict."""
    for style, text in body(report, width_of(console)):
        line(console, text, style)
    for writer in writers:
        for said in writer.said():
            line(console, "  " + said)
    for style, text in verdict(report):
        line(console, text, style)


def width_of(console: Console) -> int:
    """The columns to fill: those of a terminal, or what COLUMNS says, or a hundred."""
    return console.width if console.is_terminal or os.environ.get("COLUMNS", "").isdigit() else WIDTH


def line(console: Console, text: str, style: str = "") -> None:
    """One line, whatever stands in it, which a terminal gets in several if it is long; colours only where there are."""
    console.print(Text(visible_line(text), style=style), soft_wrap=not console.is_terminal)


def as_text(report: Report) -> str:
    """The lines of a report without their styles, each of them visible; the verdict is the last."""
    return unstyled(*body(report, WIDTH), *verdict(report))


def as_message(report: Report) -> str:
    """The same for an exception, of which others show the first line alone: the verdict is the first."""
    return unstyled(*verdict(report), *body(report, WIDTH))


def unstyled(*lines: Line) -> str:
    """Lines without their styles, each of them visible."""
    return visible_lines("\n".join(line for _, line in lines))


Report.printed = staticmethod(as_text)


def verdict(report: Report) -> Iterator[Line]:
    """The verdict, and why nothing more can be said where that is so."""
    for reason in report.reasons:
        yield "yellow", "  " + reason
    yield STYLES[report.verdict], headline(report)


def body(report: Report, width: int) -> Iterator[Line]:
    """The lines above the verdict: what is wrong, and what was asked."""
    wrap = partial(wrapped, width=width)
    yield from diagnosis(report.diagnosis, report.known, wrap, PLACES if report.verbose else 1)
    groups = group_failures(report)
    shown = len(groups) if report.verbose else 1
    for failure, *same in groups[:shown]:
        yield from bold(wrap(f"{failure.id}: {failure.statement}", "  "))
        alike = f"the same in {named(report, [result.id for result in same])}"
        yield from plain([failure_details(failure, same, width, [alike] * bool(same), brief=not report.verbose)])
        yield "", ""
    yield from other_failures(report, groups[shown:], width)
    if more := folded_properties(report):
        yield from plain([wrap(f"{fold_reason(report)} why these fail too: {named(report, more)}", "  ")])
        yield "", ""
    yield from plain(wrap(line, "  ") for line in asked(report))


def plain(paragraphs: Iterable[Iterable[str]]) -> Iterator[Line]:
    """Lines without a style."""
    return (("", line) for lines in paragraphs for line in lines)


def bold(lines: Iterable[str]) -> Iterator[Line]:
    """Lines that stand above others."""
    return (("bold", line) for line in lines)


def failure_details(
    failure: PropertyResult, same: Sequence[PropertyResult] = (), width: int = WIDTH, alike: Sequence[str] = (),
    brief: bool = False,
) -> Iterator[str]:  # fmt: skip
    """What is wrong, the smallest case that shows it, what fails alike, and what else is wrong on other cases.

    brief: whether a case that takes many lines is shown in part
    """
    most = CASE_LINES if brief else math.inf
    yield from wrapped(failure.message, "    ", width)
    yield from beginning(case_lines(failure), most, width)
    yield from beginning(alike, math.inf, width)
    yield from beginning(behind(failure, same), most, width)


def beginning(texts: Iterable[str], most: float, width: int) -> Iterator[str]:
    """Texts in lines, set in; of more lines than that the first, and that there are more."""
    lines = [line for text in texts for line in wrapped(text, "    ", width)]
    yield from lines if len(lines) <= most else [*lines[: int(most) - 1], "      ... (more of it: -v)"]


def other_failures(report: Report, groups: Sequence[Sequence[PropertyResult]], width: int) -> Iterator[Line]:
    """What fails in other words than the failure that is shown."""
    if ids := [result.id for group in groups for result in group]:
        yield from plain([wrapped(f"in other words these fail too: {named(report, ids)}", "  ", width)])
        yield "", ""


def diagnosis(findings: Sequence[Finding], known: Sequence[str], wrap: Wrap, places: int = 1) -> Iterator[Line]:
    """The mistakes that were recognised, each with its change, and what else is known about what is wrong.

    places: where others made it, of which so many are named
    """
    for _, group in groupby(findings, key=lambda finding: (label_of(finding), kind_without_share(finding))):
        alike = list(group)
        yield from bold(wrap(f"{label_of(alike[0])}: {kind_of(*alike)}", "  "))
        for patch in dict.fromkeys(finding.patch for finding in alike):
            changed = [finding for finding in alike if finding.patch == patch]
            yield from plain(wrap(title_of(findings, finding), "    ") for finding in changed)
            yield from ((DIFF.get(line[:1], ""), "      " + line) for line in patch.splitlines())
            seen = dict.fromkeys(url for finding in changed for url in finding.seen[:places])
            yield from plain([[f"    made by others: {url}" for url in seen]])
        yield "", ""
    if known:
        yield "bold", "  what is known about it"
        yield from plain(wrap(fact, "    ") for fact in known)
        yield "", ""


def asked(report: Report) -> Iterator[str]:
    """What was judged, chapter by chapter, and what was not; where something is wrong, only what was not."""
    if report.verbose or report.verdict != "fails":
        for chapter, results in chapters(report).items():
            held = sum(result.status == "passed" for result in results)
            cases = sum(result.examples for result in results)
            yield f"{chapter:12} {held:3} of {len(results):2} held {cases:8,} {'case' if cases == 1 else 'cases'}"
    if report.baseline:
        yield f"baseline     {report.baseline}"
    if report.mended:
        yield f"mended       {', '.join(report.mended)}"
    if report.configuration:
        yield f"configured   by {report.configuration}"
    if report.verbose:
        yield from covered(report)
    expected = [result for result in report.results if result.status == "expected_failure"]
    if len(expected) > FIRST and not report.verbose:
        yield f"expected     {summed_up(len(expected), short_ids(report, 'expected_failure'))}"
    else:
        yield from (f"expected     {result.id}: {result.message}" for result in expected)
    for status, label in LEFT_OUT.items():
        if ids := short_ids(report, status):
            count = sum(result.status == status for result in report.results)
            yield f"{label:12} {', '.join(ids) if report.verbose else summed_up(count, ids)}"
    for message in dict.fromkeys(result.message for result in report.results if result.status == "not_run"):
        yield f"             {message}"
    for note in report.notes[:NOTES]:
        yield f"note         {note}"
    if len(report.notes) > NOTES:
        yield f"note         and {len(report.notes) - NOTES} more"


def covered(report: Report) -> Iterator[str]:
    """What was allowed, and what the cases had in them."""
    yield f"allowed      {report.arithmetic}"
    counted = [result for result in report.results if result.coverage and result.status == "passed"]
    if not counted:  # what failed was not judged to its end
        return
    areas = "; ".join(f"{area}: {count}" for area, count in report.coverage.items() if area not in MEETINGS | KINDS)
    of = ", ".join(f"{counting(result.examples, 'case', 'cases')} of {result.id}" for result in counted)
    yield f"exercised    in {of}: {areas}"
    for form, others in form_meetings(report.coverage).items():
        counts = ", ".join(f"{count} with {other}" for other, count in others.items())
        yield f"asked        {form}: {counts}"


def named(report: Report, ids: Sequence[str]) -> str:
    """Some properties: all of them where they are few or that was asked for, else their number and the first."""
    return ", ".join(ids) if report.verbose or len(ids) <= FIRST else summed_up(len(ids), ids)


def summed_up(count: int, ids: Sequence[str]) -> str:
    """How many properties there are, and the first of their ids, in a line."""
    first, more = ", ".join(ids[:FIRST]), " ..." * (len(ids) > FIRST)
    return f"{counting(count, 'property', 'properties')} ({first}{more}): -v"


def wrapped(text: str, indent: str, width: int = WIDTH) -> list[str]:
    """A text in lines, the later ones set in."""
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent + "  ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
